"""What is seen of a training run while it runs: a log of JSON lines and a progress bar."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import jax
import tqdm

from jaxheads.config import TrainingConfig
from jaxheads.training.optimizer import rate_schedule
from jaxheads.training.step import NEVER, Window


class Diverged(ValueError):
    """A loss or a gradient that is not a finite number."""


class Point(NamedTuple):
    """One line of the log: what happened since the line before."""

    step: int  # steps done
    loss: float  # mean over terms (examples, or predicted tokens), nats
    gradient_norm: float  # of the last step, before clipping
    rate: float  # of the last step
    examples_per_s: float


class Watch:
    """Takes windows in, and reads each only when the next has come, so that no step waits.

    A context manager; `points` is complete after the block.
    """

    def __init__(self, config: TrainingConfig, log: str | Path | None, name: str) -> None:
        self.points: list[Point] = []
        self._config, self._name = config, name
        self._rate = rate_schedule(config.optimizer, config.steps)
        self._waiting: tuple[int, Window] | None = None
        self._file = None if log is None else _open(Path(log))
        self._seen, self._time = 0, time.perf_counter()
        self._bar = tqdm.tqdm(
            total=config.steps * config.batch_size,
            desc=name,
            unit=" examples",
            unit_scale=True,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._read()
        finally:
            self._bar.close()
            if self._file is not None:
                self._file.close()

    def add(self, step: int, window: Window) -> None:
        """Take in the sums up to `step`, and read those before them. Diverged names a bad step."""
        self._read()
        self._waiting = (step, window)

    def _read(self) -> None:
        if self._waiting is None:
            return
        step, window = self._waiting[0], jax.device_get(self._waiting[1])
        self._waiting = None
        if window.bad_step != NEVER:
            raise Diverged(
                f"{self._name}: the loss or its gradient is not finite at step {window.bad_step}; "
                f"a lower rate than {self._config.optimizer.rate:g} may help"
            )
        point = self._point(step, window)
        self.points.append(point)
        self._bar.update((step - self._seen) * self._config.batch_size)
        self._bar.set_postfix(loss=f"{point.loss:.3f}")
        self._seen = step
        if self._file is not None:
            self._file.write(json.dumps(point._asdict()) + "\n")
            self._file.flush()

    def _point(self, step: int, window: Window) -> Point:
        before, self._time = self._time, time.perf_counter()
        examples = (step - self._seen) * self._config.batch_size
        return Point(
            step=step,
            loss=float(window.loss) / max(float(window.terms), 1.0),
            gradient_norm=float(window.gradient_norm),
            rate=self._rate(step - 1),
            examples_per_s=examples / (self._time - before),
        )


def _open(path: Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8")
