"""Where a study's results lie: a folder, or a URL that fsspec opens.

What has a name there is whole. In a folder it is written where it stands; for a URL it is made in a
folder of this process and put when it is complete, and fetched when it is needed, so that nobody
has a copy of the whole. A directory at a URL has a list of its files, `.contents.json`, which comes
last and without which it is not there. Who only reads does not start jax.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from jaxheads.storage.files import (
    is_draft,
    read_arrays,
    remove_here,
    write_arrays,
    write_atomically,
)
from jaxheads.storage.urls import as_os_error, open_url, put_file, url_of

CONTENTS = ".contents.json"
LATE, PAUSE = 20.0, 0.5  # seconds in which what was put must be seen, and between two looks

_LOG = logging.getLogger(__name__)
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Store:
    """A folder or a URL; names are paths below it.

    Of several processes that compute together all call what writes, and the first one does it; its
    error is that of all. With `alone` one process writes what the others know nothing of.
    """

    place: str | Path
    alone: bool = False

    def __str__(self) -> str:
        return self._url or str(self.place)

    @property
    def folder(self) -> Path | None:
        """The folder; None for a URL."""
        return None if self._url else Path(self.place)

    @functools.cached_property
    def _url(self) -> str | None:
        return url_of(self.place)

    # -- write

    @contextlib.contextmanager
    def writing(self, *names: str) -> Iterator[list[Path]]:
        """Paths here for what gets these names at the end of the block, if it ends well.

        In a folder they are those of the names, where it can be seen while it grows.

        Raises:
          OSError: what cannot be put is named, after some tries.
        """
        if self.folder is not None:
            yield [self.folder / name for name in names]
            return
        with tempfile.TemporaryDirectory(prefix="jaxheads-") as scratch:
            paths = [Path(scratch, name) for name in names]
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield paths
            self._once(lambda: [self.put(p, n) for p, n in zip(paths, names, strict=True)])

    def write(self, name: str, write: Callable[[Path], Any]) -> None:
        """Let the first process write a file or a directory, given where."""
        with self.writing(name) as (path,):
            self._once(lambda: write(path))

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write named arrays as an npz file."""
        self.write(name, lambda path: write_arrays(path, arrays))

    def write_json(self, name: str, value: Any, *, indent: int | None = 1) -> None:
        """Write a value as JSON."""
        text = json.dumps(value, ensure_ascii=False, indent=indent) + "\n"

        def write(path: Path) -> None:
            with write_atomically(path) as draft:
                draft.write_text(text, encoding="utf-8")

        self.write(name, write)

    def remove(self, name: str) -> None:
        """Remove a file or a directory, if it is there."""
        self._once(functools.partial(self.delete, name))

    # -- read

    def read(self, name: str, load: Callable[[Path], T]) -> T:
        """What a function reads from a file or a directory; it may not be read later on.

        Raises:
          FileNotFoundError: there is none.
          ValueError: of the function, which names the place.
        """
        with self.reading(name) as path:
            try:
                return load(path)
            except ValueError as error:
                raise ValueError(str(error).replace(str(path), f"{self}/{name}")) from error

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """A path here with a file or a directory, while the block lasts."""
        if self.folder is not None:
            yield self.folder / name
            return
        with tempfile.TemporaryDirectory(prefix="jaxheads-") as scratch:
            path = Path(scratch, PurePosixPath(name).name)
            self.fetch(name, path)
            yield path

    def read_arrays(self, name: str, what: str = "arrays") -> dict[str, np.ndarray]:
        """Read what `write_arrays` wrote.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: for a damaged file.
        """
        return self.read(name, lambda path: read_arrays(path, what=what))

    def exists(self, name: str) -> bool:
        """Whether there is a file or a whole directory of this name."""
        if self.folder is not None:
            return (self.folder / name).exists()
        system, there = self._open(name)
        with as_os_error(there):
            return system.isfile(there) or system.isfile(f"{there}/{CONTENTS}")

    def is_folder(self, name: str) -> bool:
        """Whether something lies below this name that is no whole directory."""
        if self.folder is not None:
            return (self.folder / name).is_dir()
        system, there = self._open(name)
        with as_os_error(there):
            return system.isdir(there)

    def names(self, folder: str) -> list[str]:
        """The names, sorted, of what lies in a folder below and is no draft."""
        if self.folder is not None:
            own = self.folder / folder
            found = [path.name for path in own.iterdir()] if own.is_dir() else []
        else:
            system, there = self._open(folder)
            with as_os_error(there):
                try:
                    found = [PurePosixPath(path).name for path in system.ls(there, detail=False)]
                except (FileNotFoundError, NotADirectoryError):
                    found = []
        return sorted(name for name in found if not is_draft(Path(name)))

    def texts(self, folder: str) -> dict[str, str]:
        """The texts of all files in a folder below, by name."""
        names = self.names(folder)
        if self.folder is not None:
            return {name: (self.folder / folder / name).read_text() for name in names}
        system, there = self._open(folder)
        with as_os_error(there):
            found = system.cat([f"{there}/{name}" for name in names]) if names else {}
        return {PurePosixPath(path).name: text.decode() for path, text in sorted(found.items())}

    def remove_drafts(self) -> None:
        """Remove what killed processes left half-written; no other may be at work."""
        if self.folder is None:
            return  # where what is put has another name until it is whole
        for path in [path for path in self.folder.rglob("*") if is_draft(path)]:
            remove_here(path)

    def _once(self, work: Callable[[], Any]) -> None:
        if self.alone:
            work()
            return
        from jaxheads.parallel.processes import run_on_primary

        run_on_primary(work)

    # -- at a URL

    def _open(self, name: str) -> tuple[Any, str]:
        system, there = open_url(f"{self}/{name}")
        system.invalidate_cache()
        return system, there.rstrip("/")

    def put(self, path: Path, name: str) -> None:
        """Put a file or a directory, if it is there, and wait until it is seen.

        Raises:
          OSError: what cannot be put is named, after some tries.
        """
        if not path.exists():
            return
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        for each in sorted(files):
            inner = "" if each == path else f"/{each.relative_to(path)}"
            put_file(each, f"{self}/{name}{inner}")
        if path.is_dir():
            sizes = {str(each.relative_to(path)): each.stat().st_size for each in files}
            with tempfile.TemporaryDirectory(prefix="jaxheads-") as scratch:
                contents = Path(scratch, CONTENTS)
                contents.write_text(json.dumps(sizes))
                put_file(contents, f"{self}/{name}/{CONTENTS}")
        limit = time.monotonic() + LATE
        while not self.exists(name):
            if time.monotonic() > limit:
                raise OSError(f"{self}/{name}: was put, and is not seen after {LATE:g} s")
            time.sleep(PAUSE)

    def fetch(self, name: str, path: Path) -> None:
        """Fetch a file or a directory; one that was put just now may be seen late."""
        limit = time.monotonic() + LATE
        while True:
            try:
                return self._get_once(name, path)
            except FileNotFoundError:
                if time.monotonic() > limit:
                    raise FileNotFoundError(f"{self}/{name}: no such file or directory") from None
                remove_here(path)
                time.sleep(PAUSE)

    def _get_once(self, name: str, path: Path) -> None:
        system, there = self._open(name)
        with as_os_error(f"{self}/{name}"):
            if not system.isfile(f"{there}/{CONTENTS}"):
                system.get_file(there, str(path))
                return
            for each, size in json.loads(system.cat_file(f"{there}/{CONTENTS}")).items():
                own = path / each
                own.parent.mkdir(parents=True, exist_ok=True)
                system.get_file(f"{there}/{each}", str(own))
                if own.stat().st_size != size:
                    raise FileNotFoundError(f"{each} is not there yet")

    def delete(self, name: str) -> None:
        """Remove a file or a directory, by this process."""
        if self.folder is not None:
            remove_here(self.folder / name)
            return
        system, there = self._open(name)
        with as_os_error(there), contextlib.suppress(FileNotFoundError):
            system.rm(there, recursive=True)


