"""The fine-tuning row of `jaxheads bench`: training steps of whole and cut, beside PyTorch's."""

from __future__ import annotations

import jax
import numpy as np

from jaxheads.bench.timing import Turns, Workload, torch_side
from jaxheads.config import OptimizerConfig
from jaxheads.data.batch import Batch
from jaxheads.importance.gates.gate import Gate, constant
from jaxheads.importance.gates.hard_concrete import lagrangian
from jaxheads.importance.gates.subset import subset
from jaxheads.models.model import Model
from jaxheads.objectives import objective_for
from jaxheads.pruning.cost import ideal_speedup
from jaxheads.pruning.cut import cut
from jaxheads.training.optimizer import GATES, make_optimizer
from jaxheads.training.step import gate_key, make_step, start

CALLS = 100  # of a gate alone, which takes well under a millisecond
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


def gate_overhead(model: Model, batch: Batch, dtype: str, repeats: int) -> dict:
    """What a learned gate costs: steps/s with each kind beside a constant gate of ones, in turns.

    `overhead` is the median over turns of the time that a step takes longer, as a share. `alone` is
    what the gate computes for a step, by itself, as a share of a step's time: it leaves out what
    the compiler could do less well around it, and the noise of whole steps.
    """
    heads, size = (model.config.num_layers, model.config.num_heads), len(batch.weight_B)
    half, without = heads[0] * heads[1] // 2, constant(np.ones(heads))
    gates = {
        "subset gate": subset(heads, half, steps=1000),
        "subset gate, chained": subset(heads, half, steps=1000, relaxation="chained"),
        "hard concrete gate": lagrangian(heads, half),
    }
    turns = Turns({OURS: (_steps(model, batch, dtype, without), size)})
    for name, gate in gates.items():
        turns.add(name, _steps(model, batch, dtype, gate), size)
    measured = turns.measure(repeats)
    overhead = {name: measured["ratio"][f"{OURS} / {name}"] - 1 for name in gates}
    own = Turns({name: (_gate_alone(gate), 1) for name, gate in gates.items()})
    steps_per_second = measured["examples_per_second"][OURS] / size
    rates = own.measure(CALLS)["examples_per_second"]
    alone = {name: steps_per_second / rate for name, rate in rates.items()}
    return {"batch_size": size, **measured, "overhead": overhead, "alone": alone}


def _gate_alone(gate: Gate) -> Workload:
    """A sample, the penalty, their gradient and the optimizer's update of what a gate trains."""
    optimizer = make_optimizer(OptimizerConfig(), gates=GATES)
    trainable = {"params": {}, "gates": gate.init(jax.random.key(0))}
    opt_state, seed = optimizer.init(trainable), np.uint32(0)

    @jax.jit
    def once(gate: Gate, trainable, opt_state, step):
        def total(trainable):
            theta = trainable["gates"]
            return gate.sample(theta, gate_key(seed, step), step).sum() + gate.penalty(theta)

        return optimizer.update(jax.grad(total)(trainable), opt_state, trainable)

    return lambda: jax.block_until_ready(once(gate, trainable, opt_state, np.int32(0)))


def _steps(model: Model, batch: Batch, dtype: str, gate: Gate | None = None) -> Workload:
    """One step after the other, from the model's parameters on."""
    gate, config = gate or constant(), OptimizerConfig()
    step = make_step(objective_for(model.config, model.readout, compute_dtype=dtype), config)
    theta = gate.init(jax.random.key(0))
    state, placed = start(model.params, config, theta=theta), jax.device_put(batch)
    seed, learning_rates = np.uint32(0), dict.fromkeys(state.trainable, np.float32(1e-5))

    def once() -> None:
        nonlocal state
        state = jax.block_until_ready(step(state, placed, gate, seed, learning_rates))

    return once
