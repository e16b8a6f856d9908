"""Schedules, and pruning along them with and without new scores."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.pruning.schedule import Schedule, iterative, one_shot, prune_iteratively

SCORES = np.arange(12.0).reshape(3, 4)
FULL = np.ones((3, 4), bool)


def test_a_tenth_at_each_step_gives_the_published_head_counts():
    """144 heads in steps of 10% and 5%: head_importance.md 2.4, the heads pruned of each column."""
    tenths = [144 - budget for budget in iterative(144, 0, fraction=0.1).budgets]
    assert tenths == [14, 28, 43, 57, 72, 86, 100, 115, 129, 144]
    twentieths = [144 - budget for budget in iterative(144, 0, fraction=0.05).budgets]
    assert twentieths[1::2] == tenths
    assert twentieths[14] == 108


def test_an_iterative_schedule_ends_at_its_target_with_a_shorter_step():
    assert iterative(12, 0, count=5) == Schedule((7, 2, 0), rescore=True)
    assert iterative(12, 6, count=3).budgets == (9, 6)
    assert iterative(12, 7, fraction=0.25).budgets == (9, 7)
    assert iterative(12, 0, fraction=1.0).budgets == (0,)
    assert iterative(12, 11, count=12).budgets == (11,)


@pytest.mark.parametrize("fraction", [0.01, 0.07, 0.29, 1 / 3, 0.58])
def test_a_fraction_of_a_hundred_heads_is_exact(fraction):
    first = iterative(100, 0, fraction=fraction).budgets[0]
    assert first == 100 - int(fraction * 100 + 1e-9)


def test_steps_and_budgets_that_make_no_schedule_are_refused():
    with pytest.raises(ValueError, match="target: expected 0 to 11 heads kept of 12, got 12"):
        iterative(12, 12, count=1)
    with pytest.raises(ValueError, match="expected either a count or a fraction"):
        iterative(12, 6)
    with pytest.raises(ValueError, match="expected either a count or a fraction"):
        iterative(12, 6, count=1, fraction=0.5)
    with pytest.raises(ValueError, match="count 0: expected a step of 1 to 12 heads, got 0"):
        iterative(12, 6, count=0)
    with pytest.raises(ValueError, match=r"fraction 0\.01: expected a step of 1.*got 0\.12"):
        iterative(12, 6, fraction=0.01)
    with pytest.raises(ValueError, match=r"fraction 1\.5: expected a step of 1 to 12"):
        iterative(12, 6, fraction=1.5)
    for budgets in ([], [3, 3], [3, 4], [3, -1]):
        with pytest.raises(ValueError, match="budgets: expected decreasing numbers from 0, got"):
            one_shot(budgets)


def test_one_shot_scores_the_full_model_once():
    seen = []

    def score_fn(mask_LH):
        seen.append(mask_LH)
        return SCORES

    steps = list(prune_iteratively(score_fn, one_shot([8, 4]), FULL))
    assert len(seen) == 1
    assert seen[0].all()
    assert [step.budget for step in steps] == [8, 4]
    np.testing.assert_array_equal(steps[1].mask_LH, SCORES >= 8)


def test_each_step_is_scored_with_the_mask_of_the_one_before():
    seen = []

    def score_fn(mask_LH):
        """The scores turn round as soon as a head is gone, and masked heads have none."""
        seen.append(mask_LH.copy())
        score_LH = np.where(mask_LH, SCORES if mask_LH.all() else -SCORES, np.nan)
        mask_LH[:] = True  # a scorer that spoils its argument changes nothing
        return score_LH

    steps = list(prune_iteratively(score_fn, iterative(12, 3, count=3), FULL))
    np.testing.assert_array_equal(seen[0], FULL)
    np.testing.assert_array_equal(seen[1], steps[0].mask_LH)
    np.testing.assert_array_equal(seen[2], steps[1].mask_LH)
    np.testing.assert_array_equal(steps[0].mask_LH, SCORES >= 3)
    np.testing.assert_array_equal(steps[1].mask_LH, (SCORES >= 3) & (SCORES < 9))
    np.testing.assert_array_equal(steps[2].mask_LH, (SCORES >= 3) & (SCORES < 6))


def test_new_scores_that_do_not_change_leave_the_curve_as_one_ranking_does():
    budgets = iterative(12, 0, count=1)
    anew = prune_iteratively(lambda mask: SCORES, budgets, FULL, floor=0)
    once = prune_iteratively(lambda mask: SCORES, one_shot(budgets.budgets), FULL)
    for first, second in zip(anew, once, strict=True):
        np.testing.assert_array_equal(first.mask_LH, second.mask_LH)


def test_options_reach_every_step_and_absent_heads_stay_away():
    present = FULL.copy()
    present[2, 3] = False
    schedule = iterative(11, 3, count=4)
    steps = list(prune_iteratively(lambda mask: SCORES, schedule, present, per_layer=True))
    assert [step.mask_LH.sum(1).tolist() for step in steps] == [[2, 2, 3], [1, 1, 1]]
    assert not any(step.mask_LH[2, 3] for step in steps)
    with pytest.raises(ValueError, match="budget: expected 6"):
        list(prune_iteratively(lambda mask: SCORES, schedule, present, floor=2))
