"""The door of `jaxheads study`; with --status: how far a study is, how long the rest may take.

From its store alone, here or elsewhere; never starts jax.
"""

from __future__ import annotations

import time
from pathlib import Path

from jaxheads.cli.options.study import StudyOptions
from jaxheads.storage.store import Store
from jaxheads.studies.runner.driver import is_locked
from jaxheads.studies.runner.progress import (
    read_plan,
    read_progress,
    read_running,
    read_times,
    seconds_left,
    span,
)

SHOWN = 8  # names of a kind


def run(options: StudyOptions) -> int | None:
    """Run the study, or say how far it is; None where a report is to follow."""
    if options.status:
        print(describe(options.folder))
        return 0
    from jaxheads.cli import study  # which starts jax

    if options.dry_run:
        return study.planned(options)
    return study.run(options)


def describe(place: str | Path) -> str:
    """The lines that the command prints.

    Raises:
      ValueError: for a place where nothing was begun.
    """
    store = Store(place)
    needs, times = read_plan(store), read_times(store)
    found, begun = read_progress(store, needs), read_running(store)
    here = store.folder
    at_work = here is None or is_locked(here)
    running = [name for name in begun.cells if at_work and name not in found.done]
    failed = [name for name in found.failed if name not in running]
    left = [name for name in needs if name not in {*found.done, *running, *failed}]
    lines = [f"{store}: {len(found.done)} of {len(needs)} cells done"]
    seen = "" if here is not None else f" at {time.strftime('%H:%M:%S', time.localtime(begun.at))}"
    lines += _named(f"running{seen}", running) + _named("to do", left)
    lines += [f"failed: {name}: {found.failed[name]}" for name in failed]
    if len(found.done) < len(needs):
        rest = seconds_left(needs, found, times, max(len(running), 1))
        known = rest is not None and f"about {span(rest)} left, as fast as now, by those done"
        lines.append(known or "no estimate: no cell is done yet")
    return "\n".join(lines)


def _named(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = [f"and {len(names) - SHOWN} more"] * (len(names) > SHOWN)
    return [f"{what}: {len(names)} ({', '.join([*names[:SHOWN], *more])})"]
