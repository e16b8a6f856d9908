"""Single-shot meta-pruning: heads scored by a pruner that learned on other tasks, without labels.

After Zhang et al. 2020 (arXiv 2011.03770), as their code has it. The pruner learns which heads of
an encoder keep the likeness of sentences to each other, and then scores the heads for a new task by
forward passes alone.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxheads.config import PrunerConfig
from jaxheads.importance.meta.pruner import PAIR, SINGLE, PrunerParams, framed, score_frames
from jaxheads.objectives import Objective, ObservedPass, Outcome, Represent
from jaxheads.parallel.mesh import split_over_data

DRAWS = 5  # for each head of a layer
SHARPNESS = 10.0  # of the likeness before it is made a distribution
SINGLE_WEIGHT = 10.0  # of the loss of a task of single sentences
DIMENSIONS = 0.2  # of a representation, drawn anew in each step
GROUP = 2  # sentences that share a distribution


# -- scoring


@functools.partial(jax.jit, static_argnames=("watch", "config", "mesh"))
def pruner_scores(
    watch: ObservedPass,
    config: PrunerConfig,
    channel: int | Array,
    pruner_params: PrunerParams,
    params: Any,
    batch: Any,
    gate_LH: Float[Array | np.ndarray, "L H"],
    *,
    mesh: Mesh | None = None,
) -> Float[Array, "B L H"]:
    """A pruner's score of every head on every example; `channel` is PAIR or SINGLE.

    The maps are scored layer by layer where they arise and never leave the device.
    """

    def observe(view):
        frame_BHFF = framed(config, view.probs_BHTS, view.real_BT)
        flat = frame_BHFF.reshape(-1, config.frame, config.frame)
        score_N2, _ = score_frames(pruner_params, flat, training=False)
        return jnp.take(score_N2, channel, axis=1).reshape(frame_BHFF.shape[:2])

    return split_over_data(mesh, watch(params, gate_LH, batch, observe))


# -- the mask of a training step


def sample_mask(
    score_LH: Float[Array, "L H"], kept: int, key, *, draws: int = DRAWS
) -> Float[Array, "L H"]:
    """A mask with `kept` heads in some layers and all heads in a random half (L // 2) of them.

    Each layer's heads are drawn by straight-through Gumbel-softmax, the scores being the logits at
    temperature 1, and the first j draws are united by their maximum, j being the least number from
    `kept` on at which `kept` different heads are drawn (at most `draws` * H - 1). The gradient of a
    head goes into the soft probability of the draw that the maximum took: of equal ones the first.

    Raises:
      ValueError: for `kept` outside 1 to H - 1.
    """
    layers, heads = score_LH.shape
    if not 0 < kept < heads:
        raise ValueError(f"kept: expected 1 to {heads - 1} heads of a layer, got {kept}")
    draw_key, layer_key = jax.random.split(key)
    noise = jax.random.gumbel(draw_key, (draws * heads, layers, heads), score_LH.dtype)
    soft_ALH = jax.nn.softmax(score_LH + noise, axis=-1)
    hard_ALH = jax.nn.one_hot(jnp.argmax(soft_ALH, -1), heads, dtype=score_LH.dtype)
    united_ALH = jax.lax.cummax(hard_ALH, axis=0)
    enough_AL = (united_ALH.sum(-1) >= kept).at[-2:].set(True)
    last_L = jnp.argmax(enough_AL, axis=0)
    seen_ALH = hard_ALH * (jnp.arange(draws * heads)[:, None] <= last_L)[..., None]
    winner_LH = jnp.argmax(seen_ALH, axis=0)
    hard_LH, soft_LH = (
        jnp.take_along_axis(each, winner_LH[None], axis=0)[0] for each in (seen_ALH, soft_ALH)
    )
    mask_LH = hard_LH + soft_LH - jax.lax.stop_gradient(soft_LH)
    whole_L = jax.random.permutation(layer_key, layers) < layers // 2
    return jnp.where(whole_L[:, None], 1.0, mask_LH)


def best_heads(score_LH: Float[Array, "L H"], kept: int) -> Float[Array, "L H"]:
    """The `kept` best heads of every layer; of equal ones the later, as in `pruning.mask`."""
    heads = score_LH.shape[1]
    order_LH = jnp.argsort(score_LH, axis=-1, stable=True)
    place_LH = jnp.argsort(order_LH, axis=-1)
    return (place_LH >= heads - kept).astype(score_LH.dtype)


# -- the loss


def likeness_loss(
    whole_BD: Float[Array, "B D"], pruned_BD: Float[Array, "B D"]
) -> Float[Array, "B"]:
    """How far the likeness of each sentence to the others has moved, a mean over them, in nats.

    Representations are centred and brought to length 1; ten times their products are turned into
    distributions over neighbouring pairs of sentences (is i more like 2m or 2m + 1?), and the terms
    of the divergence KL(whole || pruned) are averaged.

    Raises:
      ValueError: for an odd batch.
    """
    rows = len(whole_BD)
    if rows % GROUP:
        raise ValueError(f"batch: expected an even number of sentences, got {rows}")
    target, found = (
        jax.nn.log_softmax(_likeness(each).reshape(rows, -1, GROUP), axis=-1)
        for each in (whole_BD, pruned_BD)
    )
    return (jnp.exp(target) * (target - found)).mean((1, 2))


def _likeness(x_BD):
    centred = x_BD - x_BD.mean(0)
    square_B1 = jnp.square(centred).sum(1, keepdims=True)
    unit = centred * jax.lax.rsqrt(jnp.maximum(square_B1, 1e-24))
    return SHARPNESS * jnp.matmul(unit, unit.T, precision="highest")


# -- objectives


@functools.lru_cache  # one function for one set of arguments, so that jit compiles it once
def meta_objective(represent: Represent, config: PrunerConfig, kept: int) -> Objective:
    """What a pruner learns by: the likeness that a mask drawn by its scores loses.

    Args:
      represent: what represents sentences, from `represent_for`.
      config: how the pruner sees maps.
      kept: heads that stay in a layer that is pruned.

    Returns:
      An objective. Its params are those of the encoder, and the pruner's under "pruner"; train
      these `only`. Its batches are of one task each (`data.pool.Pool`), and their labels, PAIR or
      SINGLE, say which output and which representation it takes. Without a key: the best heads of
      every layer, and running statistics.
    """

    def objective(params: Any, gate: Any, batch: Any, key: Any = None) -> Outcome:
        held = jax.lax.stop_gradient({k: v for k, v in params.items() if k != "pruner"})
        channel = jnp.asarray(batch.labels)[0]
        whole = represent(
            held, gate, batch, observe=lambda v: framed(config, v.probs_BHTS, v.real_BT)
        )
        score_LH, moved = _batch_scores(config, params["pruner"], whole.seen, channel, key)
        mask_key, dimension_key = (None, None) if key is None else jax.random.split(key)
        if mask_key is None:
            mask_LH = best_heads(score_LH, kept)
        else:
            mask_LH = sample_mask(score_LH, kept, mask_key)
        pruned = represent(held, mask_LH if gate is None else gate * mask_LH, batch)
        loss_B = _departure(whole, pruned, channel, dimension_key)
        moved = {"pruner": moved} if key is not None else None
        return Outcome(
            loss_B, score_LH.mean() * jnp.ones((len(loss_B), 1)), jnp.ones_like(loss_B), moved
        )

    return objective


@functools.lru_cache
def departure_objective(represent: Represent, channel: int) -> Objective:
    """The same loss of a given gate, on all dimensions; no pruner takes part in it."""

    def objective(params: Any, gate: Any, batch: Any, key: Any = None) -> Outcome:
        del key
        whole, pruned = represent(params, None, batch), represent(params, gate, batch)
        loss_B = _departure(whole, pruned, jnp.asarray(channel), None)
        return Outcome(loss_B, loss_B[:, None], jnp.ones_like(loss_B))

    return objective


def _batch_scores(config, pruner_params, frame_BLHFF, channel, key):
    """The mean score of every head over the batch, and the running statistics."""
    shape = frame_BLHFF.shape[:3]
    flat = jax.lax.stop_gradient(frame_BLHFF).reshape(-1, config.frame, config.frame)
    score_N2, statistics = score_frames(pruner_params, flat, training=key is not None)
    score_BLH2 = score_N2.reshape(*shape, 2)
    return jnp.take(score_BLH2, channel, axis=-1).mean(0), statistics


def _departure(whole, pruned, channel, key):
    """The loss by the representation that a channel takes, on some dimensions with a key."""
    pairs = channel == PAIR
    two = [jnp.where(pairs, each.pooled_BD, each.mean_BD) for each in (whole, pruned)]
    if key is not None:
        seen_D = jax.random.bernoulli(key, DIMENSIONS, two[0].shape[-1:])
        two = [jnp.where(seen_D, each, 0.0) for each in two]
    return jnp.where(pairs, 1.0, SINGLE_WEIGHT) * likeness_loss(*two)


def channel_of(pair: bool) -> int:
    """The output of the pruner for a task of pairs, or of single sentences."""
    return PAIR if pair else SINGLE
