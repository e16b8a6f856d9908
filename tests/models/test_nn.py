"""The Flax modules compute what the functional form does, and train in a loop of one's own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

import jaxheads as jh
from jaxheads.config import ReadoutConfig
from tests.support.cases import STILL, encoder

TOKENS_BT = jnp.asarray(np.random.default_rng(0).integers(5, 40, (8, 7)), jnp.int32)
REAL_BT = jnp.arange(7) < jnp.array([7, 5, 7, 3, 6, 7, 7, 4])[:, None]
LABELS = ("no", "yes")


def classifier(seed: int = 0) -> jh.nn.ForSequenceClassification:
    return jh.nn.ForSequenceClassification.from_config(
        encoder(**STILL), LABELS, rngs=nnx.Rngs(seed)
    )


@pytest.mark.parametrize("kind", ["none", "masked_lm", "classification", "pair"])
def test_a_module_computes_what_the_functions_do(kind):
    labels = LABELS if kind in ("classification", "pair") else ()
    model = jh.init_model(encoder(), ReadoutConfig(kind, labels), jax.random.key(1))
    tokens, real = TOKENS_BT, REAL_BT
    if kind == "pair":
        tokens, real = tokens.reshape(4, 2, 7), real.reshape(4, 2, 7)
    cls = {
        "none": jh.nn.Encoder, "masked_lm": jh.nn.ForMaskedLM,
        "classification": jh.nn.ForSequenceClassification, "pair": jh.nn.ForPairClassification,
    }[kind]  # fmt: skip
    module = cls(model)
    gate_LH = jnp.array([[1.0, 0.5], [0.0, 1.0]])
    key = jax.random.key(3)
    found = module(tokens, real, head_mask=gate_LH, key=key)
    if kind == "none":
        wanted = jh.encode(
            model.config, model.params, tokens, real, None, gate_LH, key=key
        ).hidden_BPD
    else:
        wanted = jh.logits(*model, tokens, real, jnp.zeros_like(tokens), gate_LH, key=key)
    np.testing.assert_array_equal(found, wanted)
    assert np.abs(found - module(tokens, real)).max() > 1e-4  # the mask and the dropout count
    again = module.to_model()
    assert again[:2] == model[:2]
    same = jax.tree.map(np.array_equal, again.params, model.params)
    assert all(jax.tree.leaves(same))


def test_the_gradient_of_the_head_mask_is_the_importance():
    module = classifier()
    model = module.to_model()

    def loss(gate, module):
        scores = module(TOKENS_BT, REAL_BT, head_mask=gate)
        return optax.softmax_cross_entropy_with_integer_labels(scores, labels_B).sum()

    labels_B = np.arange(8) % 2
    gate_LH = jnp.ones((2, 2))
    found = nnx.grad(loss)(gate_LH, module)
    wanted = jax.grad(
        lambda gate: optax.softmax_cross_entropy_with_integer_labels(
            jh.logits(*model, TOKENS_BT, REAL_BT, jnp.zeros_like(TOKENS_BT), gate), labels_B
        ).sum()
    )(gate_LH)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert np.abs(found).min() > 0


def test_a_loop_of_ones_own_trains_on_eight_devices():
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = NamedSharding(mesh, PartitionSpec("batch"))
    labels_B = np.asarray(TOKENS_BT[:, 1] > 20, np.int32)
    batch = tuple(jax.device_put(a, rows) for a in (TOKENS_BT, REAL_BT, labels_B))

    @nnx.jit
    def step(module, optimizer, batch, head_mask):
        def loss(module):
            tokens, real, labels = batch
            scores = module(tokens, real, head_mask=head_mask)
            return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

        value, gradient = nnx.value_and_grad(loss)(module)
        optimizer.update(module, gradient)
        return value

    module = classifier()
    optimizer = nnx.Optimizer(module, optax.adamw(1e-2), wrt=nnx.Param)
    head_mask = jnp.array([[1.0, 0.0], [1.0, 1.0]])
    losses = [float(step(module, optimizer, batch, head_mask)) for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]
    model = module.to_model()
    after = jh.logits(*model, TOKENS_BT, REAL_BT, jnp.zeros_like(TOKENS_BT), head_mask)
    assert (after.argmax(-1) == labels_B).all()


def test_a_module_is_saved_and_read_again(tmp_path):
    module = classifier()
    module.save_pretrained(tmp_path / "model")
    again = jh.nn.ForSequenceClassification.from_pretrained(tmp_path / "model")
    np.testing.assert_allclose(
        again(TOKENS_BT, REAL_BT), module(TOKENS_BT, REAL_BT), rtol=1e-6, atol=1e-6
    )
    other = jh.nn.ForMaskedLM.from_pretrained(tmp_path / "model", rngs=nnx.Rngs(0))
    assert other(TOKENS_BT).shape == (8, 7, 40)
    assert jh.nn.Encoder.from_pretrained(tmp_path / "model")(TOKENS_BT).shape == (8, 7, 16)
    with pytest.raises(ValueError, match="ForMaskedLM: expected a masked_lm readout, got classif"):
        jh.nn.ForMaskedLM.from_pretrained(tmp_path / "model")


def test_labels_must_fit_the_readout():
    with pytest.raises(ValueError, match="readout classification: got 0 labels"):
        jh.nn.ForSequenceClassification.from_config(encoder(), rngs=nnx.Rngs(0))
