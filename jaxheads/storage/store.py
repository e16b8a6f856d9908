"""A study's folder: what one process writes once, and all of them read."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxheads.storage.arrays import read_arrays, write_arrays
from jaxheads.storage.files import write_atomically
from jaxheads.storage.remote import put_mirrors, show_mirrors, write_once


@dataclasses.dataclass(frozen=True)
class Store:
    """A folder, here or standing for a URL; which process writes, and where, is its business.

    Names are paths below the folder. All processes call what writes; the first one does it, and its
    error is that of all.
    """

    folder: Path

    def path(self, name: str | Path) -> Path:
        """Where a name lies on this machine."""
        return self.folder / name

    def write(self, write: Callable[[], Any]) -> None:
        """Run a function that writes below the folder, once for all processes."""
        write_once(write)

    def write_arrays(self, name: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Write named arrays as an npz file."""
        self.write(functools.partial(write_arrays, self.path(name), arrays))

    def read_arrays(self, name: str | Path, what: str = "arrays") -> dict[str, np.ndarray]:
        """Read what `write_arrays` wrote.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: for a damaged file.
        """
        return read_arrays(self.path(name), what=what)

    def write_json(self, name: str | Path, value: Any) -> None:
        """Write a value as JSON."""
        text = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
        self.write(functools.partial(_write_text, self.path(name), text))

    def remove(self, name: str | Path) -> None:
        """Remove a folder, if it is there."""
        self.write(functools.partial(shutil.rmtree, self.path(name), ignore_errors=True))

    def show(self) -> None:
        """Let all processes see what the first has written by other means."""
        show_mirrors()

    def put(self) -> None:
        """Put what is here in its place, where the folder stands for a URL."""
        put_mirrors()


def _write_text(path: Path, text: str) -> None:
    with write_atomically(path) as draft:
        draft.write_text(text, encoding="utf-8")
