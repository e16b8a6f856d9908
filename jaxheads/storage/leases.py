"""Who works on what in a folder, here or elsewhere: workers that are alive, and what they hold.

workers/TOKEN       one file for each worker; that it is written anew is the worker's heartbeat
leases/NAME@N       who holds something; the highest N counts

Nothing but files made exclusively, which local and network file systems and object stores have. A
lease is never taken from a file that exists: the one who finds the holder dead makes the file of
the next number, which only one can. A worker of this host is dead when its process is; of another
when its heartbeat was not seen to change for `SILENT` seconds of the one who watches, so that
clocks may differ. Never starts jax.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from pathlib import Path

from jaxheads.storage.urls import Files

WORKERS, LEASES = "workers", "leases"
BEAT, SILENT, LOOK, PAUSE = 10.0, 120.0, 3.0, 1.0  # seconds

_LOG = logging.getLogger(__name__)


class Worker:
    """This process among the workers of a folder, a path or a URL, while the block lasts."""

    def __init__(self, place: str | Path) -> None:
        self.token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._place = place
        self._workers, self._leases = Files(place, WORKERS), Files(place, LEASES)
        self._about = json.dumps(
            {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid())}
        )
        self._held: dict[str, str] = {}
        self._watch = WorkerWatch(place)
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._beat_on, daemon=True)

    def __enter__(self) -> Worker:
        for files in (self._workers, self._leases):
            files.make_folder()
        self._workers.make(self.token, self._about)
        self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._beat.join()
        try:
            for name in list(self._held):
                self.release(name)
            self._workers.remove(self.token)
        except OSError as problem:  # the others will find out that this one has ended
            _LOG.warning("%s: worker %s was not taken off: %s", self._place, self.token, problem)

    def claim(self, name: str) -> bool:
        """Take what nobody alive holds. What it leaves may be finished by then: look.

        Numbers come again after a release, so that two who looked at different moments may both
        have made a file: whoever then sees another one of a living worker lets go.
        """
        number = -1
        if found := _newest(self._leases).get(name):
            number, lease = found
            if self._lives(lease):
                return False
        lease = f"{name}@{number + 1}"
        if not self._leases.make(lease, self.token):
            return False
        if any(map(self._lives, (each for each in _of(self._leases, name) if each != lease))):
            self._leases.remove(lease)
            return False
        self._held[name] = lease
        return True

    def wait(self, name: str) -> None:
        """Claim something as soon as nobody alive holds it."""
        while not self.claim(name):
            time.sleep(PAUSE)

    def take(self, name: str) -> None:
        """Claim what one alone may hold, once it is known that no other does.

        Raises:
          ValueError: at the first sign of life of the holder.
        """
        told = False
        while not self.claim(name):
            found = _newest(self._leases).get(name)
            holder = self._leases.read(found[1]) if found else ""
            if holder and self._watch.is_sure(holder):
                raise ValueError(
                    f"{self._place}: expected a folder in which no other command works, got "
                    f"{self._watch.who(holder)}"
                )
            if holder and not told:
                who, told = self._watch.who(holder), True
                _LOG.warning("%s: watching %s for up to %g s", self._place, who, SILENT)
            time.sleep(LOOK)

    def took_over(self, name: str) -> bool:
        """Whether one that has died held this before."""
        return not self._held[name].endswith("@0")

    def holds(self, name: str) -> bool:
        """Whether something is still this worker's: one that was taken for dead has lost it."""
        newest = _newest(self._leases).get(name)
        return newest is not None and newest[1] == self._held.get(name)

    def release(self, name: str) -> None:
        """Let something go, with the leases that came before this one."""
        number = int(self._held.pop(name).rpartition("@")[2])
        for each in range(number + 1):
            self._leases.remove(f"{name}@{each}")

    def others(self) -> set[str]:
        """The tokens of all other workers that are alive."""
        return self._watch.alive() - {self.token}

    def _lives(self, lease: str) -> bool:
        return self._watch.lives(self._leases.read(lease), lease)

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                self._workers.renew(self.token, self._about)
            except OSError as error:  # a file system that is away for a while
                _LOG.warning("%s: no sign of life was left: %s", self._place, error)


class WorkerWatch:
    """Tells which workers of a folder live, from what was seen of them since it was made."""

    def __init__(self, place: str | Path) -> None:
        self._workers, self._leases = Files(place, WORKERS), Files(place, LEASES)
        self._seen: dict[str, tuple[str, float]] = {}  # the heartbeat, and when it was first seen
        self._beating: set[str] = set()  # whose heartbeat has changed since
        self._said: dict[str, dict] = {}

    def alive(self) -> set[str]:
        """The tokens of all that live."""
        return {token for token in self._workers.listed() if self.lives(token, token)}

    def held(self) -> dict[str, str]:
        """The living holder of everything that has one."""
        found = {
            name: (lease, self._leases.read(lease))
            for name, (_, lease) in _newest(self._leases).items()
        }
        return {
            name: holder for name, (lease, holder) in found.items() if self.lives(holder, lease)
        }

    def lives(self, token: str, lease: str) -> bool:
        """Whether a worker lives; `lease` stands for one whose name is only being written."""
        name = token or lease
        beat = (self._workers if token else self._leases).about(name)
        if beat is None:
            return False  # it has ended
        about = self._about(token)
        if about.get("host") == _host():
            return _started(int(about["pid"])) == about["started"]
        last, since = self._seen.get(name, ("", 0.0))
        if beat != last:
            if last:
                self._beating.add(name)
            since = time.monotonic()
            self._seen[name] = (beat, since)
        return time.monotonic() - since < SILENT

    def is_sure(self, token: str) -> bool:
        """Whether a worker lives that could not have left what was seen of it before it died."""
        own = self._about(token).get("host") == _host()
        return self.lives(token, token) and (own or token in self._beating)

    def who(self, token: str) -> str:
        """A worker in words."""
        about = self._about(token)
        host = str(about.get("host", "a host that it did not name")).partition(" ")[0]
        return f"process {about.get('pid', '?')} of {host}"

    def _about(self, token: str) -> dict:
        """What a worker says of itself; nothing while it is being written."""
        if token and token not in self._said:
            try:
                self._said[token] = json.loads(self._workers.read(token))
            except ValueError:
                return {}
        return self._said.get(token, {})


def _newest(leases: Files) -> dict[str, tuple[int, str]]:
    """The lease that counts of everything that has any, with its number."""
    found: dict[str, tuple[int, str]] = {}
    for lease in leases.listed():
        name, _, number = lease.rpartition("@")
        found[name] = max(found.get(name, (-1, lease)), (int(number), lease))
    return found


def _of(leases: Files, name: str) -> list[str]:
    """All leases of one thing."""
    return [lease for lease in leases.listed() if lease.rpartition("@")[0] == name]


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
