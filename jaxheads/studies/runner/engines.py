"""What computes cells: the interface that the driver knows, and this process itself.

An engine is given cells by name, and says of each how it ended. It decides nothing and writes
nothing but what the cells leave in the study's store: `runner.driver` does.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxheads.parallel.steps import Steps
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell

TRIES = 6  # of a cell whose process or machine is lost

Load = Callable[[], Mapping[str, Cell]]  # makes the cells of a study; can be pickled


class Outcome(NamedTuple):
    """How a cell ended; `rows` is None where it failed, and `error` says why."""

    name: str
    rows: list[Row] | None
    seconds: float = 0.0
    error: str = ""
    trace: Sequence[str] = ()


class Heard(NamedTuple):
    """How far a cell is that another process computes."""

    name: str
    steps: Steps


@runtime_checkable
class Engine(Protocol):
    """Computes cells, several at once."""

    @property
    def places(self) -> int:
        """How many cells it may be given at a time."""
        ...

    def start(self, name: str) -> None:
        """Begin with a cell, or let it wait for its turn."""
        ...

    def ended(self) -> Outcome | Heard:
        """Wait until one of the cells that were started has ended, or says how far it is."""
        ...

    def machine(self) -> dict[str, Any]:
        """What it computes on, for the records."""
        ...


def compute(name: str, run: Callable[[], Iterable[Row]]) -> Outcome:
    """Compute a cell in this process; whatever it raises is an outcome."""
    begin = time.perf_counter()
    try:
        rows = list(run())
    except Exception as error:  # noqa: BLE001 the other cells can go on
        text = " ".join(str(error).split()) or type(error).__name__
        seconds = time.perf_counter() - begin
        return Outcome(name, None, seconds, text, traceback.format_exception(error))
    return Outcome(name, rows, time.perf_counter() - begin)


def lost(name: str, tries: int) -> Outcome:
    """The outcome of a cell whose process was lost again and again."""
    return Outcome(name, None, error=f"its process ended without an answer, {tries} times")


class Here:
    """Computes cells in this process, one after the other; with others where it is one of several.

    `tell` sends the place of a cell to the other processes, which `follow`.
    """

    places = 1

    def __init__(
        self,
        cells: Callable[[], Mapping[str, Cell]],
        machine: Callable[[], dict[str, Any]],
        tell: Callable[[int], int] = int,
    ) -> None:
        self._cells, self.machine, self._tell = cells, machine, tell
        self._outcomes: list[Outcome] = []

    def start(self, name: str) -> None:
        """Compute a cell."""
        self._tell(list(self._cells()).index(name))
        self._outcomes.append(compute(name, self._cells()[name].run))

    def ended(self) -> Outcome:
        """How the cell ended."""
        return self._outcomes.pop(0)

    def __enter__(self) -> Here:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:  # else the others are lost with this one
            self._tell(END)


END = -1  # in the place of the number of a cell


def follow(cells: Mapping[str, Cell], hear: Callable[[int], int]) -> Outcome | None:
    """Compute what the first of several processes says, up to a cell that fails in this one."""
    in_order = list(cells.values())
    while (number := hear(END)) != END:
        outcome = compute(in_order[number].name, in_order[number].run)
        if outcome.rows is None:
            return outcome
    return None
