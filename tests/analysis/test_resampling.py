"""Bootstrap intervals against closed forms and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxheads.analysis.resampling import (
    bootstrap,
    bootstraps,
    group_sums,
    grouped_mean,
    mean_interval,
    ratio_intervals,
)


def test_the_interval_of_a_share_is_that_of_the_binomial():
    right = np.arange(400) < 300
    found = bootstrap(lambda _, drawn: float(right[drawn].mean()), 1, 400, samples=4000)
    low, high = stats.binom(400, 0.75).ppf([0.025, 0.975]) / 400
    assert found.value == 0.75
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


def test_several_levels_come_from_one_pass_and_equal_one_at_a_time():
    values, calls = np.random.default_rng(0).random(60), []

    def mean(_, drawn):
        calls.append(len(drawn))
        return float(values[drawn].mean())

    usual, sure = bootstraps(mean, 1, 60, samples=200, levels=(0.95, 0.99))
    assert len(calls) == 201
    assert sure.low < usual.low < usual.value == sure.value < usual.high < sure.high
    for found, level in ((usual, 0.95), (sure, 0.99)):
        assert bootstrap(mean, 1, 60, samples=200, level=level) == found


def test_the_interval_over_seeds_has_the_quantiles_of_all_resamples():
    values = [0.1, 0.5, 0.6]
    means = [np.mean(drawn) for drawn in itertools.product(values, repeat=3)] * 100
    found = mean_interval(values, samples=4000)
    assert found.value == pytest.approx(0.4)
    assert found.low == pytest.approx(np.quantile(means, 0.025), abs=0.02)
    assert found.high == pytest.approx(np.quantile(means, 0.975), abs=0.02)


def test_seeds_share_their_examples():
    table = np.random.default_rng(0).random((3, 50))
    twin = table + 1.0  # the paired difference is always exactly one

    def difference(seeds, examples):
        picked = np.ix_(seeds, examples)
        return float((twin[picked] - table[picked]).mean())

    assert bootstrap(difference, 3, 50, samples=20) == pytest.approx((1.0, 1.0, 1.0))


def test_data_sets_are_drawn_apart():
    drawn = []
    bootstrap(lambda seeds, one, two: drawn.append((one, two)) or 0.0, 2, 5, 7, samples=3)
    assert {(len(one), len(two)) for one, two in drawn} == {(5, 7)}
    assert all(two.max() < 7 for _, two in drawn)


def test_undefined_samples_are_left_out():
    found = bootstrap(lambda _, drawn: 1.0 if drawn[0] else float("nan"), 1, 2, samples=50)
    assert (found.low, found.high) == (1.0, 1.0)
    none = bootstrap(lambda *_: float("nan"), 1, 2, samples=5)
    assert np.isnan(none.low)


def test_nothing_to_resample_is_refused():
    with pytest.raises(ValueError, match="at least one seed, example and sample"):
        bootstrap(lambda *_: 0.0, 0, 4)


def test_values_of_a_group_are_drawn_together():
    found = grouped_mean([1.0, 0.0, 0.0], ["a", "b", "b"], samples=4000)
    assert found.value == pytest.approx(1 / 3)
    assert (found.low, found.high) == (0.0, 1.0)  # a a, and b b, each in one of four resamples
    values = np.random.default_rng(0).normal(size=40)
    alone = grouped_mean(values, range(40))
    width = 2 * 1.96 * values.std() / 40**0.5  # of the normal approximation
    assert alone.high - alone.low == pytest.approx(width, rel=0.1)
    sums, sizes = group_sums(np.array([[1.0], [2.0], [4.0]]), ["x", "y", "x"])
    assert (sums.tolist(), sizes.tolist()) == ([[5.0], [2.0]], [2, 1])
    with pytest.raises(ValueError, match="expected one for each value, got 1 for 2"):
        grouped_mean([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="got 0 for 0"):
        grouped_mean([], [])


def test_intervals_of_ratios_are_those_of_the_bootstrap():
    random = np.random.default_rng(1)
    top, bottom = random.random((3, 60, 2)), random.integers(1, 9, 60).astype(float)
    found = ratio_intervals(top, bottom, samples=3000)

    def statistic(seeds, examples, column):
        return float(top[seeds][:, examples, column].sum(1).mean() / bottom[examples].sum())

    for column in (0, 1):
        one = bootstrap(lambda s, x, c=column: statistic(s, x, c), 3, 60, samples=3000, seed=9)
        assert found.at(column).value == pytest.approx(one.value)
        width = one.high - one.low  # two runs of 3,000 samples differ by some hundredths of it
        assert found.at(column).low == pytest.approx(one.low, abs=0.06 * width)
        assert found.at(column).high == pytest.approx(one.high, abs=0.06 * width)


def test_ratios_of_the_same_data_are_drawn_together():
    values = np.random.default_rng(2).random((2, 30))
    both = ratio_intervals(np.stack([values, values + 1], -1), np.ones(30), samples=50)
    np.testing.assert_allclose(both.low[1] - both.low[0], 1)
    np.testing.assert_allclose(both.high[1] - both.high[0], 1)


def test_samples_without_a_ratio_are_left_out_and_nonsense_refused():
    found = ratio_intervals(np.ones((1, 2)), np.array([0.0, 1.0]), samples=50)
    assert found.value == 2.0
    assert found.low == 1.0  # only the second one, twice
    assert np.isnan(ratio_intervals(np.ones((1, 2)), np.zeros(2), samples=5).low)
    with pytest.raises(ValueError, match=r"at least one seed.*got \[1, 2\], \[2\], 0, 0.95"):
        ratio_intervals(np.ones((1, 2)), np.ones(2), samples=0)
