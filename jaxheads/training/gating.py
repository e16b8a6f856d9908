"""What is seen of a gate while it is trained."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxheads.importance.gates.gate import Gate, keep_top
from jaxheads.training.step import TrainState, gate_key


class Gated(NamedTuple):
    """A line of the log: the gate after so many steps.

    `open` is what the sample of the last step adds up to. `overlap` says how many of the heads that
    are on in the sample, above one half or the highest of them, are among the equally many of the
    highest scores: 1 where training sees the heads that would be kept, and less where it does not.
    """

    step: int
    gates: dict[str, float]


def agreement(gate: Gate, state: TrainState, seed: Any) -> dict[str, Float[Array, ""]]:
    """`open` and `overlap` of the last step's sample, on the device; nothing if none is trained.

    The sample is drawn again, with the trained numbers as they are after the step.
    """
    theta = state.trainable["gates"]
    return _agreement(gate, theta, seed, state.step - 1) if theta else {}


@jax.jit
def sampled(gate: Gate, theta, seed, step):
    """The gate of a step, counted from 0, drawn again with these numbers."""
    return gate.sample(theta, gate_key(seed, step), step)


@jax.jit
def _agreement(gate: Gate, theta, seed, step):
    sample_LH = sampled(gate, theta, seed, step)
    present_LH = jnp.ones(sample_LH.shape, bool) if gate.present is None else gate.present
    count = jnp.maximum(jnp.round(sample_LH.sum()), 1.0).astype(jnp.int32)
    seen, kept = (keep_top(x, count, present_LH) for x in (sample_LH, gate.score(theta)))
    return {"open": sample_LH.sum(), "overlap": (seen * kept).sum() / count}
