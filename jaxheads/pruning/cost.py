"""What a model costs: its parameters and the multiply-adds of its encoder, exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
from numpy.typing import ArrayLike

from jaxheads.config import EncoderConfig
from jaxheads.pruning.mask import kept_heads


def count_parameters(model: EncoderConfig | Mapping[str, Any]) -> int:
    """Parameters of an encoder, by its config, or of any tree of arrays (readout and all)."""
    if not isinstance(model, EncoderConfig):
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(model))
    width, inner, biased = model.hidden_size, model.intermediate_size, int(model.biases)
    per_head = (4 * width + 3 * biased) * model.head_width
    norm = (1 + biased) * width
    per_block = 2 * norm + _fed(model) * width * inner + biased * (inner + 2 * width)  # out, down
    heads, crossed = sum(map(len, model.heads_by_block)), model.decoder_layers
    blocks = (len(model.heads_by_block) - crossed) * per_block + crossed * (norm + biased * width)
    return _embedding_parameters(model) + blocks + heads * per_head


def multiply_adds(config: EncoderConfig, length: int, mask_LH: ArrayLike | None = None) -> int:
    """Multiply-adds of the encoder for one sequence of `length` tokens, cut to `mask_LH` if given.

    Of an encoder-decoder, for a source and a target of that length in one pass.

    Matrix products alone: projections, attention scores and averages, feed-forward, and ALBERT's
    projection of the embeddings; no biases, norms, softmax or readout.

    Raises:
      ValueError: as `kept_heads`.
    """
    kept = config.heads_by_layer if mask_LH is None else kept_heads(config, mask_LH)
    return _fixed_multiply_adds(config, length) + sum(map(len, kept)) * _per_head(config, length)


def ideal_speedup(config: EncoderConfig, length: int, mask_LH: ArrayLike) -> float:
    """How many times fewer multiply-adds the encoder has when cut to `mask_LH`."""
    return multiply_adds(config, length) / multiply_adds(config, length, mask_LH)


def _per_head(config: EncoderConfig, length: int) -> int:
    """Four projections, and every query with every key, twice."""
    return config.head_width * length * (4 * config.hidden_size + 2 * length)


def _fixed_multiply_adds(config: EncoderConfig, length: int) -> int:
    layers = config.num_layers - config.decoder_layers
    fed = _fed(config) * layers * length * config.hidden_size * config.intermediate_size
    projection = length * config.embedding_width * config.hidden_size
    return fed + config.has_projection * projection


def _fed(config: EncoderConfig) -> int:
    """How many matrices a feed-forward layer has."""
    return 2 + config.gates_feed_forward


def _embedding_parameters(config: EncoderConfig) -> int:
    """The tables with their norm, and the projection; nothing more for a norm at the end, which
    stands for the one that the first layer then lacks.
    """
    places = config.max_positions if config.has_position_table else 0
    norm = (1 + config.biases) * config.norms_embeddings
    rows = config.vocab_size + places + config.type_vocab_size + norm
    projection = (config.embedding_width + 1) * config.hidden_size
    return rows * config.embedding_width + config.has_projection * projection


def classifier_multiply_adds(config: EncoderConfig, length: int) -> float:
    """Of one forward pass for a classifier: the last layer computes keys and values in full."""
    layers = config.num_layers
    return multiply_adds(config, length) * (layers - 1) / layers + 2 * length * (
        config.hidden_size * config.hidden_size
    )
