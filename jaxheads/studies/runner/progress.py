"""How far a study is, from its folder alone.

plan.json           every cell in order, with the cells that it needs
cells/NAME.jsonl    the rows of a finished cell
failed/NAME.json    why a cell failed, until it is tried again
times/NAME.json     how long it took (no row: rows are the same in every run)

Never starts jax.
"""

from __future__ import annotations

import json
import secrets
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from jaxheads.records.folder import Room
from jaxheads.storage.files import read_json, write_atomically
from jaxheads.studies.runner.cells import cell_path

PLAN, FAILED = "plan.json", "failed"

Needs = Mapping[str, tuple[str, ...]]  # by cell, in order


class Failure(NamedTuple):
    """A cell that was tried and failed."""

    error: str
    mark: str  # of this very try


class Progress(NamedTuple):
    """What is finished and what has failed."""

    done: frozenset[str]
    failed: Mapping[str, Failure]

    def open(self, needs: Needs) -> Iterator[str]:
        """Cells that are not done and find all that they need, in order."""
        return (
            name
            for name, own in needs.items()
            if name not in self.done and self.done.issuperset(own)
        )


def write_plan(folder: Path, needs: Needs) -> None:
    """Note all cells, for those who look at the folder alone."""
    places = {name: place for place, name in enumerate(needs)}
    rows = [[name, [places[each] for each in own]] for name, own in needs.items()]
    text, path = json.dumps(rows, separators=(",", ":")) + "\n", folder / PLAN
    if not (path.is_file() and path.read_text() == text):
        with write_atomically(path) as draft:
            draft.write_text(text)


def read_plan(folder: Path) -> dict[str, tuple[str, ...]]:
    """The cells of a study and what each needs.

    Raises:
      ValueError: where there is no plan.
    """
    path = folder / PLAN
    if not path.is_file():
        raise ValueError(f"{folder}: expected a study that was begun, there is no {PLAN}")
    try:
        rows = json.loads(path.read_text())
        return {name: tuple(rows[each][0] for each in own) for name, own in rows}
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{path}: expected the cells of a study, got {error!r}") from error


def read_progress(folder: Path, needs: Needs) -> Progress:
    """What is finished and what has failed by now."""
    there = {path.name.removesuffix(".jsonl") for path in _listed(folder / Room.CELLS)}
    failed = {path.stem: failure_of(folder, path.stem) for path in _listed(folder / FAILED)}
    return Progress(
        frozenset(there & needs.keys()),
        {name: found for name, found in failed.items() if found and name in needs.keys() - there},
    )


def is_done(folder: Path, name: str) -> bool:
    """Whether a cell's rows are there."""
    return cell_path(folder, name).is_file()


def note_failure(folder: Path, name: str, error: Exception) -> Path:
    """Record why a cell failed, with the traceback; where is returned."""
    text = " ".join(str(error).split())
    found = {
        "error": text or type(error).__name__,
        "mark": secrets.token_hex(8),
        "at": time.strftime("%Y-%m-%d %H:%M:%S"),
        "traceback": traceback.format_exception(error),
    }
    path = _failure_path(folder, name)
    with write_atomically(path) as draft:
        draft.write_text(json.dumps(found, indent=1) + "\n")
    return path


def failure_of(folder: Path, name: str) -> Failure | None:
    """Why a cell failed; None if it did not."""
    try:
        found = json.loads(_failure_path(folder, name).read_text())
    except OSError:
        return None
    return Failure(found["error"], found["mark"])


def forget_failure(folder: Path, name: str) -> None:
    """A cell that failed has been finished."""
    _failure_path(folder, name).unlink(missing_ok=True)


def note_time(folder: Path, name: str, seconds: float) -> None:
    """How long a cell took."""
    with write_atomically(folder / Room.TIMES / f"{name}.json") as draft:
        draft.write_text(json.dumps({"seconds": round(seconds, 2)}) + "\n")


def read_times(folder: Path) -> dict[str, float]:
    """Seconds by cell."""
    return {path.stem: float(read_json(path)["seconds"]) for path in _listed(folder / Room.TIMES)}


def _failure_path(folder: Path, name: str) -> Path:
    return folder / FAILED / f"{name}.json"


def _listed(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if not path.name.startswith("."))
