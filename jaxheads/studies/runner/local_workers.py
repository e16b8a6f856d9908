"""Several workers on one machine: processes that share a study's cells, and the cores.

A tiny model leaves cores idle: on 2 cores, two workers with one each finished the cells of the
quickstart in 7.4 minutes, and one worker with both in 9.2, before workers shared what they compile:
in a folder that goes away with them, or in your own (`JAX_COMPILATION_CACHE_DIR`). Fewer threads
make sums in another order, so that numbers may differ in their last digits.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

import jax
from jax.experimental.compilation_cache import compilation_cache

PATIENCE = 10.0  # seconds that workers have to end once the study is finished or given up


def run(jobs: Sequence[Callable[[], object]], scratch: str | None = None) -> None:
    """Run jobs that share a study's cells: the first in this process, each other in a new one.

    What stops this process stops them all; a worker that is killed is made up for.

    Args:
        jobs: functions that can be pickled; they are done when every cell is.
        scratch: the folder for temporary files of the new processes; None: the usual one.

    Raises:
        ValueError: on an accelerator, which one process alone can hold, or from the first job.
    """
    parts = shares(_cores(), len(jobs))
    with _on(parts[0]), _programs() as programs:
        if (found := jax.default_backend()) != "cpu":
            raise ValueError(f"--workers: expected 1 on a {found}, got {len(jobs)}")
        others = [
            _start((number, job, programs, scratch), cores)
            for number, (job, cores) in enumerate(zip(jobs, parts, strict=True), start=1)
            if number > 1
        ]
        try:
            jobs[0]()
            for other in others:
                other.join(PATIENCE)
        finally:
            for other in others:
                other.terminate()
            for other in others:
                other.join(PATIENCE)
                other.kill()


def shares(cores: Sequence[int], workers: int) -> list[list[int]]:
    """The cores of each worker: all of them used, none twice unless there are too few."""
    if len(cores) < workers:
        return [list(cores)] * workers
    return [list(cores[worker::workers]) for worker in range(workers)]


def _cores() -> list[int]:
    """The cores that this process may use; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def _on(cores: Sequence[int]) -> Iterator[None]:
    """Threads and processes that start in this block use these cores."""
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
    """A folder in which this process keeps compiled programs in this block: the user's, or one."""
    if own := jax.config.values["jax_compilation_cache_dir"]:
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="jaxheads-programs-") as folder:
        _keep_programs(folder)
        try:
            yield folder
        finally:
            _keep_programs(None)


def _keep_programs(folder: str | None) -> None:
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()  # looks at the setting once, at the first compilation


def _start(words: tuple, cores: Sequence[int]) -> BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=_work, args=words)
    with _on(cores):
        process.start()
    return process


def _work(number: int, job: Callable[[], object], programs: str, scratch: str | None) -> None:
    """What a further worker does; cells that fail are on disk, and the first worker names them.

    With what status it ends is never looked at. Copies of what lies elsewhere go with the first
    worker's, in its `scratch` folder.
    """
    tempfile.tempdir = scratch
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    _keep_programs(programs)
    try:
        job()
    except OSError as error:
        print(f"jaxheads: worker {number}: {error}", file=sys.stderr)
    except (ValueError, KeyboardInterrupt):
        pass


def _end_with_the_first() -> None:
    first = multiprocessing.parent_process()
    assert first is not None
    first.join()
    os._exit(143)
