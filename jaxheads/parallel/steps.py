"""How far a long computation is: a bar on the terminal, or told to whoever asked to hear it."""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import tqdm

COMPILING = "compiling"
PAUSE = 0.2  # seconds between two that are heard, at least


class Steps(NamedTuple):
    """So many steps of a computation are done."""

    name: str
    done: int
    total: int | None  # None: not known
    unit: str
    note: str = COMPILING


_HEAR: contextvars.ContextVar[Callable[[Steps], None] | None]
_HEAR = contextvars.ContextVar("hear", default=None)


@contextlib.contextmanager
def heard_by(hear: Callable[[Steps], None]) -> Iterator[None]:
    """Computations in this block draw no bars of their own: `hear` is told how far they are."""
    token = _HEAR.set(hear)
    try:
        yield
    finally:
        _HEAR.reset(token)


class StepBar:
    """Counts the steps of one computation, and shows them; a context manager.

    Args:
      name: of the computation.
      total: of its steps, where it is known.
      unit: of a step.
      done: steps before now.
      shown: False: by nobody.
      stays: whether a bar on the terminal stays when all is done.
    """

    def __init__(
        self, name: str, total: int | None, *, unit: str, done: int = 0, shown: bool = True,
        stays: bool = False,
    ) -> None:  # fmt: skip
        self._hear = _HEAR.get() if shown else None
        self._at, self._heard = Steps(name, done, total, unit), 0.0
        own = shown and self._hear is None
        self._bar = tqdm.tqdm(
            initial=done, total=total, desc=f"{name}: {COMPILING}" if name else COMPILING,
            unit=unit, leave=stays, disable=None if own else True,
        )  # fmt: skip
        self._tell()

    def __enter__(self) -> StepBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def compiled(self) -> None:
        """The first step is compiled, and runs; later calls do nothing."""
        if self._at.note == COMPILING:
            self._at = self._at._replace(note="")
            self._bar.set_description(self._at.name)
            self._tell()

    def add(self, steps: int, note: str = "") -> None:
        """So many more are done; `note` says what else there is to say."""
        self._at = self._at._replace(done=self._at.done + steps, note=note)
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(steps)
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if self._hear is not None and (now - self._heard > PAUSE or not self._at.note):
            self._heard = now
            self._hear(self._at)
