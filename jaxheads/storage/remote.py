"""Inputs and outputs of a command that lie elsewhere: `gs://`, `s3://`, whatever fsspec opens.

What a command reads is fetched before it runs, what it writes is put in its place when it has ended
well, and not at all when it has not. A single file gets its name when it is complete. Of a
directory `config.json`, without which it is no model, comes last. Several processes need nothing
shared but the URL: each fetches to a disk of its own, the first alone puts, and if it cannot, all
of them fail in its words. What is worked in, a study's folder or checkpoints, is a `Store`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from jaxheads.storage.urls import Unput, check_free, fetch, put_all, url_of

OUT = ("out", "again")
# Below a study's folder, what a report has no use for.
HEAVY = {
    "models",
    "smaller",
    "checkpoints",
    "pruners",
    "kept",
    "float16",
    "answers",
    "sums",
    "logs",
}

_copies: dict[str, str] = {}  # URLs by local paths


def named(place: str | Path) -> str:
    """What was asked for: the URL of which a path is a copy that `localised` made, or the path."""
    return _copies.get(str(place)) or url_of(place) or str(place)


def outputs(options: Any) -> list[str]:
    """The URLs where this process has put what was written by the end of `localised`."""
    urls = [url for role, url in _remote(options).values() if role != "in"]
    if not urls or getattr(options, "status", False):
        return []
    from jaxheads.parallel.processes import is_primary  # it needs jax

    return urls if is_primary() else []


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
    or "again" where it may stand already), a study of which a report is made ("report"), or a place
    to work in ("folder"), which is left as it is; `options.roles` are others than those.

    Raises:
      ValueError: for what is not there, for an output that stands in the way, and for a protocol
        that needs a package that is missing.
      OSError: names the local copy of what could not be put at the end.
    """
    urls = {name: found for name, found in _remote(options).items() if found[0] != "folder"}
    if not urls:
        yield options
        return
    from jaxheads.parallel.processes import run_on_primary  # these two need jax or numpy
    from jaxheads.storage.store import Store

    with _scratch() as scratch:
        local: dict[str, Path] = {}
        for name, (role, url) in urls.items():
            local[name] = scratch / name / PurePosixPath(url).name
            local[name].parent.mkdir()
            _copies[str(local[name])] = url
            if role == "in":
                fetch(url, local[name])
            elif role == "report":
                _fetch_light(Store(url), "", local[name])
            elif role == "out":
                check_free(url)
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
        for name, (role, url) in urls.items():
            if role == "report":  # by one process alone, while the others have ended their work
                put_all({f"{url}/report/index.html": local[name] / "report"})


def _fetch_light(store: Any, folder: str, path: Path) -> None:
    """Copy what a report reads, folder by folder."""
    path.mkdir(parents=True, exist_ok=True)
    for name in store.names(folder):
        inner = f"{folder}/{name}".lstrip("/")
        if store.is_folder(inner):
            if name not in HEAVY:
                _fetch_light(store, inner, path / name)
        else:
            store.fetch(inner, path / name)


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
            if not isinstance(value, str | Path) or (url := url_of(value)) is None:
                return value
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="jaxheads-"))
            path = Path(folder, PurePosixPath(url).name)
            fetch(url, path)
            return type(value)(path)

        yield mapped(settings, local)


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A dataclass, at any depth, with other values for those that are none and no tuples."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(mapped(each, change) for each in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return change(value)
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    changed = {name: mapped(part, change) for name, part in fields.items()}
    return value if changed == fields else dataclasses.replace(value, **changed)
