"""Soft top-K against float64, its limits, its gradients, and one program for all numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, log_softmax, logsumexp

from jaxheads.importance.gates.subset import (
    PAPER,
    PAPER_TRANSLATION,
    SAFE,
    Annealing,
    bounded_top,
    chained_top,
    straight_through_top,
    subset,
)
from jaxheads.pruning.mask import mask_from_scores

N = 24
TEMPERATURES = 10.0 ** np.arange(3, -9, -1)
BUDGETS = (1, 2, 7, 12, 20, 23, 24)
EVERYWHERE = np.ones(N, bool)


def keys(seed: int, spread: float) -> np.ndarray:
    return (spread * np.random.default_rng(seed).normal(size=N)).astype(np.float32)


@jax.jit
def soft(name, key, budget, temperature, direction):
    """Gates of either relaxation, and the gradient of their product with a direction."""

    def both(key):
        one = bounded_top(key, budget, temperature, jnp.asarray(EVERYWHERE))
        two = chained_top(key, budget, temperature, jnp.asarray(EVERYWHERE))
        gate = jnp.where(name == 0, one, two)
        return (gate * direction).sum(), gate

    gradient, gate = jax.grad(both, has_aux=True)(key)
    return gate, gradient


def found(name: int, key, budget: int, temperature: float, direction=None):
    direction = np.zeros(N, np.float32) if direction is None else direction
    gate, gradient = soft(name, key, np.int32(budget), np.float32(temperature), direction)
    return np.float64(gate), np.float64(gradient)


def bounded_exactly(key, budget: int, temperature: float) -> np.ndarray:
    """The gates by a root finder, float64."""
    if budget == N:
        return np.ones(N)
    x = np.sort(np.float64(key) / temperature)
    middle = (x[N - budget] + x[N - budget - 1]) / 2
    z = np.float64(key) / temperature - middle
    ends = -np.abs(z).max() - 50, np.abs(z).max() + 50
    c = (
        brentq(lambda c: expit(z - c).sum() - budget, *ends, xtol=1e-12)
        if temperature > 1e-3
        else 0
    )
    return expit(z - c)


def chained_exactly(key, budget: int, temperature: float) -> np.ndarray:
    """The paper's loop, float64, with log(1 - p) kept exact."""
    r, total = np.float64(key), np.zeros(N)
    for _ in range(budget):
        log_p = log_softmax(r / temperature)
        total += np.exp(log_p)
        others = [logsumexp(np.delete(log_p, i)) for i in range(N)]
        r = r + np.maximum(others, np.log(np.finfo(np.float64).tiny))
    return total


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("name", [0, 1])
def test_the_gates_add_up_to_the_budget_at_every_temperature(name, spread):
    for seed, temperature in enumerate(TEMPERATURES):
        for budget in BUDGETS:
            gate, _ = found(name, keys(seed, spread), budget, temperature)
            assert gate.sum() == pytest.approx(budget, abs=1e-3)
            assert gate.min() >= 0
            assert name == 1 or gate.max() <= 1
            if budget == N:
                assert np.array_equal(gate, np.ones(N))


