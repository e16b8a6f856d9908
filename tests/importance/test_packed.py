"""Scores from packed rows are those of one example at a time, for every method that has a loss."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import batches
from jaxheads.data.packing import packed_batches
from jaxheads.importance import methods, score_heads
from jaxheads.inference.evaluate import evaluate, evaluation_of
from jaxheads.parallel.mesh import make_mesh


def source_of(data, pad_id: int) -> EncodedSource:
    """The random examples of a task, as encoded."""
    counts = data.real_BT.sum(1)
    starts = np.concatenate([[0], np.cumsum(counts)])
    tokens, types = (array[data.real_BT] for array in (data.tokens_BT, data.types_BT))
    return EncodedSource(tokens, types.astype(np.uint8), starts, np.asarray(data.labels), pad_id)


FEW = [("gradient", "token"), ("ablation", "signed")]
CASES = [
    ("gradient", "example"), ("gradient", "token"), ("gradient", "batch"), ("integrated", "signed"),
    ("integrated", "token"), ("ablation", "signed"), ("alone", "signed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "readout", "cases"),
    [
        ("roberta", "classification", FEW),
        pytest.param("roberta", "regression", CASES, marks=pytest.mark.slow),
        pytest.param("albert", "classification", CASES, marks=pytest.mark.slow),
    ],
)
def test_scores_are_those_of_one_example_at_a_time(make, family, readout, cases):
    task = make(family, readout)
    source = source_of(task.data, task.config.pad_token_id)
    for name, unit in cases:
        how = {"heads": task.config, "method": getattr(methods, name)(), "unit": unit, "group": 3}
        score = [
            score_heads(task.objective, task.params, found, **how, progress=False).score_LH
            for found in (packed_batches(source, 7), batches(source, 1))
        ]
        # An ablation is a difference of float32 losses of about 1, a gradient is none.
        scale = 1.0 if name in ("ablation", "alone") else np.abs(score[1]).max()
        np.testing.assert_allclose(score[0], score[1], rtol=1e-5, atol=1e-6 * scale, err_msg=name)


@pytest.mark.slow
def test_tied_heads_and_a_mesh_change_nothing(make):
    task = make("albert")
    source = source_of(task.data, task.config.pad_token_id)
    how = {"heads": task.config, "unit": "token", "tied": True, "progress": False}
    alone = score_heads(task.objective, task.params, batches(source, 1), **how)
    packed = packed_batches(source, 12, devices=4)
    split = score_heads(task.objective, task.params, packed, mesh=make_mesh(4), **how)
    np.testing.assert_allclose(split.score_LH, alone.score_LH, rtol=1e-5)


@pytest.mark.parametrize("readout", ["classification", "regression"])
def test_metrics_are_those_of_one_example_at_a_time(make, readout):
    task = make("roberta", readout)
    source = source_of(task.data, task.config.pad_token_id)
    names = ("accuracy",) if readout == "classification" else ("pearson",)
    packed, alone = (
        evaluate(task.objective, task.params, found, names)
        for found in (packed_batches(source, 7), batches(source, 1))
    )
    np.testing.assert_allclose(packed.loss_N, alone.loss_N, rtol=1e-5, atol=1e-6)
    assert packed.answers.label_M.tolist() == alone.answers.label_M.tolist()
    assert packed.metrics["loss"] == pytest.approx(alone.metrics["loss"], rel=1e-6)


@pytest.mark.parametrize("readout", ["classification", "regression", "masked_lm"])
def test_the_pass_that_scores_answers_as_an_evaluation_does(make, readout):
    task, told = make("roberta", readout), []
    found = [task.data, jax.tree.map(lambda leaf: leaf[:2], task.data)]
    found[1] = found[1]._replace(weight_B=np.array([1, 0], np.float32), index_B=np.array([99, -1]))
    score_heads(
        task.objective, task.params, found, heads=task.config, progress=False, answers=told.append
    )
    metric = "pearson" if readout == "regression" else "accuracy"
    once = evaluation_of(told, (metric,))
    apart = evaluate(task.objective, task.params, found, (metric,))
    assert once.metrics == pytest.approx(apart.metrics, abs=1e-6)
    np.testing.assert_allclose(once.loss_N, apart.loss_N, rtol=1e-6)
    assert once.floors == apart.floors and once.examples == apart.examples


def test_a_method_that_cannot_tell_the_answers_says_so(make):
    task = make("roberta")
    with pytest.raises(ValueError, match="answers: expected the method gradient, got ablation"):
        score_heads(
            task.objective, task.params, [task.data], heads=task.config, method=methods.ablation(),
            answers=print,
        )  # fmt: skip
