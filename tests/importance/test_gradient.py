from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.importance.ablation import costs
from jaxheads.importance.gradient import (
    RULES,
    gate_gradients,
    integrated_gradients,
    quadrature,
)
from jaxheads.importance.units import same_block
from jaxheads.objectives import objective_for

ONES = np.ones((2, 4), np.float32)
MASKED = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], np.float32)


def test_summed_effects_are_output_weights_times_their_gradient(task):
    effect_BLH = gate_gradients(task.objective, task.params, task.data, ONES).effect_BLH

    @jax.jit
    def weight_times_gradient(params):
        total = lambda params: task.objective(params, None, task.data, None).loss_B.sum()  # noqa: E731
        both = jax.tree.map(jnp.multiply, params, jax.grad(total)(params))
        stacks = [both["encoder"][name] for name in ("stack0", "stack1")]
        return jnp.concatenate([s["attention"]["out"]["kernel"].sum((2, 3)) for s in stacks])

    expected_LH = weight_times_gradient(task.params)
    np.testing.assert_allclose(effect_BLH.sum(0), expected_LH, rtol=1e-4, atol=1e-6)


def test_a_masked_heads_effect_is_exactly_zero_and_the_others_are_finite_differences(task):
    effect_BLH = np.asarray(
        gate_gradients(task.objective, task.params, task.data, MASKED).effect_BLH
    )
    assert (effect_BLH[:, MASKED == 0] == 0).all()
    step = 0.02
    chosen = [(0, 0), (0, 3), (1, 2)]
    gates = np.repeat(MASKED[None], 6, axis=0)
    for number, entry in enumerate(chosen):
        gates[number][entry] += step
        gates[3 + number][entry] -= step
    loss_B6 = np.asarray(costs(task.objective, task.params, task.data, gates))
    slope_B3 = (loss_B6[:, :3] - loss_B6[:, 3:]) / (2 * step)
    found_B3 = np.stack([effect_BLH[:, *entry] for entry in chosen], axis=1)
    # rounding of the loss (1e-7 / 4e-2) and the third derivative (4e-4)
    np.testing.assert_allclose(found_B3, slope_B3, atol=1e-3 * np.abs(slope_B3).max())


