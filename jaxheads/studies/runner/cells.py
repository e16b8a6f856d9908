"""A study as a list of cells: each is computed once and its rows are on disk, whole or not at all.

cells/NAME.jsonl    the rows of a finished cell

Never starts jax.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jaxheads.records.folder import Room
from jaxheads.records.rows import Row, read_rows
from jaxheads.storage.store import Store


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """One unit of work: what it leaves on disk beside its rows must be whole or absent too."""

    name: str  # a file name
    run: Callable[[], Iterable[Row]]
    needs: tuple[Cell, ...] = ()  # earlier cells, whose results it reads
    title: str = ""  # in words; without it the name


def cell(
    compute: Callable[..., Iterable[Row]], *of: object, after: Iterable[Cell] = (), **more: Any
) -> Cell:
    """The cell in which a function is computed.

    Args:
      compute: gives the rows.
      of: what it is computed of: its arguments, and the cell's name.
      after: the cells whose results it reads.
      more: further arguments, which do not name the cell.
    """
    run = functools.partial(compute, *of, **more)
    needs = tuple(dict.fromkeys(after))
    return Cell(name_of(compute, *of), run, needs, _title_of(compute, *of))


def name_of(compute: Callable[..., object], *of: object) -> str:
    """The name of the cell of a function and its arguments, and of the files that it leaves."""
    what = compute.__name__.removesuffix("_of").replace("_", "-")
    return "-".join([*map(_word, of), what])


def _title_of(compute: Callable[..., object], *of: object) -> str:
    """A cell in words, with numbers named as the arguments are: curves (bert, sst2, seed 0)."""
    names = [*inspect.signature(compute).parameters, *[""] * len(of)]
    words = [
        f"{name} {_word(value)}".strip() if isinstance(value, int | float) else _word(value)
        for name, value in zip(names, of, strict=False)
    ]
    what = compute.__name__.removesuffix("_of").replace("_", " ")
    return f"{what} ({', '.join(words)})"


def _word(value: Any) -> str:
    """A number or text as a file name has it; whatever else has a name, by that."""
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value) if isinstance(value, int | str) else value.name
    return re.sub(r"[^\w.]+", "-", text)


def needs_by_name(cells: Sequence[Cell]) -> dict[str, tuple[str, ...]]:
    """What each cell needs; each comes after all that it needs.

    Raises:
      ValueError: for names that come twice, or needs that do not come before.
    """
    needs: dict[str, tuple[str, ...]] = {}
    wrong = []
    for each in cells:
        own = tuple(need.name for need in each.needs)
        wrong += [f"{each.name} needs {name}" for name in own if name not in needs]
        wrong += [f"{each.name} comes twice"] if each.name in needs else []
        needs[each.name] = own
    if wrong:
        raise ValueError(f"cells: expected needs among the cells before, got {'; '.join(wrong)}")
    return needs


def rows_of(store: Store, compute: Callable[..., object], *of: object) -> list[Row]:
    """The rows of the cell of a function and its arguments, which is finished."""
    return store.read(cell_file(name_of(compute, *of)), read_rows)


def cell_file(name: str) -> str:
    """Where a cell's rows are."""
    return f"{Room.CELLS}/{name}.jsonl"
