"""Arrays in npz files: one writer and one reader. Imports nothing of ours but `files`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxheads.storage.files import write_atomically

# What reading a damaged npz file, or one without a wanted name, raises; zip's "encrypted" and
# "version not supported" are among them.
_DAMAGED = (
    *(KeyError, ValueError, EOFError, OSError, RuntimeError), zipfile.BadZipFile, zlib.error,
)  # fmt: skip


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
