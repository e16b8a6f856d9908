"""Scores that need a forward pass and the attention maps, but no loss and no label.

Every statistic is a mean over the real query tokens of an example, so that an example counts the
same however long it is. Higher means keep.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from jaxheads.objectives import ObservedPass
from jaxheads.parallel.mesh import split_over_data


class Counted(NamedTuple):
    """Which tokens count: as queries, and as what they look at."""

    query_BT: Bool[Array, "B T"]
    key_BS: Bool[Array, "B S"]


Statistic = Callable[[Any, Counted], Float[Array, "B H"]]  # (models.attention.View, Counted)


def confidence(view: Any, counted: Counted) -> Float[Array, "B H"]:
    """The greatest attention weight that a query gives to a counted token (Voita et al. 2019)."""
    weights = jnp.where(counted.key_BS[:, None, None, :], view.probs_BHTS, 0.0)
    return _mean_over_queries(weights.max(-1), counted)


def focus(view: Any, counted: Counted) -> Float[Array, "B H"]:
    """Minus the entropy of a query's attention, in nats: 0 for a head that looks at one token."""
    return _mean_over_queries(xlogy(view.probs_BHTS, view.probs_BHTS).sum(-1), counted)


def output_norm(view: Any, counted: Counted) -> Float[Array, "B H"]:
    """The length of what a head adds to the residual stream, `|context @ W_o|`, its gate left out.

    Through each head's Gram matrix `[K, K]`, so that no `[B, T, H, D]` array arises.
    """
    out_HKD = view.out_kernel_HKD.astype(jnp.float32)
    context_BTHK = view.context_BTHK.astype(jnp.float32)
    gram_HKJ = jnp.einsum("hkd,hjd->hkj", out_HKD, out_HKD, precision="highest")
    square_BHT = jnp.einsum("bthk,hkj,bthj->bht", context_BTHK, gram_HKJ, context_BTHK)
    return _mean_over_queries(jnp.sqrt(jnp.maximum(square_BHT, 0.0)), counted)


def _mean_over_queries(value_BHT, counted):
    weight_B1T = counted.query_BT[:, None].astype(value_BHT.dtype)
    return (value_BHT * weight_B1T).sum(-1) / jnp.maximum(weight_B1T.sum(-1), 1.0)


@functools.partial(jax.jit, static_argnames=("watch", "statistic", "skipped", "mesh"))
def attention_statistic(
    watch: ObservedPass,
    statistic: Statistic,
    params: Any,
    batch: Any,
    gate_LH: Float[Array | np.ndarray, "L H"],
    *,
    skipped: tuple[int, ...] = (),
    mesh: Mesh | None = None,
) -> Float[Array, "B L H"]:
    """A statistic of every head on every example, zero where a head is cut.

    Tokens whose ids are `skipped` count neither as queries nor, for the confidence, as keys: Voita
    et al. leave out the end of the sentence. A pair of sentences gives the mean over the two; of an
    encoder-decoder, queries and keys are those that each kind of heads has.
    """
    counted = batch.real_BT & ~jnp.isin(batch.tokens_BT, np.array(skipped, np.int32))

    def observe(view):
        if sides := getattr(view, "sides", None):  # views of your own may lack them
            return statistic(view, Counted(*(counted[:, side] for side in sides)))
        flat_BT = counted.reshape(-1, counted.shape[-1])
        return statistic(view, Counted(flat_BT, flat_BT))

    return split_over_data(mesh, watch(params, gate_LH, batch, observe))
