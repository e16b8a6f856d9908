"""How far two maps `[L, H]` over the same heads agree, and how often chance does as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float


class Agreement(NamedTuple):
    """A statistic of two maps and its two-sided `p_value`.

    By permutation: the share of random orders of the heads whose statistic lies at least as far
    from zero as the one observed, the observed order counted among them. Kendall's is scipy's
    (exact for few heads without ties, else a normal approximation).
    """

    value: float
    p_value: float
    chance: float  # the mean of the statistic over all orders of the heads


def rank_agreement(
    one_LH: Float[np.ndarray, "L H"],
    two_LH: Float[np.ndarray, "L H"],
    *,
    present: Bool[np.ndarray, "L H"] | None = None,
    permutations: int = 9999,
    seed: int = 0,
) -> dict[str, Agreement]:
    """Spearman's rho, Kendall's tau-b and the mean of Spearman's rho within layers, by name.

    Only the orders count; equal scores share their rank. "spearman within layers" is the mean over
    the layers in which both maps vary, and its chance orders stay within layers; it is missing
    where there is no such layer. `present` heads alone are compared; None: all.

    Raises:
      ValueError: for maps of fewer than two heads, that are not finite, or all equal.
    """
    present = np.ones(one_LH.shape, bool) if present is None else present
    _check(one_LH[present], two_LH[present])
    rng = np.random.default_rng(seed)
    one_N, two_N = one_LH[present], two_LH[present]
    kendall, p_value = np.asarray(scipy.stats.kendalltau(one_N, two_N), float).tolist()
    found = {
        "spearman": _tested(_ranks(one_N), _ranks(two_N), rng, permutations),
        "kendall": Agreement(kendall, p_value, 0.0),
    }
    within = _within_layers(one_LH, two_LH, present, rng, permutations)
    return found if within is None else found | {"spearman within layers": within}


def partial_spearman(
    one_LH: Float[np.ndarray, "L H"],
    two_LH: Float[np.ndarray, "L H"],
    given: Sequence[Float[np.ndarray, "L H"]],
    *,
    permutations: int = 9999,
    seed: int = 0,
) -> Agreement:
    """Correlate the ranks of two maps after regressing both on the ranks of other maps.

    What is left is agreement that the other maps do not carry. A map among them that is measured
    with noise takes away less than all that it stands for. The p-value permutes the residuals of
    one side (Freedman and Lane 1983).

    Args:
      one_LH, two_LH: the maps to compare.
      given: maps that are held constant; those of equal order count once.
      permutations: random orders of the heads.
      seed: of those orders.

    Returns:
      The partial rank correlation; NaN with a p-value of 1 where the other maps give the order of
      one side exactly, so that nothing is left to compare.

    Raises:
      ValueError: for maps that are not finite, or all equal.
    """
    for each_LH in (two_LH, *given):
        _check(np.ravel(one_LH), np.ravel(each_LH))
    ranks = [_ranks(np.ravel(each_LH)) for each_LH in (one_LH, two_LH, *given)]
    base_NK, size_K, _ = np.linalg.svd(np.stack(ranks[2:], 1), full_matrices=False)
    base_NK = base_NK[:, size_K > 1e-9]

    def rest(value_XN: np.ndarray) -> np.ndarray:
        return value_XN - (value_XN @ base_NK) @ base_NK.T

    one_N, two_N = rest(ranks[0]), rest(ranks[1])
    if min(np.linalg.norm(one_N), np.linalg.norm(two_N)) < 1e-9:
        return Agreement(float("nan"), 1.0, 0.0)
    two_N = two_N / np.linalg.norm(two_N)
    rng = np.random.default_rng(seed)
    shuffled_SN = rest(rng.permuted(np.tile(one_N, (permutations, 1)), axis=1))
    length_S = np.linalg.norm(shuffled_SN, axis=1)
    chance_S = shuffled_SN @ two_N / np.where(length_S > 0, length_S, 1.0)
    return _against(float(one_N @ two_N / np.linalg.norm(one_N)), chance_S)


def spearman_brown(one_LH: Float[np.ndarray, "L H"], two_LH: Float[np.ndarray, "L H"]) -> float:
    """The reliability of a map: how its ranking would repeat on as many other data.

    Spearman's rho of the halves, raised to full size by the formula of Spearman and Brown; heads
    without a value in either half are left out. NaN where fewer than two heads or values are left.
    """
    present = np.isfinite(one_LH) & np.isfinite(two_LH)
    one_N, two_N = one_LH[present], two_LH[present]
    if not (_varies(one_N) and _varies(two_N)):
        return float("nan")
    half = float(_ranks(one_N) @ _ranks(two_N))
    return 2 * half / (1 + half) if half > -1 else -float("inf")


def ceiling(one: float, two: float) -> float:
    """The correlation to expect of two maps of these reliabilities that measure the same thing.

    The root of their product (Spearman 1904); a reliability below 0 counts as 0. Both are
    estimates, so that a correlation that was observed may lie above it.
    """
    return float(np.sqrt(max(one, 0.0) * max(two, 0.0)))


def overlap(
    one_LH: Float[np.ndarray, "L H"],
    two_LH: Float[np.ndarray, "L H"],
    share: float,
    *,
    lowest: bool,
) -> Agreement:
    """The share of one map's lowest (or highest) heads that are the other's too.

    `round(share * N)` of the N heads are taken, ties broken as by `pruning.mask` (the lower layer,
    and in it the lower head, counts as lower). The p-value is of the hypergeometric distribution,
    exact: the chance of at least so many in common, or at most, whichever is less, doubled.

    Raises:
      ValueError: as `rank_agreement`, and for a share that takes no head or all.
    """
    _check(np.ravel(one_LH), np.ravel(two_LH))
    total, count = one_LH.size, round(share * one_LH.size)
    if not 0 < count < total:
        raise ValueError(f"overlap: expected a share of some of {total} heads, got {share}")
    common = len(set(_extreme(one_LH, count, lowest)) & set(_extreme(two_LH, count, lowest)))
    chance = scipy.stats.hypergeom(total, count, count)
    tail = min(chance.sf(common - 1), chance.cdf(common))
    return Agreement(common / count, float(min(1.0, 2 * tail)), count / total)


def jaccard(one_LH: Bool[np.ndarray, "L H"], two_LH: Bool[np.ndarray, "L H"]) -> float:
    """The share of the heads that either mask keeps which both keep; 1 where neither keeps any."""
    either = int((one_LH | two_LH).sum())
    return float((one_LH & two_LH).sum() / either) if either else 1.0


def chance_jaccard(layers: int, heads: int, kept: int) -> float:
    """What `jaccard` of two masks with `kept` random heads in each layer is expected to be.

    Exact: the heads in common are a sum of independent hypergeometric numbers, one for each layer.
    """
    common = scipy.stats.hypergeom.pmf(np.arange(kept + 1), heads, kept, kept)
    share = np.ones(1)
    for _ in range(layers):
        share = np.convolve(share, common)
    both = np.arange(len(share))
    return float((share * both / (2 * kept * layers - both)).sum())


def _check(one_N: np.ndarray, two_N: np.ndarray) -> None:
    problems = [
        f"{name}: expected at least two different finite numbers, got {score[:8]}"
        for name, score in (("first scores", one_N), ("second scores", two_N))
        if not np.isfinite(score).all() or np.size(score) < 2 or np.ptp(score) == 0
    ]
    if problems:
        raise ValueError("agreement: " + "; ".join(problems))


def _extreme(score_LH: np.ndarray, count: int, lowest: bool) -> np.ndarray:
    order = np.argsort(np.ravel(score_LH), kind="stable")
    return order[:count] if lowest else order[-count:]


def _tested(one_N, two_N, rng, permutations: int) -> Agreement:
    """The correlation of two standard rank vectors."""
    shuffled_SN = rng.permuted(np.tile(two_N, (permutations, 1)), axis=1)
    return _against(float(one_N @ two_N), shuffled_SN @ one_N)


def _against(value: float, chance_S: np.ndarray) -> Agreement:
    as_far = np.abs(chance_S) >= abs(value) - 1e-12  # equal but for rounding
    return Agreement(value, float((1 + as_far.sum()) / (1 + len(chance_S))), 0.0)


def _within_layers(one_LH, two_LH, present_LH, rng, permutations: int) -> Agreement | None:
    layers = [
        (_ranks(one_H[here_H]), _ranks(two_H[here_H]))
        for one_H, two_H, here_H in zip(one_LH, two_LH, present_LH, strict=True)
        if _varies(one_H[here_H]) and _varies(two_H[here_H])
    ]
    if not layers:
        return None
    value, chance_S = 0.0, np.zeros(permutations)
    for one_H, two_H in layers:
        shuffled_SH = rng.permuted(np.tile(two_H, (permutations, 1)), axis=1)
        value += float(one_H @ two_H) / len(layers)
        chance_S += shuffled_SH @ one_H / len(layers)
    return _against(value, chance_S)


def _varies(score_H: np.ndarray) -> bool:
    return score_H.size > 1 and bool(np.ptp(score_H) > 0)


def _ranks(score_N: np.ndarray) -> Float[np.ndarray, "N"]:
    """Ranks less their mean, of length 1."""
    rank_N = scipy.stats.rankdata(score_N)
    centred_N = rank_N - rank_N.mean()
    return centred_N / np.linalg.norm(centred_N)
