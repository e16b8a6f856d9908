"""Several processes: how they join, agree, send each other what they hold, and part.

All of them call each of these functions, in the same order. Imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

# Seconds without a sign of life after which a process is given up, and with it all the others: jax
# then aborts them, with a message. A SIGKILL to one ends the rest within about this time.
LOST = 30
START = 300  # seconds in which all processes must have come; else jax aborts those that have

_LATE = (
    "not all processes have come within %d s: one has not been started, has ended, is still "
    "fetching what it reads, or cannot reach the first; jax gives up in another %d s"
)
_LOG = logging.getLogger(__name__)
T = TypeVar("T")


def join_hosts(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    saves: bool,
) -> None:
    """Join the other processes where they are named, or where this is a task of a known cluster.

    On every host, before any other use of jax. Alone, it does nothing. `saves`: see
    `start_distributed`.

    Raises:
      ValueError: where another process cannot begin (`cannot_begin`), and as `start_distributed`.
    """
    _join(coordinator, num_processes, process_id, saves=saves)
    run_on_all(lambda: None)


def cannot_begin(
    error: Exception, coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Tell the other processes of an error before `join_hosts`, where all of them wait for all.

    Does nothing where they have joined, or where this process is alone.
    """
    if jax.distributed.is_initialized() or (coordinator is None and not on_cluster()):
        return
    _LOG.warning("waiting for the other processes, to tell them: %s", _words(error))

    def fail() -> None:
        raise ValueError(f"process {jax.process_index()}: {_words(error)}")

    with contextlib.suppress(Exception):  # the caller has the error that counts
        _join(coordinator, num_processes, process_id, saves=False)
        run_on_all(fail)


def _join(
    coordinator: str | None, num_processes: int | None, process_id: int | None, *, saves: bool
) -> None:
    if coordinator is not None:
        start_distributed(coordinator, num_processes, process_id, saves=saves)
    elif on_cluster():
        try:
            start_distributed(saves=saves)
        except ValueError as error:
            _LOG.warning("going on with the devices of this host alone: %s", error)


def on_cluster() -> bool:
    """Whether this is a TPU host, or one of several tasks of Slurm or Open MPI."""
    tasks = (os.environ.get(name, "1") for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"))
    if any(count.isdecimal() and int(count) > 1 for count in tasks):
        return True
    platforms = os.environ.get("JAX_PLATFORMS") or "tpu"
    return "tpu" in platforms.split(",") and _has_tpu(Path("/dev"))


def _has_tpu(devices: Path) -> bool:
    """A TPU's devices, and the library that drives them."""
    found = any(any(devices.glob(each)) for each in ("accel[0-9]*", "vfio/[0-9]*"))
    return found and importlib.util.find_spec("libtpu") is not None


def part_hosts() -> None:
    """Wait until all processes have come to their end, which the first reaches last of all.

    Whoever leaves waits `LOST` seconds for the others and then aborts them, and the first process
    has files to write when the others have nothing to do any more.
    """
    if jax.distributed.is_initialized():
        barrier()


def start_distributed(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    saves: bool = True,
) -> None:
    """Join the processes of all hosts: on every host, before any other use of jax.

    Without arguments the cluster (Cloud TPU, Slurm, ...) is asked. `coordinator` is the `host:port`
    of process 0. A second call does nothing. With `saves` SIGTERM is left to training with
    checkpoints (`fit`), which saves on all hosts at the same step, and nothing else answers it;
    without, it ends the process as usual.

    Raises:
      ValueError: for one or two of the three arguments, or no cluster that jax knows.
    """
    given = {
        "coordinator": coordinator, "num_processes": num_processes, "process_id": process_id
    }  # fmt: skip
    missing = [name for name, value in given.items() if value is None]
    if len(missing) in (1, 2):
        raise ValueError(f"several hosts: expected {', '.join(given)}, got no {', '.join(missing)}")
    if jax.distributed.is_initialized():
        return
    jax.config.update("jax_enable_preemption_service", saves)
    late = threading.Timer(LOST, _LOG.warning, (_LATE, LOST, START - LOST))
    late.daemon = True
    late.start()
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            initialization_timeout=START,
            heartbeat_timeout_seconds=LOST,
            shutdown_timeout_seconds=LOST,
        )
    except ValueError as error:
        raise ValueError(
            "several hosts: expected a cluster that jax knows, or a coordinator (host:port), the "
            f"number of processes and this process's number; jax says: {error}"
        ) from error
    finally:
        late.cancel()
    if jax.process_count() == 1 and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not jax's: `fit` listens by itself


