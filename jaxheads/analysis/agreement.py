"""How far two scores of the same heads agree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata


class Agreement(NamedTuple):
    """Spearman's rank correlation over heads, and how often chance does as well.

    `p_value` is two-sided, of a permutation test: the share of random orders of the heads with a
    correlation at least as far from zero, the observed order counted among them.
    """

    spearman: float
    p_value: float


def agreement(
    one_LH: Float[np.ndarray, "*heads"],
    two_LH: Float[np.ndarray, "*heads"],
    *,
    permutations: int = 9999,
    seed: int = 0,
) -> Agreement:
    """Compare two scores head by head; only their orders count. Equal scores share their rank.

    ValueError for scores of fewer than two heads, that are not finite, or all equal.
    """
    problems = [
        f"{name}: expected at least two different finite numbers, got {np.ravel(score)[:8]}"
        for name, score in (("first scores", one_LH), ("second scores", two_LH))
        if not np.isfinite(score).all() or np.size(score) < 2 or np.ptp(score) == 0
    ]
    if problems:
        raise ValueError("agreement: " + "; ".join(problems))
    one_N, two_N = (_standard_ranks(score) for score in (one_LH, two_LH))
    spearman = float(one_N @ two_N)
    rng = np.random.default_rng(seed)
    shuffled_SN = rng.permuted(np.tile(two_N, (permutations, 1)), axis=1)
    as_far = np.abs(shuffled_SN @ one_N) >= abs(spearman) - 1e-12  # equal but for rounding
    return Agreement(spearman, float((1 + as_far.sum()) / (1 + permutations)))


def _standard_ranks(score: np.ndarray) -> Float[np.ndarray, "N"]:
    """Ranks less their mean, of length 1."""
    rank_N = rankdata(np.ravel(score))
    centred_N = rank_N - rank_N.mean()
    return centred_N / np.linalg.norm(centred_N)
