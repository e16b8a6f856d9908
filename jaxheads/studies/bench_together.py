"""The `together` row of `jaxheads bench`: several gates in one program, beside one after another.

What `vmap` over masks, budgets or seeds could gain a study of tiny models: the shape of the
built-in ones, on as many examples at a time as studies take, and on few.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxheads.models.model import init_model
from jaxheads.objectives import objective_for
from jaxheads.studies.programs import example_batch
from jaxheads.studies.shapes import BINARY, TINY
from jaxheads.studies.timing import Turns, Workload

SMALL = dataclasses.replace(
    TINY, vocab_size=1000, hidden_size=64, num_layers=4, num_heads=4, intermediate_size=256
)
GATES, BATCHES, LENGTH = 8, (4, 32, 128), 24


def together_speed(dtype: str, repeats: int) -> dict:
    """Examples/s under 8 gates, one after another and by `vmap`, by the size of the batch."""
    model = init_model(SMALL, BINARY, jax.random.key(0))
    objective = objective_for(SMALL, BINARY, compute_dtype=dtype)
    shape = (GATES, SMALL.num_layers, SMALL.num_heads)
    gates_KLH = jnp.asarray(np.random.default_rng(0).integers(0, 2, shape), jnp.float32)
    found = {}
    for size in BATCHES:
        batch = example_batch(size, LENGTH)

        def losses(gate_LH, batch=batch):
            return objective(model.params, gate_LH, batch, None).loss_B

        turns = Turns({"one after another": (_each(jax.jit(losses), gates_KLH), GATES * size)})
        both = jax.jit(jax.vmap(losses))
        turns.add("together", lambda both=both: np.asarray(both(gates_KLH)), GATES * size)
        measured = turns.measure(repeats, against="one after another")
        found[f"batch {size}"] = measured["ratio"]["together / one after another"]
    return {"gates": GATES, "length": LENGTH, "ratio": found}


def _each(losses: Callable, gates_KLH: jax.Array) -> Workload:
    gates = list(gates_KLH)
    return lambda: [np.asarray(losses(gate_LH)) for gate_LH in gates]
