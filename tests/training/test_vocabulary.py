"""A vocabulary that the devices do not divide is split over them, and changes no number."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import EncoderConfig, OptimizerConfig, ReadoutConfig
from jaxheads.importance import score_heads
from jaxheads.inference.evaluate import evaluate
from jaxheads.models.model import init_model
from jaxheads.objectives import objective_for
from jaxheads.parallel.mesh import make_mesh, place_params, without_padding
from jaxheads.training.saving import load_trained
from jaxheads.training.step import start
from tests.support.cases import Case, encoder, masked, sentences
from tests.training.runs import Crash, equal, record, train

WORDS = 43  # over four devices: 44 rows, 11 on each


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def case(request) -> Case:
    still = {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    config = EncoderConfig(**{**vars(encoder(**still)), "vocab_size": WORDS})
    readout = ReadoutConfig("masked_lm", tied=request.param)
    params = init_model(config, readout, jax.random.key(0)).params
    return Case(config, objective_for(config, readout), params, masked(sentences()))


def test_every_device_has_a_part_of_the_tables_and_the_optimizer_too(case):
    state = start(case.params, OptimizerConfig(), make_mesh(2, 4))
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    named = {jax.tree_util.keystr(path, simple=True, separator="/"): x for path, x in leaves}
    large = [x for name, x in named.items() if name.endswith(("word/table", "decoder/kernel"))]
    assert len(large) == 3 * (1 + ("decoder" in case.params["readout"]))
    for leaf in large:
        part = leaf.addressable_shards[0].data.shape
        assert sorted(leaf.shape) == [16, 44] and sorted(part) == [11, 16]
    placed = place_params(make_mesh(2, 4), case.params)
    table = placed["encoder"]["embeddings"]["word"]["table"]
    np.testing.assert_array_equal(
        table[:WORDS], case.params["encoder"]["embeddings"]["word"]["table"]
    )
    assert not np.any(table[WORDS:])
    assert equal(without_padding(make_mesh(2, 4), placed, case.params), case.params)


def test_loss_logits_and_gradients_are_those_of_the_vocabulary_alone(case):
    batch = case.source.rows(np.arange(6), np.zeros(6, np.int64), 8)
    placed = place_params(make_mesh(2, 4), case.params)

    def total(params):
        outcome = case.objective(params, None, batch, None)
        return outcome.loss_B.sum(), outcome.logits

    of = jax.jit(jax.value_and_grad(total, has_aux=True))
    (loss, logits), gradient = of(case.params)
    (there, spread), moved = of(placed)
    assert float(there) == pytest.approx(float(loss), rel=1e-5)
    np.testing.assert_allclose(spread[..., :WORDS], logits, atol=1e-5)
    assert np.isneginf(spread[..., WORDS:]).all()
    own = without_padding(make_mesh(2, 4), moved, case.params)
    for one, two in zip(*map(jax.tree.leaves, (gradient, own)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    beyond = moved["encoder"]["embeddings"]["word"]["table"][WORDS:]
    assert not np.any(beyond)


def test_scores_and_metrics_do_not_depend_on_it(case):
    batches = [case.source.rows(np.arange(8), np.zeros(8, np.int64), 8)]
    mesh = make_mesh(2, 4)
    one, two = (
        score_heads(case.objective, case.params, batches, heads=case.config, mesh=where)
        for where in (None, mesh)
    )
    np.testing.assert_allclose(one.score_LH, two.score_LH, rtol=1e-5, atol=1e-7)
    one, two = (
        evaluate(case.objective, case.params, batches, ("accuracy",), mesh=where)
        for where in (None, mesh)
    )
    np.testing.assert_array_equal(one.answers.guess_M, two.answers.guess_M)
    assert one.metrics["loss"] == pytest.approx(two.metrics["loss"], rel=1e-6)


@pytest.mark.slow
def test_a_run_goes_on_however_many_devices_share_the_vocabulary(case, tmp_path):
    """2 x 4, then one, then 1 x 8 devices; checkpoints have the model's own shapes."""
    steps = 12
    expected = train(case, tmp_path / "one", steps=steps)
    for shape, at in (((2, 4), 5), (None, 5), ((1, 8), -1)):
        mesh = None if shape is None else make_mesh(*shape)
        try:
            fitted = train(case, tmp_path / "a", resume=True, mesh=mesh, at=at, steps=steps)
        except Crash:
            continue
    ours, theirs = (record(tmp_path / folder, steps)["shapes"] for folder in ("a", "one"))
    assert ours == theirs
    for one, two in zip(expected.log, fitted.log, strict=True):
        assert one.loss == pytest.approx(two.loss, rel=1e-4)
    for one, two in zip(*map(jax.tree.leaves, (expected.params, fitted.params)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-2, atol=2e-4)  # after AdamW's first steps
    found, _ = load_trained(tmp_path / "a", case.params, step=steps, mesh=make_mesh(2, 4))
    assert equal(found, fitted.params)
    alone, _ = load_trained(tmp_path / "a", case.params, step=steps)
    assert equal(jax.tree.map(jnp.asarray, alone), fitted.params)