def test_with_every_gate_at_zero_attention_adds_its_output_bias_alone(task):
    silent = jax.tree.map(np.array, task.params)
    for name in ("stack0", "stack1"):
        silent["encoder"][name]["attention"]["out"]["kernel"][:] = 0
    gates = np.stack([ONES, 0 * ONES] + 4 * [ONES])
    loss_B6 = np.asarray(costs(task.objective, task.params, task.data, gates))
    expected_B6 = np.asarray(costs(task.objective, silent, task.data, gates))
    np.testing.assert_allclose(loss_B6[:, 1], expected_B6[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(expected_B6[:, 1], expected_B6[:, 0])
    assert (loss_B6[:, 0] != loss_B6[:, 1]).all()


def test_bfloat16_gives_the_effects_of_float32_to_its_precision(task):
    half = objective_for(task.config, task.readout, compute_dtype="bfloat16")
    got = np.asarray(gate_gradients(half, task.params, task.data, ONES).effect_BLH)
    wanted = np.asarray(gate_gradients(task.objective, task.params, task.data, ONES).effect_BLH)
    assert got.dtype == np.float32
    # 8 bits of mantissa, 2 ** -8 a rounding, over the some 30 operations of two layers and back
    error = np.abs(got - wanted).max((1, 2)) / np.abs(wanted).max((1, 2))
    assert 0 < error.max() < 30 * 2**-8


def test_a_gate_that_is_not_one_multiplies_the_gradient(task):
    half = np.full((2, 4), 0.5, np.float32)
    effect_BLH = gate_gradients(task.objective, task.params, task.data, half).effect_BLH
    halved = jax.tree.map(lambda leaf: leaf, task.params)
    for name in ("stack0", "stack1"):
        out = halved["encoder"][name]["attention"]["out"]
        halved["encoder"][name] = {**halved["encoder"][name]}
        halved["encoder"][name]["attention"] = {
            **halved["encoder"][name]["attention"],
            "out": {**out, "kernel": out["kernel"] / 2},
        }
    expected_BLH = gate_gradients(task.objective, halved, task.data, ONES).effect_BLH
    np.testing.assert_allclose(effect_BLH, expected_BLH, rtol=1e-5, atol=1e-7)


def test_padding_rows_have_no_effect_and_rows_do_not_touch_each_other(task):
    weight = np.ones(20, np.float32)
    weight[5:] = 0
    shuffled = jax.tree.map(lambda leaf: np.concatenate([leaf[:5], leaf[5:][::-1]]), task.data)
    part = shuffled._replace(weight_B=weight)
    found = gate_gradients(task.objective, task.params, part, ONES).effect_BLH
    whole = gate_gradients(task.objective, task.params, task.data, ONES).effect_BLH
    np.testing.assert_array_equal(found[:5], whole[:5])
    assert (np.asarray(found[5:]) == 0).all()


@functools.cache
def _tied_albert(make):
    """Effects by block of the ALBERT, from a gate `[B, blocks, H, T]` that is then broadcast."""
    task = make("albert")
    blocks = np.array(task.config.block_by_layer)

    @jax.jit
    def gradient(gate_BGHT):
        total = lambda gate: task.objective(  # noqa: E731
            task.params, gate[:, blocks], task.data, None
        ).loss_B.sum()
        return jax.grad(total)(gate_BGHT)

    shape = (len(task.data.weight_B), blocks.max() + 1, 4, task.data.tokens_BT.shape[1])
    return task, blocks, np.asarray(gradient(jnp.ones(shape)))


def test_tied_effects_are_gradients_of_a_gate_that_is_broadcast_to_the_uses(make):
    task, blocks, gradient_BGHT = _tied_albert(make)
    same_LL = same_block(task.config.block_by_layer).astype(np.float32)
    ones = np.ones((4, 4), np.float32)
    found = gate_gradients(
        task.objective, task.params, task.data, ones, same_LL=same_LL, token=True
    )
    tied_BLH = np.einsum("lm,bmh->blh", same_LL, found.effect_BLH)
    np.testing.assert_allclose(tied_BLH, gradient_BGHT.sum(-1)[:, blocks], rtol=1e-4, atol=1e-6)
    token_BLH = np.abs(gradient_BGHT).sum(-1)[:, blocks]
    np.testing.assert_allclose(found.token_BLH, token_BLH, rtol=1e-4, atol=1e-6)


def test_a_pairs_sentences_have_positions_of_their_own(make):
    task = make("roberta", "pair", 6)
    same = task.data._replace(  # both sentences alike: by symmetry of the readout, no effect
        **{
            name: np.repeat(getattr(task.data, name)[:, :1], 2, axis=1)
            for name in ("tokens_BT", "real_BT", "types_BT")
        }
    )
    kernel = np.asarray(task.params["readout"]["out"]["kernel"])
    half = len(kernel) // 2
    opposed = {"kernel": np.concatenate([kernel[:half], -kernel[:half]]), "bias": kernel[0]}
    params = {**task.params, "readout": {"out": opposed}}
    found = gate_gradients(task.objective, params, same, ONES, token=True)
    assert np.abs(found.effect_BLH).max() < 1e-5
    assert np.asarray(found.token_BLH).min() > 1e-5  # the two sentences do not cancel


def test_integrated_effects_add_up_to_the_loss_with_all_heads_less_that_with_none(task):
    rule = quadrature("gauss", 8)
    found = integrated_gradients(task.objective, task.params, task.data, ONES, rule)
    gates = np.stack([ONES, 0 * ONES] + 4 * [ONES])
    loss_B6 = np.asarray(costs(task.objective, task.params, task.data, gates))
    change_B = loss_B6[:, 0] - loss_B6[:, 1]
    error_B = np.abs(np.asarray(found.effect_BLH).sum((1, 2)) - change_B)
    # What is left is the rule's error: the loss bends where layer normalisation meets small sums.
    assert error_B.max() < 0.01 * np.abs(change_B).max()
    coarse = integrated_gradients(
        task.objective, task.params, task.data, ONES, quadrature("left", 8)
    )
    coarse_B = np.abs(np.asarray(coarse.effect_BLH).sum((1, 2)) - change_B)
    assert coarse_B.mean() > 5 * error_B.mean()


def test_every_point_of_the_integral_and_every_gate_shares_one_compilation(task):
    rule = quadrature("gauss", 8)
    integrated_gradients(task.objective, task.params, task.data, ONES, rule)
    before = integrated_gradients._cache_size(), gate_gradients._cache_size()
    integrated_gradients(task.objective, task.params, task.data, MASKED, quadrature("left", 8))
    gate_gradients(task.objective, task.params, task.data, ONES)
    assert integrated_gradients._cache_size() == before[0]
    gate_gradients(task.objective, task.params, task.data, MASKED)
    gate_gradients(task.objective, task.params, task.data, ONES * 0.3)
    assert gate_gradients._cache_size() <= before[1] + 1


@pytest.mark.parametrize(("rule", "degree"), [("gauss", 15), ("trapezoid", 1), ("left", 0)])
def test_rules_are_exact_up_to_their_degree_and_no_further(rule, degree):
    nodes_m, weights_m = quadrature(rule, 8)
    assert len(nodes_m) == 8 and nodes_m.min() >= 0 and nodes_m.max() <= 1
    power = np.arange(18)
    found = (weights_m[:, None].astype(float) * nodes_m[:, None].astype(float) ** power).sum(0)
    exact = np.abs(found - 1 / (power + 1)) < 1e-6
    assert exact[: degree + 1].all()
    assert not exact[degree + 1] or degree == 15


def test_an_unknown_rule_or_no_points_is_rejected():
    with pytest.raises(ValueError, match=", ".join(RULES)):
        quadrature("simpson", 8)
    with pytest.raises(ValueError, match="at least 1 point"):
        quadrature("gauss", 0)
