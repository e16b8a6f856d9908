"""Files elsewhere: whatever a URL names that fsspec opens. Imports nothing of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

_URL = re.compile(r"([a-z][a-z0-9+]+)://?([^/].*)")
LAST = "config.json"  # of the files of a directory


class Unput(OSError):
    """What a command made is here alone."""


def url_of(place: str | Path) -> str | None:
    """The URL that a text or a path stands for (a Path keeps one slash of two), None for others."""
    found = _URL.fullmatch(str(place))
    return f"{found[1]}://{found[2]}" if found else None


def open_url(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ValueError(f"{url}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{url}: expected a protocol that fsspec opens: {error}") from error


def fetch(url: str, path: Path) -> None:
    """Copy a file or a directory to a path here. ValueError where there is neither."""
    system, there = open_url(url)
    if system.isdir(there):
        system.get(there.rstrip("/") + "/", f"{path}/", recursive=True)
    elif system.isfile(there):
        system.get(there, str(path))
    else:
        raise ValueError(f"{url}: no such file or directory")


def check_free(url: str) -> None:
    """ValueError where a directory with files stands."""
    system, there = open_url(url)
    if system.isdir(there) and system.ls(there):
        raise ValueError(f"{url}: expected a free place, got a directory with files in it")


def put_all(outs: Mapping[str, Path]) -> None:
    """Everything in folders beside the places of URLs: outputs, and what goes with them."""
    for url, folder in outs.items():
        try:
            _put(folder, url)
        except OSError as error:
            raise Unput(f"{url}: {error}; what was made is in {folder}") from error


def _put(folder: Path, url: str) -> None:
    system, there = open_url(url)
    parent = PurePosixPath(there).parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: (path.name == LAST, path)):
        put_file(system, path, parent / path.relative_to(folder))


def put_file(system: Any, path: Path, target: PurePosixPath) -> None:
    """OSError, whatever the file system raises: not all of them keep to one kind."""
    draft = target.with_name(f".{target.name}.draft")
    try:
        system.makedirs(str(target.parent), exist_ok=True)
        system.put(str(path), str(draft))
        system.mv(str(draft), str(target))
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{target}: {error or type(error).__name__}") from error
