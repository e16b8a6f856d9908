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

from jaxheads.config import EncoderConfig
from jaxheads.models.dropout import drop
from jaxheads.models.kept import keep

MASKED = -1e30  # finite, so that a row without any real key is uniform and never NaN

Draw = Callable[[tuple[int, ...]], Any]  # shape -> initial values


class View(NamedTuple):
    """What an observer sees of one layer: probabilities, ungated contexts, output projection.

    Of an encoder-decoder `sides` says whose the queries and whose the keys are: 0 is the source, 1
    the target.
    """

    probs_BHTS: Float[Array, "B h T S"]
    context_BTHK: Float[Array, "B T h K"]
    out_kernel_HKD: Float[Array, "h K D"]
    real_BT: Bool[Array, "B S"]
    sides: tuple[int, int] | None = None


Observer = Callable[[View], Any]


def of_sides(observe: Observer | None, queries: int, keys: int) -> Observer | None:
    """An observer that is told whose the queries and the keys are."""
    return observe and (lambda view: observe(view._replace(sides=(queries, keys))))


class KeysValues(NamedTuple):
    """What queries look at, projected once and for all: keys and values of every head."""

    key_BSHK: Float[Array, "B S h K"]
    value_BSHK: Float[Array, "B S h K"]


class Reach(NamedTuple):
    """Of rotary positions: which tokens are near enough, and the angles that turn both sides."""

    near_BTS: Bool[Array, "#B T S"]
    query_angle_BTk: Float[Array, "#B T half_K"]
    key_angle_BSk: Float[Array, "#B S half_K"]


def reach_of(config: EncoderConfig, local, at_BT, length: int) -> Reach | None:
    """What the queries at these positions of a layer (`local`, or not) reach; None without RoPE."""
    if not config.rotary_base:
        return None
    at_1S = jnp.arange(length)[None]
    near_BTS = jnp.abs(at_BT[:, :, None] - at_1S[:, None]) <= config.local_window
    power_k = np.arange(0, config.head_width, 2, dtype=np.float32) / np.float32(config.head_width)
    bases = np.asarray([config.rotary_base, config.local_rotary_base or 1.0], np.float32)
    everywhere_k, here_k = 1 / bases[:, None] ** power_k
    frequency_k = jnp.where(local, here_k, everywhere_k)
    angles = (at[:, :, None].astype(jnp.float32) * frequency_k for at in (at_BT, at_1S))
    return Reach(near_BTS | ~local, *angles)


class Projection(nnx.Module):
    """A linear map whose kernel is `[*in, *out]`, with an optional axis of stacked copies first."""

    def __init__(self, shape, bias, draw: Draw, stack=()):
        self.kernel = nnx.Param(draw((*stack, *shape)))
        if bias is not None:
            self.bias = nnx.Param(np.zeros((*stack, *bias), np.float32))

    def plus_bias(self, y):
        """`y`, with the bias where there is one."""
        return y + self.bias[...].astype(y.dtype) if hasattr(self, "bias") else y


