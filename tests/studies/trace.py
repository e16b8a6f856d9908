"""Which modules of the package the cells of a study pass.

A module is passed if a function of it is called while a cell is computed, in whatever thread; what
runs while modules are imported does not count. The cells of a config's tiny form run one after the
other in one process, as `--workers 1` runs them: what an earlier cell has read or compiled is
there. `python -m tests.studies.trace [CONFIG]` prints, of each kind of cell, the one that passes
most: how many modules, how many of them before the first of science, its name, and all in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from jaxheads.cli.overrides import load_config
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.registry import STUDIES
from jaxheads.studies.runner.driver import run_cells
from jaxheads.studies.runner.engines import Here
from jaxheads.studies.settings import Run
from tests.support.paths import ROOT

PACKAGE = f"{ROOT / 'jaxheads'}/"
SCIENCE = (
    "analysis", "data", "importance", "inference", "models", "objectives", "pruning", "training",
)  # fmt: skip


@contextlib.contextmanager
def modules_passed() -> Iterator[list[str]]:
    """The modules whose functions are called in the block, in the order of their first calls."""
    found: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE):
            name = file.removeprefix(PACKAGE).removesuffix(".py")
            if name not in found and not _is_import(frame):
                found.append(name)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _is_import(frame: FrameType | None) -> bool:
    """Whether a function is called while a module of the package is imported."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(PACKAGE):
            return True
        frame = frame.f_back
    return False


def trace(run: Run, folder: Path) -> dict[str, tuple[str, list[str]]]:
    """By kind of cell the name of the one that passes most modules, and these in order."""
    store, most = Store(folder), dict[str, tuple[str, list[str]]]()

    def traced(name: str, compute: Any) -> Iterable[Row]:
        with modules_passed() as passed:
            rows = list(compute())
        kind = compute.func.__name__
        if len(passed) > len(most.get(kind, ("", []))[1]):
            most[kind] = name, passed
        return rows

    cells = {
        each.name: dataclasses.replace(each, run=functools.partial(traced, each.name, each.run))
        for each in STUDIES[type(run.study)](run, store)
    }
    run_cells(store, list(cells.values()), Here(lambda: cells, dict))
    return most


def before_science(modules: list[str]) -> int:
    """How many modules come before the first of science."""
    return next(n for n, each in enumerate(modules) if each.split("/")[0] in SCIENCE)


if __name__ == "__main__":
    from tests.studies.test_tiny_configs import least

    config = Path(ROOT, "configs", f"{[*sys.argv, 'quickstart'][1]}.py")
    with tempfile.TemporaryDirectory() as scratch:
        for name, modules in trace(least(load_config(config)), Path(scratch)).values():
            print(len(modules), before_science(modules), name, *modules)
