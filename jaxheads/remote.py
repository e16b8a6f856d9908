"""Inputs and outputs of a command that lie elsewhere: `gs://`, `s3://`, whatever fsspec opens.

What a command reads is fetched before it runs, what it writes is put in its place when it has
ended well, and not at all when it has not. A folder that a command works in, a study's or that of
checkpoints, is mirrored: fetched, put as far as it has come whenever something is complete
(`put_mirrors`), and taken up again by the next command. A single file gets its name when it is
complete. Of a directory `config.json`, without which it is no model, comes last.

Several processes need nothing shared but the URL: each fetches to a disk of its own, the first
alone puts, and if it cannot, all of them fail in its words. What it writes in a mirrored folder and
the others read (`write_once`) goes by way of the URL: it puts, then they fetch what is new. That
asks of the file system that whoever lists and reads after a put sees it, as object stores do.
Several workers may share a study's folder by way of the URL too: each fetches what the others have
put (`fetch_mirrors`). In that of checkpoints one command at a time may work (`claim_mirrors`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Set
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jaxheads.leases import Worker
from jaxheads.urls import LAST, Unput, check_free, fetch, open_url, put_all, put_file, url_of

WEIGHTS = "model.safetensors"  # of a directory that is nothing without the last
UNFINISHED = (".draft", ".orbax-checkpoint-tmp")  # in names of what is being written
UNSHARED = {"checkpoints"}  # which the first of several processes alone reads
OWN = {"leases", "workers", "together"}  # folders of those who are at work, there or here
ALL = "all"  # what is claimed by who works in a folder alone
UNSEEN = {"scores", "answers", "logs", "maps", "report"}  # which a look needs as little as HEAVY
HEAVY = {"models", "smaller", "checkpoints", "pruners", "kept"}  # which a report does not need

_LOG = logging.getLogger(__name__)
_mirrors: list[Mirror] = []  # of the command that runs
_copies: dict[str, str] = {}  # URLs by local paths


def named(place: str | Path) -> str:
    """What was asked for: the URL where a path is a copy that `localised` made, else the path."""
    return _copies.get(str(place), str(place))


def outputs(options: Any) -> list[str]:
    """The URLs where this process has put what was written by the end of `localised`."""
    from jaxheads.hosts import leads

    urls = [url for role, url in _remote(options).values() if role not in ("in", "look")]
    return urls if urls and leads() else []


def _remote(options: Any) -> dict[str, tuple[str, str]]:
    """Role and URL of every field that is remote."""
    roles = {field.name: field.metadata.get("role") for field in dataclasses.fields(options)}
    roles |= getattr(options, "roles", {})
    return {
        name: (role, url)
        for name, role in roles.items()
        if role and (url := url_of(getattr(options, name) or "")) is not None
    }


@contextlib.contextmanager
def localised(options: Any) -> Iterator[Any]:
    """`options` with local paths for remote ones; what was written is put in place at the end.

    A field of the dataclass says by its metadata "role" whether it is read ("in"), written ("out"),
    a folder to work in ("folder"; "report" without what is heavy), or one to see how far it is
    ("look"); `options.roles` are others than those of the fields. ValueError for what is not
    there, for an output that stands in the way, and for a protocol that needs a package that is
    missing. OSError that names the local copy of what could not be put at the end.
    """
    urls = _remote(options)
    if not urls:
        yield options
        return
    from jaxheads.hosts import agreed

    with _scratch() as scratch, contextlib.ExitStack() as folders:
        local: dict[str, Path] = {}
        for name, (role, url) in urls.items():
            local[name] = scratch / name / PurePosixPath(url).name
            local[name].parent.mkdir()
            _copies[str(local[name])] = url
            if role == "in":
                fetch(url, local[name])
            elif role == "out":
                check_free(url)
            elif role == "look":
                Mirror(url, local[name], OWN | HEAVY | UNSEEN).fetch()
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
        outs = {url: local[name].parent for name, (role, url) in urls.items() if role == "out"}
        if outs:
            agreed(functools.partial(put_all, outs))


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
                fetch(url, path)
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
        """Work there alone, until `release`. ValueError if another command does."""
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
        """Make what is there, and only that, be here; models whose last file is missing are not.

        What lies in a folder of a `skipped` name is left as it is.
        """
        system, there = open_url(self.url)
        self.folder.mkdir(parents=True, exist_ok=True)
        found = self._listed(system, PurePosixPath(there), skipped)
        self._get(system, {n: each for n, each in found.items() if self._seen.get(n) != each.about})
        for name in [name for name in self._same if name not in found]:
            if self._wanted(name, skipped):
                (self.folder / name).unlink(missing_ok=True)
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

    def _get(self, system: Any, new: dict[PurePosixPath, _There]) -> None:
        """Fetch what is not here; what this process has put itself is."""
        for name, each in new.items():
            mark = self._same.get(name)
            if name not in self._seen and mark is not None and mark[1] == each.size:
                self._seen[name] = each.about
        wanted = {name: each for name, each in new.items() if self._seen.get(name) != each.about}
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
        """Put what is new or changed here, and remove what is gone here. OSError."""
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


def put_mirrors() -> None:
    """Put the folders of the running command as far as they are; a failure is no error yet."""
    for mirror in _mirrors:
        try:
            mirror.put()
        except OSError as error:
            _LOG.warning("%s: not put yet, %s", mirror.url, error)


def put_one(path: Path) -> None:
    """Put one file of a mirrored folder, by whichever process has it."""
    for mirror in _mirrors:
        if path.is_relative_to(mirror.folder):
            system, there = open_url(mirror.url)
            put_file(system, path, PurePosixPath(there) / path.relative_to(mirror.folder))


def claim_mirrors() -> None:
    """Work in the mirrored folders alone, as they are now. ValueError if another command does."""
    from jaxheads.hosts import agreed

    if _mirrors:
        agreed(lambda: [mirror.claim() for mirror in _mirrors])
        for mirror in _mirrors:
            mirror.fetch()


def write_once(write: Callable[[], Any]) -> None:
    """Let the first process write what all of them then see; its error is that of all."""
    from jaxheads.hosts import agreed

    agreed(write)
    show_mirrors()


def show_mirrors() -> None:
    """Let all processes see what the first has written by now. OSError on all if that fails."""
    from jaxheads.hosts import agreed, leads, several

    if not (_mirrors and several()):
        return
    agreed(lambda: [mirror.put() for mirror in _mirrors])
    if not leads():
        for mirror in _mirrors:
            mirror.fetch(UNSHARED)


def fetch_mirrors(skipped: Set[str] = frozenset()) -> bool:
    """See what other workers have put by now; whether there is any folder elsewhere. OSError."""
    for mirror in _mirrors:
        mirror.fetch(skipped)
    return bool(_mirrors)


@contextlib.contextmanager
def _mirrored(mirror: Mirror) -> Iterator[None]:
    from jaxheads.hosts import agreed, leads

    mirror.fetch()
    _mirrors.append(mirror)
    try:
        yield
    except BaseException:
        if leads():
            _put_last(mirror)
        raise
    else:
        agreed(functools.partial(_put_last, mirror))
    finally:
        _mirrors.remove(mirror)
        mirror.release()


def _put_last(mirror: Mirror) -> None:
    try:
        mirror.put()
    except OSError as error:
        raise Unput(f"{mirror.url}: {error}; what was made is in {mirror.folder}") from error


def _mark(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
