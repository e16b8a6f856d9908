"""The fine-tuning row of `jaxheads bench`: training steps of whole and cut, beside PyTorch's."""

from __future__ import annotations

import jax
import numpy as np

from jaxheads.config import OptimizerConfig
from jaxheads.data.batch import Batch
from jaxheads.importance.gate import constant
from jaxheads.models.model import Model
from jaxheads.objectives import objective_for
from jaxheads.pruning.cost import ideal_speedup
from jaxheads.pruning.cut import cut
from jaxheads.studies.timing import Turns, Workload, torch_side
from jaxheads.training.step import make_step, start

OURS, CUT, TORCH = "jaxheads", "jaxheads, half of the heads cut", "torch + AdamW"


def training_speed(model: Model, batch: Batch, dtype: str, repeats: int, torch_spec: dict) -> dict:
    """Steps/s of forward, backward, clipping and AdamW with dropout, of workloads that take turns.

    The cut model has half of each layer's heads. Its ideal ratio is that of the encoder's
    multiply-adds, which training triples for both.
    """
    config, size = model.config, len(batch.weight_B)
    half = np.zeros((config.num_layers, config.num_heads), bool)
    half[:, ::2] = True
    params, smaller = cut(model.params, config, half)
    turns = Turns({OURS: (_steps(model, batch, dtype), size)})
    turns.add(CUT, _steps(Model(smaller, model.readout, params), batch, dtype), size)
    with torch_side(torch_spec) as torch:
        if torch is not None:
            turns.add(TORCH, torch("train"), size)
        measured = turns.measure(repeats)
    rates = measured["examples_per_second"]
    ratio = 1 / measured["ratio"].pop(f"{OURS} / {CUT}")
    ideal = ideal_speedup(config, batch.tokens_BT.shape[-1], half)
    return {
        "batch_size": size,
        "steps_per_second": {name: rate / size for name, rate in rates.items()},
        **measured,
        "cut_ratio": ratio,
        "ideal_ratio": ideal,
        "share_of_ideal": ratio / ideal,
    }


def _steps(model: Model, batch: Batch, dtype: str) -> Workload:
    """One step after the other, from the model's parameters on."""
    config = OptimizerConfig()
    step = make_step(objective_for(model.config, model.readout, compute_dtype=dtype), config)
    state, placed = start(model.params, config), jax.device_put(batch)
    gate, seed, rates = constant(), np.uint32(0), dict.fromkeys(state.trainable, np.float32(1e-5))

    def once() -> None:
        nonlocal state
        state = jax.block_until_ready(step(state, placed, gate, seed, rates))

    return once
