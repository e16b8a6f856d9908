"""A study as a list of cells: each is computed once and its rows are on disk, whole or not at all.

cells/NAME.jsonl    the rows of a finished cell

Never starts jax.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxheads.records.rows import Row

CELLS = "cells"
SETTINGS = "run.json"  # of the study, and what it ran on


class Cell(NamedTuple):
    """One unit of work: what it leaves on disk beside its rows must be whole or absent too."""

    name: str  # a file name
    run: Callable[[], Iterable[Row]]
    needs: tuple[str, ...] | None = None  # earlier cells that it reads; None: all before it


class RowFactory(NamedTuple):
    """Makes rows of one study and one model."""

    study: str
    model: str

    def __call__(self, task: str, values: Mapping[str, float], **what: Any) -> list[Row]:
        """One row for each metric of `values`; `what` are further fields of `Row`."""
        return [
            Row(self.study, self.model, task, metric, float(value), **what)
            for metric, value in values.items()
        ]


def needs_by_name(cells: Sequence[Cell]) -> dict[str, tuple[str, ...]]:
    """What each cell needs; each comes after all that it needs.

    Raises:
      ValueError: for names that come twice, or needs that do not come before.
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
