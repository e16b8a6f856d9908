"""Dropout from a counter: each element's bits are a hash of its place and of the key.

The mask is a pure function of key and shape, so it is the same however the array is split over
devices, and it fuses into what is computed beside it: nothing random is stored or read. Drawn by
`jax.random.bernoulli` instead, the masks of attention took ten times as long as its softmax on a
CPU. The hash is the 32-bit finaliser "lowbias32" of Chris Wellons's hash-prospector, two rounds.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B


def drop(x: Float[Array, "..."], rate: float, key) -> Float[Array, "..."]:
    """Inverted dropout; the identity without a key or at rate 0."""
    if key is None or rate == 0.0:
        return x
    kept = place_bits(key, x.shape) >= jnp.uint32(round(rate * 2**32))
    return jnp.where(kept, x * jnp.asarray(1 / (1 - rate), x.dtype), 0)


def place_bits(key, shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """32 bits for every element: row `i` of the first axis and the place in it, hashed in turn.

    The rows have at most 2**32 elements each, else places repeat.
    """
    word, row_word = jax.random.bits(key, (2,), jnp.uint32)
    place, stride = jnp.zeros((1, *shape[1:]), jnp.uint32), 1
    for axis in reversed(range(1, len(shape))):
        along = jax.lax.broadcasted_iota(jnp.uint32, place.shape, axis)
        place, stride = place + jnp.uint32(stride % 2**32) * along, stride * shape[axis]
    rows = (shape[0], *(1,) * (len(shape) - 1))
    row = jax.lax.broadcasted_iota(jnp.uint32, rows, 0)
    return _mixed(_mixed(place ^ word) + _mixed(row ^ row_word))


def _mixed(bits: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """A bijection of 32-bit words in which every input bit moves every output bit."""
    bits = (bits ^ (bits >> 16)) * jnp.uint32(_FIRST)
    bits = (bits ^ (bits >> 15)) * jnp.uint32(_SECOND)
    return bits ^ (bits >> 16)
