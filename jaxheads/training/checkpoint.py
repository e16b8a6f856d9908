"""Checkpoints of a training run: Orbax's manager (its v0 interface) behind a small one of ours.

A folder has one directory for each step that was saved: the whole training state, and beside it a
JSON text that says what run it belongs to. A save goes on in the background and gets its name only
when it is complete, so that a killed process leaves the checkpoints before it as they were.

Of several processes the first alone reads and writes the folder, and it alone must have it: it is
sent their parts of the arrays, and sends the whole ones. So the folder need not be shared, a state
may be resumed by any number of processes, and all of it must fit the memory of a host.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import logging
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxheads.parallel.mesh import first_of, whole_params, zero_padded
from jaxheads.parallel.processes import broadcast, run_on_primary
from jaxheads.training.identity import bits, check_same, plain, shapes
from jaxheads.training.silence_orbax import SilenceOrbax
from jaxheads.training.step import TrainState

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """Where a run keeps its checkpoints, and whether it goes on from them.

    `about` says in JSON values what is trained: the encoder with its `kept` heads, the readout, the
    files. A run that resumes must be about the same. `resume` starts anew where nothing is kept.
    `saved` is called whenever one more checkpoint is complete.
    """

    folder: Path
    resume: bool = False
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    saved: Callable[[], None] = lambda: None


class Kept(NamedTuple):
    """What a checkpoint holds: the state, and the lines of the log before it."""

    state: TrainState
    step: int
    lines: list[dict[str, Any]]


class Keeper:
    """The open folder of one run's checkpoints: a context manager that ends the saves under way.

    `settings` are what a run must share with a checkpoint to go on from it; None: anything. The
    `keep_last` newest checkpoints are kept, and the one with the highest `score` of those that were
    saved with one. `saved` is that of `Checkpoints`. States are written in the shapes of `like`,
    without what fills them up on the devices of this run.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any] | None,
        like: TrainState,
        *,
        keep_last: int = 2,
        saved: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._saved, self._like = saved, like
        self._settings = plain(settings)
        self._manager: Any = None  # of the first process alone
        run_on_primary(functools.partial(self._open, keep_last))
        self._good = max(self.steps(), default=None)
        self._silence, self._failed = SilenceOrbax(self.folder), False

    def __enter__(self) -> Keeper:
        self._silence.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            if self._manager is not None:
                with contextlib.suppress(Exception):  # a second error about what was reported
                    self._manager.close()
            if not self._failed:
                self._silence.end()

    def steps(self) -> list[int]:
        """The steps of which there is a checkpoint, ascending."""
        return run_on_primary(self._steps)

    def _steps(self) -> list[int]:
        return sorted(self._manager.all_steps())

    def best(self) -> int | None:
        """The step that was saved with the highest score, if any was; waits for the last save."""
        self.wait()
        return run_on_primary(self._best)

    def _best(self) -> int | None:
        scored = any(self._manager.metrics(step) for step in self._steps())
        return self._manager.best_step() if scored else None

    @property
    def last_good(self) -> str:
        """For messages: the newest checkpoint that is complete."""
        if self._good is None:
            return f"there is no checkpoint in {self.folder}"
        return f"the last good checkpoint is {self.folder / str(self._good)}"

    def save(
        self,
        step: int,
        state: TrainState,
        lines: list[dict[str, Any]],
        *,
        score: float | None = None,
    ) -> None:
        """Begin to save; return when `state` may be used up. OSError if this or the last failed."""
        if step in self.steps():
            return
        record = {
            "step": step,
            "settings": self._settings,
            "shapes": shapes(self._like._asdict()),
            "bits": bits(state, self._like),
            "lines": list(lines),  # written in the background, while the log grows
        }
        whole = whole_params(state)
        with self._reported():
            self._wait()
            run_on_primary(functools.partial(self._begin, step, whole, record, score))

    def _begin(
        self, step: int, state: TrainState, record: dict[str, Any], score: float | None
    ) -> None:
        import orbax.checkpoint as ocp

        _check_space(self.folder, state)
        # a copy: the next step uses up what is written here
        held = jax.tree.map(
            lambda leaf, like: np.array(first_of(np.asarray(leaf), like.shape)),
            state, self._like,
        )  # fmt: skip
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(held._asdict()), run=ocp.args.JsonSave(record)
            ),
            metrics=None if score is None else {"score": float(score)},
            force=True,
        )

    def wait(self) -> None:
        """Until the save under way is complete. OSError if it failed."""
        with self._reported():
            self._wait()

    def _wait(self) -> None:
        self._good = run_on_primary(self._finish)

    def _finish(self) -> int | None:
        self._manager.wait_until_finished()
        self._manager.check_for_errors()
        good = max(self._steps(), default=None)
        if self._good != good:
            self._saved()
        return good

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            self._failed = True
            raise OSError(
                f"{self.folder}: no checkpoint was written: {_reason(error)}; {self.last_good}"
            ) from error

    def restore(self, placed: TrainState, *, step: int | None = None) -> Kept | None:
        """The newest whole checkpoint (or that of `step`), placed as `placed`; None without any.

        It may be split and padded in another way. What cannot be read is renamed, with a warning.

        Raises:
          ValueError: for another run's, with every difference; where none of them can be read.
        """
        asked = self.steps() if step is None else [step]
        broken: list[str] = []
        for number in reversed(asked):
            try:
                kept = self._read(number, placed)
            except _Broken as error:
                broken.append(str(error))
                continue
            if step is None:
                self._set_aside([other for other in asked if other > number], broken)
            self._good = number
            return kept
        if broken:
            raise ValueError(f"{self.folder}: no checkpoint can be read: {'; '.join(broken)}")
        return None

    def _read(self, step: int, placed: TrainState) -> Kept:
        record = _whole_or_broken(run_on_primary(functools.partial(self._record, step)))
        ours: dict[str, Any] = {"shapes": shapes(self._like._asdict())}
        if self._settings is not None:
            ours["settings"] = self._settings
        theirs = {name: record[name] for name in ours}
        check_same(self.folder / str(step), theirs, ours)
        arrays = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), self._like._asdict())
        _whole_or_broken(run_on_primary(functools.partial(self._load, step, arrays)))
        state = TrainState(**jax.tree.map(_sent, arrays, placed._asdict()))
        if bits(state, self._like) != record["bits"]:
            raise _Broken(f"{step}: its arrays are not those that were saved")
        return Kept(state, step, record["lines"])

    def _record(self, step: int) -> Any:
        """What a checkpoint says of itself, or in a text why it cannot be read."""
        import orbax.checkpoint as ocp

        try:
            with _quiet(step):
                item = ocp.args.Composite(run=ocp.args.JsonRestore())
                record = self._manager.restore(step, args=item)["run"]
                return {name: record[name] for name in ("settings", "shapes", "bits", "lines")}
        except _Broken as error:
            return str(error)

    def _load(self, step: int, arrays: dict[str, Any]) -> Any:
        """Fill in the arrays of a checkpoint; a text says why they cannot be read."""
        import orbax.checkpoint as ocp

        try:
            with _quiet(step):
                item = ocp.args.Composite(state=ocp.args.StandardRestore(arrays))
                arrays.update(self._manager.restore(step, args=item)["state"])
        except _Broken as error:
            return str(error)
        return {}

    def _set_aside(self, steps: list[int], broken: list[str]) -> None:
        """Rename what cannot be read, so that its steps can be saved again."""
        if not steps:
            return
        _LOG.warning(
            "%s: passed over what cannot be read: %s", self.folder, "; ".join(reversed(broken))
        )
        run_on_primary(functools.partial(self._rename, steps))

    def _rename(self, steps: list[int]) -> None:
        for step in steps:
            place = self.folder / f"broken-{step}"
            shutil.rmtree(place, ignore_errors=True)
            (self.folder / str(step)).rename(place)
        self._manager.reload()

    def _open(self, keep_last: int) -> None:
        self._manager = _open(self.folder, keep_last)


