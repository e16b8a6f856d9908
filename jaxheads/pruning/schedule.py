"""Heads scored anew at every budget of a curve, the iterative mode of Michel et al. 2019.

Their other mode, one ranking for the whole curve, is `mask_from_scores` at each budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike

from jaxheads.pruning.mask import mask_from_scores

ScoreFn = Callable[[Bool[np.ndarray, "L H"]], ArrayLike]


def prune_iteratively(
    score_fn: ScoreFn, budgets: Iterable[int], present: ArrayLike
) -> Iterator[Bool[np.ndarray, "L H"]]:
    """Yield one mask per budget; a head that one of them drops never returns in a later one.

    Args:
        score_fn: takes the current mask, which it should gate the model with, and returns scores
            `[L, H]`; called once per budget. The scores of masked heads are not read.
        budgets: numbers of heads to keep, each at most the one before.
        present: bool `[L, H]`, the heads to start with (all of an uncut model).

    Raises:
        ValueError: a budget above the one before it, or one that `mask_from_scores` does not take.
    """
    mask_LH = np.array(present)
    for budget in budgets:
        mask_LH = mask_from_scores(score_fn(mask_LH.copy()), budget, present=mask_LH)
        yield mask_LH
