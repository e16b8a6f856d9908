"""The one body of all families: embeddings, and runs of equal blocks under `lax.scan`."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from jaxheads.config import EncoderConfig
from jaxheads.models.attention import Draw, KeysValues, Observer, reach_of
from jaxheads.models.blocks import Block, Embeddings, Norm, Source
from jaxheads.models.kept import KEPT
from jaxheads.models.layout import HeadKinds, LayerRun, attentions, joined, runs, stacks
from jaxheads.models.packing import Packing


class Trace(NamedTuple):
    """Last hidden states at the positions read, and what the observer made, `[B, L, H, ...]`."""

    hidden_BPD: Float[Array, "B P D"]
    observed: Any


class Cache(NamedTuple):
    """What the layers of one run of a decoder remember, on a leading axis of layers."""

    own: KeysValues  # of the tokens so far, `[n, B, T, h, K]`
    source: KeysValues


class Encoder(nnx.Module):
    """Embeddings and stacks of blocks, a decoder's after the encoder's; one code for all."""

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
        head_mask: Float[Array, "..."] | HeadKinds | None = None,
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

        A backward pass is left with what `kept` tells of each layer; with `remat` with its input
        alone, and computes the rest again: the same numbers in less memory and more time. `unroll`,
        for a CPU, keeps everything, and writes layers one after the other instead of a loop, which
        takes longer to compile.

        Raises:
          ValueError: for a gate of another shape, or an observer together with positions or
            packed rows.
        """
        if observe is not None and (where_BP is not None or packing is not None):
            raise ValueError("observe: expected all positions of rows of one example each")
        config = self.config
        plan = tuple(run for run in runs(config) if run.cross is None)
        keys = (None,) * (config.num_layers + 1)
        if key is not None:
            keys = jax.random.split(key, config.num_layers + 1)
        types_BT = jnp.zeros_like(tokens_BT) if types_BT is None else types_BT
        if packing is not None and head_mask is not None:
            head_mask = packing.gate_by_position(joined(head_mask))
        gate = full_gate(config, head_mask, tokens_BT.shape)
        x = self.embeddings(config, tokens_BT, real_BT, types_BT, dtype, keys[0], packing)
        apart = None if packing is None else packing.seen_RTT
        observed = []
        for run in plan:
            last = where_BP if run is plan[-1] else None
            x, seen = self._run(run, x, real_BT, gate, keys, observe, last, remat, apart, unroll)
            observed.append((run.layers, run.heads, seen))
        if config.pre_norm:
            x = self.final_norm(x)
        return Trace(x, None if observe is None else _gather(config, observed))

    def decode(
        self,
        tokens_BT: Int[Array, "B T"],
        real_BT: Bool[Array, "B T"],
        memory_BSD: Float[Array, "B S D"],
        real_BS: Bool[Array, "B S"],
        head_mask: Float[Array, "..."] | HeadKinds | None = None,
        *,
        key=None,
        observe: Observer | None = None,
        remat: bool = False,
        unroll: bool = False,
    ) -> Trace:
        """Hidden states of the decoder at every target position, which sees those before it.

        Raises:
          ValueError: for a gate of another shape.
        """
        config = self.config
        keys = (None,) * (config.num_layers + 1)
        if key is not None:
            keys = jax.random.split(key, config.num_layers + 1)
        gate = full_gate(config, head_mask, tokens_BT.shape)
        x = self.embeddings(config, tokens_BT, real_BT, None, memory_BSD.dtype, keys[0])
        before_TT = jnp.tril(jnp.ones((x.shape[1], x.shape[1]), bool))
        seen_BTT = before_TT & real_BT[:, None, :]
        observed, source = [], (memory_BSD, real_BS)
        for run in runs(config):
            if run.cross is not None:
                x, seen = self._run(
                    run, x, real_BT, gate, keys, observe, None, remat, seen_BTT, unroll, source
                )
                observed.append((run.layers, run.heads, seen[0]))
                observed.append((cross_layers(config, run), run.cross, seen[1]))
        return Trace(x, None if observe is None else _gather(config, observed))

    def caches(self, memory_BSD: Float[Array, "B S D"], length: int) -> tuple[Cache, ...]:
        """What the decoder remembers before the first of `length` tokens: the source alone."""
        found = []
        for run in runs(self.config):
            if run.cross is not None:
                graph, params = nnx.split(getattr(self, f"stack{run.stack}"))
                source = jax.vmap(
                    lambda row, graph=graph: nnx.merge(graph, row).cross.remember(memory_BSD)
                )(params)
                heads, width = len(run.heads[0]), self.config.head_width
                shape = (len(run.layers), len(memory_BSD), length, heads, width)
                empty = jnp.zeros(shape, memory_BSD.dtype)
                found.append(Cache(KeysValues(empty, empty), source))
        return tuple(found)

    def step(
        self,
        tokens_B1: Int[Array, "B 1"],
        at: Int[Array, ""],
        caches: tuple[Cache, ...],
        real_BS: Bool[Array, "B S"],
        head_mask: Float[Array, "..."] | HeadKinds | None = None,
    ) -> tuple[Float[Array, "B 1 D"], tuple[Cache, ...]]:
        """Hidden states of one token more, at the position `at`, and what is remembered then."""
        config, length = self.config, caches[0].own.key_BSHK.shape[2]
        dtype, found = caches[0].own.key_BSHK.dtype, []
        gate = full_gate(config, head_mask, tokens_B1.shape)
        x = self.embeddings(config, tokens_B1, None, None, dtype, None, at=at[None, None])
        so_far_BT = jnp.broadcast_to(jnp.arange(length) <= at, (len(x), length))
        for run, cache in zip(
            (r for r in runs(config) if r.cross is not None), caches, strict=True
        ):
            graph, rows = self._inputs(run, gate, (None,))

            def layer(x, row, graph=graph):
                row, cache = row
                block = nnx.merge(graph, row.params)
                own = jax.tree.map(
                    lambda old, new: jax.lax.dynamic_update_slice_in_dim(old, new, at, 1),
                    cache.own, block.attention.remember(x),
                )  # fmt: skip
                source = Source(cache.source, real_BS, row.cross_gate)
                x, _ = block(config, x, own, so_far_BT, row.gate, None, None, None, source=source)
                return x, own

            x, own = _scan(layer, x, (rows, cache), len(run.layers), False)
            found.append(Cache(own, cache.source))
        return x, tuple(found)

    def _inputs(self, run: LayerRun, gate, keys):
        """The graph of a run's stack, and what each of its layers takes."""
        graph, params = nnx.split(getattr(self, f"stack{run.stack}"))
        local = self.config.is_local[run.layers[0] : run.layers[-1] + 1]
        cross = None
        if run.cross is not None:
            cross = _run_gate(self.config, gate, cross_layers(self.config, run), run.cross)
        return graph, _RunInputs(
            params,
            _run_gate(self.config, gate, run.layers, run.heads),
            _run_keys(keys, run),
            jnp.asarray(local) if self.config.rotary_base else None,
            cross,
        )

    def _run(
        self, run: LayerRun, x, real_BT, gate, keys, observe, where_BP, remat, apart, unroll,
        source=None,
    ):  # fmt: skip
        graph, rows = self._inputs(run, gate, keys)
        chosen, params = None, rows.params
        if run.shared:
            chosen = _select_heads(jax.tree.map(lambda leaf: leaf[0], params), run.select)
            rows = rows._replace(params=None)

        if apart is not None and where_BP is not None:
            apart = jnp.take_along_axis(apart, where_BP[..., None], axis=1)

        def layer(x, memory, row: _RunInputs, at_BT):
            block = nnx.merge(graph, chosen if run.shared else row.params)
            reach = reach_of(self.config, row.local, at_BT, memory.shape[1])
            there = None if source is None else Source(source[0], source[1], row.cross_gate)
            return block(
                self.config, x, memory, real_BT, row.gate, row.key, observe, reach, apart, there
            )

        if remat:
            layer = jax.checkpoint(layer)
        elif not unroll:
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
    cross_gate: Any  # of a decoder's layers


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
    gate = jnp.asarray(joined(head_mask))
    if gate.shape == (layers, heads):
        return gate[None, :, :, None]
    allowed = ((1, batch), (1, layers), (heads,), (1, length))
    if gate.ndim != 4 or any(n not in ok for n, ok in zip(gate.shape, allowed, strict=True)):
        raise ValueError(
            f"head_mask: expected shape [{layers}, {heads}], or one that broadcasts over B, L, T "
            f"to [{batch}, {layers}, {heads}, {length}], got {list(gate.shape)}"
        )
    return jnp.broadcast_to(gate, (gate.shape[0], layers, heads, gate.shape[3]))


