"""The driver of a study: the one process that decides what is computed, and that writes the rows.

It gives cells to an engine as soon as what they need is finished, and leaves in the store, for each
that is finished, its rows, and for each that failed, why. The same command goes on from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from jaxheads.records.folder import ROWS, SETTINGS, Room
from jaxheads.records.rows import Row, read_rows, write_rows
from jaxheads.storage.store import Store
from jaxheads.studies.runner.bars import Bars
from jaxheads.studies.runner.cells import Cell, cell_file, needs_by_name
from jaxheads.studies.runner.engines import Engine, Heard, Outcome
from jaxheads.studies.runner.progress import (
    Needs,
    Progress,
    forget_failure,
    note_failure,
    note_running,
    note_time,
    read_progress,
    read_running,
    read_times,
    seconds_left,
    span,
    write_plan,
)

LOCK = ".lock"  # of the command that works in a folder


@contextlib.contextmanager
def alone_in(store: Store) -> Iterator[None]:
    """Work where no other command of this machine works, or of those that see the same folder.

    At a URL a command of another machine is noticed later, by `run_cells`.

    Raises:
      ValueError: if another command does.
    """
    path = _lock_of(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(store, path):
            yield
    finally:
        if store.folder is not None and not store.exists(SETTINGS):  # nothing was begun
            with contextlib.suppress(OSError):
                path.unlink()
                store.folder.rmdir()


def _lock_of(store: Store) -> Path:
    """The file that is locked: in the folder, or for a URL one of this machine and user."""
    if store.folder is not None:
        return store.folder / LOCK
    name = hashlib.sha256(str(store).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"jaxheads-locks-{os.getuid()}", name)


@contextlib.contextmanager
def _locked(store: Store, path: Path) -> Iterator[None]:
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"{store}: expected a place in which no other command works, got process "
                f"{file.read() or '?'}; several machines share a study by --ray"
            ) from None
        except OSError as error:  # a file system without locks
            print(f"{store}: cannot be locked against a second command: {error}", file=sys.stderr)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class Stopped(KeyboardInterrupt):
    """The driver was asked to stop; `status` is what the process should exit as."""

    status = 128 + signal.SIGTERM


@contextlib.contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that an engine ends what it has started."""

    stopped = Stopped("stopped; the same command goes on from the cells that are finished")

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 python's own call
        raise stopped

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        if stopped.__traceback__ is not None:  # it was raised; Ray makes an error of its own of it
            raise stopped from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def run_cells(
    store: Store, cells: Sequence[Cell], engine: Engine, *, fragile: bool = False
) -> None:
    """Compute the cells that are not in the store yet, each once, and put all rows together.

    A cell that failed before is tried again, after the others; one that fails now is recorded and
    does not stop the others, unless the engine is `fragile`: processes that compute together cannot
    go on from a cell that failed in some of them. Of two commands on one store the later one goes
    on: the other ends with its next cell, where nothing has kept the later one from beginning.

    Raises:
      ValueError: at the end, names all cells that failed; or another command has begun there.
      OSError: the store cannot be written.
    """
    needs = needs_by_name(cells)
    store.remove_drafts()
    write_plan(store, needs)
    study = _Study(store, needs, {each.name: each.title or each.name for each in cells})
    study.note_running()
    with contextlib.closing(study.bars):
        while study.give(engine):
            study.take(engine.ended())
            if fragile and study.failed:
                break
    study.check_finished()
    study.put_together()


