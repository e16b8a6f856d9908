"""Files elsewhere: whatever a URL names that fsspec opens. Imports nothing of ours."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

_URL = re.compile(r"([a-z][a-z0-9+]+)://?([^/].*)")
LAST = "config.json"  # of the files of a directory
TRIES, PAUSE = 5, 0.5  # of a put; seconds before the second, doubled before each further one


class Unput(OSError):
    """What a command made is here alone."""


def url_of(place: str | Path) -> str | None:
    """The URL that a text or a path stands for (a Path keeps one slash of two), None for others."""
    found = _URL.fullmatch(str(place))
    return f"{found[1]}://{found[2]}" if found else None


def open_url(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there.

    Raises:
      ValueError: for a protocol that fsspec does not open, or whose package is missing.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ValueError(f"{url}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{url}: expected a protocol that fsspec opens: {error}") from error


def fetch(url: str, path: Path) -> None:
    """Copy a file or a directory to a path here.

    Raises:
      ValueError: where there is neither.
      OSError: it cannot be read.
    """
    system, there = open_url(url)
    with as_os_error(url):
        if system.isdir(there):
            system.get(there.rstrip("/") + "/", f"{path}/", recursive=True)
            return
        if system.isfile(there):
            system.get(there, str(path))
            return
    raise ValueError(f"{url}: no such file or directory")


def check_free(url: str) -> None:
    """Check that no directory with files stands there.

    Raises:
      ValueError: for a directory with files.
    """
    system, there = open_url(url)
    with as_os_error(url):
        taken = system.isdir(there) and system.ls(there)
    if taken:
        raise ValueError(f"{url}: expected a free place, got a directory with files in it")


def put_all(outs: Mapping[str, Path]) -> None:
    """Everything in folders beside the places of URLs: outputs, and what goes with them."""
    for url, folder in outs.items():
        files = [path for path in folder.rglob("*") if path.is_file()]
        try:
            for path in sorted(files, key=lambda path: (path.name == LAST, path)):
                put_file(path, f"{url.rstrip('/').rpartition('/')[0]}/{path.relative_to(folder)}")
        except OSError as error:
            raise Unput(f"{error}; what was made is in {folder}") from error


def put_file(path: Path, url: str) -> None:
    """Write a file there under another name, and then give it its own.

    Raises:
      OSError: it cannot be written, after some tries.
    """
    system, there = open_url(url)
    target = PurePosixPath(there)
    for pause in [PAUSE * 2**attempt for attempt in range(TRIES - 1)] + [None]:
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.draft")  # two may put it
        try:
            with as_os_error(target):
                system.makedirs(str(target.parent), exist_ok=True)
                system.put(str(path), str(draft))
                return system.mv(str(draft), str(target))
        except BaseException as error:
            with contextlib.suppress(Exception):
                system.rm(str(draft))
            if not isinstance(error, OSError):
                raise
            if pause is None:
                raise OSError(f"{url}: not put after {TRIES} tries: {error}") from error
            time.sleep(pause)
    return None


@contextlib.contextmanager
def as_os_error(place: object) -> Iterator[None]:
    """Turn whatever a file system raises in the block into one kind of error.

    Raises:
      OSError: in the place of any error; not all file systems keep to one kind.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{place}: {error or type(error).__name__}") from error
