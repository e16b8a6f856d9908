"""L0 gates: hard concrete variables and a price on those that are open (Louizos et al. 2018).

As Voita et al. 2019 put them on heads, with the constants of their code. Two ways to set the price:
a strength that is chosen (`l0`; a sweep of it gives different numbers of heads), or multipliers
that are trained against the gates until a wanted number is open (`lagrangian`, as CoFi, Xia et al.
2022). The score is `log_alpha`, the logarithm of the odds that rule a gate.

Gates start open (`log_alpha` about 2.5): a converged model is left nearly as it is, where the
Glorot start of the codes (about 0) halves every head.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float

from jaxheads.importance.gates.gate import Gate, Theta, all_present, check_budget

TEMPERATURE, LOW, HIGH, EPS = 0.33, -0.1, 1.1, 1e-6
START, SPREAD = 2.5, 0.1  # of log_alpha; the spread makes seeds differ


def l0(heads: tuple[int, int], strength: float, *, present: Any = None) -> Gate:
    """Gates whose penalty is `strength` times the expected number of open heads.

    Args:
      heads: `(L, H)`.
      strength: the price of a head, in the units of a loss that is a mean over examples; the
        penalty is the sum over all heads, which other codes scale otherwise.
      present: the heads that the model has, bool `[L, H]`; None: all.

    Raises:
      ValueError: for a strength below 0, or heads present that are not bool `[L, H]`.
    """
    if not 0 <= strength < np.inf:
        raise ValueError(f"strength: expected a number from 0, got {strength}")
    present_LH = all_present(heads, present)
    price = Partial(_price, strength=np.float32(strength), present_LH=present_LH)
    return Gate(
        init=Partial(_open, present_LH=present_LH),
        sample=Partial(_sample, present_LH=present_LH),
        penalty=price,
        score=Partial(_score, present_LH=present_LH),
        present=present_LH,
    )


def lagrangian(heads: tuple[int, int], budget: int, *, present: Any = None) -> Gate:
    """Gates of which `budget` are expected to be open at the end, by trained multipliers.

    The penalty is `m1 g + m2 g^2` with g the heads that are open beyond the budget, as a share of
    those that could be (below it: that are missing, as a share of the budget, so that a small one
    pulls back as hard as it pushes). The gates descend and the multipliers, which start at 0,
    ascend: their gradient is reversed.

    Args:
      heads: `(L, H)`.
      budget: heads to keep.
      present: the heads that the model has, bool `[L, H]`; None: all.

    Raises:
      ValueError: for a budget that is not 1 to the number of heads present, or heads present that
        are not bool `[L, H]`.
    """
    present_LH = all_present(heads, present)
    check_budget(budget, present_LH)
    return Gate(
        init=Partial(_open_with_multipliers, present_LH=present_LH),
        sample=Partial(_sample, present_LH=present_LH),
        penalty=Partial(_contract, budget=np.float32(budget), present_LH=present_LH),
        score=Partial(_score, present_LH=present_LH),
        present=present_LH,
    )


# -- hard concrete variables


def hard_concrete(
    log_alpha: Float[Array | np.ndarray, "..."], uniform: Float[Array | np.ndarray, "..."]
) -> Float[Array, "..."]:
    """Gates in [0, 1] from numbers that are uniform in (0, 1)."""
    logit = jnp.log(uniform) - jnp.log1p(-uniform)
    open_share = jax.nn.sigmoid((logit + log_alpha) / TEMPERATURE)
    return jnp.clip(open_share * (HIGH - LOW) + LOW, 0.0, 1.0)  # stretched, then clipped


def probability_open(log_alpha: Float[Array | np.ndarray, "..."]) -> Float[Array, "..."]:
    """How likely a gate is not 0."""
    return jax.nn.sigmoid(log_alpha - TEMPERATURE * np.log(-LOW / HIGH))


def naturally_open(score: Float[np.ndarray, "*heads"]) -> Bool[np.ndarray, "*heads"]:
    """The mask that a run chose itself: gates without noise above 0.5, at whatever budget."""
    return np.asarray(score) > 0


# -- functions of gates


def _open(key, *, present_LH) -> Theta:
    return {"log_alpha": START + SPREAD * jax.random.normal(key, present_LH.shape)}


def _open_with_multipliers(key, *, present_LH) -> Theta:
    return {**_open(key, present_LH=present_LH), "multipliers": jnp.zeros(2)}


def _sample(theta: Theta, key, step, *, present_LH) -> Float[Array, "L H"]:  # noqa: ARG001
    uniform_LH = jax.random.uniform(key, present_LH.shape, minval=EPS, maxval=1 - EPS)
    return jnp.where(present_LH, hard_concrete(theta["log_alpha"], uniform_LH), 0.0)


def _expected(theta: Theta, present_LH) -> Float[Array, ""]:
    return jnp.where(present_LH, probability_open(theta["log_alpha"]), 0.0).sum()


def _price(theta: Theta, *, strength, present_LH) -> Float[Array, ""]:
    return strength * _expected(theta, present_LH)


def _contract(theta: Theta, *, budget, present_LH) -> Float[Array, ""]:
    over = _expected(theta, present_LH) - budget
    room = present_LH.sum() - budget
    beyond = over / jnp.where(over > 0, jnp.maximum(room, 1.0), budget)
    first, second = _reversed(theta["multipliers"])
    return first * beyond + second * jnp.square(beyond)


def _score(theta: Theta, *, present_LH) -> Float[Array, "L H"]:
    return jnp.where(present_LH, theta["log_alpha"], 0.0)


@jax.custom_vjp
def _reversed(x):
    return x


_reversed.defvjp(lambda x: (x, None), lambda _, v: (-v,))