@contextlib.contextmanager
def carried(place: str | Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder here with the checkpoints of a place, and what puts there those that are new.

    A place that is no URL is the folder itself. (Orbax does not open every URL that fsspec does,
    and opens `gs://` and `s3://` past it.) A checkpoint is a directory with a number for a name;
    the first process alone has them. One that cannot be put is tried again with the next.

    Raises:
      OSError: at the end, where there are some that could not be put.
    """
    if url_of(place) is None:
        yield Path(place), lambda: None
        return
    from jaxheads.parallel.processes import is_primary

    store = Store(place)
    with tempfile.TemporaryDirectory(prefix="jaxheads-") as scratch:
        folder = Path(scratch, PurePosixPath(str(place)).name)
        if is_primary():
            for name in filter(store.exists, filter(str.isdecimal, store.names(""))):
                store.fetch(name, folder / name)

        def put() -> None:
            try:
                _put_steps(store, folder)
            except OSError as error:
                _LOG.warning("%s", error)

        try:
            yield folder, put
        finally:
            if is_primary():
                _put_steps(store, folder)


def _put_steps(store: Store, folder: Path) -> None:
    """Put what is complete in a folder, and remove what is there no more."""
    here = {path.name for path in folder.glob("*") if path.name.isdecimal()}
    there = {name for name in store.names("") if name.isdecimal() and store.exists(name)}
    for name in sorted(here - there, key=int):
        store.put(folder / name, name)
    for name in there - here:
        store.delete(name)
