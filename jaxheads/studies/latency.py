"""How fast a cut model is beside the whole one, and what the compiler plans in memory for both."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from jaxheads.models.model import Model, logits
from jaxheads.studies.timing import Turns

WHOLE, CUT = "whole", "cut"


def measure_speed(
    whole: Model, smaller: Model, batches: Sequence[int], length: int, repeats: int
) -> dict[str, float]:
    """Milliseconds of a forward pass by batch size, whole and cut taking turns, and their ratio.

    Also the bytes of temporary arrays that the compiled pass of the largest batch needs.
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
        planned = _program(model, max(batches), length)[0].memory_analysis()
        if planned is not None:  # a backend need not say
            label = f"{name}, batch {max(batches)}, temporary bytes"
            found[label] = float(planned.temp_size_in_bytes)
    return found


def _forward(model: Model, size: int, length: int):
    program, inputs = _program(model, size, length)
    return lambda: np.asarray(program(model.params, *inputs))


def _program(model: Model, size: int, length: int):
    tokens = np.random.default_rng(0).integers(5, model.config.vocab_size, (size, length))
    inputs = (tokens.astype(np.int32), np.ones((size, length), bool), np.zeros_like(tokens))

    def forward(params, tokens, real, types):
        return logits(model.config, model.readout, params, tokens, real, types)

    return jax.jit(forward).lower(model.params, *inputs).compile(), inputs
