"""Bootstrap intervals over seeds and examples at once (percentile method, Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

Statistic = Callable[..., float]  # (seed numbers, example numbers of each data set) -> float


class Estimate(NamedTuple):
    """A statistic of the data as they are, and the bounds of its bootstrap interval."""

    value: float
    low: float
    high: float


class Estimates(NamedTuple):
    """Many statistics of the same data, each with the bounds of its interval."""

    value: Float[np.ndarray, "*columns"]
    low: Float[np.ndarray, "*columns"]
    high: Float[np.ndarray, "*columns"]

    def at(self, *column: int) -> Estimate:
        """One of them."""
        return Estimate(*(float(each[column]) for each in self))


def bootstrap(
    statistic: Statistic,
    seeds: int,
    *examples: int,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """A percentile interval of `statistic(seed numbers, example numbers of each data set)`.

    Each sample draws as many seeds as there are, and as many examples of each data set, with
    replacement; the same examples for every seed, so that what is compared stays paired.
    Samples whose statistic is NaN are left out; NaN bounds where all are. With few seeds the
    interval is too narrow: percentile intervals of n = 3 cover less than their level.
    """
    (only,) = bootstraps(statistic, seeds, *examples, samples=samples, levels=(level,), seed=seed)
    return only


def bootstraps(
    statistic: Statistic,
    seeds: int,
    *examples: int,
    levels: Sequence[float],
    samples: int = 1000,
    seed: int = 0,
) -> list[Estimate]:
    """The intervals of `bootstrap` at several levels, all from the same samples."""
    sizes = (seeds, *examples)
    if min(*sizes, samples) < 1 or not all(0 < level < 1 for level in levels):
        raise ValueError(
            "bootstrap: expected at least one seed, example and sample and a level in (0, 1), got "
            f"{seeds}, {examples}, {samples}, {', '.join(map(str, levels))}"
        )
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [statistic(*(rng.integers(n, size=n) for n in sizes)) for _ in range(samples)], float
    )
    value = float(statistic(*map(np.arange, sizes)))
    drawn = drawn[~np.isnan(drawn)]
    return [Estimate(value, *_percentiles(drawn, level)) for level in levels]


def _percentiles(drawn: Float[np.ndarray, "samples"], level: float) -> tuple[float, float]:
    """The bounds between which a share `level` of the samples lies; NaN where there is none."""
    if not len(drawn):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return float(low), float(high)


def grouped_mean(
    value_X: Sequence[float] | Num[np.ndarray, "X"] | Bool[np.ndarray, "X"],
    group_X: Sequence[Hashable],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """The mean of values and its 95% interval, where values of one group are not independent.

    Whole groups are drawn (a cluster bootstrap); a group weighs as many values as it has.
    """
    sum_G, size_G = group_sums(np.asarray(value_X, float), group_X)

    def mean(_, drawn_G) -> float:
        return float(sum_G[drawn_G].sum() / size_G[drawn_G].sum())

    return bootstrap(mean, 1, len(size_G), samples=samples, seed=seed)


def group_sums(
    value_X: Float[np.ndarray, "X *rest"], group_X: Sequence[Hashable]
) -> tuple[Float[np.ndarray, "G *rest"], Int[np.ndarray, "G"]]:
    """The sum over each group, in the order in which groups come, and its number of values.

    ValueError for values and groups that are not equally many, or none.
    """
    if len(value_X) != len(group_X) or not len(group_X):
        raise ValueError(
            f"groups: expected one for each value, got {len(group_X)} for {len(value_X)}"
        )
    number = {group: place for place, group in enumerate(dict.fromkeys(group_X))}
    place_X = np.array([number[group] for group in group_X])
    sum_G = np.zeros((len(number), *value_X.shape[1:]))
    np.add.at(sum_G, place_X, value_X)
    return sum_G, np.bincount(place_X)


def mean_interval(values: Sequence[float], *, samples: int = 1000, seed: int = 0) -> Estimate:
    """The mean of some values, such as one for each seed, and its 95% bootstrap interval."""
    value_S = np.asarray(values, float)

    def mean(seed_S):
        return float(value_S[seed_S].mean())

    return bootstrap(mean, len(value_S), samples=samples, seed=seed)


def ratio_intervals(
    top: Float[np.ndarray, "S X *columns"],
    bottom: Float[np.ndarray, "X"],
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimates:
    """Percentile intervals of many ratios at once, from the same samples of seeds and examples.

    A ratio is the mean over the S seeds of the sum of `top` over the X examples, over the sum of
    `bottom`: with ones below it is a mean. As `bootstrap`, samples draw seeds and examples
    independently of each other, and those without a ratio (0 below) are left out.
    """
    seeds, examples = top.shape[:2]
    if min(seeds, examples, samples) < 1 or not 0 < level < 1 or bottom.shape != (examples,):
        raise ValueError(
            "ratio intervals: expected at least one seed, example and sample, as many below as "
            f"above, and a level in (0, 1), got {list(top.shape)}, {list(bottom.shape)}, "
            f"{samples}, {level}"
        )
    rng = np.random.default_rng(seed)
    top_SXC = top.reshape(seeds, examples, -1)

    def ratio(drawn_S, drawn_X):
        below = drawn_S.sum() * (drawn_X @ bottom)
        above_C = drawn_S @ (drawn_X @ top_SXC)
        return above_C / below if below else np.full(above_C.shape, np.nan)

    drawn_NC = np.stack([
        ratio(*(np.bincount(rng.integers(n, size=n), minlength=n) for n in (seeds, examples)))
        for _ in range(samples)
    ])  # fmt: skip
    drawn_NC = drawn_NC[~np.isnan(drawn_NC).all(1)]
    value_C = ratio(np.ones(seeds), np.ones(examples))
    tail = (1 - level) / 2
    ends = [np.full(value_C.shape, np.nan)] * 2
    if len(drawn_NC):
        ends = list(np.quantile(drawn_NC, (tail, 1 - tail), axis=0))
    return Estimates(*(each.reshape(top.shape[2:]) for each in (value_C, *ends)))
