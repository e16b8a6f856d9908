from __future__ import annotations

import dataclasses
import re
from typing import NamedTuple

import jax
import numpy as np
import pytest

from jaxheads.importance import methods
from jaxheads.importance.ablation import costs
from jaxheads.importance.gradient import gate_gradients
from jaxheads.importance.kept import open_kept
from jaxheads.importance.reliability import ScoreReading, score_kept
from jaxheads.importance.score import score_heads
from jaxheads.parallel.mesh import make_mesh, place_batch, place_params

ONES = np.ones((2, 4), np.float32)
# Float32 sums over tokens and widths come in another order for other shapes: rounding, a few 1e-7.
SAME = {"rtol": 2e-5, "atol": 1e-7}


def score(task, size=20, order=None, **more):
    more = {"heads": task.config, "unit": "batch", "group": 3, **more}
    return score_heads(task.objective, task.params, task.batches(size, order), **more).score_LH


@pytest.mark.parametrize("size", [1, 7, 32])
def test_scores_do_not_depend_on_the_batch_size(task, size):
    np.testing.assert_allclose(score(task, size), score(task), **SAME)


@pytest.mark.parametrize("shape", [(8, 1), (4, 2)])
def test_scores_do_not_depend_on_the_devices(task, shape):
    found = score(task, 7, mesh=make_mesh(*shape))  # 7 rows: one of padding
    np.testing.assert_allclose(found, score(task), **SAME)


def test_scores_do_not_depend_on_the_order_of_examples(task):
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_allclose(score(task, order=order), score(task), rtol=1e-6)


