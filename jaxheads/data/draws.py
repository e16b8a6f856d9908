"""Draws of chance in pure Python: the same on every machine and in every numpy release."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15

T = TypeVar("T")


class Draws:
    """A stream of draws that is a pure function of its key, of numbers and names."""

    def __init__(self, *key: int | str) -> None:
        self._state = 0
        for part in key:
            number = zlib.crc32(part.encode()) if isinstance(part, str) else part & MASK
            self._state = mixed(self._state ^ mixed((number + GOLDEN) & MASK))

    def below(self, count: int) -> int:
        """Return a number from 0 to `count` - 1, all of them equally likely (to 2^-64)."""
        self._state = (self._state + GOLDEN) & MASK
        return (mixed(self._state) * count) >> 64

    def chance(self, percent: int) -> bool:
        """Return True in `percent` of 100 cases."""
        return self.below(100) < percent

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items, all of them equally likely."""
        return items[self.below(len(items))]

    def pick_early(self, items: Sequence[T]) -> T:
        """Return one of the items, the earlier the likelier: linearly, down to almost never."""
        return items[min(self.below(len(items)), self.below(len(items)))]

    def weighted(self, items: Sequence[tuple[int, T]]) -> T:
        """Return the item of a (weight, item), each as likely as its whole weight says."""
        left = self.below(sum(weight for weight, _ in items))
        for weight, item in items:
            left -= weight
            if left < 0:
                return item
        raise AssertionError("the weights do not sum to their sum")


def mixed(bits: int) -> int:
    """Mix 64 bits: the finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)
