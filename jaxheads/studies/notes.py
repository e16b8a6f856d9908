"""A study's folder: the settings it belongs to, and its rows as they come."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxheads.config import Run
from jaxheads.files import write_atomically
from jaxheads.records import Row, append_rows

SETTINGS = "run.json"
ROWS = "rows.jsonl"  # there once a study is finished
UNFINISHED = "rows.unfinished.jsonl"


class Notes:
    """Writes rows of one study and prints them; the file gets its name when the study is done.

    Nothing is written before the first row, which begins the rows anew.
    """

    def __init__(self, run: Run, folder: Path) -> None:
        self.folder = folder
        self._run, self._begun = run, False
        self._names = {"study": run.name, "model": run.encoder.family}

    def add(self, task: str, values: Mapping[str, float], **what: Any) -> None:
        """One row for each metric of `values`; `what` are further fields of `Row`."""
        rows = [
            Row(**self._names, task=task, metric=metric, value=value, **what)
            for metric, value in values.items()
        ]
        self.extend(rows)
        numbers = "  ".join(f"{metric} {value:.4g}" for metric, value in values.items())
        named = "  ".join(f"{name} {value}" for name, value in what.items() if name != "stage")
        print(f"{what.get('stage', ''):24} {task:8} {numbers}  {named}".rstrip(), flush=True)

    def extend(self, rows: Iterable[Row]) -> None:
        """Write rows without a word."""
        if not self._begun:
            self._begin()
        append_rows(self.folder / UNFINISHED, rows)

    def _begin(self) -> None:
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        with write_atomically(self.folder / SETTINGS) as draft:
            draft.write_text(json.dumps(_settings(self._run), indent=2) + "\n")
        self._begun = True

    def row(self, task: str, metric: str, value: float, **what: Any) -> Row:
        """A row of this study, not yet written."""
        return Row(**self._names, task=task, metric=metric, value=value, **what)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note how long the block takes, in seconds of wall-clock time."""
        begin = time.perf_counter()
        yield
        self.add("", {"seconds": time.perf_counter() - begin}, stage=stage)

    def finish(self) -> None:
        """Give the rows their name."""
        (self.folder / UNFINISHED).replace(self.folder / ROWS)


def is_finished(run: Run, folder: Path) -> bool:
    """Whether the folder holds all rows of this very run.

    ValueError for a folder of other files, or of other settings, naming all that differ.
    """
    if (folder / SETTINGS).is_file():
        _check_same(folder / SETTINGS, _settings(run))
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder}: expected a free folder or one of this study, got other files")
    return (folder / ROWS).is_file()


def _check_same(path: Path, settings: dict[str, Any]) -> None:
    try:
        there = dict(_flat(json.loads(path.read_text())))
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path}: expected the settings of a study, got {error}") from error
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


def _flat(settings: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _settings(run: Run) -> dict[str, Any]:
    """All settings as JSON has them: paths as text, tuples as lists."""
    return json.loads(json.dumps(dataclasses.asdict(run), default=str))
