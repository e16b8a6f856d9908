"""How fast a cut model is beside the whole one, and what both need in memory, as compilers plan."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence

import jax
import numpy as np

from jaxheads.bench.compiled import memory
from jaxheads.bench.programs import Case, Layout, fine_tuning
from jaxheads.bench.timing import Turns
from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.model import Model, logits
from jaxheads.studies.workbench.model import StudyModel

WHOLE, CUT, SPEED = "whole", "cut", "speed.jsonl"


def measure_speed(
    whole: Model,
    smaller: Model,
    batches: Sequence[int],
    length: int,
    repeats: int,
    *,
    training_batch: int,
) -> dict[str, float]:
    """Milliseconds of a forward pass by batch size, whole and cut taking turns, and their ratio.

    Also the most bytes that a pass of the largest batch needs, and a step of fine-tuning with AdamW
    on `training_batch` examples: planned by the compiler, parameters included.
    """
    found: dict[str, float] = {}
    for size in batches:
        passes = {name: _forward(m, size, length) for name, m in ((WHOLE, whole), (CUT, smaller))}
        measured = Turns({n: (p, size) for n, p in passes.items()}).measure(repeats)
        rates = measured["examples_per_second"]
        for name, rate in rates.items():
            found[f"{name}, batch {size}, ms"] = 1000 * size / rate
        found[f"speed-up, batch {size}"] = 1 / measured["ratio"][f"{WHOLE} / {CUT}"]
    for name, model in ((WHOLE, whole), (CUT, smaller)):
        forward = _program(model, max(batches), length)[0]
        found[f"{name}, batch {max(batches)}, bytes"] = float(memory(forward)[1])
        label = f"{name}, fine-tuning batch {training_batch}, bytes"
        found[label] = float(_in_training(model.config, model.readout, training_batch, length))
    return found


def note_speed(model: StudyModel, task: str, what: dict, values: dict[str, float]) -> None:
    """Keep measured times, which differ from run to run and so are no rows, in `speed.jsonl`."""
    with (model.folder / SPEED).open("a") as file:
        for name, value in values.items():
            line = {"model": model.name, "task": task, **what, "what": name, "value": value}
            file.write(json.dumps(line) + "\n")


@functools.lru_cache  # of the whole model once for all cut ones
def _in_training(config: EncoderConfig, readout: ReadoutConfig, size: int, length: int) -> int:
    case = Case(config, readout, Layout(), jax.devices(), "float32", size, length)
    return memory(fine_tuning(case).compile())[1]


def _forward(model: Model, size: int, length: int):
    program, inputs = _program(model, size, length)
    return lambda: np.asarray(program(model.params, *inputs))


def _program(model: Model, size: int, length: int):
    tokens = np.random.default_rng(0).integers(5, model.config.vocab_size, (size, length))
    inputs = (tokens.astype(np.int32), np.ones((size, length), bool), np.zeros_like(tokens))

    def forward(params, tokens, real, types):
        return logits(model.config, model.readout, params, tokens, real, types)

    return jax.jit(forward).lower(model.params, *inputs).compile(), inputs
