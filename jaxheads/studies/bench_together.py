"""The `together` row of `jaxheads bench`: trainings in one program, beside one after another.

What `Run.together` gains a study of tiny models: the shape of the built-in ones, eight seeds, by
the size of the batch. On several devices each batch is split over them in the one way, and the
seeds in the other.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np

from jaxheads.config import TrainingConfig
from jaxheads.data.encode import EncodedSource
from jaxheads.models.model import init_model
from jaxheads.objectives import objective_for
from jaxheads.options import MeshShape
from jaxheads.studies.prepare import open_mesh
from jaxheads.studies.shapes import BINARY, TINY
from jaxheads.studies.timing import Turns
from jaxheads.training.fit import fit
from jaxheads.training.together import Member, fit_together

SMALL = dataclasses.replace(
    TINY, vocab_size=1000, hidden_size=64, num_layers=4, num_heads=4, intermediate_size=256
)
SEEDS, BATCHES, LENGTH, STEPS = 8, (4, 16, 64), 24, 20


def together_speed(dtype: str, repeats: int) -> dict:
    """Speed of `SEEDS` trainings at once, as a multiple of that of one after another."""
    params = init_model(SMALL, BINARY, jax.random.key(0)).params
    objective = objective_for(SMALL, BINARY, compute_dtype=dtype)
    source, mesh, found = _sentences(), open_mesh(MeshShape()), {}
    members = [Member(f"seed {seed}", params, seed) for seed in range(SEEDS)]
    how = {"mesh": mesh, "lengths": (LENGTH,)}
    for size in BATCHES:
        config = TrainingConfig(steps=STEPS, batch_size=size, log_every=STEPS)

        def alone(config=config) -> None:
            for member in members:
                own = dataclasses.replace(config, seed=member.seed)
                fit(objective, member.params, source, own, **how)

        both = functools.partial(fit_together, objective, members, source, config, **how)
        turns = Turns({"one after another": (alone, SEEDS * size * STEPS)})
        turns.add("together", both, SEEDS * size * STEPS)
        measured = turns.measure(repeats, against="one after another")
        found[f"batch {size}"] = measured["ratio"]["together / one after another"]
    devices = 1 if mesh is None else mesh.size
    return {"seeds": SEEDS, "length": LENGTH, "devices": devices, "ratio": found}


def _sentences(count: int = 512) -> EncodedSource:
    tokens = np.random.default_rng(0).integers(5, SMALL.vocab_size, (count, LENGTH))
    return EncodedSource(
        tokens.astype(np.int32).ravel(), np.zeros(tokens.size, np.uint8),
        np.arange(count + 1) * LENGTH, np.arange(count, dtype=np.int32) % 2, SMALL.pad_token_id,
    )  # fmt: skip
