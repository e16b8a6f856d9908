"""Intervals against scipy, closed forms and an independent analysis of variance.

How often they cover is simulated in `test_coverage.py`.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jaxheads.analysis.intervals import (
    GROUPS,
    contrast,
    crossed,
    jackknife,
    quotient,
)
from jaxheads.analysis.sums import ratio_intervals
from jaxheads.inference.metrics import METRICS

ACCURACY = METRICS["accuracy"]


def table(seeds: int, examples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 1.0, (seeds, examples))


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_one_row_or_one_column_is_students_t(level):
    values = table(1, 30)[0]
    known = stats.ttest_1samp(values, 0)
    bounds = known.confidence_interval(level)
    for found in (crossed(values[None], level=level), crossed(values[:, None], level=level)):
        assert found.at() == pytest.approx((values.mean(), *bounds, known.pvalue), abs=1e-9)


def test_seeds_and_examples_are_joined_by_an_analysis_of_variance():
    """Mean squares written out cell by cell, and Student's quantiles weighted by variance."""
    seeds, examples = 3, 7
    values = table(seeds, examples) + np.arange(examples)
    grand = values.sum() / values.size
    by_seed = sum(examples * (values[s].mean() - grand) ** 2 for s in range(seeds)) / (seeds - 1)
    columns = [values[:, x].mean() for x in range(examples)]
    by_example = sum(seeds * (mean - grand) ** 2 for mean in columns) / (examples - 1)
    rest = sum(
        (values[s, x] - values[s].mean() - columns[x] + grand) ** 2
        for s in range(seeds)
        for x in range(examples)
    ) / ((seeds - 1) * (examples - 1))
    of_seeds, of_examples = by_seed / values.size, max(by_example - rest, 0) / values.size
    assert of_examples > 0
    half = (
        stats.t(seeds - 1).ppf(0.975) * of_seeds + stats.t(examples - 1).ppf(0.975) * of_examples
    ) / np.sqrt(of_seeds + of_examples)
    found = crossed(values).at()
    assert found[:3] == pytest.approx((grand, grand - half, grand + half))


def test_the_p_value_is_the_level_at_which_the_interval_reaches_zero():
    found = crossed(table(3, 40)).at()
    assert 0.01 < found.p_value < 0.9
    assert crossed(table(3, 40), level=1 - found.p_value).at().low == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("shape", [(1, 9), (3, 1), (3, 9)])
def test_where_nothing_varied_there_is_no_interval_unless_all_is_zero(shape):
    """Thirds and tenths, which rounding does not leave quite equal."""
    for value in (1.0, 0.1, 1 / 3, -1e6 / 3):
        alike, bottom = np.full(shape, value), np.arange(1.0, shape[1] + 1)
        for found in (crossed(alike), ratio_intervals(alike * bottom, np.ones(shape) * bottom)):
            assert found.value == pytest.approx(value)
            assert np.isnan(found.at()[1:]).all()
            assert not found.low > 0
            assert not found.p_value < 0.05
    for noise in (0.0, 1e-16):
        none = crossed(noise * np.random.default_rng(0).normal(size=shape)).at()
        assert none == pytest.approx((0.0, 0.0, 0.0, 1.0))
    beside = crossed(np.stack([np.ones(shape), np.arange(1.0 * np.prod(shape)).reshape(shape)], -1))
    assert np.isnan(beside.low).tolist() == [True, False]


def test_seeds_that_differ_about_examples_alone_give_no_interval():
    """Both answer half of the examples, each the other half: no variance of the mean is seen."""
    found = crossed(np.array([[1.0, 0.0] * 5, [0.0, 1.0] * 5])).at()
    assert found.value == 0.5
    assert np.isnan(found[1:]).all()


def test_one_seed_and_one_example_give_no_bounds():
    found = crossed(np.ones((1, 1))).at()
    assert found.value == 1.0
    assert np.isnan(found[1:]).all()
    with pytest.raises(ValueError, match=r"at least one seed and example.*\[0, 4\] and 0.95"):
        crossed(np.zeros((0, 4)))
    with pytest.raises(ValueError, match=r"level in \(0, 1\).* and 95.0"):
        crossed(np.zeros((2, 4)), level=95.0)


def test_the_jackknife_of_a_mean_gives_back_its_values():
    values = table(2, 40)
    found = jackknife(lambda row, rows: float(values[row, rows].mean()), 2, np.arange(40))
    np.testing.assert_allclose(np.sort(found), np.sort(values))
    many = table(1, 3 * GROUPS)
    grouped = jackknife(lambda _, rows: float(many[0, rows].mean()), 1, np.arange(3 * GROUPS))
    assert grouped.shape == (1, GROUPS)
    assert grouped.mean() == pytest.approx(many.mean())


def test_the_jackknife_leaves_out_whole_clusters():
    clusters = ["a", "a", "b", "c", "c", "c"]
    left = []
    jackknife(lambda _, rows: left.append(set(rows.tolist())) or 0.0, 1, clusters)
    everything = set(range(6))
    assert [everything - kept for kept in left[:1]] == [set()]
    gone = sorted(sorted(everything - kept) for kept in left[1:])
    assert gone == [[0, 1], [2], [3, 4, 5]]
    with pytest.raises(ValueError, match="at least one seed and example, got 0, 6"):
        jackknife(lambda *_: 0.0, 0, clusters)