def test_scores_repeat_to_the_bit(task):
    for mesh in (None, make_mesh(8)):
        first, second = (score(task, 7, mesh=mesh) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def collectives(compiled) -> list[str]:
    """The collective operations in a compiled program."""
    names = (
        r"all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute|collective-broadcast"
    )
    return re.findall(rf"= \S+ ({names})(?:-start)?\(", compiled.as_text())


@pytest.mark.parametrize("readout", ["classification", "masked_lm"])
def test_devices_do_not_communicate_at_all_in_a_data_parallel_step(make, readout):
    task, mesh = make("roberta", readout), make_mesh(8)
    params, batch = place_params(mesh, task.params), place_batch(mesh, next(task.batches(8)))
    step = gate_gradients.lower(task.objective, params, batch, ONES, token=True, mesh=mesh)
    assert collectives(step.compile()) == []
    if readout == "classification":
        gates = np.stack([ONES] * 6)
        assert (
            collectives(costs.lower(task.objective, params, batch, gates, mesh=mesh).compile())
            == []
        )


def test_devices_along_model_communicate_within_layers(task):
    mesh = make_mesh(4, 2)
    params, batch = place_params(mesh, task.params), place_batch(mesh, next(task.batches(7)))
    step = gate_gradients.lower(task.objective, params, batch, ONES, mesh=mesh)
    assert "all-reduce" in collectives(step.compile())


def test_all_units_come_from_the_effects_that_one_pass_kept(task, tmp_path):
    path = tmp_path / "g.npy"
    token_LH = score(task, unit="token", keep=path, examples=20)
    kept_NLH = open_kept(path)
    effect_NLH = gate_gradients(task.objective, task.params, task.data, ONES).effect_BLH
    np.testing.assert_allclose(kept_NLH, effect_NLH, rtol=1e-4, atol=1e-6)
    by_position = score_kept(open_kept(tmp_path / "g.token.npy"), ScoreReading("token"))
    np.testing.assert_allclose(by_position, token_LH, rtol=1e-12)
    # the triangle inequality; the readout reads one position of the last layer
    assert (token_LH[0] > score_kept(kept_NLH)[0]).any()
    np.testing.assert_array_less(score_kept(kept_NLH), token_LH * (1 + 1e-6))
    for unit in ("example", "batch", "signed", "fisher"):
        reading = ScoreReading(unit, "l2", group=3)
        np.testing.assert_allclose(
            score_kept(kept_NLH, reading), score(task, unit=unit, normalize="l2"), rtol=1e-4
        )


def test_a_failed_pass_keeps_no_file(task, tmp_path):
    with pytest.raises(ValueError, match="expected 21 examples, got 20"):
        score(task, keep=tmp_path / "g.npy", examples=21)
    assert not list(tmp_path.iterdir())


def test_masked_heads_score_zero_and_enter_no_length(task):
    gate = np.ones((2, 4), bool)
    gate[0, 1] = gate[1] = False
    found_LH = score(task, gate=gate, normalize="l2", unit="example")
    assert (found_LH[~gate] == 0).all() and (found_LH[gate] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(found_LH, axis=1), [1, 0])


class Row(NamedTuple):
    x_BLH: np.ndarray
    weight_B: np.ndarray
    index_B: np.ndarray


class Loss(NamedTuple):
    loss_B: jax.Array


def linear(params, gate, batch, key):
    return Loss((gate[..., 0] * batch.x_BLH * params).sum((1, 2)))


X = np.array([[[1, -2], [3, 4]], [[3, 1], [-5, 4]]], np.float32)
ROWS = Row(X, np.ones(2), np.arange(2))


def test_a_loss_and_batches_of_ones_own_are_enough():
    scores = score_heads(linear, np.float32(2), [ROWS], heads=(2, 2))
    np.testing.assert_array_equal(scores.score_LH, [[4, 3], [8, 8]])
    assert (scores.method, scores.unit, scores.examples) == ("gradient", "example", 2)
    signed = score_heads(linear, np.float32(2), [ROWS], heads=(2, 2), unit="signed")
    np.testing.assert_array_equal(signed.score_LH, [[-4, 1], [2, -8]])


def test_tied_effects_are_summed_over_layers_before_their_size_is_taken():
    tied = score_heads(linear, np.float32(1), [ROWS], heads=(2, 2), tied=(0, 0))
    np.testing.assert_array_equal(tied.score_LH, [[3, 3.5], [3, 3.5]])
    gate = np.array([[0, 1], [1, 1]])  # the first layer does without a head that the second has
    masked = score_heads(linear, np.float32(1), [ROWS], heads=(2, 2), tied=(0, 0), gate=gate == 1)
    np.testing.assert_array_equal(masked.score_LH, [[0, 3.5], [4, 3.5]])


def test_labels_that_the_readout_does_not_have_are_rejected_by_example(task):
    labels = task.data.labels.copy()
    labels[13] = 3
    bad = task._replace(data=task.data._replace(labels=labels))
    with pytest.raises(ValueError, match="example 13: expected a finite loss"):
        score(bad)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"unit": "head"}, "unit of gradient: expected one of example, token, .*, got 'head'"),
        ({"method": methods.alone(), "unit": None, "tied": True}, "tied: expected another method"),
        ({"heads": (2, 4), "tied": True}, "tied: expected the block of each layer"),
        ({"tied": (0, 0, 0)}, "tied: expected the blocks of 2 layers, got 3"),
        ({"gate": np.ones((4, 2))}, r"gate: expected shape \[2, 4\], got \[4, 2\]"),
        ({"gate": np.full((2, 4), np.nan)}, "gate: expected finite numbers"),
        ({"keep": "g.npy"}, "keep: expected the number of examples, got none"),
        (
            {"method": methods.random(), "unit": None, "keep": "g.npy"},
            "keep: expected a method that reads",
        ),
        (
            {"heads": (2, 4), "method": methods.magnitude(), "unit": None},
            "expected a config as heads",
        ),
        (
            {"heads": (2, 4), "method": methods.entropy(), "unit": None},
            "a config as heads, or a watch, for entropy",
        ),
        ({"normalize": "l1"}, "normalize: expected one of none, l2, got 'l1'"),
    ],
)
def test_settings_that_do_not_fit_are_rejected(task, wrong, message):
    with pytest.raises(ValueError, match=message):
        score(task, **wrong)


def test_all_faults_are_named_at_once_and_an_objective_is_asked_for(task):
    with pytest.raises(ValueError, match=r"unit of .*; tied: .*; gate: "):
        score(task, unit="head", tied=(0,), gate=np.ones((1, 1)))
    with pytest.raises(ValueError, match="expected an objective for ablation, got none"):
        score_heads(None, task.params, [], heads=task.config, method=methods.ablation())


def test_cut_heads_are_absent_and_no_data_is_read_where_none_is_needed(task):
    config = dataclasses.replace(task.config, kept=((0, 1, 2, 3), (1, 3)))
    found = score_heads(None, task.params, iter(()), heads=config, method=methods.random())
    assert (found.score_LH[1, [0, 2]] == 0).all() and (found.score_LH[1, [1, 3]] > 0).all()
    assert (found.unit, found.examples) == ("none", 0)


def test_a_rule_that_cannot_be_is_rejected_where_the_method_is_made():
    with pytest.raises(ValueError, match=r"expected a rule among gauss, .* got 'simpson' and 8"):
        methods.integrated(rule="simpson")
    with pytest.raises(ValueError, match="at least 1 point, got 'gauss' and 0"):
        methods.integrated(points=0)