class Attention(nnx.Module):
    """Queries from one sequence, keys and values from another (or the same)."""

    def __init__(self, width: int, heads: int, head_width: int, draw: Draw, stack=(), biases=True):
        inward, bias = (width, heads, head_width), (heads, head_width) if biases else None
        self.query = Projection(inward, bias, draw, stack)
        self.key = Projection(inward, bias, draw, stack)
        self.value = Projection(inward, bias, draw, stack)
        bias = (width,) if biases else None
        self.out = Projection((heads, head_width, width), bias, draw, stack)

    def remember(self, memory_BSD: Float[Array, "B S D"]) -> KeysValues:
        """The keys and values of a sequence."""
        return KeysValues(_project(memory_BSD, self.key), _project(memory_BSD, self.value))

    def __call__(
        self,
        x_BTD: Float[Array, "B T D"],
        memory: Float[Array, "B S D"] | KeysValues,
        real_BS: Bool[Array, "B S"],
        gate_BHt: Float[Array, "#B h #T"] | None,
        *,
        reach: Reach | None = None,
        apart_BTS: Bool[Array, "B T S"] | None = None,
        dropout: float = 0.0,
        key=None,
        observe: Observer | None = None,
    ) -> tuple[Float[Array, "B T D"], Any]:
        """The gated output `[B, T, D]`, and what `observe` made of the layer.

        A query looks at all real keys, or at those that `apart_BTS` names: in packed rows, and in
        a decoder at those before it.
        """
        dtype = x_BTD.dtype
        q_BTHK = _project(x_BTD, self.query)
        k_BSHK, v_BSHK = memory if isinstance(memory, KeysValues) else self.remember(memory)
        seen_BTS = real_BS[:, None, :] if apart_BTS is None else apart_BTS
        if reach is not None:
            q_BTHK = _turned(q_BTHK, reach.query_angle_BTk)
            k_BSHK = _turned(k_BSHK, reach.key_angle_BSk)
            seen_BTS = seen_BTS & reach.near_BTS
        q_BTHK, k_BSHK, v_BSHK = keep(q_BTHK), keep(k_BSHK), keep(v_BSHK)
        if observe is None and (key is None or dropout == 0.0) and _fits_cudnn(q_BTHK):
            probs, context_BTHK = None, _cudnn(q_BTHK, k_BSHK, v_BSHK, seen_BTS)
        else:
            as_seen = dtype if observe is None else jnp.float32
            probs = probabilities(q_BTHK, k_BSHK, seen_BTS, as_seen)
            dropped = probs if key is None else drop(probs, dropout, key)
            context_BTHK = keep(jnp.einsum("bhts,bshk->bthk", dropped.astype(dtype), v_BSHK))
        kernel_HKD = self.out.kernel[...].astype(dtype)
        seen = None
        if observe is not None and probs is not None:
            seen = observe(View(probs, context_BTHK, kernel_HKD, real_BS))
        if gate_BHt is not None:
            context_BTHK = context_BTHK * jnp.swapaxes(gate_BHt, 1, 2)[..., None].astype(dtype)
        out_BTD = jnp.einsum("bthk,hkd->btd", context_BTHK, kernel_HKD)
        return self.out.plus_bias(out_BTD), seen


def _project(x_BTD, projection):
    kernel = projection.kernel[...].astype(x_BTD.dtype)
    return projection.plus_bias(jnp.einsum("btd,dhk->bthk", x_BTD, kernel))


def _turned(x_BTHK, angle_BTk):
    """Each pair of a head's dimensions, one of either half, turned in its plane (RoPE)."""
    one, two = jnp.split(x_BTHK.astype(jnp.float32), 2, axis=-1)
    cos, sin = (turn(angle_BTk)[:, :, None, :] for turn in (jnp.cos, jnp.sin))
    turned = jnp.concatenate([one * cos - two * sin, two * cos + one * sin], axis=-1)
    return turned.astype(x_BTHK.dtype)


def _fits_cudnn(q) -> bool:
    """Whether the backend, the type and the width of a head allow cuDNN's kernel."""
    half = q.dtype in (jnp.bfloat16, jnp.float16)
    fits = q.shape[2] > 0 and q.shape[-1] % 8 == 0 and q.shape[-1] <= 128
    return jax.default_backend() == "gpu" and half and fits


def _cudnn(q, k, v, seen_BTS):
    mask = seen_BTS[:, None]
    return jax.nn.dot_product_attention(q, k, v, mask=mask, implementation="cudnn")


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def probabilities(q_BTHK, k_BSHK, seen_BTS, dtype) -> Float[Array, "B h T S"]:
    """Attention of queries to the keys that they see: a float32 softmax, given in `dtype`.

    Its derivative reads the probabilities as they are given, and is a product in the type of the
    queries: a backward pass keeps no float32 copy, and multiplies no wider numbers than this.
    """
    logits = jnp.einsum("bthk,bshk->bhts", q_BTHK, k_BSHK, preferred_element_type=jnp.float32)
    logits = logits * (q_BTHK.shape[-1] ** -0.5)
    logits = jnp.where(seen_BTS[:, None], logits, MASKED)
    return jax.nn.softmax(logits, axis=-1).astype(dtype)


@probabilities.defjvp
def _(dtype, primals, tangents):
    (q, k, seen_BTS), (dq, dk, _) = primals, tangents
    probs = probabilities(q, k, seen_BTS, dtype)
    change = jnp.einsum("bthk,bshk->bhts", dq, k) + jnp.einsum("bthk,bshk->bhts", q, dk)
    change = change.astype(jnp.float32) * (q.shape[-1] ** -0.5)
    wide = probs.astype(jnp.float32)
    slope = wide * (change - (wide * change).sum(-1, keepdims=True))
    return probs, slope.astype(dtype)
