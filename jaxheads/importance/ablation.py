"""Effects of heads from forward passes with heads removed; many variants of the gate at a time.

The variants are vectorised over, not looped over, so that one compilation serves all of them and
what does not depend on the gate is computed once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxheads.importance.units import same_block
from jaxheads.objectives import Objective, Outcome
from jaxheads.parallel.mesh import split_over_data

ExampleMetric = Callable[[Outcome, Any], Float[Array, "B"]]  # (outcome, batch) -> more is better


class Variants(NamedTuple):
    """Gates to try: first the unchanged one, then one for each entry of `entries`.

    An entry is the `(layers, heads)` indices that the variant's effect is written to; there are
    several where layers share a head. `sign` makes the effect negative for a head worth keeping.
    """

    gates_VLH: Float[np.ndarray, "V L H"]
    entries: tuple[tuple[np.ndarray, np.ndarray], ...]
    sign: float


def without_each(
    gate_LH: Float[np.ndarray, "L H"], block_by_layer: Sequence[int] | None = None
) -> Variants:
    """Each present head at 0: in one layer, or at once in all layers that share its parameters.

    The effect is what the head adds to the cost (the loss, or minus a measure): the cost with it
    less the cost without it.
    """
    blocks = range(len(gate_LH)) if block_by_layer is None else block_by_layer
    gate_LH, same_LL = np.asarray(gate_LH, np.float32), same_block(blocks)
    gates, entries = [gate_LH], []
    for layer, head in zip(*np.nonzero(gate_LH), strict=True):
        layers = np.flatnonzero(same_LL[layer] & (gate_LH[:, head] != 0))
        if layer == layers[0]:  # else it was removed together with its use in an earlier layer
            changed = gate_LH.copy()
            changed[layers, head] = 0
            gates.append(changed)
            entries.append((layers, np.full_like(layers, head)))
    return Variants(np.stack(gates), tuple(entries), sign=1.0)


def alone_in_layer(gate_LH: Float[np.ndarray, "L H"]) -> Variants:
    """Each present head as the only one of its layer, the other layers whole (Michel et al. 2019).

    The effect is what the removal of the others adds to the cost: 0 for the only head of a layer.
    """
    gate_LH = np.asarray(gate_LH, np.float32)
    gates, entries = [gate_LH], []
    for layer, head in np.argwhere(gate_LH):
        changed = gate_LH.copy()
        changed[layer] = 0
        changed[layer, head] = gate_LH[layer, head]
        gates.append(changed)
        entries.append((np.array([layer]), np.array([head])))
    return Variants(np.stack(gates), tuple(entries), sign=-1.0)


def chunks(variants: Variants, size: int) -> Iterator[Float[np.ndarray, "c L H"]]:
    """The gates in pieces of `size`, the last one filled up with the unchanged gate."""
    gates = variants.gates_VLH
    pick = np.arange(-(-len(gates) // size) * size)
    pick[pick >= len(gates)] = 0
    for part in pick.reshape(-1, size):
        yield gates[part]


@functools.partial(jax.jit, static_argnames=("objective", "measure", "mesh"))
def costs(
    objective: Objective,
    params: Any,
    batch: Any,
    gates_cLH: Float[Array | np.ndarray, "c L H"],
    *,
    measure: ExampleMetric | None = None,
    mesh: Mesh | None = None,
) -> Float[Array, "B c"]:
    """Under every gate the loss of every example, or minus a measure of which more is better.

    Args:
      gates_cLH: the variants, vectorised over: memory grows with `c` times the examples.
      measure: `(outcome, batch) -> [B]`, in place of minus the loss.
    """

    def one(gate_LH):
        outcome = objective(params, gate_LH, batch, None)
        return outcome.loss_B if measure is None else -measure(outcome, batch)

    return split_over_data(mesh, jax.vmap(one, out_axes=1)(jnp.asarray(gates_cLH, jnp.float32)))


def effects(variants: Variants, costs_bV: Float[np.ndarray, "b V"]) -> Float[np.ndarray, "b L H"]:
    """The effect of every head on every example, 0 for heads that are absent, float64."""
    costs_bV = costs_bV.astype(np.float64)
    effect_bLH = np.zeros((len(costs_bV), *variants.gates_VLH.shape[1:]))
    for number, (layers, heads) in enumerate(variants.entries, start=1):
        change_b = variants.sign * (costs_bV[:, 0] - costs_bV[:, number])
        effect_bLH[:, layers, heads] = change_b[:, None]
    return effect_bLH
