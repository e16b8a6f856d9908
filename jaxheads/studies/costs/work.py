"""Work in numbers, and how long it takes at a stated rate."""

from __future__ import annotations

from typing import NamedTuple

from jaxheads.bench.chips import CHIPS

ON_CPU = "cpu"
TREE = 1e-3  # seconds that one head's tree of a sentence takes on one core


class Work(NamedTuple):
    """What some cells do: examples, operations, steps and programs, and what they leave."""

    forward: int = 0  # examples passed forward alone
    backward: int = 0  # ... and those passed backward too
    flops: float = 0.0
    steps: int = 0  # calls of a compiled program
    programs: int = 0  # that are compiled, where none is kept
    trees: int = 0
    disk: int = 0  # bytes
    memory: int = 0  # bytes of a device, the most at a time

    def __or__(self, other: Work) -> Work:
        """Both, one after the other."""
        *sums, one = self
        *more, two = other
        added = [a + b for a, b in zip(sums, more, strict=True)]
        return Work(*added, memory=max(one, two))  # pyright: ignore[reportArgumentType]


class Rate(NamedTuple):
    """How fast a kind of machine is, as it is assumed and said."""

    flops: float  # in a second, of one worker
    step: float  # seconds that a call takes beside its operations
    program: float  # seconds of a compilation
    said: str

    def seconds(self, work: Work) -> float:
        """How long some work takes, its trees on one core."""
        calls = work.steps * self.step + work.programs * self.program
        return work.flops / self.flops + calls + work.trees * TREE


def rate_of(place: str) -> Rate:
    """The rate of `--on cpu` or `--on v5e-8`: a third of what the chips can, split by examples.

    Raises:
      ValueError: for a place that is not known.
    """
    kind, _, count = place.partition("-")
    if place == ON_CPU:
        said = "3e10 operations a second, 2.5 ms a step, 2.2 s a compilation, 1 ms a tree (fitted "
        return Rate(
            3e10, 0.0025, 2.2, said + "on two cores to three runs, which took 0.4 to 2 of it)"
        )
    if kind not in CHIPS or not count.isdecimal() or not 0 < int(count) <= 1 << 14:
        known = ", ".join(f"{name}-8" for name in CHIPS)
        raise ValueError(
            f"--on: expected {ON_CPU}, or chips and their number ({known}), got {place!r}"
        )
    flops = CHIPS[kind].teraflops * 1e12 * int(count) / 3
    said = f"a third of {int(count)} x {CHIPS[kind].teraflops:g} teraflops, 2 ms a step, 5 s a "
    return Rate(flops, 0.002, 5.0, f"{said}compilation (assumed, not measured)")
