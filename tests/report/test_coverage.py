"""How often an interval that joins several seeds' own intervals covers the truth."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.intervals import crossed
from jaxheads.records.rows import Row
from jaxheads.report.spread import spread_of
from tests.analysis.test_coverage import logistic, normal, rate

pytestmark = pytest.mark.slow
SEEDS = pytest.mark.parametrize("seeds", [3, 5])


def covered(value_SXR: np.ndarray, truth: float) -> float:
    """The share of R tables whose rows' own intervals over X, joined, hold the truth."""
    own = [crossed(row_XR[None].astype(float)) for row_XR in value_SXR]
    held = []
    for place in range(value_SXR.shape[2]):
        ends = [each.at(place) for each in own]
        rows = [Row("s", "m", "t", "accuracy", e.value, low=e.low, high=e.high) for e in ends]
        found = spread_of(rows)
        assert found is not None
        held.append(found.holds(truth))
    return float(np.mean(held))


@SEEDS
@pytest.mark.parametrize("scale", [(1.0, 1.0, 1.0), (0.3, 1.0, 0.3), (0.0, 1.0, 0.2)])
def test_seeds_that_agree_about_examples_cover_as_promised(seeds, scale):
    """93% to 97.5%, give or take two standard errors of 1,000 tables."""
    table = normal(np.random.default_rng(0), seeds, 100, scale, 1000)
    assert 0.93 - 0.014 <= covered(table, 0.0) <= 0.975 + 0.014


@SEEDS
@pytest.mark.parametrize("scale", [(0.1, 0.1, 1.0), (0.2, 1.0, 1.0), (0.0, 1.0, 1.0)])
def test_seeds_that_do_not_agree_cover_more_and_never_less(seeds, scale):
    table = normal(np.random.default_rng(0), seeds, 100, scale, 1000)
    assert 0.97 <= covered(table, 0.0) <= 1.0


@SEEDS
def test_accuracies_of_seeds_that_make_the_same_mistakes(seeds):
    scale, at = (0.3, 3.0, 0.1), 1.0
    right = logistic(np.random.default_rng(0), seeds, 400, scale, at, 1000)
    assert 0.93 - 0.014 <= covered(right, rate(scale, at)) <= 0.99
