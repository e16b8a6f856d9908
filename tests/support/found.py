"""Looking rows up by their fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jaxheads.records.rows import Row

_WAY = {"reading": "", "other_task": "", "other_method": "", "other_reading": ""}


def having(rows: Iterable[Row], **what: Any) -> list[Row]:
    """The rows that have these fields; with a seed, those of that one alone.

    With a method also those alone that have nothing else beside it, unless that is given.
    """
    if "seed" in what:
        what = {"seeds": None, "draws": None} | what
    if "method" in what:
        what = _WAY | what
    return [row for row in rows if all(getattr(row, name) == value for name, value in what.items())]


def value_of(rows: Iterable[Row], **what: Any) -> float:
    """The value of the one row that has these fields."""
    (row,) = having(rows, **what)
    return row.value


def metrics(rows: Iterable[Row], **what: Any) -> dict[str, float]:
    """The values of the rows that have these fields, by metric."""
    return {row.metric: row.value for row in having(rows, **what)}
