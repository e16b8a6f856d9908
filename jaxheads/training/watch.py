"""What is seen of a training run, and of its gate: a log of JSON lines and a progress bar."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxheads.config import TrainingConfig
from jaxheads.importance.gates.gate import Gate, keep_top
from jaxheads.parallel.steps import StepBar
from jaxheads.training.boards import Open
from jaxheads.training.optimizer import learning_rate_schedule
from jaxheads.training.step import NEVER, TrainState, Window, gate_key


class Diverged(ValueError):
    """A loss or a gradient that is not a finite number."""


class Point(NamedTuple):
    """One line of the log: what happened since the line before."""

    step: int  # steps done
    loss: float  # mean over terms (examples, or predicted tokens), nats
    gradient_norm: float  # of the last step, before clipping
    learning_rate: float  # of the last step
    examples_per_s: float


class EvalPoint(NamedTuple):
    """Another line of the log: the metrics of the parameters after so many steps."""

    step: int
    metrics: dict[str, float]


class Gated(NamedTuple):
    """A line of the log: the gate after so many steps.

    `open` is what the sample of the last step adds up to. `overlap` says how many of the heads that
    are on in the sample, above one half or the highest of them, are among the equally many of the
    highest scores: 1 where training sees the heads that would be kept, and less where it does not.
    """

    step: int
    gates: dict[str, float]


KINDS = (Point, EvalPoint, Gated)


class TrainingLog:
    """Takes windows in, and reads each only when the next has come, so that no step waits.

    On CPU, where the steps of a window are done when it comes, it is read at once: else its rate
    would be that of the next window, and near endless where a checkpoint follows.

    A context manager; `points` and `evals` are complete after the block. A run that goes on after
    `done` steps gives the `lines` that it had written by then.

    Raises:
      ValueError: where the board lets nobody in.
    """

    def __init__(
        self,
        config: TrainingConfig,
        log: str | Path | None,
        name: str,
        *,
        done: int = 0,
        lines: Sequence[dict[str, Any]] = (),
        board: Open | None = None,
    ) -> None:
        self._board = None
        self.points: list[Point] = []
        self.evals: list[EvalPoint] = []
        self.gated: list[Gated] = []
        self._kinds = {
            Point: ("train", self.points),
            EvalPoint: ("held_out", self.evals),
            Gated: ("gates", self.gated),
        }
        self.lines: list[dict[str, Any]] = []
        self._config, self._name = config, name
        self._learning_rate = learning_rate_schedule(config.optimizer, config.steps)
        self._waiting: tuple[int, tuple[Window, Mapping[str, jax.Array]]] | None = None
        self._file = None if log is None or jax.process_index() else _open(Path(log))
        self._seen, self._time = done, time.perf_counter()
        self._bar = StepBar(name, config.steps, unit=" steps", done=done, stays=True)
        for line in lines:
            self._write(next(kind for kind in KINDS if set(kind._fields) == set(line))(**line))
        if board is not None and not jax.process_index():
            self._board = board()  # it has the lines before from before

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.read()
        finally:
            self._bar.__exit__()
            if self._board is not None:
                self._board.close()
            if self._file is not None:
                self._file.close()

    def started(self) -> None:
        """The first step is compiled, and runs; later calls do nothing."""
        self._bar.compiled()

    def add(self, step: int, window: Window, gates: Mapping[str, jax.Array]) -> None:
        """Take in the sums up to `step`, and read those before them. Diverged names a bad step.

        `gates` is what there is to say of a gate, nothing where none is trained.
        """
        self.read()
        self._waiting = (step, (window, gates))
        if jax.default_backend() == "cpu":
            self.read()

    def add_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of an evaluation, after the points before it."""
        self.read()
        self._write(EvalPoint(step, {name: float(value) for name, value in metrics.items()}))

    def check(self, bad_step: int) -> None:
        """Diverged if a window has such a step."""
        if bad_step != NEVER:
            raise Diverged(
                f"{self._name}: the loss or its gradient is not finite at step {bad_step}; "
                f"a lower learning rate than {self._config.optimizer.learning_rate:g} may help"
            )

    def read(self) -> None:
        """Wait for the window taken in last, and write its point. Diverged names a bad step."""
        if self._waiting is None:
            return
        step, (window, gates) = self._waiting[0], jax.device_get(self._waiting[1])
        self._waiting = None
        self.check(int(window.bad_step))
        point = self._point(step, window)
        self._write(point)
        if gates:
            self._write(Gated(step, {name: float(value) for name, value in gates.items()}))
        self._bar.add(step - self._seen, f"loss {point.loss:.3f}")
        self._seen = step

    def _write(self, line: Point | EvalPoint | Gated) -> None:
        kind, kept = self._kinds[type(line)]
        kept.append(line)
        self.lines.append(line._asdict())
        if self._board is not None:
            values = line._asdict()
            values = values.get("metrics") or values.get("gates") or values
            for name, value in values.items():
                if name != "step":
                    self._board.add_scalar(f"{kind}/{name}", value, line.step)
        if self._file is not None:
            self._file.write(json.dumps(line._asdict()) + "\n")
            self._file.flush()

    def _point(self, step: int, window: Window) -> Point:
        before, self._time = self._time, time.perf_counter()
        examples = (step - self._seen) * self._config.batch_size
        return Point(
            step=step,
            loss=float(window.loss) / max(float(window.terms), 1.0),
            gradient_norm=float(window.gradient_norm),
            learning_rate=self._learning_rate(step - 1),
            examples_per_s=examples / (self._time - before),
        )


def _open(path: Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8")


# -- the gate


def agreement(gate: Gate, state: TrainState, seed: Any) -> dict[str, Float[Array, ""]]:
    """`open` and `overlap` of the last step's sample, on the device; nothing if none is trained.

    The sample is drawn again, with the trained numbers as they are after the step.
    """
    theta = state.trainable["gates"]
    return _agreement(gate, theta, seed, state.step - 1) if theta else {}


@jax.jit
def sampled(gate: Gate, theta, seed, step):
    """The gate of a step, counted from 0, drawn again with these numbers."""
    return gate.sample(theta, gate_key(seed, step), step)


@jax.jit
def _agreement(gate: Gate, theta, seed, step):
    sample_LH = sampled(gate, theta, seed, step)
    present_LH = jnp.ones(sample_LH.shape, bool) if gate.present is None else gate.present
    count = jnp.maximum(jnp.round(sample_LH.sum()), 1.0).astype(jnp.int32)
    seen, kept = (keep_top(x, count, present_LH) for x in (sample_LH, gate.score(theta)))
    return {"open": sample_LH.sum(), "overlap": (seen * kept).sum() / count}