@pytest.mark.parametrize("relax", [bounded_top, chained_top])
def test_a_base_model_keeps_its_budget_at_every_number_of_heads(relax):
    """144 heads, weights spread by 30, T = 1e-8: the paper's code opens 123.7 of 132 there."""
    rng = np.random.default_rng(0)
    key_N, present_N = rng.normal(0, 30, 144).astype(np.float32), jnp.ones(144, bool)
    every_K = jnp.arange(1, 145, dtype=jnp.int32)
    relaxed = jax.jit(jax.vmap(relax, (None, 0, None, None)))
    for temperature in (1e3, 1.0, 1e-8):
        gate_KN = np.float64(relaxed(key_N, every_K, np.float32(temperature), present_N))
        np.testing.assert_allclose(gate_KN.sum(1), every_K, atol=1e-3)
    best_N = np.argsort(np.argsort(-key_N))
    np.testing.assert_allclose(gate_KN, best_N < every_K[:, None], atol=1e-6)


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_soft_top_k_is_that_of_float64(spread):
    """Rounding of a key by 1e-7 of its size moves a gate by that much over the temperature."""
    for seed, temperature in enumerate(TEMPERATURES):
        for budget in BUDGETS[:-1]:
            key = keys(seed, spread)
            gate, _ = found(0, key, budget, temperature)
            exact = bounded_exactly(key, budget, temperature)
            np.testing.assert_allclose(
                gate, exact, atol=2e-6 + 1e-7 * spread / temperature * (temperature > 1e-3)
            )
            if temperature >= 0.1 and spread <= 3:  # below, rounding moves a link of the chain
                gate, _ = found(1, key, budget, temperature)
                exact = chained_exactly(key, budget, temperature)
                np.testing.assert_allclose(gate, exact, atol=2e-3)


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("name", [0, 1])
def test_the_hard_limit_is_top_k(name, spread):
    for seed in range(10):
        for budget in BUDGETS:
            key = keys(seed, spread)
            gate, _ = found(name, key, budget, 1e-8)
            best = np.argsort(-key, kind="stable")[:budget]
            np.testing.assert_allclose(gate, np.isin(np.arange(N), best), atol=1e-6)


@pytest.mark.parametrize("name", [0, 1])
def test_gradients_are_finite_at_every_temperature_and_budget(name):
    for seed, temperature in enumerate(TEMPERATURES):
        for budget in range(1, N + 1):
            for spread in (0.0, 0.3, 30.0):  # 0: all keys are equal
                direction = keys(seed + 100, 1.0)
                gate, gradient = found(name, keys(seed, spread), budget, temperature, direction)
                assert np.isfinite(gate).all()
                assert np.isfinite(np.float32(gradient)).all()
                assert np.isfinite(np.square(np.float32(gradient)).sum())
                assert name == 1 or np.abs(gradient).max() <= np.abs(direction).max() / temperature


@pytest.mark.parametrize(("name", "exactly"), [(0, bounded_exactly), (1, chained_exactly)])
def test_the_gradient_is_that_of_differences_in_float64(name, exactly):
    for budget, temperature in ((1, 3.0), (7, 1.0), (20, 0.5)):
        key, direction = np.float64(keys(3, 1.0)), keys(4, 1.0)
        _, gradient = found(name, key.astype(np.float32), budget, temperature, direction)
        exact = [
            (exactly(key + step, budget, temperature) @ direction
             - exactly(key - step, budget, temperature) @ direction) / 2e-6
            for step in 1e-6 * np.eye(N)
        ]  # fmt: skip
        largest = np.abs(exact).max()
        np.testing.assert_allclose(gradient, exact, atol=1e-5 * max(largest, 1))


def test_the_straight_through_gradient_is_its_definition():
    weight, direction = keys(0, 1.0), keys(1, 1.0)
    present = np.arange(N) != 5
    for budget in (1, 7, 23):
        gate, back = jax.vjp(lambda w, k=budget: straight_through_top(w, k, present), weight)
        allowed = np.where(present, weight, -np.inf)
        assert np.array_equal(np.flatnonzero(gate), np.sort(np.argsort(allowed)[-budget:]))
        assert np.array_equal(back(jnp.asarray(direction))[0], direction * present)


@pytest.mark.parametrize("relaxation", ["bounded", "chained", "straight_through"])
def test_heads_that_are_not_there_stay_shut_and_the_others_meet_the_budget(relaxation):
    present = np.ones((3, 4), bool)
    present[1, 1:] = False
    gate = subset((3, 4), 5, steps=10, relaxation=relaxation, present=present)
    theta = gate.init(jax.random.key(0))
    for step in (0, 9, 50):
        sample = np.asarray(gate.sample(theta, jax.random.key(step), step))
        assert not sample[~present].any()
        assert sample.sum() == pytest.approx(5, abs=1e-3)
    assert not np.asarray(gate.score(theta))[~present].any()
    whole = subset((3, 4), 9, steps=10, relaxation=relaxation, present=present)
    assert np.array_equal(whole.sample(theta, jax.random.key(0), 0), present)


