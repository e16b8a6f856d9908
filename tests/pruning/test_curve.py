"""The numbers of a pruning curve, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.pruning.curve import acceptable_deduction, area, removable

BUDGETS = (16, 12, 8, 4, 0)


@pytest.mark.parametrize(
    ("metric", "share", "gone"),
    [
        ((0.8, 0.8, 0.76, 0.6, 0.5), 0.95, 8),
        ((0.8, 0.8, 0.76, 0.6, 0.5), 0.99, 4),
        ((0.8, 0.7, 0.8, 0.8, 0.8), 0.95, 0),  # what comes back later does not count
        ((0.8, 0.8, 0.8, 0.8, 0.8), 0.99, 16),
        ((0.8, 0.9, 0.9, 0.7, 0.9), 0.95, 8),
    ],
)
def test_heads_can_go_until_the_metric_first_falls_short(metric, share, gone):
    assert removable(BUDGETS, metric, share) == gone


def test_the_area_is_the_mean_retained_share():
    assert area(BUDGETS, (0.8,) * 5) == pytest.approx(1.0)
    assert area(BUDGETS, (0.8, 0.6, 0.4, 0.2, 0.0)) == pytest.approx(0.5)
    assert area((4, 3, 0), (1.0, 0.0, 0.0)) == pytest.approx(0.125)  # steps need not be equal


def test_the_acceptable_deduction_is_the_largest_loss_before_the_first_failure():
    loss, retained = (0.0, 0.1, 0.3, 0.9), np.array([1.0, 0.98, 0.96, 0.99])
    assert acceptable_deduction(loss, retained - 0.95) == (0.9, 3)
    assert acceptable_deduction(loss, retained - 0.97) == (0.1, 1)  # 0.99 comes too late
    assert acceptable_deduction(loss, retained - 0.99) == (0.0, 0)
    assert acceptable_deduction((0.0, 0.2, 0.1), np.full(3, 0.01)) == (0.2, 2)
    assert acceptable_deduction((0.0, 0.2), (-0.1, 0.1)) == (0.0, 0)


def test_what_is_no_curve_is_rejected():
    with pytest.raises(ValueError, match="two decreasing budgets"):
        removable((4, 8), (1.0, 1.0), 0.9)
    with pytest.raises(ValueError, match="two decreasing budgets"):
        area((4,), (1.0,))
    with pytest.raises(ValueError, match="expected a positive metric of all heads, got 0"):
        removable((8, 4), np.zeros(2), 0.9)
    with pytest.raises(ValueError, match="curves of equal length"):
        acceptable_deduction((0.0,), (1.0, 1.0))
