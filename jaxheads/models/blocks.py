"""What layers are made of: norms, embeddings, and the block of attention and feed-forward."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from jaxheads.config import EncoderConfig
from jaxheads.models.attention import Attention, Draw, KeysValues, Projection, of_sides
from jaxheads.models.dropout import drop
from jaxheads.models.kept import keep
from jaxheads.models.layout import Stack
from jaxheads.models.packing import Packing


@jax.custom_jvp
def gelu(x):
    """Exact gelu, `x * cdf(x)`, that keeps one array for its derivative instead of three."""
    return _gelu_and_slope(x)[0]


@gelu.defjvp
def _(primals, tangents):
    value, slope = _gelu_and_slope(primals[0])
    return value, slope * tangents[0]


def _gelu_and_slope(x):
    cdf = 0.5 * (1 + jax.lax.erf(x * np.asarray(0.5**0.5, x.dtype)))
    density = jnp.exp(-0.5 * jnp.square(x)) * np.asarray((2 * np.pi) ** -0.5, x.dtype)
    return x * cdf, cdf + x * density


ACTIVATION = {
    "gelu": gelu,
    "gelu_new": lambda x: jax.nn.gelu(x, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
}


class Norm(nnx.Module):
    """Layer normalisation, computed in float32."""

    def __init__(self, config: EncoderConfig, width: int, stack=()):
        self.scale = nnx.Param(np.ones((*stack, width), np.float32))
        if config.biases:
            self.bias = nnx.Param(np.zeros((*stack, width), np.float32))
        self.eps = config.norm_eps

    def __call__(self, x):
        x32 = x.astype(jnp.float32)
        centred = x32 - x32.mean(-1, keepdims=True)
        scale = jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + self.eps)
        x32 = centred * scale * self.scale[...]
        return (x32 + self.bias[...] if hasattr(self, "bias") else x32).astype(x.dtype)


class EmbeddingTable(nnx.Module):
    """An embedding table `[rows, E]`."""

    def __init__(self, rows: int, width: int, draw: Draw):
        self.table = nnx.Param(draw((rows, width)))


def linear(x, projection):
    """`x @ kernel + bias` in the type of `x`, or without a bias that there is not."""
    return projection.plus_bias(x @ projection.kernel[...].astype(x.dtype))


class Embeddings(nnx.Module):
    """Word, position and token-type embeddings, normalised, and projected where factorised."""

    def __init__(self, config: EncoderConfig, draw: Draw):
        inner, width = config.embedding_width, config.hidden_size
        self.word = EmbeddingTable(config.vocab_size, inner, draw)
        if config.has_position_table:
            self.position = EmbeddingTable(config.max_positions, inner, draw)
        if config.type_vocab_size:
            self.type = EmbeddingTable(config.type_vocab_size, inner, draw)
        if config.norms_embeddings:
            self.norm = Norm(config, inner)
        if config.has_projection:
            self.project = Projection((inner, width), (width,), draw)

    def __call__(
        self, config: EncoderConfig, tokens, real, types, dtype, key, packing=None, at=None
    ):
        """The first states of tokens that stand at `at`; None: at their own positions."""
        x = jnp.take(self.word.table[...], tokens, axis=0)
        if config.scales_embeddings:
            x = x * np.float32(config.embedding_width**0.5)
        if not config.rotary_base:
            table = sinusoids(config) if config.sinusoidal else self.position.table[...]
            at = positions(config, real, packing) if at is None else at
            x = x + jnp.take(table, at, axis=0)
        if config.type_vocab_size:
            types = types if config.type_vocab_size > 1 else jnp.zeros_like(types)
            x = x + jnp.take(self.type.table[...], types, axis=0)
        x = getattr(self, "norm", _same)(x).astype(dtype)
        x = drop(x, config.hidden_dropout, key)
        return linear(x, self.project) if config.has_projection else x


def sinusoids(config: EncoderConfig) -> Float[np.ndarray, "rows E"]:
    """Sines, then cosines, of every position at wave lengths from 2 pi to 20,000 pi.

    Vaswani et al. 2017, section 3.5, in the order of Marian.
    """
    width = config.embedding_width
    waves = 10_000.0 ** (np.arange(0, width, 2) / width)
    angle_PE = np.arange(config.max_positions)[:, None] / waves
    both = (np.sin(angle_PE), np.cos(angle_PE[:, : width // 2]))
    return np.concatenate(both, axis=1).astype(np.float32)


def positions(
    config: EncoderConfig, real_BT: Bool[Array, "B T"], packing: Packing | None = None
) -> Int[Array, "B T"]:
    """Row of the position table for each token.

    Its column, or the number of real tokens so far, above the padding id; in a packed row, of its
    own example.
    """
    if packing is not None:
        above = config.positions_after_pad * (config.pad_token_id + 1)
        return jnp.where(real_BT, packing.position_RT + above, config.pad_token_id)
    if not config.positions_after_pad:
        return jnp.broadcast_to(jnp.arange(real_BT.shape[1]), real_BT.shape)
    return jnp.cumsum(real_BT, axis=1) * real_BT + config.pad_token_id


def _same(x):
    return x


class Source(NamedTuple):
    """What a decoder's layer sees of the source, or a stack of layers."""

    memory: Any  # [B, S, D], or the layer's own `KeysValues`
    real_BS: Bool[Array, "B S"]
    gate_BHt: Any  # on the heads that see it


