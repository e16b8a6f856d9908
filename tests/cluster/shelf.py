"""A file system that several processes of a test share: `shelf://a/b` is the file $SHELF/a/b.

Where there is a file $SHELF/closed, nothing can be put. Where there is $SHELF/faults, with two
numbers in it, files are seen only so many seconds after they were put, and so large a share of puts
fails, after half of the file.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem


def faults() -> tuple[float, float]:
    """Seconds until a file is seen, and the share of puts that fail."""
    path = Path(os.environ["SHELF"], "faults")
    late, share = path.read_text().split() if path.is_file() else (0, 0)
    return float(late), float(share)


class Shelf(LocalFileSystem):
    protocol = ("shelf",)

    @classmethod
    def _strip_protocol(cls, path):
        text = os.fspath(path)
        if text.startswith("shelf://"):
            text = f"{os.environ['SHELF']}/{text.removeprefix('shelf://')}"
        return super()._strip_protocol(text)

    def put_file(self, lpath, rpath, *words, **named):
        if Path(os.environ["SHELF"], "closed").exists():
            raise RuntimeError("the shelf is closed")  # as gcsfs, which raises no OSError
        if random.random() < faults()[1]:
            text = Path(lpath).read_bytes()
            Path(self._strip_protocol(rpath)).write_bytes(text[: len(text) // 2])
            raise RuntimeError("the line was cut")
        super().put_file(lpath, rpath, *words, **named)
        Path(self._strip_protocol(rpath)).touch()

    def mv(self, path1, path2, **named):
        super().mv(path1, path2, **named)
        Path(self._strip_protocol(path2)).touch()  # now, whatever was copied

    def info(self, path, **named):
        found = super().info(path, **named)
        own = found["name"].startswith(os.environ["SHELF"]) and not found["name"].endswith(".draft")
        if own and found["type"] == "file" and time.time() - found["mtime"] < faults()[0]:
            raise FileNotFoundError(path)
        return found

    def isfile(self, path):
        try:
            return self.info(path)["type"] == "file"
        except (FileNotFoundError, NotADirectoryError):
            return False

    def ls(self, path, detail=False, **named):  # noqa: ARG002 fsspec's own call
        found = []
        for each in os.scandir(self._strip_protocol(path)):
            try:
                found.append(self.info(each.path))
            except FileNotFoundError:
                continue
        return found if detail else [each["name"] for each in found]

    def get_file(self, rpath, lpath, **named):
        self.info(rpath)
        super().get_file(rpath, lpath, **named)

    def cat_file(self, path, *words, **named):
        self.info(path)
        return super().cat_file(path, *words, **named)


fsspec.register_implementation("shelf", Shelf, clobber=True)
