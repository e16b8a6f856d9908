"""Who works on what in a study's folder: workers that are alive, and the cells they hold.

workers/TOKEN       one file for each worker; its time of change is the worker's heartbeat
leases/CELL@N       who holds a cell; the highest N counts

Nothing but files made exclusively, which local and network file systems both have. A lease is never
taken from a file that exists: the one who finds the holder dead makes the file of the next number,
which only one can. A worker of this host is dead when its process is; of another when its heartbeat
was not seen to change for `SILENT` seconds of the one who watches, so that clocks may differ.
Never starts jax.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

WORKERS, LEASES = "workers", "leases"
BEAT, SILENT = 10.0, 120.0  # seconds


class Worker:
    """This process among the workers of a folder, while the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._workers, self._leases = folder / WORKERS, folder / LEASES
        self._path = self._workers / self.token
        self._held: dict[str, Path] = {}
        self._watch = Watch(folder)
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._beat_on, daemon=True)

    def __enter__(self) -> Worker:
        for place in (self._workers, self._leases):
            place.mkdir(parents=True, exist_ok=True)
        with self._path.open("x") as file:
            json.dump({"host": _host(), "pid": os.getpid(), "started": _started(os.getpid())}, file)
        self._beat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._beat.join()
        for name in list(self._held):
            self.release(name)
        self._path.unlink(missing_ok=True)

    def claim(self, name: str) -> bool:
        """Take a cell that nobody alive holds. What it leaves may be finished by then: look.

        Numbers come again after a release, so that two who looked at different moments may both
        have made a file: whoever then sees another one of a living worker lets go.
        """
        number = -1
        if found := _newest(self._leases).get(name):
            number, path = found
            if self._watch.lives(_holder(path), path):
                return False
        path = self._leases / f"{name}@{number + 1}"
        try:
            with path.open("x") as file:
                file.write(self.token)
        except FileExistsError:
            return False
        others = (each for each in _of(self._leases, name) if each != path)
        if any(self._watch.lives(_holder(each), each) for each in others):
            path.unlink(missing_ok=True)
            return False
        self._held[name] = path
        return True

    def holds(self, name: str) -> bool:
        """Whether a cell is still this worker's: one that was taken for dead has lost it."""
        newest = _newest(self._leases).get(name)
        return newest is not None and newest[1] == self._held.get(name)

    def release(self, name: str) -> None:
        """Let a cell go, with the leases that came before this one."""
        own = self._held.pop(name)
        number = int(own.name.rpartition("@")[2])
        for each in range(number + 1):
            own.with_name(f"{name}@{each}").unlink(missing_ok=True)

    def others(self) -> set[str]:
        """The tokens of all other workers that are alive."""
        return self._watch.alive() - {self.token}

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT):
            with contextlib.suppress(OSError):  # a file system that hangs for a while
                os.utime(self._path)


class Watch:
    """Tells which workers of a folder live, from what was seen of them since it was made."""

    def __init__(self, folder: Path) -> None:
        self._workers, self._leases = folder / WORKERS, folder / LEASES
        self._seen: dict[str, tuple[float, float]] = {}  # the heartbeat, and when it was first seen

    def alive(self) -> set[str]:
        """The tokens of all that live."""
        if not self._workers.is_dir():
            return set()
        return {path.name for path in self._workers.iterdir() if self.lives(path.name, path)}

    def held(self) -> dict[str, str]:
        """The living holder of every cell that has one."""
        found = {name: (path, _holder(path)) for name, (_, path) in _newest(self._leases).items()}
        return {name: holder for name, (path, holder) in found.items() if self.lives(holder, path)}

    def lives(self, token: str, lease: Path) -> bool:
        """Whether a worker lives; `lease` stands for one whose name is only being written."""
        path = self._workers / token if token else lease
        try:
            beat, text = path.stat().st_mtime, path.read_text() if token else ""
        except OSError:
            return False  # it has ended
        about = _parsed(text)
        if about.get("host") == _host():
            return _started(int(about["pid"])) == about["started"]
        last, since = self._seen.get(path.name, (None, 0.0))
        if beat != last:
            since = time.monotonic()
            self._seen[path.name] = (beat, since)
        return time.monotonic() - since < SILENT


def _newest(leases: Path) -> dict[str, tuple[int, Path]]:
    """The lease that counts of every cell that has any, with its number."""
    found: dict[str, tuple[int, Path]] = {}
    for path in _listed(leases):
        name, _, number = path.name.rpartition("@")
        found[name] = max(found.get(name, (-1, path)), (int(number), path))
    return found


def _of(leases: Path, name: str) -> list[Path]:
    """All leases of a cell."""
    return [path for path in _listed(leases) if path.name.rpartition("@")[0] == name]


def _listed(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from folder.iterdir()


def _holder(path: Path) -> str:
    """The token in a lease; empty where it is only being written, or gone."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _parsed(text: str) -> dict:
    """What a worker says of itself; nothing while it is being written."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _host() -> str:
    """This machine since it was started; a container that counts processes anew is another."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    parts = [socket.gethostname()]
    if boot.is_file():
        parts += [boot.read_text().strip(), os.readlink(space)]
    return " ".join(parts)


def _started(pid: int) -> str:
    """When a process of this host was started, in ticks: numbers of processes come again.

    Empty if there is none. Where /proc is missing every living process is taken for the same.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        state, *rest = text.rpartition(")")[2].split()
        return "" if state in "ZX" else rest[18]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
