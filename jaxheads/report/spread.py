"""Rows brought together: one number over seeds and draws, with its bounds and what they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import NamedTuple, TypeVar

from jaxheads.records import Row

Key = TypeVar("Key")
Form = Callable[[float], str]

RANGE, INTERVAL, SINGLE = "range", "95% interval", "one value"

# Student's t at 97.5% with 1, 2, ... degrees of freedom; with more, the last one, which is wider.
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)
T975 += (2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086)


class Spread(NamedTuple):
    """The mean of `number` values with bounds; `kind` says what the bounds are.

    RANGE: lowest and highest value. INTERVAL: a 95% interval. SINGLE: no bounds, all are equal.
    """

    mean: float
    low: float
    high: float
    number: int
    kind: str

    def scaled(self, factor: float) -> Spread:
        """Mean and bounds times a factor above 0."""
        return self._replace(
            mean=self.mean * factor, low=self.low * factor, high=self.high * factor
        )

    @property
    def has_bounds(self) -> bool:
        """Whether anything may be claimed of it."""
        return self.kind != SINGLE

    def holds(self, null: float) -> bool:
        """Whether the bounds include `null`: then the mean is not distinguishable from it."""
        return self.low <= null <= self.high


def number(value: float, digits: int = 3) -> str:
    """So many digits after the point, none from a thousand on; no sign on what rounds to zero."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return _minus(f"{round(value, digits) + 0.0:.{digits}f}")


def signed(value: float) -> str:
    """As `number`, with a plus before what is above zero."""
    return _minus(f"{round(value, 3) + 0.0:+.3f}")


def percent(value: float) -> str:
    """A share as whole percent, below 10% with one digit after the point unless it is 0."""
    digits = 1 if 0 < abs(value) < 0.0995 else 0
    return _minus(f"{round(100 * value, digits) + 0.0:.{digits}f}%")


def short(value: float) -> str:
    """Three significant digits, from a thousand on all before the point: 0.25, 10.3, 1,888."""
    return _minus(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}")


def _minus(text: str) -> str:
    return text.replace("-", "−")


def bounds(spread: Spread, form: Form = number, of: str = "seeds") -> str:
    """What stands in parentheses behind a mean; `of` names the values."""
    if spread.kind == SINGLE:
        return "n = 1, no interval"
    ends = f"{form(spread.low)} to {form(spread.high)}"
    return f"95%: {ends}" if spread.kind == INTERVAL else f"{spread.number} {of}: {ends}"


def words(spread: Spread, form: Form = number, of: str = "seeds") -> str:
    """Mean and bounds for a sentence."""
    return f"{form(spread.mean)} ({bounds(spread, form, of)})"


def cell(spread: Spread | None, form: Form = number) -> str:
    """Mean and bounds for a table: square brackets are 95% intervals, round ones ranges."""
    if spread is None:
        return "–"
    if spread.kind == SINGLE:
        return form(spread.mean)
    left, right = "[]" if spread.kind == INTERVAL else "()"
    return f"{form(spread.mean)} {left}{form(spread.low)} to {form(spread.high)}{right}"


def spread_of(rows: Iterable[Row]) -> Spread | None:
    """Rows with finite values as one; None if there is none.

    The bounds are those that the rows bring, the widest of them, or the range of several values.
    """
    rows = [row for row in rows if math.isfinite(row.value)]
    if not rows:
        return None
    values = [row.value for row in rows]
    ends = [(row.low, row.high) for row in rows]
    lows = [low for low, _ in ends if low is not None and math.isfinite(low)]
    highs = [high for _, high in ends if high is not None and math.isfinite(high)]
    if len(lows) == len(highs) == len(rows):
        return Spread(mean(values), min(lows), max(highs), len(rows), INTERVAL)
    return range_of(values)


def range_of(values: Sequence[float]) -> Spread:
    """The mean of values, at least one, with the lowest and the highest."""
    kind = RANGE if len(values) > 1 else SINGLE
    return Spread(mean(values), min(values), max(values), len(values), kind)


def spreads(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, Spread]:
    """The spread of the rows under each key, in the order in which keys come."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    found = {name: spread_of(group) for name, group in groups.items()}
    return {name: spread for name, spread in found.items() if spread is not None}


def by_seed(rows: Iterable[Row]) -> dict[int, float]:
    """The mean of the finite values of each seed."""
    values: dict[int, list[float]] = {}
    for row in rows:
        if math.isfinite(row.value):
            values.setdefault(row.seed, []).append(row.value)
    return {seed: mean(found) for seed, found in values.items()}


def paired_difference(one: Mapping[int, float], two: Mapping[int, float]) -> Spread | None:
    """`one - two` over the seeds that both have, with Student's 95% interval of the mean."""
    differences = [one[seed] - two[seed] for seed in one if seed in two]
    if not differences:
        return None
    middle, count = mean(differences), len(differences)
    if count == 1:
        return range_of(differences)
    half = T975[min(count - 1, len(T975)) - 1] * stdev(differences) / math.sqrt(count)
    return Spread(middle, middle - half, middle + half, count, INTERVAL)


def kind_of(method: str) -> str:
    """The method without the number of a draw: "random tied 3" is a "random tied"."""
    name, _, draw = method.rpartition(" ")
    return name if draw.isdecimal() else method
