"""Scores that need neither data nor a forward pass: chance, and how large parameters are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxheads.config import EncoderConfig

KERNELS = {"query": 2, "key": 2, "value": 2, "out": 1}  # the axis of the heads in a stacked kernel


def chance(
    heads: tuple[int, int], seed: int, block_by_layer: Sequence[int] | None = None
) -> Float[np.ndarray, "L H"]:
    """Uniform in [0, 1), a pure function of the arguments; alike in layers that share heads."""
    bits = np.random.Philox(np.random.SeedSequence(seed)).random_raw(heads[0] * heads[1])
    score_LH = ((bits >> np.uint64(11)) / 2.0**53).reshape(heads)
    return score_LH if block_by_layer is None else score_LH[list(block_by_layer)]


def magnitude(config: EncoderConfig, params: Any) -> Float[np.ndarray, "L H"]:
    """The Frobenius norm of a head's W_q, W_k, W_v and W_o together, without biases; 0 where cut.

    Layers that share a block show its heads alike.
    """
    encoder = params["encoder"]
    stacked = [encoder[f"stack{i}"] for i in range(sum(k.startswith("stack") for k in encoder))]
    norm_by_block = [
        row
        for name in ("attention", "cross")
        for stack in stacked
        for row in (_norms(stack[name]) if name in stack else ())
    ]
    score_LH = np.zeros((config.num_layers, config.num_heads))
    for layer, block in enumerate(config.block_by_layer):
        score_LH[layer, list(config.heads_by_block[block])] = norm_by_block[block]
        cut = sorted(set(range(config.num_heads)) - set(config.heads_by_layer[layer]))
        score_LH[layer, cut] = 0
    return score_LH


def _norms(attention: Any) -> Float[np.ndarray, "n h"]:
    total = 0.0
    for name, heads in KERNELS.items():
        kernel = np.square(np.asarray(attention[name]["kernel"], np.float64))
        others = tuple(axis for axis in range(1, kernel.ndim) if axis != heads)
        total = total + kernel.sum(others)
    return np.sqrt(total)
