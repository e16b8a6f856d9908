"""Several examples in one row of tokens, kept apart: no padding between short ones.

A packed row `R` of `T` tokens has room for `S` examples; `B = R S` counts them row by row. Tokens
see those of their own example alone, positions begin anew with each, and what is read of a row is
read of each of its examples. A gate for every example becomes one for every position, so that the
gradient comes back as each example's own.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Packing(NamedTuple):
    """Where the examples of packed rows lie; a place without an example has no token."""

    slot_RT: Int[Array, "R T"]  # the place of each token's example in its row; -1: of none
    start_RS: Int[Array, "R S"]  # where the example of each place begins

    @property
    def own_RTS(self) -> Bool[Array, "R T S"]:
        """Whether a token belongs to the example of a place."""
        return self.slot_RT[:, :, None] == jnp.arange(self.start_RS.shape[1])

    @property
    def seen_RTT(self) -> Bool[Array, "R T T"]:
        """Whether a token sees another: those of one example."""
        return (self.slot_RT[:, :, None] == self.slot_RT[:, None]) & (self.slot_RT >= 0)[:, None]

    @property
    def position_RT(self) -> Int[Array, "R T"]:
        """How many tokens of its example stand before each."""
        start = jnp.take_along_axis(self.start_RS, jnp.maximum(self.slot_RT, 0), axis=1)
        return jnp.arange(self.slot_RT.shape[1]) - start

    def gate_by_position(self, gate: Float[Array, "..."]) -> Float[Array, "..."]:
        """A gate for each example, `[B, L, H, 1]`, as one for each token, `[R, L, H, T]`.

        Any other, such as one for all examples, is returned as it is.
        """
        rows, places = self.start_RS.shape
        if jnp.ndim(gate) != 4 or gate.shape[0] != rows * places or gate.shape[3] != 1:
            return gate
        gate_RSLH = gate.reshape(rows, places, *gate.shape[1:3])
        own = self.own_RTS.astype(gate.dtype)
        return jnp.einsum("rts,rslh->rlht", own, gate_RSLH, precision="highest")

    def sum_over_examples(self, x_RLHT: Float[Array, "R L H T"]) -> Float[Array, "B L H"]:
        """Sums over the tokens of each example."""
        own = self.own_RTS.astype(x_RLHT.dtype)
        sums = jnp.einsum("rlht,rts->rslh", x_RLHT, own, precision="highest")
        return sums.reshape(-1, *sums.shape[2:])

    def mean_over_examples(self, hidden_RTD: Float[Array, "R T D"]) -> Float[Array, "B D"]:
        """Means over the tokens of each example; zero where there is none."""
        own = self.own_RTS.astype(hidden_RTD.dtype)
        sums = jnp.einsum("rtd,rts->rsd", hidden_RTD, own, precision="highest")
        return (sums / jnp.maximum(own.sum(1), 1)[..., None]).reshape(-1, sums.shape[-1])
