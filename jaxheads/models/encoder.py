"""The one encoder of all families: embeddings, and runs of equal blocks under `lax.scan`."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from jaxheads.config import EncoderConfig
from jaxheads.models.attention import Attention, Draw, Observer, Projection, reach_of
from jaxheads.models.dropout import drop
from jaxheads.models.layout import LayerRun, Stack, runs, stacks
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


# What a layer keeps for its backward pass in training: the results of its matrix products. Norms,
# activations, softmax and dropout are computed again, which costs less than writing and reading
# them: a base encoder's step on 32 x 128 tokens takes 2.5 GiB of temporaries instead of 4.0.
KEPT = jax.checkpoint_policies.dots_saveable


class Trace(NamedTuple):
    """Last hidden states at the positions read, and what the observer made, `[B, L, H, ...]`."""

    hidden_BPD: Float[Array, "B P D"]
    observed: Any


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
        if not config.rotary_base:
            self.position = EmbeddingTable(config.max_positions, inner, draw)
        if config.type_vocab_size:
            self.type = EmbeddingTable(config.type_vocab_size, inner, draw)
        self.norm = Norm(config, inner)
        if config.has_projection:
            self.project = Projection((inner, width), (width,), draw)

    def __call__(self, config: EncoderConfig, tokens, real, types, dtype, key, packing=None):
        x = jnp.take(self.word.table[...], tokens, axis=0)
        if not config.rotary_base:
            x = x + jnp.take(self.position.table[...], positions(config, real, packing), axis=0)
        if config.type_vocab_size:
            types = types if config.type_vocab_size > 1 else jnp.zeros_like(types)
            x = x + jnp.take(self.type.table[...], types, axis=0)
        x = drop(self.norm(x).astype(dtype), config.hidden_dropout, key)
        return linear(x, self.project) if config.has_projection else x


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


class Block(nnx.Module):
    """One transformer layer, or a stack of them on a leading axis."""

    def __init__(self, config: EncoderConfig, stack: Stack, draw: Draw):
        width, inner, lead = config.hidden_size, config.intermediate_size, (len(stack.blocks),)
        self.attention = Attention(
            width, stack.num_heads, config.head_width, draw, lead, config.biases
        )
        if stack.norms_attention:
            self.attention_norm = Norm(config, width, lead)
        self.up = Projection((width, inner), (inner,) if config.biases else None, draw, lead)
        if config.gates_feed_forward:
            self.factor = Projection((width, inner), None, draw, lead)
        self.down = Projection((inner, width), (width,) if config.biases else None, draw, lead)
        self.feed_forward_norm = Norm(config, width, lead)

    def __call__(
        self, config: EncoderConfig, x_BTD, memory_BSD, real_BS, gate_BHt, key, observe, reach,
        apart_BTS=None,
    ):  # fmt: skip
        """One layer at the query positions `x`; keys and values come from `memory`."""
        keys = (None,) * 3 if key is None else jax.random.split(key, 3)
        norms = getattr(self, "attention_norm", _same), self.feed_forward_norm
        before, after = (norms, (_same,) * 2) if config.pre_norm else ((_same,) * 2, norms)
        attended, seen = self.attention(
            before[0](x_BTD), before[0](memory_BSD), real_BS, gate_BHt,
            reach=reach, apart_BTS=apart_BTS, dropout=config.attention_dropout, key=keys[0],
            observe=observe,
        )  # fmt: skip
        attended = drop(attended, config.hidden_dropout * config.drops_attention_output, keys[1])
        x_BTD = after[0](x_BTD + attended)
        fed = self.feed_forward(config, before[1](x_BTD))
        fed = drop(fed, config.hidden_dropout * config.drops_feed_forward_output, keys[2])
        return after[1](x_BTD + fed), seen

    def feed_forward(self, config: EncoderConfig, x_BTD):
        """Up to the inner width, through the activation, and down again."""
        inner_BTF = ACTIVATION[config.activation](linear(x_BTD, self.up))
        if config.gates_feed_forward:
            inner_BTF = inner_BTF * linear(x_BTD, self.factor)
        return linear(inner_BTF, self.down)


class Encoder(nnx.Module):
    """Embeddings and stacks of blocks; one code for all families."""

    def __init__(self, config: EncoderConfig, draw: Draw):
        self.config = config
        self.embeddings = Embeddings(config, draw)
        for number, stack in enumerate(stacks(config)):
            setattr(self, f"stack{number}", Block(config, stack, draw))
        if config.pre_norm:
            self.final_norm = Norm(config, config.hidden_size)

    def __call__(
        self,
        tokens_BT: Int[Array, "B T"],
        real_BT: Bool[Array, "B T"],
        types_BT: Int[Array, "B T"] | None = None,
        head_mask: Float[Array, "..."] | None = None,
        *,
        where_BP: Int[Array, "B P"] | None = None,
        key=None,
        observe: Observer | None = None,
        dtype=jnp.float32,
        remat: bool = False,
        unroll: bool = False,
        packing: Packing | None = None,
    ) -> Trace:
        """Hidden states everywhere, or only at `where_BP`: most of the last layer is saved.

        With `remat` a backward pass is left with each layer's input, and computes the rest of
        the layer again: the same numbers in less memory and more time. `unroll` writes layers
        one after the other instead of a loop, which takes longer to compile.

        Raises:
          ValueError: for a gate of another shape, or an observer together with positions or
            packed rows.
        """
        if observe is not None and (where_BP is not None or packing is not None):
            raise ValueError("observe: expected all positions of rows of one example each")
        config, plan = self.config, runs(self.config)
        keys = (None,) * (config.num_layers + 1)
        if key is not None:
            keys = jax.random.split(key, config.num_layers + 1)
        types_BT = jnp.zeros_like(tokens_BT) if types_BT is None else types_BT
        if packing is not None and head_mask is not None:
            head_mask = packing.gate_by_position(head_mask)
        gate = full_gate(config, head_mask, tokens_BT.shape)
        x = self.embeddings(config, tokens_BT, real_BT, types_BT, dtype, keys[0], packing)
        apart = None if packing is None else packing.seen_RTT
        observed = []
        for run in plan:
            last = where_BP if run is plan[-1] else None
            x, seen = self._run(run, x, real_BT, gate, keys, observe, last, remat, apart, unroll)
            observed.append(seen)
        if config.pre_norm:
            x = self.final_norm(x)
        return Trace(x, None if observe is None else _gather(config, plan, observed))

    def _run(self, run: LayerRun, x, real_BT, gate, keys, observe, where_BP, remat, apart, unroll):
        graph, params = nnx.split(getattr(self, f"stack{run.stack}"))
        local = self.config.is_local[run.layers[0] : run.layers[-1] + 1]
        rows = _RunInputs(
            params,
            _run_gate(self.config, gate, run),
            _run_keys(keys, run),
            jnp.asarray(local) if self.config.rotary_base else None,
        )
        chosen = None
        if run.shared:
            chosen = _select_heads(jax.tree.map(lambda leaf: leaf[0], params), run.select)
            rows = rows._replace(params=None)

        if apart is not None and where_BP is not None:
            apart = jnp.take_along_axis(apart, where_BP[..., None], axis=1)

        def layer(x, memory, row: _RunInputs, at_BT):
            block = nnx.merge(graph, chosen if run.shared else row.params)
            reach = reach_of(self.config, row.local, at_BT, memory.shape[1])
            return block(self.config, x, memory, real_BT, row.gate, row.key, observe, reach, apart)

        if remat:
            layer = jax.checkpoint(layer)
        elif rows.key is not None:  # in training, where memory is what limits
            layer = jax.checkpoint(layer, policy=KEPT, prevent_cse=False)
        if where_BP is None:
            at_1T = jnp.arange(x.shape[1])[None]
            return _scan(lambda x, row: layer(x, x, row, at_1T), x, rows, len(run.layers), unroll)
        row = jax.tree.map(lambda leaf: leaf[0], rows)
        if row.gate is not None and row.gate.shape[-1] > 1:
            row = row._replace(gate=_gate_at(row.gate, where_BP))
        return layer(jnp.take_along_axis(x, where_BP[..., None], axis=1), x, row, where_BP)


class _RunInputs(NamedTuple):
    params: Any
    gate: Any
    key: Any
    local: Any  # of rotary positions: whether a layer is among config.local_layers


def _scan(step, x, rows, length, unroll):
    if length > 1:
        return jax.lax.scan(step, x, rows, length=length, unroll=unroll)
    x, seen = step(x, jax.tree.map(lambda leaf: leaf[0], rows))
    return x, jax.tree.map(lambda leaf: leaf[None], seen)


def _gate_at(gate_BHT, where_BP):
    gate = jnp.broadcast_to(gate_BHT, (where_BP.shape[0], *gate_BHT.shape[1:]))
    return jnp.take_along_axis(gate, where_BP[:, None, :], axis=2)


def _select_heads(params, select):
    """The parameters of a shared block with only the heads at `select`."""
    if select is None:
        return params
    index = np.asarray(select, np.int32)
    flat = nnx.to_pure_dict(params)
    attention = dict(flat["attention"])
    for name in ("query", "key", "value"):
        part = attention[name]
        axes = {"kernel": 1, "bias": 0}
        attention[name] = {end: jnp.take(leaf, index, axes[end]) for end, leaf in part.items()}
    attention["out"] = {**attention["out"], "kernel": attention["out"]["kernel"][index]}
    return {**flat, "attention": attention}


def full_gate(config: EncoderConfig, head_mask, shape) -> Float[Array, "#B L H #T"] | None:
    """`head_mask` as `[1 or B, L, H, 1 or T]`.

    Raises:
      ValueError: for a shape that does not broadcast to `[B, L, H, T]`.
    """
    if head_mask is None:
        return None
    (batch, length), (layers, heads) = shape, (config.num_layers, config.num_heads)
    gate = jnp.asarray(head_mask)
    if gate.shape == (layers, heads):
        return gate[None, :, :, None]
    allowed = ((1, batch), (1, layers), (heads,), (1, length))
    if gate.ndim != 4 or any(n not in ok for n, ok in zip(gate.shape, allowed, strict=True)):
        raise ValueError(
            f"head_mask: expected shape [{layers}, {heads}], or one that broadcasts over B, L, T "
            f"to [{batch}, {layers}, {heads}, {length}], got {list(gate.shape)}"
        )
    return jnp.broadcast_to(gate, (gate.shape[0], layers, heads, gate.shape[3]))


def _run_gate(config: EncoderConfig, gate, run: LayerRun):
    """The gate rows of a run, `[n, #B, h, #T]`, for the heads that its layers have."""
    if gate is None:
        return None
    rows = gate[:, run.layers[0] : run.layers[-1] + 1]
    if len(run.heads[0]) < config.num_heads:
        index = np.asarray(run.heads, np.int32).reshape(len(run.layers), -1)
        rows = rows[:, np.arange(len(run.layers))[:, None], index]
    return jnp.moveaxis(rows, 1, 0)


def _run_keys(keys, run: LayerRun):
    return None if keys[0] is None else jnp.stack([keys[1 + layer] for layer in run.layers])


def _gather(config: EncoderConfig, plan, observed):
    """Stacked observations of all runs as `[B, L, H, ...]`, zero where a head is cut."""

    def join(*parts):
        batch, rest = parts[0].shape[1], parts[0].shape[3:]
        full = jnp.zeros((config.num_layers, config.num_heads, batch, *rest), parts[0].dtype)
        for run, part in zip(plan, parts, strict=True):
            heads = np.asarray(run.heads, np.int32).reshape(len(run.layers), -1)
            layers = np.asarray(run.layers)[:, None]
            full = full.at[layers, heads].set(jnp.swapaxes(part, 1, 2))
        return jnp.moveaxis(full, 2, 0)

    return jax.tree.map(join, *observed)
