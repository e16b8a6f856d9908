"""Bootstrap intervals over seeds and examples at once (percentile method, Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Statistic = Callable[..., float]  # (seed numbers, example numbers of each data set) -> float


class Estimate(NamedTuple):
    """A statistic of the data as they are, and the bounds of its bootstrap interval."""

    value: float
    low: float
    high: float


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
    sizes = (seeds, *examples)
    if min(*sizes, samples) < 1 or not 0 < level < 1:
        raise ValueError(
            "bootstrap: expected at least one seed, example and sample and a level in (0, 1), got "
            f"{seeds}, {examples}, {samples}, {level}"
        )
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [statistic(*(rng.integers(n, size=n) for n in sizes)) for _ in range(samples)], float
    )
    value = statistic(*map(np.arange, sizes))
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return Estimate(float(value), float("nan"), float("nan"))
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Estimate(float(value), float(low), float(high))


def mean_interval(values: Sequence[float], *, samples: int = 1000, seed: int = 0) -> Estimate:
    """The mean of some values, such as one for each seed, and its 95% bootstrap interval."""
    value_S = np.asarray(values, float)

    def mean(seed_S):
        return float(value_S[seed_S].mean())

    return bootstrap(mean, len(value_S), samples=samples, seed=seed)
