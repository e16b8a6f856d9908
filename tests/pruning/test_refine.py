"""Exchanges of heads and rescaling against all masks of small cases and against lstsq."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jaxheads.pruning.refine import interaction, refined_mask, rescaling


def effects(seed: int, count: int = 30) -> np.ndarray:
    """Effects of 2 layers of 3 heads, some of which go together."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(count, 6)) @ rng.normal(size=(6, 6))
    return mixed.reshape(count, 2, 3).astype(np.float32)


def masks(budget: int):
    for kept in itertools.combinations(range(6), budget):
        yield np.isin(np.arange(6), kept).reshape(2, 3)


def removal_cost(fisher: np.ndarray, mask: np.ndarray) -> float:
    """Half the quadratic form at the heads that a mask drops."""
    removed = (~mask).ravel().astype(float)
    return removed @ fisher @ removed / 2


def test_the_cost_is_the_mean_square_of_what_is_dropped_together():
    for seed in range(3):
        effect = effects(seed, 5000)
        fisher = interaction(effect)
        for mask in masks(3):
            together = effect[:, ~mask].astype(np.float64).sum(1)
            assert removal_cost(fisher, mask) == pytest.approx((together**2).mean() / 2)


def test_no_exchange_lowers_the_cost_of_a_refined_mask_and_most_are_the_best_of_all():
    best = 0
    for seed in range(30):
        effect = effects(seed)
        fisher, mask = interaction(effect), refined_mask(effect, 3)
        assert mask.sum() == 3
        cost = removal_cost(fisher, mask)
        costs = {other.tobytes(): removal_cost(fisher, other) for other in masks(3)}
        for other in masks(3):
            if (other != mask).sum() == 2:
                assert costs[other.tobytes()] >= cost - 1e-9
        best += cost == pytest.approx(min(costs.values()))
        one = np.diag(fisher).reshape(2, 3) >= np.sort(np.diag(fisher))[3]
        assert cost <= removal_cost(fisher, one) + 1e-9
    assert best >= 20


def test_of_two_heads_that_stand_in_for_each_other_one_is_kept():
    """A and B do the same (1 each, 2 together); C is larger alone, and stands alone."""
    rng = np.random.default_rng(0)
    a, c = rng.choice([-1.0, 1.0], (2, 4000))
    effect = np.stack([a, a, 1.2 * c], 1).reshape(-1, 1, 3).astype(np.float32)
    assert np.diag(interaction(effect)).argmax() == 2
    kept = refined_mask(effect, 1)
    assert not kept[0, 2]
    assert kept.sum() == 1


def test_rescaling_is_the_least_squares_answer():
    rng = np.random.default_rng(0)
    effect = rng.normal(size=(200, 2, 3)) + 0.5 * rng.normal(size=(200, 1, 1))
    fisher = interaction(effect)
    mask = np.array([[True, False, True], [False, True, True]])
    gate = rescaling(fisher, mask, damping=1e-9, most=1e9)
    flat = effect.reshape(len(effect), -1)
    kept = mask.ravel()
    exact = np.linalg.lstsq(flat[:, kept], flat[:, ~kept].sum(1), rcond=None)[0]
    np.testing.assert_allclose(gate.ravel()[kept], 1 + exact, rtol=1e-5)
    assert not gate[~mask].any()
    tight = rescaling(fisher, mask, damping=1e-9, most=1.1)
    assert tight[mask].min() >= 1 / 1.1
    assert tight[mask].max() <= 1.1
    assert np.array_equal(rescaling(fisher, np.ones((2, 3), bool)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"damping > 0 and most >= 1, got 0\.0, 2\.0"):
        rescaling(fisher, mask, damping=0.0, most=2.0)
