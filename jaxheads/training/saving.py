"""When a training run is saved, and from where it goes on: on SIGTERM too, which clusters send."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import signal
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.data.loader import Source
from jaxheads.importance.gates.gate import Theta
from jaxheads.objectives import Params
from jaxheads.parallel.mesh import without_padding
from jaxheads.parallel.processes import told_to_stop
from jaxheads.training.checkpoint import Checkpoints, Keeper
from jaxheads.training.step import TrainState, start, state_shapes
from jaxheads.training.watch import Diverged, TrainingLog

UNDER_WAY = 2  # steps that the device may be behind when a request to stop comes

# Settings that a run may change when it resumes: they say when and where, not what it computes.
FREE = ("save_every", "keep_last", "remat", "shard_opt_state")


@contextlib.contextmanager
def open_keeper(
    checkpoints: Checkpoints | None,
    config: TrainingConfig,
    source: Source,
    like: Callable[[], TrainState],
    **also: Any,
) -> Iterator[Keeper | None]:
    """The keeper of a run's checkpoints, if they are kept; `like` gives a state's own shapes."""
    if checkpoints is None:
        yield None
        return
    training = {k: v for k, v in dataclasses.asdict(config).items() if k not in FREE}
    settings = {"training": training, "data": _data(source), **also, "about": checkpoints.about}
    with Keeper(
        checkpoints.folder, settings, like(), keep_last=config.keep_last, saved=checkpoints.saved
    ) as keeper:
        yield keeper


def _data(source: Source) -> dict[str, int]:
    """Enough to tell other data from the same."""
    lengths = np.ascontiguousarray(source.lengths, np.int64)
    return {
        "examples": len(lengths),
        "tokens": int(lengths.sum()),
        "lengths": zlib.crc32(lengths.tobytes()),
    }


def resumed(
    keeper: Keeper | None, checkpoints: Checkpoints | None, state: TrainState
) -> tuple[TrainState, int, list[dict[str, Any]]]:
    """Where the run begins: the state, the steps done, and the lines of the log so far.

    Raises:
      ValueError: for a place with checkpoints that are not to be resumed, or those of another run.
    """
    if keeper is None or checkpoints is None:
        return state, 0, []
    if not checkpoints.resume:
        if keeper.steps():
            raise ValueError(
                f"{keeper.folder}: expected a place without checkpoints, got those of the steps "
                f"{', '.join(map(str, keeper.steps()))}; resume, or choose another place"
            )
        return state, 0, []
    kept = keeper.restore(state)
    return (state, 0, []) if kept is None else (kept.state, kept.step, kept.lines)


def load_trained(
    folder: str | Path,
    params: Params,
    theta: Theta | None = None,
    *,
    step: int | None = None,
    mesh: Mesh | None = None,
) -> tuple[Params, Theta]:
    """What a run's checkpoint of `step` has trained, without a step of the newest that is whole.

    `params` and `theta` have its shapes: those that the run trained, which is one group where it
    trained `only` that.

    Raises:
      ValueError: if there is no such checkpoint, or one of other shapes.
    """
    placed = start(params, OptimizerConfig(), mesh, theta=theta)
    with Keeper(Path(folder), None, state_shapes(params, OptimizerConfig(), theta)) as keeper:
        kept = keeper.restore(placed, step=step)
    if kept is None:
        raise ValueError(f"{folder}: expected a checkpoint, got none")
    trained = kept.state.trainable
    return without_padding(mesh, trained["params"], params), trained["gates"]


@contextlib.contextmanager
def naming_last_good(keeper: Keeper | None) -> Iterator[None]:
    """A loss that is no number is told together with the checkpoint to go back to."""
    try:
        yield
    except Diverged as error:
        if keeper is None:
            raise
        keeper.wait()
        raise Diverged(f"{error}; {keeper.last_good}") from None


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


class Saving:
    """After each step: write what was evaluated, save what is due, and stop when asked to."""

    def __init__(self, keeper: Keeper | None, config: TrainingConfig, watch: TrainingLog) -> None:
        self._keeper, self._config, self._watch = keeper, config, watch
        self._stop = StopRequest()
        self._under_way: collections.deque[jax.Array] = collections.deque()

    def __enter__(self) -> Saving:
        if self._keeper is not None:
            self._stop.__enter__()
        return self

    def __exit__(self, *how: object) -> None:
        if self._keeper is not None:
            self._stop.__exit__(*how)

    def after(self, done: int, state: TrainState, metrics: Mapping[str, float]) -> None:
        """`metrics` are empty where nothing was evaluated. Preempted if a request to stop came."""
        self._watch.started()
        if metrics:
            self._watch.add_evaluation(done, metrics)
        if self._keeper is None:
            return
        self._keep_pace(state)
        stop = self._stop.came or told_to_stop(done)
        every, last = self._config.save_every, done == self._config.steps
        if stop or metrics or last or (every and done % every == 0):
            self._save(self._keeper, done, state, metrics)
        if stop:
            self._keeper.wait()
            raise Preempted(
                f"stopped at step {done} of {self._config.steps}; {self._keeper.last_good}, from "
                "which it can be resumed"
            )

    def _keep_pace(self, state: TrainState) -> None:
        """Wait for the step before the last, so that a request to stop is soon seen."""
        self._under_way.append(jnp.copy(state.step))
        if len(self._under_way) > UNDER_WAY:
            self._under_way.popleft().block_until_ready()

    def _save(
        self, keeper: Keeper, done: int, state: TrainState, metrics: Mapping[str, float]
    ) -> None:
        self._watch.read()
        self._watch.check(int(state.window.bad_step))
        keeper.save(done, state, self._watch.lines, score=_score(metrics))


def _score(metrics: Mapping[str, float]) -> float | None:
    """The first metric, turned so that higher is better."""
    for name, value in metrics.items():
        return -float(value) if name == "loss" else float(value)
    return None
