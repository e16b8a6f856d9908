"""How the heads of a model lie in an array, and its blocks are stored (stacks) and run (runs).

A block is one set of layer parameters. Consecutive blocks with equally many heads are stored
stacked on a leading axis, so that a uniform encoder is one scan and a cut one a short sequence of
scans. The last layer always stands alone: a readout needs few of its positions, and only those are
computed. A shared block (ALBERT) stands alone too and is scanned over the layers that use it. A
decoder's blocks come after the encoder's; each has a second attention, to the source, whose heads
are those of the layer `decoder_layers` further on.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxheads.config import EncoderConfig

Heads = tuple[int, ...]


class HeadKinds(NamedTuple):
    """What there is of each head of an encoder-decoder: gates, scores or decisions, `[L, H]` each.

    A decoder has as many layers of `decoder` as of `cross`. Wherever one array of all heads is
    taken, so is this tree; as an array it has the layers of the three kinds in this order.
    """

    encoder: Any  # the encoder's self-attention
    decoder: Any  # the decoder's self-attention
    cross: Any  # the decoder's attention to the source

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """All layers as one array `[L, H]`."""
        del copy
        return np.asarray(np.concatenate([np.asarray(part) for part in self]), dtype)


def by_kind(config: EncoderConfig, heads: Any) -> Any:
    """What an array `[L, H, ...]` of all heads says of each kind; of an encoder it is the array."""
    if not config.decoder_layers:
        return heads
    ends = (config.encoder_layers, config.num_layers - config.decoder_layers)
    return HeadKinds(heads[: ends[0]], heads[ends[0] : ends[1]], heads[ends[1] :])


def kinds_of(config: EncoderConfig, heads: Any) -> dict[str, Any]:
    """What an array of all heads says of each kind by its name; of an encoder, of its one kind."""
    found = by_kind(config, heads)
    return found._asdict() if isinstance(found, HeadKinds) else {"encoder": found}


def joined(heads: Any) -> Any:
    """One array of all heads, `[L, H]` or `[B, L, H, T]`, of such arrays by kind; others as is."""
    if not isinstance(heads, HeadKinds):
        return heads
    return jnp.concatenate([jnp.asarray(part) for part in heads], axis=jnp.ndim(heads.cross) // 4)


def as_given(given: Any, heads: Any) -> Any:
    """An array of all heads in the form in which another one was given."""
    if not isinstance(given, HeadKinds):
        return heads
    ends = np.cumsum([len(part) for part in given])
    return HeadKinds(*np.split(heads, ends[:-1]))


class Stack(NamedTuple):
    """Blocks stored together: their numbers, and the original heads of each (equally many)."""

    blocks: tuple[int, ...]
    heads: tuple[Heads, ...]
    norms_attention: bool  # not the first block of a model whose norms come before its sublayers
    cross: tuple[Heads, ...] | None = None  # of a decoder's blocks: the heads that see the source

    @property
    def num_heads(self) -> int:
        """Heads present in each block of the stack."""
        return len(self.heads[0])


class LayerRun(NamedTuple):
    """Layers computed by one scan over one stack.

    `heads` names the original heads of each layer, equally many. `select` gives, for a shared
    block, the positions of those heads among the block's own (`None`: all of them, in order).
    """

    stack: int
    layers: tuple[int, ...]
    heads: tuple[Heads, ...]
    shared: bool
    select: tuple[int, ...] | None
    cross: tuple[Heads, ...] | None = None


def attentions(config: EncoderConfig, block: int) -> dict[str, int]:
    """The attentions of a block by the number that each has among those of the model."""
    if block < config.encoder_layers:
        return {"attention": block}
    return {"attention": block, "cross": block + config.decoder_layers}


@functools.lru_cache
def stacks(config: EncoderConfig) -> tuple[Stack, ...]:
    """The model's stacks in order; stack `i` holds the parameters under the name `stack{i}`."""
    held = config.heads_by_block
    blocks = len(held) - config.decoder_layers
    last = -1 if config.decoder_layers else blocks - 1

    def crossed(block: int) -> Heads | None:
        number = attentions(config, block).get("cross")
        return None if number is None else held[number]

    def bare(block: int) -> bool:
        return config.pre_norm and block == 0

    alike = (
        (lambda block: block)
        if config.shares_blocks
        else (lambda block: (bare(block), block == last, len(held[block]), _count(crossed(block))))
    )
    groups = (tuple(group) for _, group in itertools.groupby(range(blocks), alike))
    return tuple(
        Stack(
            group,
            tuple(held[block] for block in group),
            not bare(group[0]),
            None if crossed(group[0]) is None else tuple(crossed(b) or () for b in group),
        )
        for group in groups
    )


def _count(heads: Heads | None) -> int | None:
    return None if heads is None else len(heads)


@functools.lru_cache
def runs(config: EncoderConfig) -> tuple[LayerRun, ...]:
    """The model's runs, in order of computation: every layer once, an encoder's last one alone."""
    if config.shares_blocks:
        return _shared_runs(config)
    return tuple(
        LayerRun(number, stack.blocks, stack.heads, False, None, stack.cross)
        for number, stack in enumerate(stacks(config))
    )


def _shared_runs(config: EncoderConfig) -> tuple[LayerRun, ...]:
    blocks, heads, held = config.block_by_layer, config.heads_by_layer, config.heads_by_block
    last = config.num_layers - 1
    out = []
    for (block, kept, _), group in itertools.groupby(
        range(config.num_layers), lambda layer: (blocks[layer], heads[layer], layer == last)
    ):
        layers = tuple(group)
        select = tuple(held[block].index(head) for head in kept)
        whole = kept == held[block]
        out.append(LayerRun(block, layers, (kept,) * len(layers), True, None if whole else select))
    return tuple(out)
