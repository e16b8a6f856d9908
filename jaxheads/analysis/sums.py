"""Values that are ratios of sums over examples (sentences, originals), of one model or of several.

A mean is such a ratio, and so are a share of arcs and a recall. Of several models each has its own
ratio; the interval of their mean is over models and examples at once (`intervals.crossed`), so that
it does not matter whether models are right about the same examples.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from jaxheads.analysis.intervals import Estimates, crossed


class Sums(NamedTuple):
    """What each example adds to both sides of ratios: above for each column, below for all."""

    top_X: Float[np.ndarray, "X *columns"]
    bottom_X: Float[np.ndarray, "X"]

    @property
    def ratio(self) -> Float[np.ndarray, "*columns"]:
        """The ratio of the sums; NaN where there is nothing to count."""
        total, above = self.bottom_X.sum(), self.top_X.sum(0)
        return np.asarray(above / total if total else np.full(above.shape, np.nan))

    def pick(self, *column: int) -> Sums:
        """One column alone."""
        return self._replace(top_X=self.top_X[(slice(None), *column)])

    def intervals(self) -> Estimates:
        """The ratios with their intervals over examples."""
        return together([self])


def together(sums_S: Sequence[Sums]) -> Estimates:
    """The mean of several models' ratios, with intervals over models and examples at once.

    Raises:
      ValueError: for models of different examples, or none.
    """
    shapes = {tuple(map(np.shape, sums)) for sums in sums_S}
    if len(shapes) != 1:
        raise ValueError(f"sums: expected those of the same examples, got {sorted(shapes)}")
    top_SX, bottom_SX = (np.stack(side) for side in zip(*sums_S, strict=True))
    return ratio_intervals(top_SX, bottom_SX)


def grouped(
    value_X: Sequence[float] | Num[np.ndarray, "X"] | Bool[np.ndarray, "X"],
    group_X: Sequence[Hashable],
    counted_X: Bool[np.ndarray, "X"] | None = None,
) -> Sums:
    """The sums of a mean of values of which those of one group are not independent.

    A group weighs as many values as it has. `counted_X`: which values count; None: all.

    Raises:
      ValueError: as `group_sums`.
    """
    counted = np.ones(len(value_X)) if counted_X is None else counted_X.astype(float)
    top_G, _ = group_sums(np.asarray(value_X, float) * counted, group_X)
    return Sums(top_G, group_sums(counted, group_X)[0])


def group_sums(
    value_X: Float[np.ndarray, "X *rest"], group_X: Sequence[Hashable]
) -> tuple[Float[np.ndarray, "G *rest"], Int[np.ndarray, "G"]]:
    """The sum over each group, in the order in which groups come, and its number of values.

    Raises:
      ValueError: for values and groups that are not equally many, or none.
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


def ratio_intervals(
    top_SX: Float[np.ndarray, "S X *columns"],
    bottom_SX: Float[np.ndarray, "S X"],
    *,
    level: float = 0.95,
) -> Estimates:
    """Bound many ratios of sums at once.

    A seed's ratio is its sum of `top_SX` over examples, over that of `bottom_SX`: with ones below
    it is a mean. The variance is that of the mean over seeds of the linearised ratios, `ratio + X
    (top - ratio * bottom) / sum of bottom` (Cochran 1977, chapter 6). NaN where a seed has nothing
    below.

    Args:
      top_SX: by seed, example (a sentence, a group) and column.
      bottom_SX: what each example counts for; examples that count for nothing change nothing.

    Raises:
      ValueError: for no seed or example, or sides of different length.
    """
    if top_SX.ndim < 2 or not top_SX.size or bottom_SX.shape != top_SX.shape[:2]:
        raise ValueError(
            "ratio intervals: expected at least one seed and example, and as many below as above, "
            f"got {list(top_SX.shape)} and {list(bottom_SX.shape)}"
        )
    counted_X = ((top_SX != 0).any(axis=(0, *range(2, top_SX.ndim)))) | (bottom_SX > 0).any(0)
    if not (bottom_SX.sum(1) > 0).all():
        return Estimates(*[np.full(top_SX.shape[2:], np.nan)] * 4)
    top_SX = top_SX[:, counted_X].astype(float)
    bottom_SX = bottom_SX[:, counted_X].reshape(*top_SX.shape[:2], *[1] * (top_SX.ndim - 2))
    total_S = bottom_SX.sum(1, keepdims=True)
    ratio_S = top_SX.sum(1, keepdims=True) / total_S
    linear_SX = ratio_S + (top_SX - ratio_S * bottom_SX) * top_SX.shape[1] / total_S
    return crossed(linear_SX, level=level)
