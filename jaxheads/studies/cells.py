"""A study as a list of cells: each is computed once and its rows are on disk, whole or not at all.

run.json            the settings that the folder belongs to, and what the study ran on
cells/NAME.jsonl    the rows of a finished cell
times.jsonl         how long each took (no row: rows are the same in every run)
rows.jsonl          all rows in the order of the cells, once every cell is finished
"""

from __future__ import annotations

import contextlib
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
from jaxheads.training.identity import differences, plain

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
            with _named(cell.name, folder):
                begin = time.perf_counter()
                rows = list(cell.run())
                seconds = time.perf_counter() - begin
                _note_time(folder, cell.name, seconds)
                _write(path, rows)
            print(f"[{number}/{len(cells)}] {cell.name} {seconds:.1f} s{_shown(rows)}", flush=True)
    _write(folder / ROWS, [row for name in names for row in read_cell(folder, name)])


@contextlib.contextmanager
def _named(cell: str, folder: Path) -> Iterator[None]:
    """Bad input and a full disk are told with the cell, and with what is there to go on from."""
    try:
        yield
    except (ValueError, OSError) as error:
        done = len(list((folder / CELLS).glob("*.jsonl")))
        text = f"cell {cell}: {error}; {done} cells in {folder / CELLS} are finished and stay"
        raise (OSError if isinstance(error, OSError) else ValueError)(text) from error


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


def _write(path: Path, rows: Sequence[Row]) -> None:
    with write_atomically(path) as draft:
        draft.touch()
        append_rows(draft, rows)


def _note_time(folder: Path, name: str, seconds: float) -> None:
    path = folder / TIMES
    before = path.read_text() if path.is_file() else ""
    with write_atomically(path) as draft:
        line = json.dumps({"cell": name, "seconds": round(seconds, 2)})
        draft.write_text(f"{before}{line}\n")


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
        there = json.loads(path.read_text())["run"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected the settings of a study, got {error!r}") from error
    found = [f"{name} {text}" for name, text in differences(there, settings)]
    if found:
        raise ValueError(
            f"{path.parent} holds a study with other settings; choose another --out: "
            + "; ".join(found)
        )
