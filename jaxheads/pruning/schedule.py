"""Schedules: the budgets of a pruning curve, and whether heads are scored anew on the way.

Both modes of Michel et al. 2019: one ranking for the whole curve, or a new one at every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike

from jaxheads.pruning.mask import mask_from_scores

ScoreFn = Callable[[Bool[np.ndarray, "L H"]], ArrayLike]


class Schedule(NamedTuple):
    """Budgets, each smaller than the one before; `rescore`: heads are scored anew before each."""

    budgets: tuple[int, ...]
    rescore: bool


class Step(NamedTuple):
    """One point of a curve: `mask_LH` keeps `budget` heads, chosen by `score_LH`."""

    budget: int
    mask_LH: Bool[np.ndarray, "L H"]
    score_LH: ArrayLike


def one_shot(budgets: Iterable[int]) -> Schedule:
    """One ranking of the full model for all budgets; ValueError unless they decrease."""
    return Schedule(_decreasing(budgets), rescore=False)


def iterative(
    full: int, target: int, *, count: int | None = None, fraction: float | None = None
) -> Schedule:
    """From `full` heads, not itself a step, down to `target`; heads are scored anew at each step.

    A step removes `count` heads, or `fraction` of `full`: after step i floor(i * fraction * full)
    are gone, so that 0.1 of 144 gives 130, 116, 101, ... as in Michel's code. The last step is
    shorter where it must be. ValueError on a target, count or fraction out of range, or on both.
    """
    if not 0 <= target < full:
        raise ValueError(f"target: expected 0 to {full - 1} heads kept of {full}, got {target}")
    step = _step(full, count, fraction)
    steps = range(1, math.ceil((full - target) / step) + 1)
    return Schedule(tuple(max(full - math.floor(i * step), target) for i in steps), rescore=True)


def prune_iteratively(
    score_fn: ScoreFn,
    schedule: Schedule,
    present: ArrayLike,
    *,
    per_layer: bool = False,
    floor: int = 0,
    tied_rows: Sequence[int] | None = None,
) -> Iterator[Step]:
    """Yield one Step per budget; a head that one of them masks never returns in a later one.

    `score_fn` takes the current mask, which starts as `present` (all heads of an uncut model), is
    what it should gate the model with, and returns scores `[L, H]`. It is called once for each
    budget, or once in all. The scores of masked heads are not read. Options and errors are those of
    `mask_from_scores`.
    """
    mask_LH, score_LH = np.array(present), None
    for budget in schedule.budgets:
        if score_LH is None or schedule.rescore:
            score_LH = score_fn(mask_LH.copy())
        mask_LH = mask_from_scores(
            score_LH, budget, per_layer=per_layer, floor=floor, present=mask_LH, tied_rows=tied_rows
        )
        yield Step(budget, mask_LH, score_LH)


def _step(full: int, count: int | None, fraction: float | None) -> Fraction:
    """Heads removed by one step, exactly: 0.1 is a tenth."""
    if (count is None) == (fraction is None):
        raise ValueError("schedule: expected either a count or a fraction for each step")
    if count is not None:
        step, name = Fraction(count), f"count {count}"
    else:
        step, name = Fraction(str(fraction)) * full, f"fraction {fraction}"
    if not 1 <= step <= full:
        raise ValueError(f"{name}: expected a step of 1 to {full} heads, got {float(step):g}")
    return step


def _decreasing(budgets: Iterable[int]) -> tuple[int, ...]:
    budgets = tuple(budgets)
    if not budgets or min(budgets) < 0 or list(budgets) != sorted(set(budgets), reverse=True):
        raise ValueError(f"budgets: expected decreasing numbers from 0, got {list(budgets)}")
    return budgets
