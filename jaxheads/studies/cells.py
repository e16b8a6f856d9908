"""A study as a list of cells: each is computed once and its rows are on disk, whole or not at all.

cells/NAME.jsonl    the rows of a finished cell

Never starts jax.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxheads.files import write_atomically
from jaxheads.records import Row, append_rows, read_rows

CELLS = "cells"
SETTINGS = "run.json"  # of the study, and what it ran on


class Cell(NamedTuple):
    """One unit of work: what it leaves on disk beside its rows must be whole or absent too."""

    name: str  # a file name
    run: Callable[[], Iterable[Row]]
    needs: tuple[str, ...] | None = None  # earlier cells that it reads; None: all before it


class Noter(NamedTuple):
    """Makes rows of one study and one model."""

    study: str
    model: str

    def rows(self, task: str, values: Mapping[str, float], **what: Any) -> list[Row]:
        """One row for each metric of `values`; `what` are further fields of `Row`."""
        return [
            Row(self.study, self.model, task, metric, float(value), **what)
            for metric, value in values.items()
        ]


def read_cell(folder: Path, name: str) -> list[Row]:
    """The rows of a finished cell; ValueError where its last line is cut short."""
    path = cell_path(folder, name)
    if not path.read_bytes().endswith(b"\n") and path.stat().st_size:
        raise ValueError(
            f"{path}: expected a whole cell, its last line is cut short; remove the file, and the "
            "same command computes it again"
        )
    return read_rows(path)


def needs_by_name(cells: Sequence[Cell]) -> dict[str, tuple[str, ...]]:
    """What each cell needs; ValueError for names that come twice, or needs that do not come before.

    The order of the cells is thus one in which each finds what it needs.
    """
    needs: dict[str, tuple[str, ...]] = {}
    wrong = []
    for cell in cells:
        own = tuple(needs) if cell.needs is None else cell.needs
        wrong += [f"{cell.name} needs {name}" for name in own if name not in needs]
        wrong += [f"{cell.name} comes twice"] if cell.name in needs else []
        needs[cell.name] = own
    if wrong:
        raise ValueError(f"cells: expected needs among the cells before, got {'; '.join(wrong)}")
    return needs


def cell_path(folder: Path, name: str) -> Path:
    """Where a cell's rows are."""
    return folder / CELLS / f"{name}.jsonl"


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """The rows as a file, also where there are none."""
    with write_atomically(path) as draft:
        draft.touch()
        append_rows(draft, rows)
