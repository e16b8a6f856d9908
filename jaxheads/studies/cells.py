"""A study as a list of cells: each is computed once and its rows are on disk, whole or not at all.

run.json            the settings that the folder belongs to, and what the study ran on
cells/NAME.jsonl    the rows of a finished cell
times.jsonl         how long each took (no row: rows are the same in every run)
rows.jsonl          all rows in the order of the cells, once every cell is finished
"""

from __future__ import annotations

import dataclasses
import json
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxheads.files import write_atomically
from jaxheads.records import Row, append_rows, read_rows
from jaxheads.settings import Run
from jaxheads.training.identity import plain

SETTINGS, ROWS, TIMES, CELLS = "run.json", "rows.jsonl", "times.jsonl", "cells"


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


def open_folder(run: Run, folder: Path) -> None:
    """Make the study's folder, or take it up again.

    ValueError for a folder of other files, or of other settings, naming all that differ. What a
    killed run left half-written is removed.
    """
    settings = plain(dataclasses.asdict(run))
    if (folder / SETTINGS).is_file():
        _check_same(folder / SETTINGS, settings)
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder}: expected a free folder or one of this study, got other files")
    else:
        with write_atomically(folder / SETTINGS) as draft:
            draft.write_text(json.dumps({"run": settings, "made_on": _machine()}, indent=2) + "\n")
    for draft in folder.rglob(".*.draft*"):
        shutil.rmtree(draft) if draft.is_dir() else draft.unlink(missing_ok=True)


def run_cells(folder: Path, cells: Sequence[Cell]) -> None:
    """Compute the cells that are not on disk yet, in order, and put all rows together."""
    names = list(needs_by_name(cells))
    for number, cell in enumerate(cells, start=1):
        path = cell_path(folder, cell.name)
        if not path.is_file():
            begin = time.perf_counter()
            rows = list(cell.run())
            seconds = time.perf_counter() - begin
            _note_time(folder, cell.name, seconds)
            _write(path, rows)
            print(f"[{number}/{len(cells)}] {cell.name} {seconds:.1f} s{_shown(rows)}", flush=True)
    _write(folder / ROWS, [row for name in names for row in read_rows(cell_path(folder, name))])


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


def _write(path: Path, rows: Sequence[Row]) -> None:
    with write_atomically(path) as draft:
        draft.touch()
        append_rows(draft, rows)


def _note_time(folder: Path, name: str, seconds: float) -> None:
    with (folder / TIMES).open("a") as file:
        file.write(json.dumps({"cell": name, "seconds": round(seconds, 2)}) + "\n")


def _shown(rows: Sequence[Row]) -> str:
    """The first numbers of a cell, to see while it runs."""
    seen = [row for row in rows if row.metric != "loss"][:3]
    return "".join(f"  {row.metric} {row.value:.3f}" for row in seen)


# -- settings


def _machine() -> dict[str, Any]:
    packages = ("jaxheads", "jax", "jaxlib", "flax", "optax", "numpy", "transformers")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "packages": {name: metadata.version(name) for name in packages},
    }


def _check_same(path: Path, settings: Any) -> None:
    try:
        there = dict(_flat(json.loads(path.read_text())["run"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected the settings of a study, got {error!r}") from error
    here = dict(_flat(settings))
    different = [
        f"{name}: {there.get(name)!r} there, {here.get(name)!r} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]
    if different:
        raise ValueError(
            f"{path.parent} holds a study with other settings; choose another --out: "
            + "; ".join(different)
        )


def _flat(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting under its full name; a list of named groups by their names."""
    if isinstance(value, list) and all(isinstance(each, dict) and "name" in each for each in value):
        value = {each["name"]: each for each in value}
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{above}.{name}" if above else name)
    else:
        yield above, value
