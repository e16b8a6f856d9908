"""Inputs and outputs of a command that lie elsewhere: `gs://`, `s3://`, whatever fsspec opens.

What a command reads is fetched before it runs, what it writes is put in its place when it has
ended well, and not at all when it has not. A folder that a command works in, a study's or that of
checkpoints, is mirrored: fetched, put as far as it has come whenever something is complete
(`put_mirrors`), and taken up again by the next command. A single file gets its name when it is
complete. Of a directory `config.json`, without which it is no model, comes last. Imports nothing of
ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Set
from pathlib import Path, PurePosixPath
from typing import Any

_URL = re.compile(r"([a-z][a-z0-9+]+)://?([^/].*)")
LAST = "config.json"  # of the files of a directory
WEIGHTS = "model.safetensors"  # of a directory that is nothing without the last
UNFINISHED = (".draft", ".orbax-checkpoint-tmp")  # in names of what is being written
OWN = {"leases", "workers"}  # folders that say who is at work on this machine
HEAVY = {"models", "smaller", "checkpoints", "pruners", "kept"}  # which a report does not need

_LOG = logging.getLogger(__name__)
_mirrors: list[Mirror] = []  # of the command that runs


def url_of(place: str | Path) -> str | None:
    """The URL that a text or a path stands for (a Path keeps one slash of two), None for others."""
    found = _URL.fullmatch(str(place))
    return f"{found[1]}://{found[2]}" if found else None


def outputs(options: Any) -> list[str]:
    """The URLs where `localised` puts what is written."""
    return [url for role, url in _remote(options).values() if role != "in"]


def _remote(options: Any) -> dict[str, tuple[str, str]]:
    """Role and URL of every field that is remote."""
    roles = {field.name: field.metadata.get("role") for field in dataclasses.fields(options)}
    return {
        name: (role, url)
        for name, role in roles.items()
        if role and (url := url_of(getattr(options, name) or "")) is not None
    }


@contextlib.contextmanager
def localised(options: Any) -> Iterator[Any]:
    """`options` with local paths for remote ones; what was written is put in place at the end.

    A field of the dataclass says by its metadata "role" whether it is read ("in"), written ("out"),
    or a folder to work in ("folder"; "report" without what is heavy). ValueError for what is not
    there, for an output that stands in the way, and for a protocol that needs a package that is
    missing. OSError that names the local copy where a folder could not be put at the end.
    """
    urls = _remote(options)
    if not urls:
        yield options
        return
    with _scratch() as scratch, contextlib.ExitStack() as folders:
        local: dict[str, Path] = {}
        for name, (role, url) in urls.items():
            local[name] = scratch / name / PurePosixPath(url).name
            local[name].parent.mkdir()
            if role == "in":
                _fetch(url, local[name])
            elif role == "out":
                _check_free(url)
            else:
                skipped = OWN | HEAVY if role == "report" else OWN
                folders.enter_context(_mirrored(Mirror(url, local[name], skipped)))
        yield dataclasses.replace(
            options,
            **{
                name: str(path) if isinstance(getattr(options, name), str) else path
                for name, path in local.items()
            },
        )
        for name, (role, url) in urls.items():
            if role == "out":
                _put(local[name].parent, url)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that goes away in the end, unless what is in it is nowhere else."""
    folder, needed = Path(tempfile.mkdtemp(prefix="jaxheads-")), False
    try:
        yield folder
    except Unput:
        needed = True
        raise
    finally:
        if not needed:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def fetched(settings: Any) -> Iterator[Any]:
    """A dataclass, at any depth, with local copies for paths that are remote."""
    with contextlib.ExitStack() as stack:

        def local(value: Any) -> Any:
            if isinstance(value, str | Path) and (url := url_of(value)) is not None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="jaxheads-"))
                path = Path(folder, PurePosixPath(url).name)
                _fetch(url, path)
                return type(value)(path)
            if isinstance(value, tuple) and not hasattr(value, "_fields"):
                return tuple(map(local, value))
            if not dataclasses.is_dataclass(value) or isinstance(value, type):
                return value
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            changed = {name: local(part) for name, part in fields.items()}
            return value if changed == fields else dataclasses.replace(value, **changed)

        yield local(settings)


# -- folders that commands work in


class Unput(OSError):
    """What a command made is here alone."""


