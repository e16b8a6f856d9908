"""The acceptable deduction from answers: what bounds of margins allow to say."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.inference.metrics import METRICS
from jaxheads.studies.chiang2021.acceptable import Retained, reached

BUDGETS, LOSS = (16, 12, 8), (0.0, 0.1, 0.3)


def retained(*right: list[np.ndarray]) -> Retained:
    """By budget, and in each by seed, which of the examples are answered right."""
    guess_SKM = np.array(right).swapaxes(0, 1).astype(int)
    examples = guess_SKM.shape[2]
    return Retained(METRICS["accuracy"], guess_SKM, np.ones(examples, int), np.arange(examples))


def test_a_budget_without_a_bound_is_neither_sure_to_keep_enough_nor_not_to():
    """All is right until half of the heads are gone, when both seeds are mostly wrong."""
    all_right, often_wrong = np.ones(60), np.arange(60) % 3 == 0
    made = retained([all_right] * 2, [all_right] * 2, [often_wrong] * 2)
    margin = made.margins(0.05)
    assert margin.value == pytest.approx([0.05, 0.05, 1 / 3 - 0.95])
    assert margin.low[0] == margin.high[0] == pytest.approx(0.05)
    assert (margin.low[1], margin.high[1]) == (-np.inf, np.inf)
    found = reached(margin, BUDGETS, LOSS)
    assert found["heads removed"][:3] == (4.0, 0.0, 4.0)
    assert found["loss increase"][:3] == (0.1, 0.0, 0.1)


def test_without_any_bound_there_is_none():
    one = retained(*[[np.ones(1)]] * 3)
    found = reached(one.margins(0.05), BUDGETS, LOSS)
    assert found["heads removed"].value == 8.0
    assert np.isnan(found["heads removed"][1:3]).all()
