"""Several processes of this machine that compute a study's cells and share its cores.

A tiny model leaves cores idle: on 2 cores, two workers with one each finished the cells of the
quickstart in 7.4 minutes, and one worker with both in 9.2, before workers shared what they compile:
in a folder that goes away with them, or in your own (`JAX_COMPILATION_CACHE_DIR`). Fewer threads
make sums in another order, so that numbers may differ in their last digits.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import functools
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import jax
import tqdm
from jax.experimental.compilation_cache import compilation_cache

from jaxheads.parallel.steps import Steps, heard_by
from jaxheads.studies.runner.engines import TRIES, Heard, Load, Outcome, compute, lost

PATIENCE = 10.0  # seconds that workers have to end, with a training saved, once they are told


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection
    cores: Sequence[int]


class LocalWorkers:
    """An engine of processes: a context manager that ends them. One that is killed is replaced.

    Args:
      load: makes the cells, in each process.
      count: of processes.
      machine: what they compute on.
    """

    def __init__(self, load: Load, count: int, machine: Callable[[], dict[str, Any]]) -> None:
        self.places, self._load, self.machine = count, load, machine
        self._workers: list[_Worker] = []
        self._running: dict[Connection, str] = {}  # cells by who computes them
        self._tries: collections.Counter[str] = collections.Counter()
        self._lost: list[Outcome] = []
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> LocalWorkers:
        """Start all of them.

        Raises:
          ValueError: on an accelerator, which one process alone can hold.
        """
        if (found := jax.default_backend()) != "cpu":
            raise ValueError(f"--workers: expected 1 on a {found}, got {self.places}")
        self._programs = self._opened.enter_context(_programs())
        self._workers = [self._new(cores) for cores in shares(_cores(), self.places)]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End all of them; after an error at once, where they train without checkpoints."""
        for worker in self._workers:
            worker.pipe.close()  # whoever waits for a cell ends by itself
            if kind is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(PATIENCE)
            worker.process.kill()
            worker.process.join()
        self._opened.close()

    def start(self, name: str) -> None:
        """Give a cell to an idle process."""
        idle = (worker for worker in self._workers if worker.pipe not in self._running)
        self._give(next(idle), name)

    def ended(self) -> Outcome | Heard:
        """Wait for a process; whoever is gone is replaced, and its cell begun anew."""
        while not self._lost:
            by_pipe = {worker.pipe: worker for worker in self._workers}
            for pipe in wait(list(by_pipe)):
                worker = by_pipe[pipe]  # type: ignore[index]
                try:
                    outcome = worker.pipe.recv()
                except (EOFError, OSError):
                    self._replace(worker)
                    continue
                if isinstance(outcome, Steps):
                    return Heard(self._running[worker.pipe], outcome)
                del self._running[worker.pipe]
                return outcome
        return self._lost.pop()

    def _give(self, worker: _Worker, name: str) -> None:
        self._tries[name] += 1
        self._running[worker.pipe] = name
        with contextlib.suppress(OSError):  # it is gone, which `ended` sees
            worker.pipe.send(name)

    def _replace(self, worker: _Worker) -> None:
        worker.process.join()
        new = self._new(worker.cores)
        self._workers[self._workers.index(worker)] = new
        name = self._running.pop(worker.pipe, None)
        if name is not None and self._tries[name] < TRIES:
            self._give(new, name)
        elif name is not None:
            self._lost.append(lost(name, TRIES))

    def _new(self, cores: Sequence[int]) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._load, self._programs))
        with _on(cores):
            process.start()
        theirs.close()
        return _Worker(process, ours, cores)


def shares(cores: Sequence[int], workers: int) -> list[list[int]]:
    """The cores of each worker: all of them used, none twice unless there are too few."""
    if len(cores) < workers:
        return [list(cores)] * workers
    return [list(cores[worker::workers]) for worker in range(workers)]


def _work(pipe: Connection, load: Load, programs: str) -> None:
    """What a process does: the cells that it is told, until nobody listens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the driver ends the others
    threading.Thread(target=_end_with_driver, daemon=True).start()
    tqdm.tqdm.set_lock(threading.RLock())  # one of several processes is warned of if it is lost
    keep_programs(programs)
    cells = functools.cache(load)

    def tell(steps: Steps) -> None:
        with contextlib.suppress(OSError):  # nobody listens: a training is saved first
            pipe.send(steps)

    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt), heard_by(tell):
        while True:
            name = pipe.recv()
            pipe.send(compute(name, lambda name=name: cells()[name].run()))


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(143)


# -- cores and programs


def take_cores(count: int, folder: Path) -> contextlib.ExitStack:
    """Compute on so many cores that no other such process of this machine has.

    Args:
      count: of cores; 0: all of them.
      folder: where those that are taken are locked.

    Returns:
      What holds them as long as it is kept.
    """
    held = contextlib.ExitStack()
    if not count or not hasattr(os, "sched_getaffinity"):
        return held
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for core in sorted(os.sched_getaffinity(0)):
        file = held.enter_context((folder / f"core-{core}").open("w"))
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken.append(core)
        if len(taken) == count:
            os.sched_setaffinity(0, taken)
            return held
    held.close()  # too few are left: the system shares them out
    return held


def _cores() -> list[int]:
    """The cores that this process may use; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def _on(cores: Sequence[int]) -> Iterator[None]:
    """Processes that start in this block use these cores."""
    before = _cores()
    if before:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)


@contextmanager
def _programs() -> Iterator[str]:
    """A folder for compiled programs: the user's, or one that goes away with the block."""
    if own := jax.config.values["jax_compilation_cache_dir"]:
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="jaxheads-programs-") as folder:
        yield folder


def keep_programs(folder: str) -> None:
    """Let this process keep its compiled programs in a folder."""
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()  # looks at the setting once, at the first compilation
