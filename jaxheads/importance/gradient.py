"""Effects of heads from the gradient of the loss with respect to the gate alone.

The gate has a row for each example and the loss is a sum over examples, so one backward pass gives
every example's own gradient, whatever the batch size. No parameter gradient is computed.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxheads.inference.evaluate import AnswerRows, answer_rows
from jaxheads.objectives import Objective, packing_of
from jaxheads.parallel.mesh import split_gate, split_over_data


class Effects(NamedTuple):
    """Of each head on each example: what it adds to the loss, and the same by position.

    `token_BLH` is the sum over positions of the absolute effect there, None unless asked for.
    `loss_B` is the loss at the gate where the effects were taken, and `answers` what the model
    answered there, None unless asked for.
    """

    effect_BLH: Float[Array, "B L H"]
    loss_B: Float[Array, "B"]
    token_BLH: Float[Array, "B L H"] | None = None
    answers: AnswerRows | None = None


@functools.partial(jax.jit, static_argnames=("objective", "token", "answered", "mesh"))
def gate_gradients(
    objective: Objective,
    params: Any,
    batch: Any,
    gate_LH: Float[Array | np.ndarray, "L H"],
    *,
    same_LL: Float[Array | np.ndarray, "L L"] | None = None,
    token: bool = False,
    answered: bool = False,
    mesh: Mesh | None = None,
) -> Effects:
    """First-order effects `gate * dloss/dgate` of every head on every example of a batch.

    The head importance of Michel et al. 2019 (section 4.1) before the absolute value and the mean.
    Equal to `<context, dloss/dcontext>` and, summed over examples, to `sum(W_o * dloss/dW_o)` of
    the head; so a head that is masked (gate 0) has an effect of exactly 0.

    Args:
      gate_LH: where the gradient is taken, ones for the whole model.
      same_LL: 1 where two layers share parameters: effects by position are summed over the uses of
        a head before the absolute value.
      token: also by position; a pair's two sentences have positions of their own.
      answered: also what the model answers, from the same pass.

    Returns:
      Effects in the units of the loss, negative for a useful head.
    """
    gate = _start(batch, gate_LH, token, mesh)
    gradient, outcome = _gradient(objective, params, batch, gate)
    found = _effects(gate * gradient, outcome.loss_B, batch, same_LL, token=token, mesh=mesh)
    return found._replace(answers=answer_rows(outcome, batch, mesh)) if answered else found


@functools.partial(jax.jit, static_argnames=("objective", "token", "mesh"))
def integrated_gradients(
    objective: Objective,
    params: Any,
    batch: Any,
    gate_LH: Float[Array | np.ndarray, "L H"],
    rule_2m: tuple[Float[Array | np.ndarray, "m"], Float[Array | np.ndarray, "m"]],
    *,
    same_LL: Float[Array | np.ndarray, "L L"] | None = None,
    token: bool = False,
    mesh: Mesh | None = None,
) -> Effects:
    """Effects along the path `t * gate`, t from 0 to 1 (Sundararajan et al. 2017, equation 1).

    `gate * integral dloss/dgate(t * gate) dt`. An example's effects add up to its loss at the gate
    less its loss with every head at 0, but for the error of the rule.

    Args:
      gate_LH: the end of the path, ones for the whole model.
      rule_2m: nodes and weights, from `quadrature`.
      same_LL: 1 where two layers share parameters: effects by position are summed over the uses of
        a head before the absolute value.
      token: also by position; a pair's two sentences have positions of their own.

    Returns:
      Effects in the units of the loss; `loss_B` is the loss at the last node.
    """
    gate = _start(batch, gate_LH, token, mesh)

    def add(total, point):
        node, weight = point
        gradient, outcome = _gradient(objective, params, batch, node * gate)
        return total + weight * gradient, outcome.loss_B

    total, losses_mB = jax.lax.scan(add, jnp.zeros_like(gate), rule_2m)
    return _effects(gate * total, losses_mB[-1], batch, same_LL, token=token, mesh=mesh)


def _start(batch, gate_LH, token: bool, mesh: Mesh | None):
    """The gate as `[B, L, H, 1]`; by position `[rows, L, H, T]`, where a pair has two rows."""
    *rows, length = batch.real_BT.shape if token else (len(batch.weight_B), 1)
    gate = jnp.asarray(gate_LH, jnp.float32)[None, :, :, None]
    return split_gate(mesh, jnp.broadcast_to(gate, (int(np.prod(rows)), *gate_LH.shape, length)))


def _gradient(objective, params, batch, gate) -> tuple[Any, Any]:
    """The gradient of the losses' sum, and the outcome; an objective of one's own may give less."""

    def total(gate):
        outcome = objective(params, gate, batch, None)
        return (outcome.loss_B * (batch.weight_B > 0)).sum(), outcome

    return jax.grad(total, has_aux=True)(gate)


def _effects(effect, loss_B, batch, same_LL, *, token: bool, mesh: Mesh | None) -> Effects:
    effect_BLH = _by_example(effect, batch)
    effect_BLH, loss_B = split_over_data(mesh, effect_BLH), split_over_data(mesh, loss_B)
    if not token:
        return Effects(effect_BLH, loss_B)
    if same_LL is not None:
        effect = jnp.einsum("lm,bmht->blht", same_LL, effect, precision="highest")
    token_BLH = _by_example(jnp.abs(effect), batch)
    return Effects(effect_BLH, loss_B, split_over_data(mesh, token_BLH))


def _by_example(effect, batch):
    """Sums over what belongs to one example: positions, rows of a pair, or a part of a row."""
    packing = packing_of(batch)
    if packing is not None and effect.shape[-1] > 1:
        return packing.sum_over_examples(effect)
    by_row = effect.sum(-1)
    return by_row.reshape(len(batch.weight_B), -1, *by_row.shape[1:]).sum(1)


def _gauss(m: int):
    nodes, weights = np.polynomial.legendre.leggauss(m)
    return (nodes + 1) / 2, weights / 2


def _trapezoid(m: int):
    nodes = np.linspace(0, 1, max(m, 2))
    weights = np.full(nodes.size, 1 / (nodes.size - 1))
    weights[[0, -1]] /= 2
    return nodes, weights


def _left(m: int):
    return np.arange(m) / m, np.full(m, 1 / m)


RULES = {
    "gauss": _gauss,  # Gauss-Legendre, exact for polynomials of degree 2 m - 1
    "trapezoid": _trapezoid,  # with both ends
    "left": _left,  # Riemann's sum from 0 to 1 - 1/m
}


def quadrature(rule: str, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in [0, 1] and weights that add up to 1, float32 `[m]` each.

    Raises:
      ValueError: for an unknown rule, or less than one point.
    """
    if rule not in RULES or points < 1:
        raise ValueError(
            f"integral: expected a rule among {', '.join(RULES)} and at least 1 point, "
            f"got {rule!r} and {points}"
        )
    nodes, weights = RULES[rule](points)
    return nodes.astype(np.float32), weights.astype(np.float32)
