"""A folder here that stands for one elsewhere, as fsspec opens it, and the other way round."""

from __future__ import annotations

import contextlib
from collections.abc import Set
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jaxheads.storage.leases import Worker
from jaxheads.storage.urls import LAST, as_os_error, open_url, put_file

WEIGHTS = "model.safetensors"  # of a directory that is nothing without the last
UNFINISHED = (".draft", ".orbax-checkpoint-tmp")  # in names of what is being written
ALL = "all"  # what is claimed by who works in a folder alone


class _There(NamedTuple):
    """A file elsewhere."""

    path: str
    about: str  # something else after each write
    size: int | None


class Mirror:
    """A folder here that stands for one elsewhere: whole files, in the order in which they came."""

    def __init__(self, url: str, folder: Path, skipped: Set[str] = frozenset()) -> None:
        self.url, self.folder, self._skipped = url, folder, skipped
        self._same: dict[PurePosixPath, tuple[int, int]] = {}  # files that are equal there
        self._seen: dict[PurePosixPath, str] = {}  # what the file system said of them
        self._alone: Worker | None = None

    def claim(self) -> None:
        """Work there alone, until `release`.

        Raises:
          ValueError: if another command works there.
        """
        worker = Worker(self.url).__enter__()
        try:
            worker.take(ALL)
        except BaseException:
            worker.__exit__(None, None, None)
            raise
        self._alone = worker

    def release(self) -> None:
        """Let others work there."""
        if self._alone is not None:
            self._alone.__exit__(None, None, None)

    def fetch(self, skipped: Set[str] = frozenset()) -> None:
        """Copy the remote files here and remove all others; not models whose last file is missing.

        What lies in a folder of a `skipped` name is left as it is.
        """
        system, there = open_url(self.url)
        self.folder.mkdir(parents=True, exist_ok=True)
        with as_os_error(self.url):
            found = self._listed(system, PurePosixPath(there), skipped)
            self._get(system, found)
        for name in [name for name in self._same if name not in found]:
            if self._wanted(name, skipped):
                (self.folder / name).unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # a folder that is not empty
                    for parent in name.parents[:-1]:
                        (self.folder / parent).rmdir()
                del self._same[name]
                self._seen.pop(name, None)

    def _listed(
        self, system: Any, there: PurePosixPath, skipped: Set[str]
    ) -> dict[PurePosixPath, _There]:
        """The files there that are wanted here."""
        system.invalidate_cache()
        listed = system.find(str(there), detail=True) if system.isdir(str(there)) else {}
        found = {
            name: _There(path, str(about), about.get("size"))
            for path, about in listed.items()
            if self._wanted(name := PurePosixPath(path).relative_to(there), skipped)
        }
        half = {
            name.parent
            for name in found
            if name.name == WEIGHTS and name.parent / LAST not in found
        }
        return {name: each for name, each in found.items() if name.parent not in half}

    def _get(self, system: Any, found: dict[PurePosixPath, _There]) -> None:
        """Fetch what is not here; what this process has put itself is."""
        for name, each in found.items():
            mark = self._same.get(name)
            if name not in self._seen and mark is not None and mark[1] == each.size:
                self._seen[name] = each.about
        wanted = {name: each for name, each in found.items() if self._seen.get(name) != each.about}
        for folder in {name.parent for name in wanted}:
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        paths = {each.path: str(self.folder / name) for name, each in wanted.items()}
        try:
            system.get(list(paths), list(paths.values()))  # many at a time
        except FileNotFoundError:  # another worker has removed one since
            for path, here in paths.items():
                with contextlib.suppress(FileNotFoundError):
                    system.get_file(path, here)
        for name, each in wanted.items():
            with contextlib.suppress(FileNotFoundError):
                self._same[name] = _mark(self.folder / name)
                self._seen[name] = each.about

    def put(self) -> None:
        """Put what is new or changed here, and remove what is gone here.

        Raises:
          OSError: for what cannot be written there, or where another command took over.
        """
        if self._alone is not None and not self._alone.holds(ALL):
            raise OSError(f"{self.url}: was taken over by another command")
        system, there = open_url(self.url)
        here: dict[PurePosixPath, tuple[int, int]] = {}
        for path in self.folder.rglob("*"):
            name = PurePosixPath(path.relative_to(self.folder))
            with contextlib.suppress(FileNotFoundError):
                if self._wanted(name) and path.is_file():
                    here[name] = _mark(path)
        new = [name for name, mark in here.items() if self._same.get(name) != mark]
        for name in sorted(new, key=lambda name: (here[name][0], name.name == LAST, name)):
            with contextlib.suppress(FileNotFoundError):  # it has gone since, or been replaced
                put_file(system, self.folder / name, PurePosixPath(there) / name)
                self._same[name] = here[name]
                self._seen.pop(name, None)
        for name in [name for name in self._same if name not in here]:
            with contextlib.suppress(FileNotFoundError):
                system.rm_file(str(PurePosixPath(there) / name))
            del self._same[name]
            self._seen.pop(name, None)

    def _wanted(self, name: PurePosixPath, skipped: Set[str] = frozenset()) -> bool:
        unfinished = any(mark in part for part in name.parts for mark in UNFINISHED)
        return not unfinished and (self._skipped | skipped).isdisjoint(name.parts[:-1])


def _mark(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
