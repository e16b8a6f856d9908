"""Rows brought together: one number over seeds and draws, with its bounds and what they are."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from statistics import mean, stdev
from typing import Any, NamedTuple

import scipy

from jaxheads.records.rows import Row

Form = Callable[[float], str]

RANGE, INTERVAL, SINGLE = "range", "95% interval", "one value"


class Spread(NamedTuple):
    """The mean of `number` values with bounds; `kind` says what the bounds are.

    RANGE: lowest and highest value. INTERVAL: a 95% interval. SINGLE: no bounds, they are the mean.
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


def signed(value: float, digits: int = 3) -> str:
    """As `number`, with a plus before what is above zero."""
    return _minus(f"{round(value, digits) + 0.0:+.{digits}f}")


def percent(value: float) -> str:
    """A share as whole percent, below 10% with one digit after the point unless it is 0."""
    digits = 1 if 0 < abs(value) < 0.0995 else 0
    return _minus(f"{round(100 * value, digits) + 0.0:.{digits}f}%")


def short(value: float) -> str:
    """Three significant digits, from a thousand on all before the point: 0.25, 10.3, 1,888."""
    return _minus(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}")


def count(value: float) -> str:
    """A number of things."""
    return f"{value:,.0f}"


def _minus(text: str) -> str:
    return text.replace("-", "−")


def bounds(spread: Spread, form: Form = number, of: str = "seeds") -> str:
    """What stands in parentheses behind a mean; `of` names the values."""
    if spread.kind == SINGLE:
        return f"n = {spread.number}, no interval"
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

    The one row over several seeds or draws speaks for all, with its interval over these and
    examples. One row alone keeps the interval that it brings. Other rows get their range: their own
    intervals do not tell whether they are right about the same examples.
    """
    rows = [row for row in rows if math.isfinite(row.value)]
    if not rows:
        return None
    together = [row for row in rows if _models(row) > 1]
    (row, *others) = together if len(together) == 1 else rows
    if others:
        return range_of([row.value, *(other.value for other in others)])
    own = interval_of(row)
    low, high = own or (row.value, row.value)
    return Spread(row.value, low, high, _models(row), INTERVAL if own else SINGLE)


def _models(row: Row) -> int:
    """Of how many models, or draws, a row is."""
    return row.seeds or row.draws or 1


def interval_of(row: Row) -> tuple[float, float] | None:
    """The bounds that a row brings; None unless both are finite and differ.

    Where nothing varied (three arcs of three found) nothing is known of how much it would.
    """
    if row.low is None or row.high is None or not math.isfinite(row.high - row.low):
        return None
    if row.low == row.high:
        return None
    return row.low, row.high


def ends(row: Row, form: Form = signed) -> str:
    """The bounds that a row brings, as words; empty if it brings none."""
    found = interval_of(row)
    return "" if found is None else f"{form(found[0])} to {form(found[1])}"


def largest_p(rows: Iterable[Row]) -> float | None:
    """The largest p-value of rows, one that is not known being 1; None where none has one."""
    known = (row.p_value for row in rows if row.p_value is not None)
    return max((1.0 if math.isnan(p) else p for p in known), default=None)


def p_text(p: float) -> str:
    """A p-value, from below 0.001 on as a bound."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def range_of(values: Sequence[float]) -> Spread:
    """The mean of values, at least one, with the lowest and the highest."""
    kind = RANGE if len(values) > 1 else SINGLE
    return Spread(mean(values), min(values), max(values), len(values), kind)


def spreads(rows: Iterable[Row], *keys: str | Callable[[Row], Any]) -> dict[Any, Spread]:
    """The spread of the rows by their fields, or what functions make of them, in their order."""
    key = [operator.attrgetter(each) if isinstance(each, str) else each for each in keys]
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        name = tuple(of(row) for of in key) if len(key) > 1 else key[0](row)
        groups.setdefault(name, []).append(row)
    found = {name: spread_of(group) for name, group in groups.items()}
    return {name: spread for name, spread in found.items() if spread is not None}


def kept(row: Row) -> float:
    """Where a row stands on an axis of heads kept."""
    return float(row.budget or 0)


def by_seed(rows: Iterable[Row]) -> dict[int, float]:
    """The mean of the finite values of each seed."""
    values: dict[int, list[float]] = {}
    for row in rows:
        if math.isfinite(row.value):
            values.setdefault(row.seed, []).append(row.value)
    return {seed: mean(found) for seed, found in values.items()}


def mean_of(values: Sequence[float]) -> Spread:
    """The mean of values, at least one, with Student's 95% interval; of one value no bounds."""
    if len(values) == 1:
        return range_of(values)
    middle, error = mean(values), stdev(values) / math.sqrt(len(values))
    half = float(scipy.special.stdtrit(len(values) - 1, 0.975)) * error
    return Spread(middle, middle - half, middle + half, len(values), INTERVAL)
