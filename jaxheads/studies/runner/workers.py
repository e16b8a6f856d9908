"""A worker on a study's cells, alone or one of many that share nothing but the folder.

Where that is a mirror of a URL (`remote`), each has its own copy: leases are made at the URL, what
others have put is fetched before a look, and what is done is put before a lease is let go.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxheads.records.folder import ROWS, SETTINGS, Room
from jaxheads.records.rows import Row, read_rows, write_rows
from jaxheads.storage.files import is_draft
from jaxheads.storage.leases import PAUSE, Worker
from jaxheads.storage.remote import UNSHARED, fetch_mirrors, named, put_mirrors, put_one
from jaxheads.studies.runner.cells import (
    Cell,
    cell_path,
    needs_by_name,
)
from jaxheads.studies.runner.progress import (
    failure_of,
    forget_failure,
    is_done,
    note_failure,
    note_time,
    read_progress,
    write_plan,
)

ALONE = (1, 1)
END, WAIT = -1, -2  # what hosts receive instead of the place of a cell
FAR_PAUSE = 5.0  # seconds between two looks at what other workers do elsewhere; here PAUSE
STARTING = 60.0  # seconds in which a worker that writes a study's settings is counted as alive


class Hosts(NamedTuple):
    """The processes that make up one worker and compute every cell together."""

    size: int = 1
    is_primary: bool = True  # this one chooses the cells and writes the rows
    # the primary process's number, on all of them; all must call
    broadcast_int: Callable[[int], int] = int
    # what the primary process wrote is there for all; all must call
    show: Callable[[], None] = lambda: None


LONE = Hosts()


def run_cells(
    folder: Path, cells: Sequence[Cell], shard: tuple[int, int] = ALONE, hosts: Hosts = LONE
) -> bool:
    """Compute the cells that are not on disk yet, each once, and put all rows together.

    A cell that fails is recorded and does not stop the others. It is tried again by the next worker
    that starts. A worker of several processes ends with the first cell that fails: where each of
    them stands is not known. False if another worker has put the rows together.

    Raises:
      ValueError: at the end, names all cells that failed.
      OSError: the folder cannot be written.
    """
    if not hosts.is_primary:
        _follow(folder, cells, hosts)
        return False
    needs = needs_by_name(cells)
    there = (folder / ROWS).is_file()
    with Worker(named(folder)) as worker:
        write_plan(folder, needs)
        _remove_drafts(folder, worker)
        queue = Queue(folder, needs, worker, shard, hosts)
        by_name = {cell.name: (place, cell) for place, cell in enumerate(cells, start=1)}
        while (name := queue.next()) is not None:
            place, cell = by_name[name]
            hosts.broadcast_int(place - 1)
            hosts.show()
            said = _run(folder, cell, worker, hosts)
            put_mirrors()
            worker.release(name)
            print(f"[{place}/{len(cells)}] {name} {said}", flush=True)
        hosts.broadcast_int(END)
        _remove_drafts(folder, worker)
        _check_finished(folder, needs)
        return _put_together(folder, list(needs), worker, renew=there)


class Queue:
    """Which cell comes next: of those that find what they need the worker's own share first."""

    def __init__(
        self,
        folder: Path,
        needs: dict[str, tuple[str, ...]],
        worker: Worker,
        shard: tuple[int, int],
        hosts: Hosts,
    ) -> None:
        self._folder, self._needs, self._worker, self._hosts = folder, needs, worker, hosts
        self._tried_before = {
            name: failure.mark for name, failure in read_progress(folder, needs).failed.items()
        }
        number, shares = shard
        mine = {name: place % shares + 1 == number for place, name in enumerate(needs)}
        self._order = sorted(needs, key=lambda name: (name in self._tried_before, not mine[name]))

    def next(self) -> str | None:
        """A cell that this worker now holds; waits for what others do. None: nothing is left."""
        while True:
            far = fetch_mirrors(UNSHARED)
            found = read_progress(self._folder, self._needs)
            ready = {name for name in found.open(self._needs) if not self._failed(name)}
            for name in self._order:
                if name in ready and self._take(name):
                    return name
            if not ready:
                return None
            self._hosts.broadcast_int(WAIT)
            time.sleep(FAR_PAUSE if far else PAUSE)

    def _take(self, name: str) -> bool:
        """Claim a cell, unless another worker has dealt with it in the meantime."""
        if not self._worker.claim(name):
            return False
        fetch_mirrors(frozenset() if self._worker.took_over(name) else UNSHARED)
        if is_done(self._folder, name) or self._failed(name):
            self._worker.release(name)
            return False
        return True

    def _failed(self, name: str) -> bool:
        """Whether a cell failed, and not only before this worker began."""
        failure = failure_of(self._folder, name)
        return failure is not None and failure.mark != self._tried_before.get(name)


