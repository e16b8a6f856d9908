"""`jaxheads study CONFIG --status`: how far a study is and how long the rest may take.

From the folder alone, here or elsewhere; never starts jax.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path

from jaxheads.storage.leases import WorkerWatch
from jaxheads.storage.remote import named
from jaxheads.studies.runner.progress import Needs, Progress, read_plan, read_progress, read_times

SHOWN = 8  # names of a kind


def describe(folder: Path) -> str:
    """The lines that the command prints.

    Raises:
      ValueError: for a folder where nothing was begun.
    """
    needs, times = read_plan(folder), read_times(folder)
    found, watch = read_progress(folder, needs), WorkerWatch(named(folder))
    workers = len(watch.alive())
    running = [name for name in watch.held() if name in needs.keys() - found.done]
    failed = [name for name in found.failed if name not in running]
    left = [name for name in needs if name not in {*found.done, *running, *failed}]
    lines = [f"{named(folder)}: {len(found.done)} of {len(needs)} cells done, {_workers(workers)}"]
    lines += _named("running", running) + _named("to do", left)
    lines += [f"failed: {name}: {found.failed[name].error}" for name in failed]
    if rest := seconds_left(needs, found, times, max(workers, 1)):
        by = _workers(max(workers, 1))
        lines.append(f"about {_span(rest)} left for {by}, by the cells that are done")
    elif len(found.done) < len(needs):
        lines.append("no estimate: no cell is done yet")
    return "\n".join(lines)


def seconds_left(
    needs: Needs, found: Progress, times: Mapping[str, float], workers: int
) -> float | None:
    """An estimate: the longest chain of cells, or all of them shared out, whichever is longer.

    A cell is expected to take as long as its like did: the mean over the finished ones whose names
    differ in numbers alone, else over those that end alike, else over all. None without any.
    """
    known = {name: times[name] for name in found.done if name in times}
    left = [name for name in needs if name not in found.done]
    if not left:
        return 0.0
    if not known:
        return None
    expected = {name: _expected(name, known) for name in left}
    ends: dict[str, float] = {}
    for name in left:
        ends[name] = expected[name] + max(
            (ends[need] for need in needs[name] if need in ends), default=0.0
        )
    return max(*ends.values(), sum(expected.values()) / workers)


def _expected(name: str, known: Mapping[str, float]) -> float:
    for kind in (_numberless, _ending, lambda _: ""):
        like = [seconds for other, seconds in known.items() if kind(other) == kind(name)]
        if like:
            return sum(like) / len(like)
    raise AssertionError("every cell is of the last kind")


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _ending(name: str) -> str:
    """The last word of a name, without the model, the task and the numbers."""
    words = [word for word in name.split("-") if not word.isdecimal()]
    return words[-1]


def _named(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = [f"and {len(names) - SHOWN} more"] * (len(names) > SHOWN)
    return [f"{what}: {len(names)} ({', '.join([*names[:SHOWN], *more])})"]


def _workers(count: int) -> str:
    return f"{count} worker{'s' * (count != 1)}"


def _span(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