def test_any_statistic_gets_its_standard_error():
    """The correlation's by Fisher's formula, and rows of several seeds stay paired."""
    rng = np.random.default_rng(3)
    one = rng.normal(size=1000)
    two = 0.6 * one + 0.8 * rng.normal(size=1000)
    found = crossed(
        jackknife(lambda _, r: float(np.corrcoef(one[r], two[r])[0, 1]), 1, np.arange(1000))
    ).at()
    assert found.value == pytest.approx(np.corrcoef(one, two)[0, 1])
    known = 2 * 1.96 * (1 - found.value**2) / 1000**0.5
    assert found.high - found.low == pytest.approx(known, rel=0.15)


def answers(*right: tuple[int, ...]) -> list[np.ndarray]:
    return [np.array(each) for each in right]


def test_a_contrast_pairs_examples_and_averages_draws_within_seeds():
    label = np.ones(6, int)
    one = [answers((1, 1, 1, 1, 0, 0)), answers((1, 1, 1, 1, 1, 0))]
    two = [
        answers((1, 0, 0, 1, 0, 0), (1, 1, 1, 0, 0, 0)),
        answers((1, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0)),
    ]
    found = contrast(one, two, label, ACCURACY)
    by_seed = np.array([one[s][0] - np.mean(two[s], axis=0) for s in (0, 1)])
    assert found.difference == pytest.approx(crossed(by_seed).at())
    assert found.difference.value == pytest.approx((4 - 2.5) / 12 + (5 - 0.5) / 12)
    assert found[1:] == (2, 0, 0, 0)


def test_with_one_seed_the_draws_are_the_sample_and_are_counted():
    """A mask that keeps 0.289 of the metric against five that keep from 0.135 to 0.289."""
    label = np.ones(1000, int)
    draws = [(np.arange(1000) < kept).astype(int) for kept in (268, 268, 289, 135, 161)]
    own = (np.arange(1000) < 289).astype(int)
    found = contrast([[own]], [draws], label, ACCURACY)
    assert found.difference.value == pytest.approx(0.289 - 0.2242)
    assert found.difference.low < 0 < found.difference.high
    assert found[1:] == (1, 5, 4, 0)  # and one is equal
    reverse = contrast([draws], [[own]], label, ACCURACY)
    assert reverse.difference.value == pytest.approx(-found.difference.value)
    assert reverse[1:] == (1, 5, 0, 4)


def test_a_cluster_counts_once_in_a_contrast():
    label, one = np.ones(200, int), np.random.default_rng(0).integers(0, 2, 200)
    alone = contrast([[one]], [[np.zeros(200)]], label, ACCURACY)
    twice = contrast(
        [[np.repeat(one, 4)]], [[np.zeros(800)]], np.ones(800), ACCURACY, np.repeat(range(200), 4)
    )
    assert twice.difference[:3] == pytest.approx(alone.difference[:3], abs=0.01)


def test_contrasts_of_sides_that_do_not_meet_are_rejected():
    with pytest.raises(ValueError, match="answers of the same seeds, got 1 and 2"):
        contrast([[np.ones(2)]], [[np.ones(2)]] * 2, np.ones(2), ACCURACY)
    with pytest.raises(ValueError, match="as many on both sides, got 2 and 3"):
        contrast([[np.ones(2)] * 2], [[np.ones(2)] * 3], np.ones(2), ACCURACY)


def test_a_quotient_is_fiellers():
    """One row: the roots of Fieller's quadratic equation."""
    rng = np.random.default_rng(4)
    bottom = rng.normal(2, 1, (1, 50))
    top = 0.5 * bottom + rng.normal(0, 0.5, (1, 50))
    found = quotient(top, bottom)
    covariance = np.cov(top[0], bottom[0]) / 50
    t = stats.t(49).ppf(0.975)
    (a, b), q = (top.mean(), bottom.mean()), t**2
    (over, both), (_, under) = q * covariance
    roots = np.roots([b**2 - under, -2 * (a * b - both), a**2 - over])
    assert found[:3] == pytest.approx((a / b, *np.sort(roots)))
    assert found.p_value == pytest.approx(stats.ttest_1samp(top[0], 0).pvalue, abs=1e-9)


def test_a_quotient_of_what_may_be_zero_has_no_bounds_and_below_zero_no_value():
    unsure = quotient(np.ones((1, 4)), np.array([[1.0, -1.0, 2.0, -1.5]]))
    assert unsure.value == pytest.approx(8.0)
    assert np.isnan([unsure.low, unsure.high]).all()
    assert np.isnan(quotient(np.ones((1, 4)), -np.ones((1, 4)))).all()
    bottom = table(2, 40) + 9
    for alike in (bottom, np.full((2, 4), 2.0)):
        same = quotient(alike / 2, alike)
        assert same.value == pytest.approx(0.5)
        assert np.isnan([same.low, same.high]).all()
