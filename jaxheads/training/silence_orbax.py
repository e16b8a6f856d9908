"""Keep a failed writer of checkpoints off the terminal, where one error of ours says what happened.

Orbax writes in tasks and threads of its own. When a write fails, each of them logs or prints a
traceback, some of them long after the error has been raised.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path


class SilenceOrbax(logging.Filter):
    """From `begin` to `end`, nothing is heard of the writers of `folder` but the error they raise.

    After a failed save there is no `end`: the writer's last words may come at any time.
    """

    _LOGGERS = ("absl", "asyncio")

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = str(folder)

    def begin(self) -> None:
        for name in self._LOGGERS:
            logging.getLogger(name).addFilter(self)
        self._before = sys.unraisablehook
        sys.unraisablehook = self._print

    def end(self) -> None:
        for name in self._LOGGERS:
            logging.getLogger(name).removeFilter(self)
        if sys.unraisablehook == self._print:  # else somebody else's, who may call ours
            sys.unraisablehook = self._before

    def filter(self, record: logging.LogRecord) -> bool:
        return "orbax" not in record.pathname and self._folder not in record.getMessage()

    def _print(self, said: sys.UnraisableHookArgs) -> None:
        # TensorStore's threads call back into an event loop that the failure has closed.
        if said.exc_type is not RuntimeError or str(said.exc_value) != "Event loop is closed":
            self._before(said)