def cross_layers(config: EncoderConfig, run: LayerRun) -> tuple[int, ...]:
    """The numbers that a run's attentions to the source have among all layers."""
    return tuple(attentions(config, block)["cross"] for block in run.layers)


def _run_gate(config: EncoderConfig, gate, layers, heads):
    """The gate rows of a run, `[n, #B, h, #T]`, for the heads that its layers have."""
    if gate is None:
        return None
    rows = gate[:, layers[0] : layers[-1] + 1]
    if len(heads[0]) < config.num_heads:
        index = np.asarray(heads, np.int32).reshape(len(layers), -1)
        rows = rows[:, np.arange(len(layers))[:, None], index]
    return jnp.moveaxis(rows, 1, 0)


def _run_keys(keys, run: LayerRun):
    return None if keys[0] is None else jnp.stack([keys[1 + layer] for layer in run.layers])


def _gather(config: EncoderConfig, observed):
    """Stacked observations of runs as `[B, L, H, ...]`, zero where a head is cut or in no run."""
    layers_of, heads_of, seen = zip(*observed, strict=True)

    def join(*parts):
        batch, rest = parts[0].shape[1], parts[0].shape[3:]
        full = jnp.zeros((config.num_layers, config.num_heads, batch, *rest), parts[0].dtype)
        for run, kept, part in zip(layers_of, heads_of, parts, strict=True):
            heads = np.asarray(kept, np.int32).reshape(len(run), -1)
            layers = np.asarray(run)[:, None]
            full = full.at[layers, heads].set(jnp.swapaxes(part, 1, 2))
        return jnp.moveaxis(full, 2, 0)

    return jax.tree.map(join, *seen)
