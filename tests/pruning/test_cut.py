"""A cut model and a zeroed one compute what the gated one computes, for every family."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxheads.config import ReadoutConfig
from jaxheads.models.layout import stacks
from jaxheads.models.model import abstract_params, encode, logits
from jaxheads.pruning.cut import cut, fold, zero
from jaxheads.pruning.mask import present_heads

MASKS = {
    "an_empty_layer": lambda L, H: np.arange(L)[:, None] + np.zeros(H) != 1,
    "no_heads": lambda L, H: np.zeros((L, H), bool),
    "one_head": lambda L, H: np.arange(L * H).reshape(L, H) == H + 2,
    "equal_layers": lambda L, H: np.arange(L * H).reshape(L, H) % 2 == 0,
}


def size(config) -> tuple[int, int]:
    return config.num_layers, config.num_heads


def ragged(config):
    """A mask without heads in the first layer, with all in the last, and with some between."""
    share = np.linspace(0, 1, config.num_layers)[:, None]
    return np.random.default_rng(3).random(size(config)) < share


def tied(config, mask_LH):
    """The mask with every layer of a block like the first of them."""
    return mask_LH[[config.block_by_layer.index(block) for block in config.block_by_layer]]


def blocks(config, params):
    """The attention parameters of every block as numpy, without the leading axis of the stacks."""
    return [
        jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), params["encoder"][name]["attention"])
        for name, stack in ((f"stack{n}", stack) for n, stack in enumerate(stacks(config)))
        for i in range(len(stack.blocks))
    ]


def states(config, params, inputs, gate_LH=None):
    """Hidden states [B, T, D], computed operation by operation: compiling costs more here."""
    gate = None if gate_LH is None else jnp.asarray(gate_LH, jnp.float32)
    with jax.disable_jit():
        return np.asarray(encode(config, params, *inputs, gate).hidden_BPD)


def assert_same_tree(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, got, expected)


@functools.partial(jax.jit, static_argnums=3)
@functools.partial(jax.grad, argnums=(0, 1))
def gradients(gate_LH, params, inputs, config):
    """Of some scalar of the hidden states, in the gate and in the parameters."""
    return (encode(config, params, *inputs, gate_LH).hidden_BPD[:, 0] ** 3).sum()


def test_a_cut_model_computes_what_the_gated_one_does(family):
    """Also under gates other than 0 and 1; those of heads that are cut are ignored."""
    config, _, params, inputs = family
    mask_LH = ragged(config)
    gates_LH = np.random.default_rng(2).uniform(0.5, 1.5, mask_LH.shape)
    smaller, cut_config = cut(params, config, mask_LH)
    gated = states(config, params, inputs, gates_LH * mask_LH)
    np.testing.assert_allclose(states(cut_config, smaller, inputs, gates_LH), gated, atol=1e-5)
    assert np.abs(gated - states(config, params, inputs, gates_LH)).max() > 0.1


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ["roberta", "albert"])
def test_masks_of_every_kind_cut_as_they_gate(tiny, name, mask):
    config, _, params, inputs = tiny(name)
    mask_LH = MASKS[mask](*size(config))
    smaller, cut_config = cut(params, config, mask_LH)
    gated = states(config, params, inputs, mask_LH)
    np.testing.assert_allclose(states(cut_config, smaller, inputs), gated, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "readout"),
    [
        ("roberta", ReadoutConfig("masked_lm")),
        ("albert_uneven", ReadoutConfig("classification", ("no", "yes"))),
    ],
)
def test_the_compiled_cut_model_has_the_logits_of_the_gated_one(tiny, name, readout):
    config, readout, params, inputs = tiny(name, readout)
    where_BP = jnp.array([[0, 3], [1, 2], [0, 0]]) if readout.kind == "masked_lm" else None
    smaller, cut_config = cut(params, config, ragged(config))
    assert_same_tree(smaller["readout"], params["readout"])

    def run(config, params, gate=None):
        compiled = jax.jit(
            lambda params: logits(config, readout, params, *inputs, gate, where_BP=where_BP)
        )
        return compiled(params)

    gated = run(config, params, jnp.asarray(ragged(config), jnp.float32))
    np.testing.assert_allclose(run(cut_config, smaller), gated, atol=1e-5)


@pytest.mark.parametrize("name", ["distilbert", "albert_inner"])
@settings(max_examples=5)
@given(st.data())
def test_any_mask_cuts_as_it_gates_also_in_two_steps(tiny, name, data):
    config, _, params, inputs = tiny(name)
    layers, heads = size(config)
    flags = st.lists(st.booleans(), min_size=layers * heads, max_size=layers * heads)
    outer_LH = np.array(data.draw(flags)).reshape(layers, heads)
    inner_LH = outer_LH & np.array(data.draw(flags)).reshape(layers, heads)
    once, small = cut(params, config, inner_LH)
    twice, same = cut(*cut(params, config, outer_LH), inner_LH)
    assert small == same
    assert_same_tree(once, twice)
    gated = states(config, params, inputs, inner_LH)
    np.testing.assert_allclose(states(small, once, inputs), gated, atol=1e-5)


def test_the_gradients_of_a_cut_model_are_those_of_the_gated_one(tiny):
    """At the gates of kept heads; those of the others do nothing. Only what exists is trained."""
    config, _, params, inputs = tiny("bert")
    mask_LH = ragged(config)
    smaller, cut_config = cut(params, config, mask_LH)
    expected, all_trained = gradients(jnp.asarray(mask_LH, jnp.float32), params, inputs, config)
    got, trained = gradients(jnp.ones(mask_LH.shape), smaller, inputs, cut_config)
    expected, got = np.asarray(expected), np.asarray(got)
    np.testing.assert_allclose(got[mask_LH], expected[mask_LH], atol=1e-4, rtol=1e-4)
    assert np.abs(expected[mask_LH]).min() > 1e-3
    assert not got[~mask_LH].any()
    cut_trained, _ = cut(all_trained, config, mask_LH)
    assert jax.tree.structure(trained) == jax.tree.structure(cut_trained)
    for one, other in zip(jax.tree.leaves(trained), jax.tree.leaves(cut_trained), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)


def test_the_shapes_of_a_cut_model_come_without_its_numbers(family):
    mask_LH = ragged(family.config)
    real, config = cut(family.params, family.config, mask_LH)
    abstract = abstract_params(family.config, family.readout)
    shapes = jax.eval_shape(lambda params: cut(params, family.config, mask_LH)[0], abstract)
    described = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), real)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), shapes) == described
    assert described == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), abstract_params(config, family.readout)
    )


def test_numpy_parameters_are_cut_as_jax_ones_are_and_stay_as_they_were(tiny):
    config, _, params, _ = tiny("bert")
    plain = jax.tree.map(np.array, params)
    before = jax.tree.map(np.copy, plain)
    mask_LH = ragged(config)
    assert_same_tree(cut(plain, config, mask_LH)[0], cut(params, config, mask_LH)[0])
    assert_same_tree(zero(plain, config, mask_LH), zero(params, config, mask_LH))
    assert_same_tree(plain, before)


def test_all_but_the_heads_is_left_as_it_was(tiny):
    config, _, params, _ = tiny("bert")
    smaller, cut_config = cut(params, config, MASKS["no_heads"](*size(config)))
    for part in ("up", "down", "attention_norm", "feed_forward_norm"):
        for name, stack in params["encoder"].items():
            assert_same_tree(smaller["encoder"][name].get(part), stack.get(part))
    assert_same_tree(smaller["encoder"]["embeddings"], params["encoder"]["embeddings"])
    for before, after in zip(blocks(config, params), blocks(cut_config, smaller), strict=True):
        np.testing.assert_array_equal(after["out"]["bias"], before["out"]["bias"])
        assert after["out"]["kernel"].shape == (0, 4, 16)


def test_cutting_nothing_gives_the_same_config(tiny):
    config, _, params, _ = tiny("roberta")
    again, same = cut(params, config, np.ones(size(config), bool))
    assert same == config
    assert_same_tree(again, params)


def test_a_shared_block_loses_a_head_only_when_no_layer_uses_it(tiny):
    config, _, params, _ = tiny("albert")
    mask_LH = np.array([[1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], bool)
    smaller, cut_config = cut(params, config, mask_LH)
    kernel = params["encoder"]["stack0"]["attention"]["query"]["kernel"]
    got = smaller["encoder"]["stack0"]["attention"]["query"]["kernel"]
    np.testing.assert_array_equal(got, kernel[:, :, [0, 2]])
    assert cut_config.kept == ((0,), (0, 2), (2,), ())
    last = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
    smallest, _ = cut(smaller, cut_config, last)
    got = smallest["encoder"]["stack0"]["attention"]["query"]["kernel"]
    np.testing.assert_array_equal(got, kernel[:, :, [0]])


def test_keeping_a_head_that_was_cut_is_rejected_by_name(tiny):
    config, _, params, _ = tiny("bert")
    mask_LH = np.ones((3, 4), bool)
    mask_LH[0, 1] = mask_LH[2] = False
    smaller = cut(params, config, mask_LH)
    for remove in (cut, zero):
        with pytest.raises(ValueError, match="no longer has layer 0 head 1, layer 2 head 0, layer"):
            remove(*smaller, np.ones((3, 4), bool))


def test_parameters_of_another_model_are_rejected_with_every_path(tiny):
    config, _, params, _ = tiny("bert")
    mask_LH = np.ones((3, 4), bool)
    larger = dataclasses.replace(config, num_layers=4)
    bias = r"stack0/attention/key/bias: expected \[3, 4, 4\], got \[2, 4, 4\]; stack0/attention/key"
    with pytest.raises(ValueError, match=bias):
        cut(params, larger, np.ones((4, 4), bool))
    kept = dataclasses.replace(config, kept=((0,), (1, 2), (3,)))
    with pytest.raises(ValueError, match=r"stack2/up/kernel: expected \[1, 16, 24\], got none"):
        zero(params, kept, present_heads(kept))
    with pytest.raises(ValueError, match="embeddings/type/table: expected none, got"):
        cut(params, dataclasses.replace(config, type_vocab_size=0), mask_LH)


def test_a_mask_of_another_type_is_rejected(tiny):
    config, _, params, _ = tiny("bert")
    with pytest.raises(ValueError, match=r"mask: expected bool \[3, 4\], got float64 \[3, 4\]"):
        cut(params, config, np.ones((3, 4)))


def test_a_zeroed_model_computes_without_gates_what_the_gated_one_does(family):
    mask_LH = tied(family.config, MASKS["one_head"](*size(family.config)))
    mask_LH |= tied(family.config, MASKS["equal_layers"](*size(family.config)))
    mask_LH[-1] &= family.config.shares_blocks  # an empty layer where blocks are not shared
    params = zero(family.params, family.config, mask_LH)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, family.params)
    gated = states(family.config, family.params, family.inputs, mask_LH)
    got = states(family.config, params, family.inputs)
    np.testing.assert_allclose(got, gated, atol=1e-6)


def test_a_zeroed_head_is_zero_where_it_writes_and_gets_no_gradient(tiny):
    config, _, params, inputs = tiny("bert")
    mask_LH = ragged(config)
    zeroed = zero(params, config, mask_LH)
    _, grads = gradients(jnp.ones(mask_LH.shape), zeroed, inputs, config)
    for tree in (zeroed, grads):
        for attention, mask_H in zip(blocks(config, tree), mask_LH, strict=True):
            value, bias = attention["value"]["kernel"].swapaxes(0, 1), attention["value"]["bias"]
            for part in (value, bias, attention["out"]["kernel"]):
                assert not part[~mask_H].any()
                assert part[mask_H].all()
        assert all(attention["out"]["bias"].any() for attention in blocks(config, tree))


def test_zeroing_removes_a_head_whose_weights_are_not_numbers(tiny):
    config, _, params, _ = tiny("distilbert")
    mask_LH = np.ones(size(config), bool)
    mask_LH[1, 2] = False
    broken = jax.tree.map(lambda leaf: leaf, params)
    attention = broken["encoder"]["stack0"]["attention"]
    attention["out"]["kernel"] = attention["out"]["kernel"].at[1, 2].set(jnp.nan)
    assert_same_tree(zero(broken, config, mask_LH), zero(params, config, mask_LH))


def test_a_cut_model_grows_back_to_the_uncut_layout_with_zeros(family):
    mask_LH = tied(family.config, ragged(family.config))
    params, config = cut(family.params, family.config, mask_LH)
    grown = zero(params, config, present_heads(config))
    assert_same_tree(cut(grown, family.config, mask_LH)[0], params)
    assert_same_tree(zero(grown, family.config, mask_LH), grown)


def test_zeroing_a_shared_head_in_some_of_its_layers_is_rejected_by_layer(tiny):
    config, _, params, _ = tiny("albert_groups")
    mask_LH = np.ones((4, 4), bool)
    mask_LH[1, 2] = mask_LH[2, 3] = mask_LH[3, 3] = mask_LH[3, 0] = False
    message = r"head 2 dropped only by \[1\] of layers \[0, 1\]; head 0 dropped only by \[3\] of"
    with pytest.raises(ValueError, match=message):
        zero(params, config, mask_LH)


@pytest.mark.parametrize("name", ["roberta", "albert"])
def test_folded_gates_compute_what_gates_do(tiny, name):
    config, _, params, inputs = tiny(name)
    gate_LH = np.random.default_rng(0).uniform(0.5, 2, size(config)).astype(np.float32)
    gate_LH = tied(config, gate_LH)
    expected = states(config, params, inputs, gate_LH)
    got = states(config, fold(params, config, gate_LH), inputs)
    np.testing.assert_allclose(got, expected, atol=1e-5)  # one product more, of numbers near 1
    smaller, cut_config = cut(params, config, tied(config, MASKS["equal_layers"](*size(config))))
    kept_LH = gate_LH * present_heads(cut_config)
    expected = states(config, params, inputs, kept_LH)
    got = states(cut_config, fold(smaller, cut_config, gate_LH), inputs)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_gates_that_do_not_fit_are_not_folded(tiny):
    config, _, params, _ = tiny("albert")
    with pytest.raises(ValueError, match=r"fold: expected gates \[4, 4\], got \[4, 3\]"):
        fold(params, config, np.ones((4, 3)))
    with pytest.raises(ValueError, match="fold: expected equal gates in layers of block 0"):
        fold(params, config, np.arange(16).reshape(4, 4))