def gather_processes(array: np.ndarray) -> np.ndarray:
    """Every process's array, equal in shape: `[processes, ...]` in their order, bit for bit."""
    if jax.process_count() == 1:
        return array[None]
    words = np.ascontiguousarray(array).view(np.uint8)  # float64 would lose half its bits in jax
    gathered = np.asarray(multihost_utils.process_allgather(words))
    return np.ascontiguousarray(gathered).view(array.dtype).reshape(-1, *array.shape)


def gather_rows(array: np.ndarray) -> np.ndarray:
    """Every process's rows one after the other, however many each has; all must call."""
    counts = gather_processes(np.array([len(array)]))[:, 0]
    padded = np.zeros((counts.max(), *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    rows = gather_processes(padded)
    return np.concatenate([own[:count] for own, count in zip(rows, counts, strict=True)])


def broadcast_int(number: int) -> int:
    """The first process's number, on all of them; all must call."""
    return int(broadcast(np.int32(number)))


def broadcast(array: np.ndarray | np.generic) -> np.ndarray:
    """The first process's array on all of them, bit for bit; all give one of its shape and type."""
    if jax.process_count() == 1:
        return np.asarray(array)
    words = np.ascontiguousarray(array).reshape(-1).view(np.uint8)  # a sum with zeros keeps them
    sent = np.asarray(multihost_utils.broadcast_one_to_all(words))
    return np.ascontiguousarray(sent).view(array.dtype).reshape(array.shape)


def run_on_primary(work: Callable[[], Any]) -> Any:
    """What the first process alone does: its answer, of JSON values, or its error, on all of them.

    The others wait, and raise ValueError where it was one, else OSError, in the first one's words.
    """
    if not several():
        return work()
    found, error = None, None
    if jax.process_index() == 0:
        try:
            found = work()
        except Exception as raised:  # noqa: BLE001 the others must not be left waiting
            error = raised
    told = _told({"found": found, "error": error and _words(error), "kind": type(error).__name__})
    if error is not None:
        raise error
    if told["error"] is not None:
        kind = ValueError if told["kind"] == "ValueError" else OSError
        raise kind(f"the first process: {told['error']}")
    return told["found"]


def run_on_all(work: Callable[[], T]) -> T:
    """What every process does by itself; it fails on all where it fails on any.

    So that what is wrong with the part of one does not leave the others waiting.

    Raises:
      ValueError: on all processes, in each one's words, where any of them fails.
    """
    if not several():
        return work()
    found, words = None, b""
    try:
        found = work()
    except (ValueError, OSError) as error:
        words = _words(error).encode()
    sizes = gather_processes(np.array([len(words)]))[:, 0]
    if not sizes.any():
        return found  # type: ignore[return-value]  # it has not failed here
    every = gather_rows(np.frombuffer(words, np.uint8)).tobytes()
    ends = np.cumsum(sizes).tolist()
    said = [every[end - size : end].decode() for end, size in zip(ends, sizes, strict=True)]
    raise ValueError("; ".join(dict.fromkeys(filter(None, said))))


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _told(value: dict[str, Any]) -> dict[str, Any]:
    """The first process's JSON object, on all of them."""
    text = json.dumps(value).encode()
    size = broadcast_int(len(text))
    room = 64 << max((size - 1) // 64, 0).bit_length()  # few lengths, so few compiled programs
    mine = text.ljust(room) if jax.process_index() == 0 else bytes(room)
    return json.loads(broadcast(np.frombuffer(mine, np.uint8)).tobytes())


def told_to_stop(step: int) -> bool:
    """Whether any of several processes got SIGTERM, and this is the step at which all are to stop.

    All ask after every step. One process alone hears of it by itself.
    """
    return jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step)


def several() -> bool:
    """Whether this is one of several processes; starts no backend."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_primary() -> bool:
    """Whether this is the first process, or the only one; starts no backend."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def barrier() -> None:
    """Wait until every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("met")
