"""Files that are whole or not there at all, JSON objects and arrays. Imports nothing of ours."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

# What reading a damaged npz file, or one without a wanted name, raises; zip's "encrypted" and
# "version not supported" are among them.
_DAMAGED = (
    *(KeyError, ValueError, EOFError, OSError, RuntimeError), zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@contextmanager
def write_atomically(target: str | Path) -> Iterator[Path]:
    """Yield a path for a file or a directory to be written; at the end it is renamed to `target`.

    A file replaces what stands at `target`; a directory takes only a free or empty place. An error
    or Ctrl-C inside the block leaves nothing behind, nor the parent directories that were missing.
    The yielded path keeps `target`'s suffix, lies beside it and does not exist yet.

    Raises:
      OSError: on entry, for a place that cannot be written or a directory with files, so enter the
        block before a long computation. One that names no file (a full disk), or the draft, is made
        to name `target`.
    """
    target = Path(target).absolute()
    made = _make_parents(target)
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"  # another host may have a process of this number
    draft = target.with_name(f".{target.stem}.{mark}.draft{target.suffix}")
    try:
        _check_place(target, draft)
        yield draft
        _sync(draft)
        os.replace(draft, target)
        _sync_entry(target.parent)
    except BaseException as error:
        remove_here(draft)
        for parent in made:
            _remove_if_empty(parent)
        if isinstance(error, OSError) and (told := about_target(error, draft, target)):
            raise told from error
        raise


def about_target(error: OSError, draft: Path, target: Path) -> OSError | None:
    """The error about `target`, where it names what was to become it, or nothing at all."""
    name = draft if error.filename is None else str(error.filename)
    if error.errno and str(name).startswith(str(draft)):
        return OSError(error.errno, error.strerror, str(name).replace(str(draft), str(target), 1))
    if str(draft) in str(error):
        return OSError(str(error).replace(str(draft), str(target)))
    return None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
      ValueError: in one line, for anything else.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, got {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as an npz file, which is whole or absent; the folder is made."""
    with write_atomically(path) as draft:
        np.savez_compressed(draft, allow_pickle=False, **arrays)


def read_arrays(path: str | Path, *names: str, what: str = "arrays") -> dict[str, np.ndarray]:
    """Read the arrays of an npz file, those of `names` or all, in the order of the file.

    Args:
        path: the file.
        names: of the arrays that are wanted; all of them without any.
        what: the file holds, for the message of an error.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is of another kind or damaged, or lacks one of the names.
    """
    with Path(path).open("rb") as handle:
        if not zipfile.is_zipfile(handle):
            raise ValueError(f"{path}: expected an npz file of {what}, got another kind of file")
        handle.seek(0)
        try:
            with np.load(handle, allow_pickle=False) as found:
                return {name: found[name] for name in names or found.files}
        except _DAMAGED as error:
            raise ValueError(f"{path}: expected an npz file of {what}, got {error}") from error


def is_draft(path: Path) -> bool:
    """Whether this is a file or directory that is being written, or was when its process died."""
    return path.name.startswith(".") and ".draft" in path.name


def _make_parents(target: Path) -> list[Path]:
    """Make the missing directories above `target`; return them, deepest first."""
    missing = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    return missing


def _check_place(target: Path, draft: Path) -> None:
    if target.is_dir() and any(target.iterdir()):
        raise FileExistsError(f"{target}: expected a free place, got a directory with files in it")
    remove_here(draft)
    draft.touch()
    draft.unlink()


def _sync(path: Path) -> None:
    """Flush a file, or every file of a directory, to the disk."""
    if not path.is_dir():
        _sync_entry(path)
        return
    for folder, _, names in os.walk(path):
        for name in names:
            _sync_entry(Path(folder, name))
        _sync_entry(Path(folder))


def _sync_entry(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_here(path: Path) -> None:
    """Remove a file or a directory, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_if_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:  # something else lives there by now
        return
