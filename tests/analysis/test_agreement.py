"""Agreement of two scores is Spearman's correlation, and its p-value is what chance gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxheads.analysis.agreement import agreement


def test_it_is_spearmans_correlation_over_all_heads_ties_included():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(3, 4)), np.round(rng.normal(size=(3, 4)))
    expected = stats.spearmanr(one.ravel(), two.ravel()).statistic
    assert agreement(one, two).spearman == pytest.approx(expected)
    assert agreement(one, np.exp(one)).spearman == pytest.approx(1.0)
    assert agreement(one, -one).spearman == pytest.approx(-1.0)


def test_the_p_value_is_the_share_of_all_orders_that_do_as_well():
    one, two = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 3, 5, 4])
    far = [
        abs(stats.spearmanr(one, order).statistic) >= 0.8 - 1e-9
        for order in itertools.permutations(two)
    ]
    found = agreement(one, two, permutations=20000)
    assert found.spearman == pytest.approx(0.8)
    assert found.p_value == pytest.approx(np.mean(far), abs=0.01)


def test_it_repeats_and_is_never_zero():
    one = np.arange(30.0)
    assert agreement(one, one, permutations=99) == agreement(one, one, permutations=99)
    assert agreement(one, one, permutations=99).p_value == 0.01


@pytest.mark.parametrize(
    ("one", "two", "fault"),
    [
        (np.ones(4), np.arange(4.0), "first scores"),
        (np.arange(4.0), np.array([1.0, np.nan, 2, 3]), "second scores"),
        (np.ones(1), np.ones(1), "first scores.*; second scores"),
    ],
)
def test_scores_without_an_order_are_refused(one, two, fault):
    with pytest.raises(ValueError, match=fault):
        agreement(one, two)
