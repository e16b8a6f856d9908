"""Inputs and outputs of a command that lie elsewhere: `gs://`, `s3://`, whatever fsspec opens.

What a command reads is fetched before it runs, what it writes is put in its place when it has
ended well, and not at all when it has not. A folder that a command works in, a study's or that of
checkpoints, is mirrored: fetched, put as far as it has come whenever something is complete
(`put_mirrors`), and resumed by the next command. A single file gets its name when it is
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
from typing import Any

from jaxheads.storage.mirror import Mirror
from jaxheads.storage.urls import Unput, check_free, fetch, open_url, put_all, put_file, url_of

UNSHARED = {"checkpoints"}  # which the first of several processes alone reads
OWN = {"leases", "workers"}  # which are asked there, by all who are at work
OUT = ("out", "again")
UNSEEN = {
    "scores",
    "answers",
    "sums",
    "logs",
    "maps",
    "report",
}  # which a look needs as little as HEAVY
HEAVY = {"models", "smaller", "checkpoints", "pruners", "kept"}  # not for a report

_LOG = logging.getLogger(__name__)
_mirrors: list[Mirror] = []  # of the command that runs
_copies: dict[str, str] = {}  # URLs by local paths


def url_behind(place: str | Path) -> str | None:
    """The URL of which a path is a copy that `localised` made; None for other paths."""
    return _copies.get(str(place))


def named(place: str | Path) -> str:
    """What was asked for: the URL behind a path, or the path itself."""
    return url_behind(place) or str(place)


def outputs(options: Any) -> list[str]:
    """The URLs where this process has put what was written by the end of `localised`."""
    from jaxheads.parallel.processes import is_primary

    urls = [url for role, url in _remote(options).values() if role not in ("in", "look")]
    return urls if urls and is_primary() else []


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

    A field of the dataclass says by its metadata "role" whether it is read ("in"), written ("out",
    or "again" where it may stand already), a folder to work in ("folder"; "report" without what is
    heavy), or one to see how far it is ("look"); `options.roles` are others than those of the
    fields.

    Raises:
      ValueError: for what is not there, for an output that stands in the way, and for a protocol
        that needs a package that is missing.
      OSError: names the local copy of what could not be put at the end.
    """
    urls = _remote(options)
    if not urls:
        yield options
        return
    from jaxheads.parallel.processes import run_on_primary

    with _scratch() as scratch, contextlib.ExitStack() as folders:
        local: dict[str, Path] = {}
        for name, (role, url) in urls.items():
            local[name] = scratch / name / PurePosixPath(url).name
            local[name].parent.mkdir()
            _copies[str(local[name])] = url
            if role == "in":
                fetch(url, local[name])
            elif role in OUT:
                if role == "out":
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
        outs = {url: local[name].parent for name, (role, url) in urls.items() if role in OUT}
        if outs:
            run_on_primary(functools.partial(put_all, outs))


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
    """Work in the mirrored folders alone, as they are now.

    Raises:
      ValueError: if another command works there.
    """
    from jaxheads.parallel.processes import run_on_primary

    if _mirrors:
        run_on_primary(lambda: [mirror.claim() for mirror in _mirrors])
        for mirror in _mirrors:
            mirror.fetch()


def write_once(write: Callable[[], Any]) -> None:
    """Let the first process write what all of them then see; its error is that of all."""
    from jaxheads.parallel.processes import run_on_primary

    run_on_primary(write)
    show_mirrors()


def show_mirrors() -> None:
    """Let all processes see what the first has written by now. OSError on all if that fails."""
    from jaxheads.parallel.processes import is_primary, run_on_primary, several

    if not (_mirrors and several()):
        return
    run_on_primary(lambda: [mirror.put() for mirror in _mirrors])
    if not is_primary():
        for mirror in _mirrors:
            mirror.fetch(UNSHARED)


def fetch_mirrors(skipped: Set[str] = frozenset()) -> bool:
    """See what other workers have put by now; whether there is any folder elsewhere. OSError."""
    for mirror in _mirrors:
        mirror.fetch(skipped)
    return bool(_mirrors)


@contextlib.contextmanager
def _mirrored(mirror: Mirror) -> Iterator[None]:
    from jaxheads.parallel.processes import is_primary, run_on_primary

    mirror.fetch()
    _mirrors.append(mirror)
    try:
        yield
    except BaseException:
        if is_primary():
            _put_last(mirror)
        raise
    else:
        run_on_primary(functools.partial(_put_last, mirror))
    finally:
        _mirrors.remove(mirror)
        mirror.release()


def _put_last(mirror: Mirror) -> None:
    try:
        mirror.put()
    except OSError as error:
        raise Unput(f"{mirror.url}: {error}; what was made is in {mirror.folder}") from error