class Mirror:
    """A folder here that stands for one elsewhere: whole files, in the order in which they came."""

    def __init__(self, url: str, folder: Path, skipped: Set[str] = frozenset()) -> None:
        self.url, self.folder, self._skipped = url, folder, skipped
        self._same: dict[PurePosixPath, tuple[int, int]] = {}  # files that are equal there

    def fetch(self) -> None:
        """Make what is there be here, but for models whose last file is missing."""
        system, there = _open(self.url)
        self.folder.mkdir(parents=True, exist_ok=True)
        found = {
            name: path
            for path in (system.find(there) if system.isdir(there) else ())
            if self._wanted(name := PurePosixPath(path).relative_to(PurePosixPath(there)))
        }
        for name, path in found.items():
            if name.parent / WEIGHTS in found and name.parent / LAST not in found:
                continue
            here = self.folder / name
            here.parent.mkdir(parents=True, exist_ok=True)
            system.get_file(path, str(here))
            self._same[name] = _mark(here)

    def put(self) -> None:
        """Put what is new or changed here, and remove what is gone here. OSError."""
        system, there = _open(self.url)
        here: dict[PurePosixPath, tuple[int, int]] = {}
        for path in self.folder.rglob("*"):
            name = PurePosixPath(path.relative_to(self.folder))
            with contextlib.suppress(FileNotFoundError):
                if self._wanted(name) and path.is_file():
                    here[name] = _mark(path)
        new = [name for name, mark in here.items() if self._same.get(name) != mark]
        for name in sorted(new, key=lambda name: (here[name][0], name.name == LAST, name)):
            with contextlib.suppress(FileNotFoundError):  # it has gone since, or been replaced
                _put_file(system, self.folder / name, PurePosixPath(there) / name)
                self._same[name] = here[name]
        for name in [name for name in self._same if name not in here]:
            with contextlib.suppress(FileNotFoundError):
                system.rm_file(str(PurePosixPath(there) / name))
            del self._same[name]

    def _wanted(self, name: PurePosixPath) -> bool:
        unfinished = any(mark in part for part in name.parts for mark in UNFINISHED)
        return not unfinished and self._skipped.isdisjoint(name.parts[:-1])


def put_mirrors() -> None:
    """Put the folders of the running command as far as they are; a failure is no error yet."""
    for mirror in _mirrors:
        try:
            mirror.put()
        except OSError as error:
            _LOG.warning("%s: not put yet, %s", mirror.url, error)


def refuse_mirrors() -> None:
    """ValueError where this process is one of several: they must all see one folder."""
    if _mirrors:
        got = ", ".join(mirror.url for mirror in _mirrors)
        raise ValueError(
            f"expected a folder that all processes see, such as a mounted bucket, got {got}"
        )


@contextlib.contextmanager
def _mirrored(mirror: Mirror) -> Iterator[None]:
    mirror.fetch()
    _mirrors.append(mirror)
    try:
        yield
    finally:
        _mirrors.remove(mirror)
        try:
            mirror.put()
        except OSError as error:
            raise Unput(f"{mirror.url}: {error}; what was made is in {mirror.folder}") from error


def _mark(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


# -- files


def _open(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ValueError(f"{url}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{url}: expected a protocol that fsspec opens: {error}") from error


def _fetch(url: str, path: Path) -> None:
    system, there = _open(url)
    if system.isdir(there):
        system.get(there.rstrip("/") + "/", f"{path}/", recursive=True)
    elif system.isfile(there):
        system.get(there, str(path))
    else:
        raise ValueError(f"{url}: no such file or directory")


def _check_free(url: str) -> None:
    system, there = _open(url)
    if system.isdir(there) and system.ls(there):
        raise ValueError(f"{url}: expected a free place, got a directory with files in it")


def _put(folder: Path, url: str) -> None:
    """Everything in a folder beside the place of a URL: an output, and what goes with it."""
    system, there = _open(url)
    parent = PurePosixPath(there).parent
    system.makedirs(str(parent), exist_ok=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: (path.name == LAST, path)):
        _put_file(system, path, parent / path.relative_to(folder))


def _put_file(system: Any, path: Path, target: PurePosixPath) -> None:
    draft = target.with_name(f".{target.name}.draft")
    system.makedirs(str(target.parent), exist_ok=True)
    system.put(str(path), str(draft))
    system.mv(str(draft), str(target))
