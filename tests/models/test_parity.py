"""Ours against stored results of Hugging Face's PyTorch models; see tests/make_fixtures.py."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.models.model import Model, encode, logits
from tests.support.paths import FIXTURES

CASES = sorted(path.name for path in FIXTURES.iterdir())
TOLERANCE = 1e-5


FAST_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=FAST_TO_COMPILE)
def run(config: EncoderConfig, readout: ReadoutConfig, params, inputs, where_BP) -> tuple:
    """Hidden states, attention maps and logits (None without a readout), in one program."""
    trace = encode(config, params, *inputs, observe=lambda view: view.probs_BHTS)
    if readout.kind == "none":
        return *trace, None
    return *trace, logits(config, readout, params, *inputs, where_BP=where_BP)


def computed(model: Model, reference: dict[str, np.ndarray]) -> tuple:
    """What `run` gives for the reference's inputs, at all positions."""
    tokens, types = (jnp.asarray(reference[name], jnp.int32) for name in ("tokens", "types"))
    batch, length = tokens.shape
    where = jnp.tile(jnp.arange(length), (batch, 1)) if model.readout.kind == "masked_lm" else None
    return run(*model, (tokens, jnp.asarray(reference["real"] == 1), types), where)


def compare(model: Model, reference: dict[str, np.ndarray], tolerance: float) -> None:
    """Attention maps everywhere but at cut heads; hidden states and logits at real tokens."""
    hidden, maps, got = computed(model, reference)
    real = reference["real"] == 1
    same = functools.partial(np.testing.assert_allclose, rtol=0, atol=tolerance)
    same(np.asarray(hidden)[real], reference["hidden"][real])
    held = np.zeros((model.config.num_layers, model.config.num_heads), bool)
    for layer, heads in enumerate(model.config.heads_by_layer):
        held[layer, list(heads)] = True
    same(maps, reference["attentions"] * held[None, :, :, None, None])
    assert (got is None) == ("logits" not in reference)
    if got is not None:
        at = real if model.readout.kind in ("masked_lm", "tagging") else slice(None)
        same(np.asarray(got)[at], reference["logits"][at])


@pytest.mark.parametrize("case", CASES)
def test_every_family_and_readout_agrees_with_hugging_face(case: str):
    reference = load_file(FIXTURES / case / "reference.safetensors")
    assert (reference["real"] == 0).any(), "a reference without padding shows little"
    compare(load_model(FIXTURES / case), reference, TOLERANCE)


def test_references_are_far_from_trivial():
    for case in CASES:
        reference = load_file(FIXTURES / case / "reference.safetensors")
        maps = reference["attentions"][0]  # without padding
        assert np.ptp(maps) > 0.3, case
        assert np.abs(reference["hidden"]).max() > 1, case


def test_fixtures_cover_every_readout_of_every_family():
    models = [load_model(FIXTURES / case) for case in CASES]
    found = {(model.config.family, model.readout.kind) for model in models}
    families = ("roberta", "albert", "bert", "distilbert", "electra", "modernbert")
    assert found >= {(f, k) for f in families for k in ("none", "masked_lm", "classification")}
    alberts = [model.config for model in models if model.config.family == "albert"]
    assert {(c.hidden_groups, c.inner_groups) for c in alberts} >= {(1, 1), (2, 1), (1, 2)}


def test_fixtures_stay_small_and_hold_no_pickle():
    files = [path for path in FIXTURES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    assert {path.suffix for path in files} == {".json", ".safetensors"}
