"""Inputs and outputs of a command that lie elsewhere: `gs://`, `s3://`, whatever fsspec opens.

What a command reads is fetched before it runs, what it writes is put in its place when it has
ended well, and not at all when it has not. A single file gets its name when it is complete. Of a
directory `config.json`, without which it is no model, comes last. Imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

_URL = re.compile(r"([a-z][a-z0-9+]+)://?([^/].*)")
LAST = "config.json"  # of the files of a directory


def url_of(place: str | Path) -> str | None:
    """The URL that a text or a path stands for (a Path keeps one slash of two), None for others."""
    found = _URL.fullmatch(str(place))
    return f"{found[1]}://{found[2]}" if found else None


def outputs(options: Any) -> list[str]:
    """The URLs where `localised` puts what is written."""
    return [url for role, url in _remote(options).values() if role == "out"]


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

    A field of the dataclass says by its metadata "role" whether it is read ("in") or written
    ("out"). ValueError for what is not there, for an output that stands in the way, and for a
    protocol that needs a package that is missing.
    """
    urls = _remote(options)
    if not urls:
        yield options
        return
    with tempfile.TemporaryDirectory(prefix="jaxheads-") as scratch:
        local: dict[str, Path] = {}
        for name, (role, url) in urls.items():
            local[name] = Path(scratch, name, PurePosixPath(url).name)
            local[name].parent.mkdir()
            if role == "in":
                _fetch(url, local[name])
            else:
                _check_free(url)
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
        target = parent / path.relative_to(folder)
        draft = target.with_name(f".{target.name}.draft")
        system.makedirs(str(target.parent), exist_ok=True)
        system.put(str(path), str(draft))
        system.mv(str(draft), str(target))
