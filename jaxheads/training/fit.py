"""The training loop: any objective, any source of examples, one device or many."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxheads.config import TrainingConfig
from jaxheads.data.batch import Batch
from jaxheads.data.loader import LENGTHS, Source, training_batches
from jaxheads.mesh import data_share, pad_rows, place_batch, place_params
from jaxheads.objectives import Objective, Params
from jaxheads.training.optimizer import rate_schedule
from jaxheads.training.step import look, make_step, start
from jaxheads.training.watch import Point, Watch


class Fitted(NamedTuple):
    """Trained parameters, and how it went."""

    params: Params
    log: tuple[Point, ...]


def fit(
    objective: Objective,
    params: Params,
    source: Source,
    config: TrainingConfig,
    *,
    head_mask: Float[Array | np.ndarray, "L H"] | None = None,
    only: str | None = None,
    mesh: Mesh | None = None,
    lengths: Sequence[int] = LENGTHS,
    log: str | Path | None = None,
    name: str = "training",
) -> Fitted:
    """Train a copy of `params` for `config.steps` steps; a pure function of the arguments.

    `head_mask` is a constant gate on the heads. `only` names the one top-level group of `params` to
    train ("readout"): the rest stays as it is, and no gradient of it is computed. The forward pass
    computes in the type that the objective was made for
    (`objective_for(compute_dtype=config.dtype)`). `log` names a file of JSON lines, one `Point`
    each. Diverged, a ValueError, names the first step whose loss or gradient is not finite; it
    comes within `2 * log_every` steps.
    """
    trained, held = _divide(params, only)
    step = make_step(objective, config.optimizer, mesh, accumulate=config.accumulate)
    state, held = start(trained, config.optimizer, mesh), place_params(mesh, held)
    gate = None if head_mask is None else place_params(mesh, np.asarray(head_mask, np.float32))
    batches = training_batches(
        source, config.batch_size, seed=config.seed, share=data_share(mesh), lengths=lengths,
        window=config.window,
    )  # fmt: skip
    seed, rate = np.uint32(config.seed), rate_schedule(config.optimizer, config.steps)
    with Watch(config, log, name) as watch:
        for done, batch in enumerate(itertools.islice(batches, config.steps), start=1):
            placed = place_batch(mesh, _even(batch, config.accumulate, mesh))
            state = step(state, placed, gate, seed, np.float32(rate(done - 1)), held)
            if done % config.log_every == 0 or done == config.steps:
                state, window = look(state, mesh)
                watch.add(done, window)
    params = {**held, **jax.block_until_ready(state.trainable["params"])}
    return Fitted(params, tuple(watch.points))


def _divide(params: Params, only: str | None) -> tuple[Params, Params]:
    """What is trained, and what is held as it is."""
    if only is None:
        return params, {}
    if only not in params or not jax.tree.leaves(params[only]):
        groups = ", ".join(name for name in params if jax.tree.leaves(params[name]))
        raise ValueError(f"only: expected one of {groups}, got {only}")
    return {only: params[only]}, {name: params[name] for name in params if name != only}


def _even(batch: Batch, parts: int, mesh: Mesh | None) -> Batch:
    """The batch with padding rows, so that every device has equally many rows in every part."""
    devices = 1 if mesh is None else mesh.shape["data"] // data_share(mesh)[1]
    return pad_rows(batch, parts * devices) if parts > 1 else batch
