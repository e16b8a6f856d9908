"""Scores that need a forward pass and the attention maps, but no loss and no label.

Every statistic is a mean over the real query tokens of an example, so that an example counts the
same however long it is. Higher means keep.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from jaxheads.objectives import ObservedPass
from jaxheads.parallel.mesh import split_over_data

Statistic = Callable[[Any, Array], Float[Array, "B H"]]  # (models.attention.View, counted_BT)


def confidence(view: Any, counted_BT: Bool[Array, "B T"]) -> Float[Array, "B H"]:
    """The greatest attention weight that a query gives to a counted token (Voita et al. 2019)."""
    weights = jnp.where(counted_BT[:, None, None, :], view.probs_BHTS, 0.0)
    return _mean_over_queries(weights.max(-1), counted_BT)


def focus(view: Any, counted_BT: Bool[Array, "B T"]) -> Float[Array, "B H"]:
    """Minus the entropy of a query's attention, in nats: 0 for a head that looks at one token."""
    return _mean_over_queries(xlogy(view.probs_BHTS, view.probs_BHTS).sum(-1), counted_BT)


def output_norm(view: Any, counted_BT: Bool[Array, "B T"]) -> Float[Array, "B H"]:
    """The length of what a head adds to the residual stream, `|context @ W_o|`, its gate left out.

    Through each head's Gram matrix `[K, K]`, so that no `[B, T, H, D]` array arises.
    """
    out_HKD = view.out_kernel_HKD.astype(jnp.float32)
    context_BTHK = view.context_BTHK.astype(jnp.float32)
    gram_HKJ = jnp.einsum("hkd,hjd->hkj", out_HKD, out_HKD, precision="highest")
    square_BHT = jnp.einsum("bthk,hkj,bthj->bht", context_BTHK, gram_HKJ, context_BTHK)
    return _mean_over_queries(jnp.sqrt(jnp.maximum(square_BHT, 0.0)), counted_BT)


def _mean_over_queries(value_BHT, counted_BT):
    weight_B1T = counted_BT[:, None].astype(value_BHT.dtype)
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
    et al. leave out the end of the sentence. A pair of sentences gives the mean over the two.
    """
    tokens, real = (
        jnp.reshape(array, (-1, array.shape[-1])) for array in (batch.tokens_BT, batch.real_BT)
    )
    counted_BT = real & ~jnp.isin(tokens, np.array(skipped, np.int32))
    seen = watch(params, gate_LH, batch, lambda view: statistic(view, counted_BT))
    return split_over_data(mesh, seen)