class Block(nnx.Module):
    """One transformer layer, or a stack of them on a leading axis."""

    def __init__(self, config: EncoderConfig, stack: Stack, draw: Draw):
        width, inner, lead = config.hidden_size, config.intermediate_size, (len(stack.blocks),)
        self.attention = Attention(
            width, stack.num_heads, config.head_width, draw, lead, config.biases
        )
        if stack.norms_attention:
            self.attention_norm = Norm(config, width, lead)
        if stack.cross is not None:
            heads = len(stack.cross[0])
            self.cross = Attention(width, heads, config.head_width, draw, lead, config.biases)
            self.cross_norm = Norm(config, width, lead)
        self.up = Projection((width, inner), (inner,) if config.biases else None, draw, lead)
        if config.gates_feed_forward:
            self.factor = Projection((width, inner), None, draw, lead)
        self.down = Projection((inner, width), (width,) if config.biases else None, draw, lead)
        self.feed_forward_norm = Norm(config, width, lead)

    def __call__(
        self, config: EncoderConfig, x_BTD, memory, real_BS, gate_BHt, key, observe, reach,
        apart_BTS=None, source: Source | None = None,
    ):  # fmt: skip
        """One layer at the query positions `x`; keys and values come from `memory`.

        A decoder's layer then looks at the `source`, and two things are seen of it.
        """
        keys = (None,) * 3 if key is None else jax.random.split(key, 3)
        norms = getattr(self, "attention_norm", _same), self.feed_forward_norm
        before, after = (norms, (_same,) * 2) if config.pre_norm else ((_same,) * 2, norms)
        memory = memory if isinstance(memory, KeysValues) else before[0](memory)
        own = observe if source is None else of_sides(observe, 1, 1)
        attended, seen = self.attention(
            before[0](x_BTD), memory, real_BS, gate_BHt,
            reach=reach, apart_BTS=apart_BTS, dropout=config.attention_dropout, key=keys[0],
            observe=own,
        )  # fmt: skip
        attended = drop(attended, config.hidden_dropout * config.drops_attention_output, keys[1])
        x_BTD = after[0](keep(x_BTD + attended))
        if source is not None:
            x_BTD, seen_there = self._look(config, x_BTD, source, key, observe)
            seen = (seen, seen_there)
        fed = self.feed_forward(config, before[1](x_BTD))
        fed = drop(fed, config.hidden_dropout * config.drops_feed_forward_output, keys[2])
        return after[1](keep(x_BTD + fed)), seen

    def _look(self, config: EncoderConfig, x_BTD, source: Source, key, observe):
        """What the attention to the source adds, normalised."""
        keys = (None,) * 2 if key is None else jax.random.split(jax.random.fold_in(key, 1))
        attended, seen = self.cross(
            x_BTD, *source, dropout=config.attention_dropout, key=keys[0],
            observe=of_sides(observe, 1, 0),
        )  # fmt: skip
        attended = drop(attended, config.hidden_dropout * config.drops_attention_output, keys[1])
        return self.cross_norm(keep(x_BTD + attended)), seen

    def feed_forward(self, config: EncoderConfig, x_BTD):
        """Up to the inner width, through the activation, and down again."""
        inner_BTF = ACTIVATION[config.activation](keep(linear(x_BTD, self.up)))
        if config.gates_feed_forward:
            inner_BTF = inner_BTF * keep(linear(x_BTD, self.factor))
        return linear(inner_BTF, self.down)
