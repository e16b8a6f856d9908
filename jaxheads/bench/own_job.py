"""`jaxheads bench --data`: a user's own task and model, beside PyTorch at its best.

PyTorch's side (`torch_side.OwnJob`) has the same weights and examples in batches that are sorted by
length and padded to their longest; ours has what `score`, `evaluate` and `train` do. Steady: of a
process that has compiled and begun. Whole: of a command, from its start to its last file.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxheads.bench.main import machine_words
from jaxheads.bench.timing import Workload, matmul_rate, torch_side
from jaxheads.config import TrainingConfig
from jaxheads.data.batch import Batch
from jaxheads.data.encode import EncodedSource
from jaxheads.data.packing import example_batches, packed_training_batches
from jaxheads.importance import score_heads
from jaxheads.importance.gates.gate import constant
from jaxheads.inference.evaluate import evaluate
from jaxheads.models.model import Model
from jaxheads.objectives import objective_for, training_objective, unrolls
from jaxheads.pruning.cost import classifier_multiply_adds
from jaxheads.training.step import make_step, start

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
# Operations for each multiply-add of a forward pass: forward, and with the states' or all gradients
JOBS = {"gate gradients": 4, "evaluation": 2, "fine-tuning": 6}
VERBS = {"gate gradients": "score", "evaluation": "evaluate", "fine-tuning": "train"}
ENDS = {"gate gradients": ".npz", "evaluation": ".json", "fine-tuning": "-tuned"}
NO_TORCH = "PyTorch's side: torch and transformers are not installed: `pip install torch`"


class OwnJob(NamedTuple):
    """A classifier on its examples, where it lies, and the words of the commands that do it."""

    model: Model
    source: EncodedSource
    folder: Path  # the model and its tokenizer, and room for what is written
    words: Sequence[str]  # --model ... --task ... --data ...
    texts: Sequence[tuple[str, str | None]]
    batch_size: int
    dtype: str


def run(job: OwnJob, *, repeats: int, clock: str, whole: bool, as_json: bool) -> None:
    """Measure and print: paired rounds, the sides in turn, after one round that is not counted."""
    report = {**machine_words(), "clock": clock, "rounds": repeats, **counts(job)}
    spec = {**torch_spec(job), "clock": clock}
    with torch_side(spec) as torch:
        report["torch"] = NO_TORCH if torch is None else "beside"
        bound = {name: flops(job, name) / matmul_rate(job.dtype, CLOCKS[clock]) for name in JOBS}
        for name in JOBS:
            sides = {"jaxheads": timed(WORK[name](job), CLOCKS[clock])}
            if torch is not None:
                sides["torch"] = torch(name)
            found = rounds(sides, repeats)
            found["share_of_matmul_rate"] = bound[name] / found["seconds"]["jaxheads"]
            report[f"steady {name}"] = found
            _tell(name, found, as_json)
        if whole:
            for name in JOBS:
                sides = {"jaxheads": _command(job, name)}
                if torch is not None:
                    sides["torch"] = _script(job, name)
                report[f"whole {name}"] = rounds(sides, repeats)
                _tell(f"whole {name}, programs kept", report[f"whole {name}"], as_json)
    print(json.dumps(report, indent=1) if as_json else "\n".join(table(report)))


def counts(job: OwnJob) -> dict[str, int]:
    """Examples and their tokens, and how many tokens either side computes for them, padding too."""
    size, lengths = job.batch_size, np.sort(job.source.lengths)
    parts = [lengths[first : first + size] for first in range(0, len(lengths), size)]
    ours = sum(batch.tokens_BT.size for batch in _examples(job))
    return {
        "examples": len(lengths),
        "tokens": int(lengths.sum()),
        "tokens_padded": int(ours),
        "tokens_padded_torch": int(sum(len(part) * part[-1] for part in parts)),
        "tokens_padded_training": int(sum(batch.tokens_BT.size for batch in _epoch(job))),
    }


def flops(job: OwnJob, name: str) -> float:
    """Operations that the job needs for its tokens: no padding, and of the last layer what is read.

    A classifier reads one position: keys and values alone are computed of the others.
    """
    number, counted = np.unique(job.source.lengths, return_counts=True)
    each = [classifier_multiply_adds(job.model.config, int(length)) for length in number]
    return JOBS[name] * float(np.dot(each, counted))


def rounds(sides: dict[str, Workload], repeats: int) -> dict:
    """Median seconds of each side, and of the rounds' ratios (PyTorch's to ours) all there is."""
    for side in sides.values():
        side()
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            took[name].append(float(side()))  # pyright: ignore[reportArgumentType] (they time themselves)
    found: dict = {"seconds": {name: statistics.median(each) for name, each in took.items()}}
    if "torch" in took:
        ratios = [b / a for a, b in zip(took["jaxheads"], took["torch"], strict=True)]
        found["ratio"] = statistics.median(ratios)
        found["ratios"] = [round(ratio, 3) for ratio in sorted(ratios)]
    return found


def table(report: dict) -> Iterable[str]:
    """The report in lines."""
    yield "  ".join(f"{name} {value}" for name, value in report.items() if not _is_job(value))
    yield f"{'':22}{'jaxheads, s':>12}{'torch, s':>10}{'ratio':>7}  (each)  of matmul rate"
    for name, found in report.items():
        if _is_job(found):
            ours, torch = (found["seconds"].get(side, math.nan) for side in ("jaxheads", "torch"))
            each = " ".join(f"{ratio:.2f}" for ratio in found.get("ratios", ()))
            share = found.get("share_of_matmul_rate")
            ratio = found.get("ratio", math.nan)
            end = "" if share is None else f"  {share:.0%}"
            yield f"{name:22}{ours:12.2f}{torch:10.2f}{ratio:7.2f}  ({each}){end}"


def _is_job(value: object) -> bool:
    return isinstance(value, dict) and "seconds" in value


def _tell(name: str, found: dict, quiet: bool) -> None:
    if not quiet:
        print(f"{name}: {found['seconds']}", file=sys.stderr, flush=True)


# -- ours


def _examples(job: OwnJob) -> Iterable[Batch]:
    return example_batches(job.source, job.batch_size, job.model.readout.kind, None)


def _epoch(job: OwnJob) -> Iterable[Batch]:
    """The batches of as many steps of training as an epoch has, rounded up."""
    order = packed_training_batches(job.source, job.batch_size, seed=0)
    return itertools.islice(order, math.ceil(len(job.source.lengths) / job.batch_size))


def _scoring(job: OwnJob) -> Workload:
    config, readout, params = job.model
    objective = objective_for(config, readout, compute_dtype=job.dtype, unroll=unrolls(config))
    return lambda: score_heads(objective, params, _examples(job), heads=config, progress=False)


def _evaluating(job: OwnJob) -> Workload:
    objective = objective_for(job.model.config, job.model.readout, compute_dtype=job.dtype)
    return lambda: evaluate(objective, job.model.params, _examples(job), ())


def _training(job: OwnJob) -> Workload:
    config = TrainingConfig(steps=1, batch_size=job.batch_size, dtype=job.dtype)  # pyright: ignore[reportArgumentType]
    objective = training_objective(job.model.config, job.model.readout, config)
    step, gate = make_step(objective, config.optimizer), constant()
    state = start(job.model.params, config.optimizer, theta=gate.init(jax.random.key(0)))
    rates = dict.fromkeys(state.trainable, np.float32(1e-5))

    def epoch() -> None:
        nonlocal state
        for batch in _epoch(job):
            state = step(state, batch, gate, np.uint32(0), rates)
        jax.block_until_ready(state)

    return epoch


WORK: dict[str, Callable[[OwnJob], Workload]] = {
    "gate gradients": _scoring,
    "evaluation": _evaluating,
    "fine-tuning": _training,
}


def timed(work: Workload, clock: Callable[[], float]) -> Workload:
    """The workload as one that says its seconds."""

    def once() -> float:
        begin = clock()
        work()
        return clock() - begin

    return once


# -- whole commands


def _command(job: OwnJob, name: str) -> Workload:
    """`jaxheads score` and the like, from start to end; programs are kept between runs."""
    out = job.folder / "written"
    words = [*job.words, "--batch-size", str(job.batch_size), "--dtype", job.dtype]
    if name == "fine-tuning":
        steps = math.ceil(len(job.source.lengths) / job.batch_size)
        words += ["--steps", str(steps)]
    command = [sys.executable, "-m", "jaxheads", VERBS[name], *words, "--out"]
    number = itertools.count()
    return lambda: _whole([*command, f"{out}-{next(number)}{ENDS[name]}"])


def _script(job: OwnJob, name: str) -> Workload:
    script = Path(__file__).with_name("torch_side.py")
    spec = {**torch_spec(job), "texts": list(job.texts), "once": name}
    return lambda: _whole([sys.executable, str(script), json.dumps(spec)])


def _whole(command: Sequence[str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        last = (done.stderr.strip() or "nothing said").splitlines()[-1]
        raise ValueError(f"bench --data: {' '.join(command[2:5])}... ended with {last}")
    return time.perf_counter() - begin


def torch_spec(job: OwnJob) -> dict:
    """What PyTorch's side needs: where the model lies, and the examples as we have encoded them."""
    encoded = job.folder / "encoded.npz"
    if not encoded.exists():
        source = job.source
        np.savez(
            encoded, tokens=source.tokens, types=source.types, starts=source.starts,
            labels=source.labels,
        )  # fmt: skip
    where = {"own": str(job.folder / "model"), "encoded": str(encoded)}
    return {**where, "batch_size": job.batch_size, "dtype": job.dtype}
