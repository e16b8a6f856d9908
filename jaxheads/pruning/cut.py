"""Removing heads: physically (`cut`), or by zeros in a layout that any reader opens (`zero`).

Both take float parameters alone, as numpy or jax arrays or as shapes (`jax.eval_shape`), and any
tree of the same form, such as the state of an optimizer.
"""

from __future__ import annotations

import dataclasses
import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.layout import Heads, attentions, stacks
from jaxheads.models.model import Params, abstract_params
from jaxheads.pruning.mask import kept_heads

INWARD = ("query", "key", "value")


def cut(params: Params, config: EncoderConfig, mask_LH: ArrayLike) -> tuple[Params, EncoderConfig]:
    """The model without the heads that `mask_LH` drops; it computes what the gated one does.

    Masks are in original coordinates, also for a model that was cut before: heads that it no longer
    has must be dropped by the mask too. A layer without heads keeps its output bias. A shared block
    (ALBERT) loses a head when no layer uses it; what one layer drops is skipped in that layer.

    Raises:
      ValueError: for a mask that does not fit (`kept_heads`), or parameters that are not those of
        `config`.
    """
    kept = kept_heads(config, mask_LH)
    _check_params(params, config)
    smaller = _with_kept(config, kept)
    held, remaining = config.heads_by_block, smaller.heads_by_block
    blocks = [_block(params, config, number) for number in range(_block_count(config))]
    for number, block in enumerate(blocks):
        for name, own in attentions(config, number).items():
            block[name] = _select(block[name], _places(remaining[own], held[own]))
    return _restacked(params, smaller, blocks), smaller


def zero(params: Params, config: EncoderConfig, mask_LH: ArrayLike) -> Params:
    """Parameters in the uncut layout that compute without gates what `mask_LH` as a gate does.

    The output rows and the value columns and biases of every dropped head are zero, and so are its
    gradients: it stays silent in training. They belong to `replace(config, kept=None)` and open in
    any reader of that layout. Heads that a cut model no longer has come back as zeros.

    Raises:
      ValueError: as `cut`, and for a shared block of which only some layers drop a head, which no
        parameters can express.
    """
    kept = kept_heads(config, mask_LH)
    _check_params(params, config)
    _check_shared(config, kept)
    full = dataclasses.replace(config, kept=None)
    held, alive = config.heads_by_block, _with_kept(config, kept).heads_by_block
    blocks = [_block(params, config, number) for number in range(_block_count(config))]
    for number, block in enumerate(blocks):
        for name, own in attentions(config, number).items():
            block[name] = _silence(_spread(block[name], held[own], config), alive[own])
    return _restacked(params, full, blocks)


def check_zero(config: EncoderConfig, mask_LH: ArrayLike) -> None:
    """Check that `zero` will take a mask, before there are parameters to lose.

    Raises:
      ValueError: for a mask that does not fit, or a head that only some layers of a block drop.
    """
    _check_shared(config, kept_heads(config, mask_LH))


def fold(params: Params, config: EncoderConfig, gate_LH: ArrayLike) -> Params:
    """Parameters that compute without gates what real gates do: output rows are multiplied.

    Of an uncut or cut model, with a gate for every original head.

    Raises:
      ValueError: for gates of another shape, layers that share a block and have different gates, or
        parameters that are not those of `config`.
    """
    gate_LH = np.asarray(gate_LH, np.float32)
    expected = (config.num_layers, config.num_heads)
    if gate_LH.shape != expected:
        raise ValueError(f"fold: expected gates {list(expected)}, got {list(gate_LH.shape)}")
    _check_params(params, config)
    blocks = [_block(params, config, number) for number in range(_block_count(config))]
    for number, block in enumerate(blocks):
        for name, own in attentions(config, number).items():
            heads = list(config.heads_by_block[own])
            rows = gate_LH[np.equal(config.block_by_layer, own)][:, heads]
            if (rows != rows[0]).any():
                raise ValueError(f"fold: expected equal gates in layers of block {own}, got others")
            out = block[name]["out"]
            scaled = {**out, "kernel": out["kernel"] * rows[0][:, None, None]}
            block[name] = {**block[name], "out": scaled}
    return _restacked(params, config, blocks)


def _with_kept(config: EncoderConfig, kept: tuple[Heads, ...]) -> EncoderConfig:
    """The config with these heads; `kept` is None where all are there."""
    whole = all(len(heads) == config.num_heads for heads in kept)
    return dataclasses.replace(config, kept=None if whole else kept)


