"""Means with bounds: what the bounds are, and what they allow to say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from jaxheads.records.rows import Row
from jaxheads.report import spread as s
from jaxheads.report.spread import Spread, mean_of, range_of, spread_of


def row(value, **what) -> Row:
    return Row("a study", "roberta", "sst2", "accuracy", value, **what)


def test_several_values_are_their_mean_with_the_ends():
    found = spread_of([row(0.2), row(0.6), row(0.7)])
    assert found == pytest.approx((0.5, 0.2, 0.7, 3, s.RANGE), abs=1e-12)


def test_one_value_has_no_bounds():
    found = spread_of([row(0.2)])
    assert found == Spread(0.2, 0.2, 0.2, 1, s.SINGLE)
    assert not found.has_bounds
    assert s.words(found) == "0.200 (n = 1, no interval)"


def test_one_row_keeps_its_interval_and_its_mean():
    found = spread_of([row(0.2, low=0.1, high=0.9)])
    assert found == Spread(0.2, 0.1, 0.9, 1, s.INTERVAL)
    assert s.words(found) == "0.200 (95%: 0.100 to 0.900)"


def test_the_row_of_all_seeds_speaks_for_them():
    seeds = [row(v, low=v - 0.1, high=v + 0.1, seed=n) for n, v in enumerate((0.2, 0.4, 0.6))]
    together = row(0.4, low=-0.1, high=0.9, seeds=3)
    for rows in ([*seeds, together], [together, *seeds], [together]):
        assert spread_of(rows) == Spread(0.4, -0.1, 0.9, 3, s.INTERVAL)
    draws = [row(v, low=0.0, high=1.0) for v in (0.2, 0.4)]
    found = spread_of([*draws, row(0.3, low=0.1, high=0.5, draws=2)])
    assert found == Spread(0.3, 0.1, 0.5, 2, s.INTERVAL)
    alike = spread_of([row(0.5), row(0.5), row(0.5, low=float("nan"), high=float("nan"), seeds=2)])
    assert alike == Spread(0.5, 0.5, 0.5, 2, s.SINGLE)
    assert s.words(alike) == "0.500 (n = 2, no interval)"


def test_single_seeds_with_intervals_have_a_range():
    """Whether they are right about the same examples is not known."""
    rows = [row(v, low=v - 0.1, high=v + 0.1) for v in (0.2, 0.4, 0.6)]
    assert spread_of(rows) == pytest.approx((0.4, 0.2, 0.6, 3, s.RANGE))
    apart = [row(v, low=v - 0.1, high=v + 0.1, seeds=3) for v in (0.2, 0.4)]
    assert spread_of(apart) == pytest.approx((0.3, 0.2, 0.4, 2, s.RANGE))


def test_bounds_without_any_variation_are_none():
    found = spread_of([row(1.0, low=1.0, high=1.0)])
    assert (found.kind, s.cell(found)) == (s.SINGLE, "1.000")
    assert s.ends(row(1.0, low=1.0, high=1.0)) == ""


def test_rows_of_which_one_has_no_interval_have_a_range():
    found = spread_of([row(0.2, low=0.1, high=0.3), row(0.4)])
    assert found == pytest.approx((0.3, 0.2, 0.4, 2, s.RANGE))


def test_numbers_that_are_not_finite_count_for_nothing():
    assert spread_of([row(float("nan")), row(0.3)]) == range_of([0.3])
    assert spread_of([row(float("nan")), row(float("inf"))]) is None
    bounds = row(0.5, low=float("nan"), high=0.7)
    assert spread_of([bounds]).kind == s.SINGLE


def test_a_mean_over_seeds_has_students_interval():
    values = [0.1, 0.05, 0.15]
    found = mean_of(values)
    expected = scipy.stats.t.interval(0.95, 2, np.mean(values), scipy.stats.sem(values))
    assert found == pytest.approx((0.1, *expected, 3, s.INTERVAL))
    assert mean_of([0.5]) == range_of([0.5])


def test_what_bounds_hold_is_not_distinguishable():
    assert Spread(0.1, -0.1, 0.3, 3, s.INTERVAL).holds(0.0)
    assert not Spread(0.1, 0.01, 0.3, 3, s.INTERVAL).holds(0.0)
    assert not Spread(-0.1, -0.3, -0.01, 3, s.INTERVAL).holds(0.0)


def test_numbers_are_written_for_readers():
    assert [s.number(-0.0001), s.number(-0.25), s.number(123456.7)] == [
        "0.000",
        "−0.250",
        "123,457",
    ]
    assert [s.percent(x) for x in (0.625, 0.021, 0.0, 0.0996, 1.0)] == [
        "62%", "2.1%", "0%", "10%", "100%",
    ]  # fmt: skip
    assert [s.short(x) for x in (10.0, 31 / 3, 1888.4)] == ["10", "10.3", "1,888"]
    assert [s.signed(0.04), s.signed(-0.04), s.signed(-1e-9)] == ["+0.040", "−0.040", "+0.000"]


def test_tables_tell_intervals_from_ranges():
    found = range_of([0.2, 0.4])
    assert s.cell(found) == "0.300 (0.200 to 0.400)"
    assert s.cell(found._replace(kind=s.INTERVAL)) == "0.300 [0.200 to 0.400]"
    assert [s.cell(None), s.cell(range_of([1.0]))] == ["–", "1.000"]
