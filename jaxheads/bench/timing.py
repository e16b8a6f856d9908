"""Timing for `jaxheads bench`: workloads that take turns, compilation, matmul rate, PyTorch."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp

Workload = Callable[[], object]  # runs once and waits for its result


class Turns:
    """Workloads measured in turns: A B C, A B C, ... after one uncounted turn."""

    def __init__(self, workloads: dict[str, tuple[Workload, int]]):
        self._workloads = dict(workloads)

    def add(self, name: str, workload: Workload, examples: int) -> None:
        """One more workload, which handles so many examples a call."""
        self._workloads[name] = (workload, examples)

    def measure(self, repeats: int, against: str | None = None) -> dict:
        """Median examples/s, their range, and median ratios to the first (or of all `against`)."""
        for workload, _ in self._workloads.values():
            workload()
        seconds = {name: [] for name in self._workloads}
        for _ in range(repeats):
            for name, (workload, _) in self._workloads.items():
                seconds[name].append(_timed(workload))
        rates = {
            name: [examples / took for took in seconds[name]]
            for name, (_, examples) in self._workloads.items()
        }
        return {
            "examples_per_second": {name: statistics.median(r) for name, r in rates.items()},
            "range": {name: f"{min(r):.3g} to {max(r):.3g}" for name, r in rates.items()},
            "ratio": dict(_ratios(rates, against)),
        }


def _ratios(rates: dict[str, list[float]], against: str | None):
    base = against or next(iter(rates))
    for name, other in rates.items():
        if name == base:
            continue
        turns = list(zip(rates[base], other, strict=True))
        label = f"{name} / {base}" if against else f"{base} / {name}"
        yield label, statistics.median(o / b if against else b / o for b, o in turns)


def _timed(workload: Workload) -> float:
    """Seconds of one call; a workload that times itself (PyTorch's process) returns them."""
    start = time.perf_counter()
    result = workload()
    return result if isinstance(result, float) else time.perf_counter() - start


def compile_seconds(lower: Callable) -> float:
    """Seconds to lower and compile, with jax's own caches and the persistent one left out."""
    cached = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        start = time.perf_counter()
        lower().compile()
        return time.perf_counter() - start
    finally:
        jax.config.update("jax_enable_compilation_cache", cached)


def matmul_rate(dtype: str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Floating-point operations per second of a large square matrix product, the best of five."""
    size = 8192 if jax.default_backend() == "gpu" else 2048
    x = jnp.ones((size, size), jnp.dtype(dtype))
    product = jax.jit(lambda a, b: a @ b)
    product(x, x).block_until_ready()
    took = []
    for _ in range(5):
        begin = clock()
        product(x, x).block_until_ready()
        took.append(clock() - begin)
    return 2 * size**3 / min(took)


@contextlib.contextmanager
def torch_side(spec: dict) -> Iterator[Callable[[str], Workload] | None]:
    """PyTorch's workloads by name, run in a process of their own; None without torch.

    Raises:
      OSError: by a workload, where PyTorch's side has ended.
    """
    if importlib.util.find_spec("torch") is None:
        yield None
        return
    script = Path(__file__).with_name("torch_side.py")
    command = [sys.executable, str(script), json.dumps(spec)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        requests, answers = child.stdin, child.stdout
        assert requests is not None and answers is not None
        answers.readline()  # ready

        def ask(name: str) -> float:
            requests.write(name + "\n")
            requests.flush()
            answer = answers.readline()
            if not answer:
                raise OSError(f"PyTorch's side of the benchmark ended while running {name}")
            return json.loads(answer)["seconds"]

        yield lambda name: lambda: ask(name)
        requests.close()
