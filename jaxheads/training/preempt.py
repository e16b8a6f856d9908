"""The request to stop: SIGTERM, which clusters send some seconds before they take a machine."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import jax


class Preempted(KeyboardInterrupt):
    """The run was asked to stop, and has saved itself. `status` is what the process should exit as.

    An interruption as Ctrl-C is one: it passes by `except Exception`.
    """

    status = 128 + signal.SIGTERM


class StopRequest:
    """Notes SIGTERM while the block lasts; the handler that was there comes back afterwards.

    With one process in its main thread only: several processes agree on a step through jax, whose
    own handler is then the one in place.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None
        alone = jax.process_count() == 1
        self._listens = alone and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> StopRequest:
        if self._listens:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._listens:
            signal.signal(signal.SIGTERM, self._before or signal.SIG_DFL)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 python's own call
        self.came = True
