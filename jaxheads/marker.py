"""Who works in a folder that lies elsewhere: one command at a time. Imports nothing of ours.

A marker in the folder holds the worker's host, process and time, made by a write that fails where
there is one, and written anew every `BEAT` seconds. Whoever finds one watches it: one that does not
change for `SILENT` seconds of the one who watches, so that clocks may differ, was left by a command
that was killed, and is taken over.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from types import TracebackType
from typing import Any

NAME = "at-work.json"
BEAT, SILENT, LOOK = 15.0, 90.0, 3.0  # seconds

_LOG = logging.getLogger(__name__)


class Marker:
    """The mark of this command in a folder of a file system, while the block lasts.

    ValueError on entry if another command works there. `check` is for those who are about to write.
    """

    def __init__(self, system: Any, folder: str, url: str) -> None:
        self._system, self._path, self._url = system, f"{folder.rstrip('/')}/{NAME}", url
        self._token, self._lost = secrets.token_hex(8), ""
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._beat_on, daemon=True)

    def __enter__(self) -> Marker:
        self._system.makedirs(self._path.rpartition("/")[0], exist_ok=True)
        while not self._make():
            self._wait_for_silence()
        self._beat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._beat.join()
        try:
            if self._is_own():
                self._system.rm_file(self._path)
        except Exception as problem:  # noqa: BLE001 it will be taken for dead
            _LOG.warning("%s: %s was left there: %s", self._url, NAME, problem)

    def check(self) -> None:
        """OSError if another command has taken this one for dead."""
        if self._lost:
            raise OSError(f"{self._url}: was taken over by another command: {self._lost}")

    def _make(self) -> bool:
        try:
            self._system.pipe_file(self._path, self._text(), mode="create")
        except FileExistsError:
            return False
        return True

    def _wait_for_silence(self) -> None:
        """Remove a marker that stays as it is; ValueError at the first change."""
        first, since = self._read(), time.monotonic()
        if first:
            _LOG.warning("%s: watching for %g s whether %s lives", self._url, SILENT, _told(first))
        while first and time.monotonic() - since < SILENT:
            time.sleep(LOOK)
            now = self._read()
            if now and now != first:
                raise ValueError(
                    f"{self._url}: expected a folder in which no other command works, got "
                    f"{_told(now)}"
                )
            if not now:
                return
        if first and self._read() == first:
            self._system.rm_file(self._path)

    def _read(self) -> bytes:
        """What the marker says; nothing where there is none."""
        self._system.invalidate_cache()
        try:
            return self._system.cat_file(self._path)
        except FileNotFoundError:
            return b""

    def _text(self) -> bytes:
        about = {"host": socket.gethostname(), "pid": os.getpid(), "token": self._token}
        return json.dumps({**about, "at": time.strftime("%Y-%m-%d %H:%M:%S %z")}).encode()

    def _is_own(self) -> bool:
        return self._token.encode() in self._read()

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT) and not self._lost:
            try:
                if self._is_own():
                    self._system.pipe_file(self._path, self._text())
                else:
                    self._lost = _told(self._read())
            except Exception as error:  # noqa: BLE001 a file system that is away for a while
                _LOG.warning("%s: no sign of life was left: %s", self._url, error)


def _told(text: bytes) -> str:
    """A marker in words."""
    try:
        about = json.loads(text)
        return f"process {about['pid']} of {about['host']} at {about['at']}"
    except (ValueError, KeyError, TypeError):
        return "one that cannot be read"