class _Study:
    """What the driver knows of a study while it runs."""

    def __init__(self, store: Store, needs: Needs, titles: Mapping[str, str]) -> None:
        found = read_progress(store, needs)
        self._store, self._needs = store, needs
        self._done, self.failed = set(found.done), dict[str, str]()
        self.bars = Bars(titles, len(found.done))
        self._order = sorted(needs, key=lambda name: name in found.failed)
        self._running: list[str] = []
        self._rows: dict[str, list[Row]] = {}
        self._times = read_times(store)
        self._places, self._noted = 1, 0.0
        own = f"process {os.getpid()} of {socket.gethostname()}"
        self._by, self._named = f"{own} ({secrets.token_hex(3)})", False
        self._whole = len(self._done) == len(needs) and store.exists(ROWS)

    def give(self, engine: Engine) -> bool:
        """Start what can be; whether anything is running."""
        self._places = engine.places
        seen = self._done | self.failed.keys()
        for name in self._order:
            if len(self._running) >= self._places:
                break
            ready = name not in seen and name not in self._running
            if ready and self._done.issuperset(self._needs[name]):
                self._running.append(name)
                self.note_running()
                with self.bars.hearing(name):
                    engine.start(name)
        return bool(self._running)

    def take(self, outcome: Outcome | Heard) -> None:
        """Write how a cell ended, and say it; or show how far one is."""
        if isinstance(outcome, Heard):
            self.bars.show(outcome.name, outcome.steps)
            return
        self._check_latest()
        name = outcome.name
        self._running.remove(name)
        error, said = outcome.error, f"failed after {outcome.seconds:.1f} s: {outcome.error}"
        if outcome.rows is not None:
            try:
                self._write(outcome, outcome.rows)
                said = f"{outcome.seconds:.1f} s{_shown(outcome.rows)}"
            except OSError as problem:
                error = said = str(problem)
        if error:
            self.failed[name] = error
            try:
                note_failure(self._store, name, error, outcome.trace)
            except OSError as problem:  # not even that can be written: no other cell could be
                raise OSError(self._told([f"cell {name}: {error}"])) from problem
        self.note_running()
        count, total = len(self._done) + len(self.failed), len(self._needs)
        running, left = self._ahead()
        ahead = ", ".join(filter(None, (running, left)))
        line = f"[{count}/{total}] {name} {said}" + f"  ({ahead})" * bool(ahead)
        self.bars.ended(name, line, left)

    def _write(self, outcome: Outcome, rows: list[Row]) -> None:
        name = outcome.name
        self._store.write(cell_file(name), lambda path: write_rows(path, rows))
        self._rows[name], self._times[name] = rows, outcome.seconds
        self._done.add(name)
        note_time(self._store, name, outcome.seconds)
        forget_failure(self._store, name)

    def _ahead(self) -> tuple[str, str]:
        """What is running and has failed, and how long the rest may take."""
        known = Progress(frozenset(self._done), {})
        rest = seconds_left(self._needs, known, self._times, min(self._places, 64))
        running = f"{len(self._running)} running" * bool(self._running)
        words = filter(None, (running, f"{len(self.failed)} failed" * bool(self.failed)))
        return ", ".join(words), f"about {span(rest)} left" if rest else ""

    def note_running(self) -> None:
        """Leave in the store what is running, and for whom."""
        now = time.monotonic()
        if now - self._noted > 1 or not self._running:
            self._noted = now
            with contextlib.suppress(OSError):  # rows say what is wrong
                note_running(self._store, self._running, self._by)
                self._named = True

    def _check_latest(self) -> None:
        """Raise ValueError where another command has begun since this one."""
        by = ""
        with contextlib.suppress(OSError):
            by = read_running(self._store).by if self._named else ""
        if by and by != self._by:
            self._named = False
            other = f"{self._store}: expected no other command, got {by}, which began later"
            raise ValueError(self._told([f"{other} and goes on"]))

    def check_finished(self) -> None:
        """Raise ValueError with all that failed, if anything did."""
        self.note_running()
        if len(self._done) == len(self._needs):
            return
        reasons = [f"cell {name}: {error}" for name, error in self.failed.items()]
        if waiting := len(self._needs) - len(self._done) - len(self.failed):
            reasons.append(f"{waiting} further cells need what failed")
        raise ValueError(self._told(reasons))

    def _told(self, reasons: list[str]) -> str:
        """What failed, and which cells are finished."""
        place = f"{self._store}/{Room.CELLS}"
        return "; ".join([*reasons, f"{len(self._done)} cells in {place} are finished and stay"])

    def put_together(self) -> None:
        """Write all rows in the order of the cells; of a whole study only see that they are so."""
        rows = [
            row
            for name in self._needs
            for row in self._rows.get(name) or self._store.read(cell_file(name), read_rows)
        ]
        if not self._whole:
            self._store.write(ROWS, lambda path: write_rows(path, rows))


def _shown(rows: Sequence[Row]) -> str:
    """The first numbers of a cell, to see while it runs."""
    seen = [row for row in rows if row.metric != "loss"][:3]
    return "".join(f"  {row.metric} {row.value:.3f}" for row in seen)


def is_locked(folder: Path) -> bool:
    """Whether a command works in a folder, as far as this machine can tell."""
    try:
        with (folder / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
