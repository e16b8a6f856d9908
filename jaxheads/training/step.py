"""One training step: a jitted function of a state that it uses up."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Array, Float, Int

from jaxheads.config import OptimizerConfig
from jaxheads.data.batch import Batch
from jaxheads.mesh import parameter_specs, place_params
from jaxheads.objectives import Objective, Params
from jaxheads.training.optimizer import make_optimizer

NEVER = np.iinfo(np.int32).max


class Window(NamedTuple):
    """Sums since the last look, kept on the device so that no step waits for the host.

    `bad_step` is the first step whose loss or gradient was not finite, `NEVER` if none was.
    """

    loss: Float[Array | np.ndarray, ""]
    terms: Float[Array | np.ndarray, ""]
    gradient_norm: Float[Array | np.ndarray, ""]  # of the last step, before clipping
    bad_step: Int[Array | np.ndarray, ""]


class TrainState(NamedTuple):
    """All that a step changes. The order of data and dropout follow from `step` and the seed."""

    trainable: Any  # {"params": ...}
    moments: Any  # what the optimizer keeps
    step: Int[Array | np.ndarray, ""]
    window: Window


# (state, batch, head_mask [L, H], seed, rate) -> state; the state that went in is used up
Step = Callable[[TrainState, Batch, Any, np.uint32, np.float32], TrainState]


def start(params: Params, config: OptimizerConfig, mesh: Mesh | None = None) -> TrainState:
    """The state before step 0. It holds copies: the caller's `params` stay usable."""
    trainable = {"params": jax.tree.map(jnp.copy, params)}
    moments = make_optimizer(config).init(trainable)
    return place_params(mesh, TrainState(trainable, moments, np.zeros((), np.int32), _zeros()))


def look(state: TrainState, mesh: Mesh | None = None) -> tuple[TrainState, Window]:
    """The window so far, and the state with a new one; neither waits for a step to end."""
    return state._replace(window=place_params(mesh, _zeros())), state.window


def _zeros() -> Window:
    zero = np.zeros((), np.float32)
    return Window(loss=zero, terms=zero, gradient_norm=zero, bad_step=np.asarray(NEVER, np.int32))


def make_step(objective: Objective, config: OptimizerConfig, mesh: Mesh | None = None) -> Step:
    """A step for any objective: the mean over all terms of the batch, AdamW, dropout by step.

    The mean is `sum(weight * loss) / sum(weight * terms)`: per example for classification, per
    predicted token for a masked LM. Padding rows change nothing. The rate is an argument, so that
    runs which differ in it, or in their length, share one compiled program.
    """
    return _make_step(objective, dataclasses.replace(config, **_NO_SCHEDULE), mesh)


_NO_SCHEDULE: dict[str, Any] = {"rate": 1.0, "warmup": 0.0, "decay": "constant"}


@functools.lru_cache  # one function for one set of arguments, so that jit compiles it once
def _make_step(objective: Objective, config: OptimizerConfig, mesh: Mesh | None) -> Step:
    optimizer = make_optimizer(config)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: TrainState, batch: Batch, head_mask, seed, rate) -> TrainState:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        mean = functools.partial(_mean_loss, objective, batch, head_mask, key)
        gradient, (loss, terms) = jax.grad(mean, has_aux=True)(state.trainable)
        direction, moments = optimizer.update(gradient, state.moments, state.trainable)
        trainable = jax.tree.map(lambda x, way: x - rate * way, state.trainable, direction)
        window = _extend(state.window, state.step, loss, terms, _norm(gradient))
        return _settle(mesh, TrainState(trainable, moments, state.step + 1, window))

    return step


def _mean_loss(objective: Objective, batch: Batch, head_mask, key, trainable):
    outcome = objective(trainable["params"], head_mask, batch, key)
    weight_B = jnp.asarray(batch.weight_B)
    loss = jnp.where(weight_B > 0, weight_B * outcome.loss_B, 0.0).sum()
    terms = (weight_B * outcome.terms_B).sum()
    return loss / jnp.where(terms > 0, terms, 1.0), (loss, terms)


def _norm(gradient) -> Float[Array, ""]:
    return jnp.sqrt(sum(jnp.square(leaf).sum() for leaf in jax.tree.leaves(gradient)))


def _extend(window: Window, step, loss, terms, norm) -> Window:
    finite = jnp.isfinite(loss) & jnp.isfinite(norm)
    bad_step = jnp.minimum(window.bad_step, jnp.where(finite, NEVER, step))
    return Window(window.loss + loss, window.terms + terms, norm, bad_step)


def _settle(mesh: Mesh | None, state: TrainState) -> TrainState:
    """The state split over the mesh as it came, so that the next step is the same program."""
    if mesh is None:
        return state
    specs = parameter_specs(mesh, state)
    return jax.tree.map(
        lambda leaf, spec: jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec)),
        state, specs,
    )  # fmt: skip