class _Broken(Exception):
    """A checkpoint that cannot be read."""


def _whole_or_broken(found: Any) -> Any:
    """What was read, unless it is the text that says why it was not."""
    if isinstance(found, str):
        raise _Broken(found)
    return found


def _sent(array: np.ndarray, placed: jax.Array) -> jax.Array:
    """The first process's array, placed as another."""
    whole = zero_padded(broadcast(array), placed.shape)
    return jax.make_array_from_callback(whole.shape, placed.sharding, lambda index: whole[index])


@contextlib.contextmanager
def _quiet(step: int) -> Iterator[None]:
    """Whatever a damaged checkpoint brings up is one _Broken, and nothing on the terminal."""
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    except _Broken:
        raise
    except Exception as error:  # noqa: BLE001 orbax raises plain Exception at a damaged file
        raise _Broken(f"{step}: {_reason(error)}") from None
    finally:
        gc.collect()  # its unfinished reads complain when they are collected
        sys.unraisablehook = before


def _open(folder: Path, keep_last: int) -> Any:
    import orbax.checkpoint as ocp
    from orbax.checkpoint import checkpoint_managers as policies

    kept = [
        policies.LatestN(keep_last),
        policies.BestN(
            get_metric_fn=lambda metrics: metrics["score"],
            n=1,
            keep_checkpoints_without_metrics=False,
        ),
    ]
    options = ocp.CheckpointManagerOptions(
        preservation_policy=policies.AnyPreservationPolicy(kept),
        best_fn=lambda metrics: metrics["score"],
        cleanup_tmp_directories=True,
        create=False,
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=0, active_processes={0}, barrier_sync_key_prefix="first"
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    return ocp.CheckpointManager(folder, options=options)


def _check_space(folder: Path, state: TrainState) -> None:
    """Raise before a run that cannot end begins, while that can be said in one line."""
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(f"the disk is full: {size:,} bytes are needed, {free:,} are free")


def _reason(error: BaseException) -> str:
    """The end of an error's first line, where the cause stands."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    line = line.partition(" See full TensorStore details")[0]
    return line if len(line) <= 200 else "... " + line[-200:]