@pytest.mark.parametrize("relaxation", ["bounded", "chained"])
def test_the_noise_draws_heads_as_often_as_the_softmax_of_their_weights(relaxation):
    """The greatest of weights with Gumbel noise (Maddison et al. 2017); 4000 draws of one head."""
    hard = Annealing(1e-6, 1e-6, 1.0)
    gate = subset((2, 3), 1, steps=10, annealing=hard, relaxation=relaxation)
    weight_LH = np.log(np.array([[1, 2, 3], [4, 5, 6]], np.float32) / 21)
    draw = jax.jit(jax.vmap(lambda key: gate.sample({"weight": weight_LH}, key, 0)))
    found = np.asarray(draw(jax.random.split(jax.random.key(0), 4000))).mean(0)
    # standard error of the largest share: sqrt(.29 * .71 / 4000) = 0.007
    np.testing.assert_allclose(found, np.exp(weight_LH), atol=0.03)


def test_the_weights_start_by_xavier_as_the_papers_code_has_them():
    """Uniform within sqrt(6 / (L + H)), so that their variance is a third of its square."""
    gate = subset((30, 40), 12, steps=10)
    weight = np.asarray(gate.init(jax.random.key(0))["weight"])
    bound = np.sqrt(6 / 70)
    assert 0.99 * bound < np.abs(weight).max() <= bound
    assert weight.mean() == pytest.approx(0, abs=0.03 * bound)
    assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.03)
    assert (weight != np.asarray(gate.init(jax.random.key(1))["weight"])).any()


def test_of_equal_weights_the_gates_keep_the_heads_that_masks_keep():
    weight_LH = np.array([[1, 0, 1, 1], [0, 1, 1, 0]], np.float32)
    present = np.array([[True, True, True, False], [True] * 4])
    for budget in range(1, 8):
        gate = subset((2, 4), budget, steps=10, relaxation="straight_through", present=present)
        found = np.asarray(gate.sample({"weight": weight_LH}, jax.random.key(0), 0)) > 0
        np.testing.assert_array_equal(found, mask_from_scores(weight_LH, budget, present=present))


def test_one_program_serves_temperatures_budgets_steps_and_seeds():
    traced = []

    @jax.jit
    def sample(gate, theta, key, step):
        traced.append(step)
        return gate.sample(theta, key, step)

    for annealing in (SAFE, PAPER, PAPER_TRANSLATION):
        for budget in (1, 5, 12):
            gate = subset((3, 4), budget, steps=7 * budget, annealing=annealing)
            theta = gate.init(jax.random.key(budget))
            sample(gate, theta, jax.random.key(1), np.int32(budget))
    assert len(traced) == 1


def test_the_temperature_falls_as_the_paper_says():
    """The steps at which it passes 10, 1, 0.1, 0.01 and 1e-4 on MNLI."""
    gate = subset((12, 12), 12, steps=36_816, annealing=PAPER)
    numbers = {k: v for k, v in gate.sample.keywords.items() if k in ("start", "end", "cooldown")}
    from jaxheads.importance.gates.subset import temperature

    for step, expected in (
        (0, 1e3),
        (4545, 10),
        (6818, 1),
        (9091, 0.1),
        (15909, 1e-4),
        (3e4, 1e-8),
    ):
        assert float(temperature(step, **numbers)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 0}, "budget: expected 1 to 12 heads kept, got 0"),
        ({"budget": 13}, "budget: expected 1 to 12 heads kept, got 13"),
        ({"relaxation": "soft"}, "relaxation: expected one of bounded, .*, got 'soft'"),
        ({"annealing": Annealing(1e-8, 1.0, 0.5)}, "annealing: expected start >= end"),
        ({"present": np.zeros((3, 4), bool)}, "present: expected bool"),
    ],
)
def test_what_cannot_be_learned_is_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        subset((3, 4), **{"budget": 3, "steps": 10, **changes})