def _follow(folder: Path, cells: Sequence[Cell], hosts: Hosts) -> None:
    """Compute what the leader says; it alone needs the rows. What fails here is recorded here."""
    while (place := hosts.broadcast_int(WAIT)) != END:
        if place != WAIT:
            hosts.show()
            cell = cells[place]
            try:
                list(cell.run())
            except Exception as error:
                with contextlib.suppress(OSError):
                    put_one(note_failure(folder, cell.name, error))
                raise ValueError(_told(folder, [f"cell {cell.name}: {error}"])) from error


def _run(folder: Path, cell: Cell, worker: Worker, hosts: Hosts) -> str:
    """Compute a cell that this worker holds, and say how it went."""
    begin = time.perf_counter()
    try:
        rows = list(cell.run())
        seconds = time.perf_counter() - begin
        if not worker.holds(cell.name):
            return "was taken over by another worker"
        write_rows(cell_path(folder, cell.name), rows)
        note_time(folder, cell.name, seconds)
        forget_failure(folder, cell.name)
    except Exception as error:  # whatever it is, the other cells can go on
        if not worker.holds(cell.name):
            return "was taken over by another worker"
        try:
            note_failure(folder, cell.name, error)
        except OSError:  # not even that can be written: no other cell could be
            raise OSError(_told(folder, [f"cell {cell.name}: {error}"])) from error
        if hosts.size > 1:
            raise ValueError(_told(folder, [f"cell {cell.name}: {error}"])) from error
        return f"failed after {time.perf_counter() - begin:.1f} s: {error}"
    return f"{seconds:.1f} s{_shown(rows)}"


def _remove_drafts(folder: Path, worker: Worker) -> None:
    """Remove what killed workers left half-written, if no other worker is alive.

    Who is alive is asked last: whoever writes one of these drafts was there before it. Only what a
    study's settings are written to at its start comes before; it is left alone while it is new.
    """
    drafts = [path for path in folder.rglob("*") if is_draft(path) and not _starting(path)]
    if worker.others():
        return
    for draft in drafts:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def _starting(draft: Path) -> bool:
    """Whether it may be of a worker that is about to say that it is alive."""
    try:
        own = draft.name.startswith(f".{Path(SETTINGS).stem}.")
        return own and time.time() - draft.stat().st_mtime < STARTING
    except FileNotFoundError:
        return True


def _check_finished(folder: Path, needs: dict[str, tuple[str, ...]]) -> None:
    found = read_progress(folder, needs)
    if len(found.done) == len(needs):
        return
    reasons = [f"cell {name}: {failure.error}" for name, failure in found.failed.items()]
    if waiting := len(needs) - len(found.done) - len(found.failed):
        reasons.append(f"{waiting} further cells need what failed")
    raise ValueError(_told(folder, reasons))


def _told(folder: Path, reasons: list[str]) -> str:
    """What failed, and which cells are finished."""
    done = len(list((folder / Room.CELLS).glob("*.jsonl")))
    return "; ".join([*reasons, f"{done} cells in {folder / Room.CELLS} are finished and stay"])


def _put_together(folder: Path, names: list[str], worker: Worker, *, renew: bool) -> bool:
    worker.wait(ROWS)
    try:
        fetch_mirrors(UNSHARED)
        if (folder / ROWS).is_file() and not renew:
            return False
        write_rows(
            folder / ROWS, [row for name in names for row in read_rows(cell_path(folder, name))]
        )
        put_mirrors()
        return True
    finally:
        worker.release(ROWS)


def _shown(rows: Sequence[Row]) -> str:
    """The first numbers of a cell, to see while it runs."""
    seen = [row for row in rows if row.metric != "loss"][:3]
    return "".join(f"  {row.metric} {row.value:.3f}" for row in seen)