# -- blocks: one set of layer parameters, without the leading axis of its stack


def _block_count(config: EncoderConfig) -> int:
    return sum(len(stack.blocks) for stack in stacks(config))


def _block(params: Params, config: EncoderConfig, number: int) -> Params:
    for index, stack in enumerate(stacks(config)):
        if number in stack.blocks:
            take = operator.itemgetter(stack.blocks.index(number))
            return jax.tree.map(take, params["encoder"][f"stack{index}"])
    raise AssertionError(f"block {number} is in no stack")


def _restacked(params: Params, config: EncoderConfig, blocks: list[Params]) -> Params:
    """The parameters with `blocks` as the encoder's, stacked as `config` wants them."""
    others = params["encoder"].items()
    encoder = {name: part for name, part in others if not name.startswith("stack")}
    for index, stack in enumerate(stacks(config)):
        members = [blocks[number] for number in stack.blocks]
        encoder[f"stack{index}"] = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    return {**params, "encoder": encoder}


def _places(heads: Heads, held: Heads) -> np.ndarray:
    return np.array([held.index(head) for head in heads], np.int32)


def _select(attention: Params, places: np.ndarray) -> Params:
    """The attention with only the heads at these places among its own."""
    if len(places) == attention["out"]["kernel"].shape[0]:
        return attention
    return _map_heads(attention, lambda leaf, axis: jnp.take(leaf, places, axis=axis))


def _spread(attention: Params, held: Heads, config: EncoderConfig) -> Params:
    """The attention with its heads at their original numbers, and zeros between them."""
    if len(held) == config.num_heads:
        return attention

    def widen(leaf, axis: int):
        shape = (*leaf.shape[:axis], config.num_heads, *leaf.shape[axis + 1 :])
        where = (slice(None),) * axis + (np.array(held, np.int32),)
        return jnp.zeros(shape, leaf.dtype).at[where].set(leaf)

    return _map_heads(attention, widen)


def _silence(attention: Params, alive: Heads) -> Params:
    """The attention with zeros where another head than these writes its output."""
    value, out = attention["value"], attention["out"]
    alive_H1 = np.isin(np.arange(out["kernel"].shape[0]), alive)[:, None]
    return {
        **attention,
        "value": {end: jnp.where(alive_H1, leaf, 0) for end, leaf in value.items()},
        "out": {**out, "kernel": jnp.where(alive_H1[..., None], out["kernel"], 0)},
    }


def _map_heads(attention: Params, change) -> Params:
    """`change(leaf, axis)` on every parameter that has an axis of heads."""
    attention = dict(attention)
    for name in INWARD:
        axes = {"kernel": 1, "bias": 0}
        attention[name] = {end: change(leaf, axes[end]) for end, leaf in attention[name].items()}
    out = attention["out"]
    attention["out"] = {**out, "kernel": change(out["kernel"], 0)}
    return attention


# -- checks


def _check_params(params: Params, config: EncoderConfig) -> None:
    """ValueError that names every encoder parameter which is not as the config says."""
    expected, got = _shapes(config), _shapes_in(params["encoder"])
    problems = [
        f"{path}: expected {expected.get(path, 'none')}, got {got.get(path, 'none')}"
        for path in sorted(expected.keys() | got.keys())
        if expected.get(path) != got.get(path)
    ]
    if problems:
        raise ValueError("parameters do not fit the config: " + "; ".join(problems))


@functools.lru_cache
def _shapes(config: EncoderConfig) -> dict[str, list[int]]:
    return _shapes_in(abstract_params(config, ReadoutConfig())["encoder"])


def _shapes_in(encoder: Params) -> dict[str, list[int]]:
    leaves = jax.tree_util.tree_leaves_with_path(encoder)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): list(leaf.shape)
        for path, leaf in leaves
    }


def _check_shared(config: EncoderConfig, kept: tuple[Heads, ...]) -> None:
    """ValueError that names every head of a shared block which only some of its layers keep."""
    problems = []
    for block in range(max(config.block_by_layer) + 1):
        layers = [i for i, used in enumerate(config.block_by_layer) if used == block]
        for head in sorted({head for layer in layers for head in kept[layer]}):
            dropping = [layer for layer in layers if head not in kept[layer]]
            if dropping:
                problems.append(f"head {head} dropped only by {dropping} of layers {layers}")
    if problems:
        raise ValueError(
            "zero: layers that share a block must drop a head together: " + "; ".join(problems)
        )
