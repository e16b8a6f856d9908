"""How far a study is, from its store alone.

plan.json           every cell in order, with the cells that it needs
cells/NAME.jsonl    the rows of a finished cell
failed/NAME.json    why a cell failed, until it is tried again
times/NAME.json     how long it took (no row: rows are the same in every run)
running.json        the cells that the driver had begun when it last looked

Never starts jax.
"""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxheads.records.folder import Room
from jaxheads.storage.store import Store

PLAN, FAILED, RUNNING = "plan.json", "failed", "running.json"

Needs = Mapping[str, tuple[str, ...]]  # by cell, in order


class Progress(NamedTuple):
    """What is finished, and what has failed and why."""

    done: frozenset[str]
    failed: Mapping[str, str]


def write_plan(store: Store, needs: Needs) -> None:
    """Note all cells, for those who look at the store alone."""
    if not (store.exists(PLAN) and list(read_plan(store).items()) == list(needs.items())):
        places = {name: place for place, name in enumerate(needs)}
        rows = [[name, [places[each] for each in own]] for name, own in needs.items()]
        store.write_json(PLAN, rows, indent=None)


def read_plan(store: Store) -> dict[str, tuple[str, ...]]:
    """The cells of a study and what each needs.

    Raises:
      ValueError: where there is no plan.
    """
    if not store.exists(PLAN):
        raise ValueError(f"{store}: expected a study that was begun, there is no {PLAN}")
    try:
        rows = store.read(PLAN, _load)
        return {name: tuple(rows[each][0] for each in own) for name, own in rows}
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{store}/{PLAN}: expected the cells of a study, got {error!r}") from error


def read_progress(store: Store, needs: Needs) -> Progress:
    """What is finished and what has failed by now."""
    there = {name.removesuffix(".jsonl") for name in store.names(Room.CELLS)}
    failed = {name.removesuffix(".json"): text for name, text in store.texts(FAILED).items()}
    return Progress(
        frozenset(there & needs.keys()),
        {
            name: json.loads(failed[name])["error"]
            for name in needs
            if name in failed and name not in there
        },
    )


def note_failure(store: Store, name: str, error: str, trace: Sequence[str]) -> None:
    """Record why a cell failed."""
    at = time.strftime("%Y-%m-%d %H:%M:%S")
    store.write_json(f"{FAILED}/{name}.json", {"error": error, "at": at, "traceback": list(trace)})


def forget_failure(store: Store, name: str) -> None:
    """A cell that failed has been finished."""
    store.remove(f"{FAILED}/{name}.json")


def note_time(store: Store, name: str, seconds: float) -> None:
    """How long a cell took."""
    store.write_json(f"{Room.TIMES}/{name}.json", {"seconds": round(seconds, 2)}, indent=None)


def read_times(store: Store) -> dict[str, float]:
    """Seconds by cell."""
    return {
        name.removesuffix(".json"): float(json.loads(text)["seconds"])
        for name, text in store.texts(Room.TIMES).items()
    }


class Running(NamedTuple):
    """What a driver had begun, when it said so, in seconds since 1970, and which one it is."""

    cells: Sequence[str] = ()
    at: float = 0.0
    by: str = ""


def note_running(store: Store, names: Sequence[str], by: str) -> None:
    """The cells that a driver has begun."""
    store.write_json(RUNNING, Running(names, time.time(), by)._asdict(), indent=None)


def read_running(store: Store) -> Running:
    """What the last driver had begun."""
    return Running(**store.read(RUNNING, _load)) if store.exists(RUNNING) else Running()


# -- an estimate


def seconds_left(
    needs: Needs, found: Progress, times: Mapping[str, float], places: int
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
    means = [_means(known, kind) for kind in KINDS]
    expected = {
        name: next(m[k(name)] for k, m in zip(KINDS, means, strict=True) if k(name) in m)
        for name in left
    }
    ends: dict[str, float] = {}
    for name in left:
        ends[name] = expected[name] + max(
            (ends[need] for need in needs[name] if need in ends), default=0.0
        )
    return max(*ends.values(), sum(expected.values()) / places)


def _means(known: Mapping[str, float], kind) -> dict[str, float]:
    """The mean seconds of the cells of each kind."""
    of: dict[str, list[float]] = {}
    for name, seconds in known.items():
        of.setdefault(kind(name), []).append(seconds)
    return {name: sum(seconds) / len(seconds) for name, seconds in of.items()}


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _ending(name: str) -> str:
    """The last word of a name, without the model, the task and the numbers."""
    words = [word for word in name.split("-") if not word.isdecimal()]
    return words[-1]


KINDS = (_numberless, _ending, lambda _: "")


def span(seconds: float) -> str:
    """A time in words: 1:02:03."""
    return str(datetime.timedelta(seconds=round(seconds)))


def _load(path: Path) -> Any:
    return json.loads(path.read_text())
