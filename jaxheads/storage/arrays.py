"""Arrays in npz files: one writer and one reader. Imports nothing of ours but `files`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxheads.storage.files import write_atomically

# What reading a damaged npz file may raise.
DAMAGED = (ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)


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
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or lacks one of the names.
    """
    try:
        with Path(path).open("rb") as handle, np.load(handle, allow_pickle=False) as found:
            return {name: found[name] for name in names or found.files}
    except FileNotFoundError:
        raise
    except (*DAMAGED, KeyError) as error:
        raise ValueError(f"{path}: expected an npz file of {what}, got {error}") from error
