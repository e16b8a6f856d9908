"""Bootstrap intervals against closed forms and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxheads.analysis.resampling import bootstrap, mean_interval


def test_the_interval_of_a_share_is_that_of_the_binomial():
    right = np.arange(400) < 300
    found = bootstrap(lambda _, drawn: float(right[drawn].mean()), 1, 400, samples=4000)
    low, high = stats.binom(400, 0.75).ppf([0.025, 0.975]) / 400
    assert found.value == 0.75
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


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
