"""How fast a cut model is beside the whole one, and what both need in memory, as compilers plan."""

from __future__ import annotations

import contextlib
import functools
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxheads.bench.compiled import memory
from jaxheads.bench.programs import Case, Layout, fine_tuning
from jaxheads.bench.timing import Turns
from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.inference.decoding import decode
from jaxheads.models.model import Model, logits
from jaxheads.records.folder import (
    BYTES,
    CUT,
    MILLISECONDS,
    SECONDS,
    SPEED_UP,
    TIMES,
    TRAINING,
    WHOLE,
    Room,
)
from jaxheads.studies.workbench.model import StudyModel


class Timed(NamedTuple):
    """What was timed, or the size of what."""

    what: str
    value: float
    unit: str
    batch: int | None = None


def latencies(
    models: Mapping[str, Model], batches: Sequence[int], length: int, repeats: int = 5
) -> dict[str, dict[int, float]]:
    """Median milliseconds of a forward pass by model and batch size, the models taking turns."""
    found: dict[str, dict[int, float]] = {name: {} for name in models}
    for size in batches:
        passes = {name: _forward(model, size, length) for name, model in models.items()}
        rates = Turns({name: (each, size) for name, each in passes.items()}).measure(repeats)[
            "examples_per_second"
        ]
        for name, rate in rates.items():
            found[name][size] = 1000 * size / rate
    return found


def measure_speed(
    whole: Model,
    smaller: Model,
    batches: Sequence[int],
    length: int,
    repeats: int,
    *,
    training_batch: int,
) -> list[Timed]:
    """Milliseconds of a forward pass by batch size, whole and cut taking turns, and their ratio.

    Of a translation it is the search of 4 beams, in which no sentence ends before it has `length`
    tokens, so that models of other habits do as much.
    Also the most bytes that a pass of the largest batch needs, and a step of fine-tuning with AdamW
    on `training_batch` examples: planned by the compiler, parameters included.
    """
    found: list[Timed] = []
    for size in batches:
        passes = {name: _forward(m, size, length) for name, m in ((WHOLE, whole), (CUT, smaller))}
        measured = Turns({n: (p, size) for n, p in passes.items()}).measure(repeats)
        rates = measured["examples_per_second"]
        found += [Timed(n, 1000 * size / rate, MILLISECONDS, size) for n, rate in rates.items()]
        found.append(Timed(SPEED_UP, 1 / measured["ratio"][f"{WHOLE} / {CUT}"], TIMES, size))
    for name, model in ((WHOLE, whole), (CUT, smaller)):
        forward, largest = _program(model, max(batches), length)[0], max(batches)
        found.append(Timed(name, float(memory(forward)[1]), BYTES, largest))
        planned = float(_in_training(model.config, model.readout, training_batch, length))
        found.append(Timed(f"{name}, {TRAINING}", planned, BYTES, training_batch))
    return found


def note_speed(model: StudyModel, task: str, what: dict, timed: Iterable[Timed]) -> None:
    """Keep measured times, which differ from run to run and so are no rows."""
    about, timed = {"model": model.name, "task": task, **what}, list(timed)
    words = [*map(str, about.values()), timed[0].what]
    name = "-".join(re.sub(r"[^\w.]+", "-", word) for word in words)
    model.store.write_json(f"{Room.SPEEDS}/{name}.json", [about | each._asdict() for each in timed])


@contextlib.contextmanager
def timing(model: StudyModel, task: str, what: str, **way: Any) -> Iterator[None]:
    """Note the seconds that a block takes."""
    begin = time.perf_counter()
    yield
    seconds = Timed(what, time.perf_counter() - begin, SECONDS)
    note_speed(model, task, {"method": "", "budget": None, "seed": 0, **way}, [seconds])


@functools.lru_cache  # of the whole model once for all cut ones
def _in_training(config: EncoderConfig, readout: ReadoutConfig, size: int, length: int) -> int:
    case = Case(config, readout, Layout(), jax.devices(), "float32", size, length)
    return memory(fine_tuning(case).compile())[1]


def _forward(model: Model, size: int, length: int):
    program, inputs = _program(model, size, length)
    params = _endless(model)
    return lambda: np.asarray(program(params, *inputs))


def _endless(model: Model):
    """The parameters, of a translator those by which no sentence ends by itself."""
    if model.readout.kind != "translation":
        return model.params
    bias = jnp.asarray(model.params["readout"]["bias"])
    readout = {**model.params["readout"], "bias": bias.at[..., model.config.eos_token_id].set(-1e9)}
    return {**model.params, "readout": readout}


def _program(model: Model, size: int, length: int):
    tokens = np.random.default_rng(0).integers(5, model.config.vocab_size, (size, length))
    inputs = (tokens.astype(np.int32), np.ones((size, length), bool), np.zeros_like(tokens))

    def forward(params, tokens, real, types):
        if model.readout.kind == "translation":
            how = {"length": length}
            return decode(model.config, model.readout, params, tokens, real, **how).tokens_BT
        return logits(model.config, model.readout, params, tokens, real, types)

    return jax.jit(forward).lower(model.params, *inputs).compile(), inputs
