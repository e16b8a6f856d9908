"""Multi-head attention with a gate on every head's context.

The one place where a gate enters and a trace leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from jaxheads.models.dropout import drop

MASKED = -1e30  # finite, so that a row without any real key is uniform and never NaN

Draw = Callable[[tuple[int, ...]], Any]  # shape -> initial values


class View(NamedTuple):
    """What an observer sees of one layer: probabilities, ungated contexts, output projection."""

    probs_BHTS: Float[Array, "B h T S"]
    context_BTHK: Float[Array, "B T h K"]
    out_kernel_HKD: Float[Array, "h K D"]
    real_BT: Bool[Array, "B S"]


Observer = Callable[[View], Any]


class Projection(nnx.Module):
    """A linear map whose kernel is `[*in, *out]`, with an optional axis of stacked copies first."""

    def __init__(self, shape, bias, draw: Draw, stack=()):
        self.kernel = nnx.Param(draw((*stack, *shape)))
        self.bias = nnx.Param(np.zeros((*stack, *bias), np.float32))


class Attention(nnx.Module):
    """Queries from one sequence, keys and values from another (or the same)."""

    def __init__(self, width: int, heads: int, head_width: int, draw: Draw, stack=()):
        inward, bias = (width, heads, head_width), (heads, head_width)
        self.query = Projection(inward, bias, draw, stack)
        self.key = Projection(inward, bias, draw, stack)
        self.value = Projection(inward, bias, draw, stack)
        self.out = Projection((heads, head_width, width), (width,), draw, stack)

    def __call__(
        self,
        x_BTD: Float[Array, "B T D"],
        memory_BSD: Float[Array, "B S D"],
        real_BS: Bool[Array, "B S"],
        gate_BHt: Float[Array, "#B h #T"] | None,
        *,
        dropout: float = 0.0,
        key=None,
        observe: Observer | None = None,
    ) -> tuple[Float[Array, "B T D"], Any]:
        """The gated output `[B, T, D]`, and what `observe` made of the layer."""
        dtype = x_BTD.dtype
        q_BTHK = _project(x_BTD, self.query)
        k_BSHK = _project(memory_BSD, self.key)
        v_BSHK = _project(memory_BSD, self.value)
        if observe is None and (key is None or dropout == 0.0) and _fits_cudnn(q_BTHK):
            probs, context_BTHK = None, _cudnn(q_BTHK, k_BSHK, v_BSHK, real_BS)
        else:
            as_seen = dtype if observe is None else jnp.float32
            probs = probabilities(q_BTHK, k_BSHK, real_BS, as_seen)
            dropped = probs if key is None else drop(probs, dropout, key)
            context_BTHK = jnp.einsum("bhts,bshk->bthk", dropped.astype(dtype), v_BSHK)
        kernel_HKD = self.out.kernel[...].astype(dtype)
        seen = None
        if observe is not None and probs is not None:
            seen = observe(View(probs, context_BTHK, kernel_HKD, real_BS))
        if gate_BHt is not None:
            context_BTHK = context_BTHK * jnp.swapaxes(gate_BHt, 1, 2)[..., None].astype(dtype)
        out_BTD = jnp.einsum("bthk,hkd->btd", context_BTHK, kernel_HKD)
        return out_BTD + self.out.bias[...].astype(dtype), seen


def _project(x_BTD, projection):
    kernel = projection.kernel[...].astype(x_BTD.dtype)
    return jnp.einsum("btd,dhk->bthk", x_BTD, kernel) + projection.bias[...].astype(x_BTD.dtype)


def _fits_cudnn(q) -> bool:
    """Whether the backend, the type and the width of a head allow cuDNN's kernel."""
    half = q.dtype in (jnp.bfloat16, jnp.float16)
    fits = q.shape[2] > 0 and q.shape[-1] % 8 == 0 and q.shape[-1] <= 128
    return jax.default_backend() == "gpu" and half and fits


def _cudnn(q, k, v, real_BS):
    mask = real_BS[:, None, None, :]
    return jax.nn.dot_product_attention(q, k, v, mask=mask, implementation="cudnn")


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def probabilities(q_BTHK, k_BSHK, real_BS, dtype) -> Float[Array, "B h T S"]:
    """Attention of queries to real keys: a float32 softmax, given in `dtype`.

    Its derivative reads the probabilities as they are given, and is a product in the type of the
    queries: a backward pass keeps no float32 copy, and multiplies no wider numbers than this.
    """
    logits = jnp.einsum("bthk,bshk->bhts", q_BTHK, k_BSHK, preferred_element_type=jnp.float32)
    logits = logits * (q_BTHK.shape[-1] ** -0.5)
    logits = jnp.where(real_BS[:, None, None, :], logits, MASKED)
    return jax.nn.softmax(logits, axis=-1).astype(dtype)


@probabilities.defjvp
def _(dtype, primals, tangents):
    (q, k, real_BS), (dq, dk, _) = primals, tangents
    probs = probabilities(q, k, real_BS, dtype)
    change = jnp.einsum("bthk,bshk->bhts", dq, k) + jnp.einsum("bthk,bshk->bhts", q, dk)
    change = change.astype(jnp.float32) * (q.shape[-1] ** -0.5)
    wide = probs.astype(jnp.float32)
    slope = wide * (change - (wide * change).sum(-1, keepdims=True))
    return probs, slope.astype(dtype)
