"""Every method, a cut, a mesh and a saved model, in ELECTRA, CamemBERT and ModernBERT."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxheads.data.batch import Batch
from jaxheads.importance import methods
from jaxheads.importance.score import score_heads
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.model import Model, logits
from jaxheads.objectives import objective_for
from jaxheads.parallel.mesh import make_mesh
from jaxheads.pruning.cut import cut, zero
from jaxheads.pruning.mask import mask_from_scores
from tests.support.paths import FIXTURES

CASES = (
    "camembert-classification",
    "electra-classification",
    "modernbert-masked-lm",
    "modernbert-mean",
)
METHODS = (
    methods.gradient(), methods.integrated(points=2), methods.ablation(), methods.alone(),
    methods.confidence(), methods.entropy(), methods.output_norm(), methods.magnitude(),
    methods.random(1),
)  # fmt: skip


def batch_of(case: str, model: Model) -> Batch:
    given = load_file(FIXTURES / case / "reference.safetensors")
    tokens, real = given["tokens"].astype(np.int32), given["real"].astype(bool)
    rows = np.arange(len(tokens), dtype=np.int32)
    types = (given["types"] * (model.config.type_vocab_size > 0)).astype(np.int32)
    labels, where = rows % 2, None
    if model.readout.kind == "masked_lm":
        where = np.stack([rows * 0 + 1, rows + 2], axis=1).astype(np.int32)
        labels = np.take_along_axis(tokens, where, axis=1)
    if len(model.readout.labels) == 1:
        labels = labels.astype(np.float32)
    return Batch(tokens, real, types, labels, np.ones(len(rows), np.float32), rows, where)


def computed(model: Model, batch: Batch, gate=None) -> np.ndarray:
    inputs = (batch.tokens_BT, batch.real_BT, batch.types_BT)
    tokens, real, types = map(jnp.asarray, inputs)
    where = None if batch.where_BP is None else jnp.asarray(batch.where_BP)
    config, readout, params = model

    def run(params):
        return logits(config, readout, params, tokens, real, types, gate, where_BP=where)

    return np.asarray(jax.jit(run)(params))


def scored(model: Model, batch: Batch, method=None, **more) -> np.ndarray:
    objective = objective_for(model.config, model.readout)
    method = method or methods.gradient()
    return score_heads(
        objective, model.params, [batch], heads=model.config, method=method, **more
    ).score_LH


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_method_scores_every_head(case: str):
    model = load_model(FIXTURES / case)
    batch = batch_of(case, model)
    for method in METHODS:
        score_LH = scored(model, batch, method)
        assert score_LH.shape == (model.config.num_layers, model.config.num_heads)
        assert np.isfinite(score_LH).all(), method.name
        assert len(np.unique(score_LH)) > score_LH.size // 2, method.name


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_mesh_and_a_saved_copy_score_as_the_model_itself(case: str, tmp_path: Path):
    model = load_model(FIXTURES / case)
    batch = batch_of(case, model)
    expected_LH = scored(model, batch)
    found_LH = scored(model, batch, mesh=make_mesh(4, 2))
    np.testing.assert_allclose(found_LH, expected_LH, rtol=2e-5, atol=1e-7)
    save_model(model, tmp_path / "saved")
    np.testing.assert_array_equal(scored(load_model(tmp_path / "saved"), batch), expected_LH)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_masked_zeroed_cut_and_reloaded_are_one_model(case: str, tmp_path: Path):
    model = load_model(FIXTURES / case)
    batch = batch_of(case, model)
    score_LH = scored(model, batch)
    mask_LH = mask_from_scores(score_LH, score_LH.size // 2)
    masked = computed(model, batch, jnp.asarray(mask_LH, jnp.float32))
    assert np.abs(masked - computed(model, batch)).max() > 1e-3
    zeroed = model._replace(params=zero(model.params, model.config, mask_LH))
    params, config = cut(model.params, model.config, mask_LH)
    smaller = Model(config, model.readout, params)
    save_model(smaller, tmp_path / "smaller", source=FIXTURES / case)
    for other in (zeroed, smaller, load_model(tmp_path / "smaller")):
        np.testing.assert_allclose(computed(other, batch), masked, rtol=0, atol=2e-5)
