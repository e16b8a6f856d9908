"""Pruning along a curve with new scores at every budget."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.pruning.mask import mask_from_scores
from jaxheads.pruning.schedule import prune_iteratively

SCORES = np.arange(12.0).reshape(3, 4)
FULL = np.ones((3, 4), bool)


def test_each_mask_is_scored_with_the_one_before():
    seen = []

    def score_fn(mask_LH):
        """The scores turn round as soon as a head is gone, and masked heads have none."""
        seen.append(mask_LH.copy())
        score_LH = np.where(mask_LH, SCORES if mask_LH.all() else -SCORES, np.nan)
        mask_LH[:] = True  # a scorer that spoils its argument changes nothing
        return score_LH

    masks = list(prune_iteratively(score_fn, (9, 6, 3), FULL))
    assert len(seen) == 3
    np.testing.assert_array_equal(seen[0], FULL)
    np.testing.assert_array_equal(seen[1], masks[0])
    np.testing.assert_array_equal(seen[2], masks[1])
    np.testing.assert_array_equal(masks[0], SCORES >= 3)
    np.testing.assert_array_equal(masks[1], (SCORES >= 3) & (SCORES < 9))
    np.testing.assert_array_equal(masks[2], (SCORES >= 3) & (SCORES < 6))


def test_new_scores_that_do_not_change_leave_the_curve_as_one_ranking_does():
    budgets = range(11, -1, -1)
    anew = prune_iteratively(lambda mask: SCORES, budgets, FULL)
    for budget, mask_LH in zip(budgets, anew, strict=True):
        np.testing.assert_array_equal(mask_LH, mask_from_scores(SCORES, budget))


def test_absent_heads_stay_away():
    present = FULL.copy()
    present[2, 3] = False
    for mask_LH in prune_iteratively(lambda mask: SCORES, (7, 3), present):
        assert not mask_LH[2, 3]
    assert mask_LH.sum() == 3


@pytest.mark.parametrize("budgets", [(12,), (6, 7), (3, -1)])
def test_budgets_that_are_no_curve_are_rejected(budgets):
    present = FULL.copy()
    present[0, 0] = False
    with pytest.raises(
        ValueError, match=rf"budget: expected 0 to .* heads kept, got {budgets[-1]}"
    ):
        list(prune_iteratively(lambda mask: SCORES, budgets, present))
