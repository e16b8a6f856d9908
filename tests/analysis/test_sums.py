"""Ratios of sums and means of groups against scipy and the jackknife; several models together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jaxheads.analysis.intervals import crossed, jackknife
from jaxheads.analysis.sums import Sums, group_sums, grouped, ratio_intervals, together


def test_values_of_a_group_are_one_sample():
    values = np.random.default_rng(0).normal(size=40)
    alone = grouped(values, range(40)).intervals().at()
    known = stats.ttest_1samp(values, 0)
    assert alone == pytest.approx((values.mean(), *known.confidence_interval(), known.pvalue))
    thrice = grouped(np.repeat(values, 3), np.repeat(range(40), 3).tolist()).intervals().at()
    assert thrice == pytest.approx(alone)
    assert grouped([1.0, 0.0, 0.0], ["a", "b", "b"]).ratio == pytest.approx(1 / 3)
    sums, sizes = group_sums(np.array([[1.0], [2.0], [4.0]]), ["x", "y", "x"])
    assert (sums.tolist(), sizes.tolist()) == ([[5.0], [2.0]], [2, 1])
    with pytest.raises(ValueError, match="expected one for each value, got 1 for 2"):
        grouped([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="got 0 for 0"):
        grouped([], [])


def test_ratios_of_sums_have_the_jackknifes_interval():
    random = np.random.default_rng(1)
    top, bottom = random.random((3, 90, 2)), random.integers(1, 9, (3, 90)).astype(float)
    found = ratio_intervals(top, bottom)
    for column in (0, 1):

        def ratio(seed: int, rows, column=column) -> float:
            return float(top[seed, rows, column].sum() / bottom[seed, rows].sum())

        one = crossed(jackknife(ratio, 3, np.arange(90))).at()
        assert found.at(column).value == pytest.approx(one.value)
        assert found.at(column)[1:3] == pytest.approx(one[1:3], rel=0.02)


def test_what_counts_for_nothing_changes_no_ratio():
    top, bottom = np.array([[1.0, 2.0, 0.0]]), np.array([[2.0, 3.0, 0.0]])
    assert ratio_intervals(top, bottom).at() == ratio_intervals(top[:, :2], bottom[:, :2]).at()
    spoilt = ratio_intervals(np.array([[1.0, 2.0, 4.0]]), bottom)
    assert spoilt.value == pytest.approx(7 / 5)
    below = np.array([[1.0, 2.0], [0.0, 0.0]])
    assert np.isnan(ratio_intervals(np.ones((2, 2)), below).at()).all()
    with pytest.raises(ValueError, match=r"as many below as above, got \[1, 0\] and \[1, 0\]"):
        ratio_intervals(np.ones((1, 0)), np.ones((1, 0)))


def test_values_that_do_not_count_are_left_out_of_their_group():
    values, groups = np.arange(5.0), ["a", "a", "b", "b", "c"]
    some = grouped(values, groups, np.array([True, False, True, True, False]))
    assert some.bottom_X.tolist() == [1, 2, 0]
    assert some.intervals().at() == grouped([0.0, 2.0, 3.0], ["a", "b", "b"]).intervals().at()


def test_models_together_are_bounded_over_models_and_examples():
    """A model's ratio is its own; that of the mean lies between them, over both at once."""
    rng = np.random.default_rng(0)
    own = [Sums(rng.random((40, 2)), rng.integers(1, 9, 40).astype(float)) for _ in range(3)]
    found = together(own)
    np.testing.assert_allclose(found.value, np.mean([sums.ratio for sums in own], axis=0))
    alone = together([sums.pick(1) for sums in own])
    assert alone.at() == pytest.approx(found.at(1))
    means = [Sums(rng.random(40), np.ones(40)) for _ in range(3)]
    expected = crossed(np.stack([sums.top_X for sums in means])).at()
    assert together(means).at() == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"expected those of the same examples, got \[.*\(39,\)"):
        together([means[0], Sums(rng.random(39), np.ones(39))])


def test_models_that_are_right_about_the_same_examples_are_no_surer_than_one():
    rng = np.random.default_rng(0)
    same, others = rng.random(200) < 0.5, rng.random((10, 200)) < 0.5
    one, *_ = alike = [Sums(same.astype(float), np.ones(200))] * 10
    each = [Sums(row.astype(float), np.ones(200)) for row in others]

    def width(sums) -> float:
        found = together(sums)
        return float(found.high - found.low)

    assert width(alike) == pytest.approx(width([one]))
    assert width(each) < 0.5 * width([one])
