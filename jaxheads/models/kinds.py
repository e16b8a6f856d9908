"""The three kinds of heads of an encoder-decoder, as one tree of `[L, H]` arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxheads.config import EncoderConfig


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
