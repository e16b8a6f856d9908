"""The training loop: any objective, any source of examples, one device or many."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
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
from jaxheads.training.checkpoint import Checkpoints
from jaxheads.training.optimizer import rate_schedule
from jaxheads.training.saving import Saving, naming_last_good, open_keeper, resumed
from jaxheads.training.step import look, make_step, start
from jaxheads.training.watch import Judged, Point, Watch

Judge = Callable[[Params], Mapping[str, float]]


class Fitted(NamedTuple):
    """Trained parameters, and how it went."""

    params: Params  # after the last step
    log: tuple[Point, ...]
    judged: tuple[Judged, ...] = ()
    best_step: int | None = None  # of the checkpoint that was judged best


def fit(
    objective: Objective,
    params: Params,
    source: Source,
    config: TrainingConfig,
    *,
    head_mask: Float[Array | np.ndarray, "L H"] | None = None,
    only: str | None = None,
    judge: Judge | None = None,
    checkpoints: Checkpoints | None = None,
    mesh: Mesh | None = None,
    lengths: Sequence[int] = LENGTHS,
    log: str | Path | None = None,
    tensorboard: str | Path | None = None,
    name: str = "training",
) -> Fitted:
    """Train a copy of `params` for `config.steps` steps; a pure function of the arguments.

    `head_mask` is a constant gate on the heads. `only` names the one top-level group of `params` to
    train ("readout"): the rest stays as it is, and no gradient of it is computed. The forward pass
    computes in the type that the objective was made for
    (`objective_for(compute_dtype=config.dtype)`). `log` names a file of JSON lines, one `Point` or
    `Judged` each; `tensorboard` a folder for the same. Diverged, a ValueError, names the first step
    whose loss or gradient is not finite; it comes within `2 * log_every` steps.

    `judge` measures the parameters every `config.judge_every` steps and at the end, and must not
    keep them; the first of its metrics says which step is best (the highest; of a `loss` the
    lowest). With `checkpoints` the state is kept every `config.save_every` steps, when judged, and
    at the end. A run that resumes goes on from the newest that is whole, and ends in the same bits,
    and the same log but for its times, as one that was never stopped. SIGTERM ends the step, saves,
    and raises Preempted.
    """
    trained, held = _divide(params, only)
    step = make_step(objective, config.optimizer, mesh, accumulate=config.accumulate)
    state, held = start(trained, config.optimizer, mesh), place_params(mesh, held)
    gate = None if head_mask is None else place_params(mesh, np.asarray(head_mask, np.float32))
    seed, rate = np.uint32(config.seed), rate_schedule(config.optimizer, config.steps)
    with open_keeper(checkpoints, config, source, head_mask=head_mask, only=only) as keeper:
        state, done, lines = resumed(keeper, checkpoints, state)
        order = training_batches(
            source, config.batch_size, seed=config.seed, start_step=done, share=data_share(mesh),
            lengths=lengths, window=config.window,
        )  # fmt: skip
        watch = Watch(config, log, name, done=done, lines=lines, tensorboard=tensorboard)
        with naming_last_good(keeper), watch, Saving(keeper, config, watch) as saving:
            for batch in itertools.islice(order, config.steps - done):
                placed = place_batch(mesh, _even(batch, config.accumulate, mesh))
                state = step(state, placed, gate, seed, np.float32(rate(done)), held)
                done += 1
                if done % config.log_every == 0 or done == config.steps:
                    state, window = look(state, mesh)
                    watch.add(done, window)
                metrics = _judged(judge, config, done, state, held)
                saving.after(done, state, metrics)
        params = {**held, **jax.block_until_ready(state.trainable["params"])}
        best = None if keeper is None else keeper.best()
    return Fitted(params, tuple(watch.points), tuple(watch.judged), best)


def _judged(judge: Judge | None, config: TrainingConfig, done: int, state, held):
    """What the judge says where it is asked, else nothing."""
    due = done == config.steps or (config.judge_every and done % config.judge_every == 0)
    return judge({**held, **state.trainable["params"]}) if judge and due else {}


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
