"""Rows brought together: the values of one thing over seeds and draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import mean
from typing import NamedTuple, TypeVar

from jaxheads.records import Row

Key = TypeVar("Key")


class Spread(NamedTuple):
    """The mean of several values, the lowest and highest of them, and how many there are."""

    mean: float
    low: float
    high: float
    number: int

    def __str__(self) -> str:
        if self.number == 1:
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f}, n={self.number})"


def spreads(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, Spread]:
    """The spread of the rows' values under each key, in the order in which keys come."""
    values: dict[Key, list[float]] = {}
    for row in rows:
        values.setdefault(key(row), []).append(row.value)
    return {
        name: Spread(mean(found), min(found), max(found), len(found))
        for name, found in values.items()
    }


def kind_of(method: str) -> str:
    """The method without the number of a draw: "random 3" is a "random"."""
    name, _, number = method.rpartition(" ")
    return name if number.isdecimal() else method
