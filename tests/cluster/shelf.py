"""A file system that several processes of a test share: `shelf://a/b` is the file $SHELF/a/b.

Where there is a file $SHELF/closed, nothing can be put.
"""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem


class Shelf(LocalFileSystem):
    protocol = ("shelf",)

    @classmethod
    def _strip_protocol(cls, path):
        text = os.fspath(path)
        if text.startswith("shelf://"):
            text = f"{os.environ['SHELF']}/{text.removeprefix('shelf://')}"
        return super()._strip_protocol(text)

    def put_file(self, *words, **named):
        if Path(os.environ["SHELF"], "closed").exists():
            raise RuntimeError("the shelf is closed")  # as gcsfs, which raises no OSError
        return super().put_file(*words, **named)


fsspec.register_implementation("shelf", Shelf, clobber=True)
