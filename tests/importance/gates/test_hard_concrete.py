"""Hard concrete gates against their closed forms, and the price that is put on them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit, logit

from jaxheads.importance.gates.hard_concrete import (
    hard_concrete,
    l0,
    lagrangian,
    naturally_open,
    probability_open,
)

LOG_ALPHA = np.linspace(-4, 4, 9, dtype=np.float32)


def test_the_sample_is_the_formula_and_is_open_as_often_as_it_should():
    """P(gate > 0) = P(u > expit(0.33 logit(1/12) - log_alpha)) by inverting the formula."""
    u = (np.arange(20_000, dtype=np.float32) + 0.5) / 20_000
    gate = np.asarray(hard_concrete(LOG_ALPHA[:, None], u))
    s = expit((logit(np.float64(u)) + LOG_ALPHA[:, None]) / 0.33)
    np.testing.assert_allclose(gate, np.clip(1.2 * s - 0.1, 0, 1), atol=1e-5)
    share = (gate > 0).mean(1)
    np.testing.assert_allclose(probability_open(LOG_ALPHA), share, atol=1e-4)
    np.testing.assert_allclose(probability_open(LOG_ALPHA), expit(LOG_ALPHA + 0.7913), atol=1e-5)


def test_a_run_keeps_the_heads_whose_gate_without_noise_is_above_one_half():
    gate = np.clip(1.2 * expit(LOG_ALPHA) - 0.1, 0, 1)  # which has no temperature
    assert np.array_equal(gate > 0.5 + 1e-6, naturally_open(LOG_ALPHA))


def test_a_sample_is_in_the_unit_interval_and_shut_where_there_is_no_head():
    present = np.ones((4, 5), bool)
    present[2, 1:] = False
    gate = l0((4, 5), 0.1, present=present)
    theta = gate.init(jax.random.key(0))
    samples = np.stack([gate.sample(theta, jax.random.key(i), i) for i in range(20)])
    assert samples.min() == 0
    assert samples.max() == 1
    assert not samples[:, ~present].any()
    assert samples[:, present].mean() > 0.85  # it starts open
    assert not np.array_equal(theta["log_alpha"], gate.init(jax.random.key(1))["log_alpha"])


def test_the_price_is_the_strength_times_the_heads_expected_open():
    present = np.ones((2, 3), bool)
    present[0, 0] = False
    gate = l0((2, 3), 0.25, present=present)
    theta = {"log_alpha": jnp.asarray(LOG_ALPHA[:6].reshape(2, 3))}
    expected = 0.25 * expit(LOG_ALPHA[1:6] + 0.7913).sum()
    assert float(gate.penalty(theta)) == pytest.approx(expected, rel=1e-4)
    assert np.array_equal(np.asarray(gate.score(theta)).ravel()[1:], LOG_ALPHA[1:6])


def test_gates_descend_and_multipliers_ascend():
    gate = lagrangian((2, 3), 2)
    theta = {"log_alpha": jnp.zeros((2, 3)), "multipliers": jnp.array([0.5, 2.0])}
    beyond = (6 * expit(0.7913) - 2) / 4
    assert float(gate.penalty(theta)) == pytest.approx(0.5 * beyond + 2 * beyond**2, rel=1e-4)
    gradient = jax.grad(gate.penalty)(theta)
    np.testing.assert_allclose(gradient["multipliers"], [-beyond, -(beyond**2)], rtol=1e-4)
    slope = expit(0.7913) * expit(-0.7913) / 4
    expected = (0.5 + 2 * 2 * beyond) * slope
    np.testing.assert_allclose(gradient["log_alpha"], np.full((2, 3), expected), rtol=1e-4)


@pytest.mark.parametrize("budget", [1, 3, 8])
def test_the_multipliers_reach_the_budget(budget):
    """Adam's steps against a loss that wants every head open."""
    gate, adam = lagrangian((2, 5), budget), optax.adam(0.05)

    def loss(theta):
        return gate.penalty(theta) - 0.02 * probability_open(theta["log_alpha"]).sum()

    def step(state, _):
        theta, opt_state = state
        way, opt_state = adam.update(jax.grad(loss)(theta), opt_state)
        theta = optax.apply_updates(theta, way)
        return (theta, opt_state), probability_open(theta["log_alpha"]).sum()

    theta = gate.init(jax.random.key(0))
    _, seen = jax.jit(lambda s: jax.lax.scan(step, s, None, 500))((theta, adam.init(theta)))
    assert float(seen[-1]) == pytest.approx(budget, abs=0.05)


def test_prices_and_budgets_that_cannot_be_are_rejected():
    with pytest.raises(ValueError, match="strength: expected a number from 0, got -1"):
        l0((2, 3), -1.0)
    with pytest.raises(ValueError, match="budget: expected 1 to 6 heads kept, got 7"):
        lagrangian((2, 3), 7)
