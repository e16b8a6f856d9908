"""Differentiable subset pruning: exactly K heads, learned by gradient (Li, Cotterell, Sachan 2021).

Every head has a weight; the score is the weight. A step's gate is a relaxed sample of K heads: keys
`weight + Gumbel noise`, and a top-K of them that is soft at high temperature and hard at low. After
training the K heads of the highest weight are kept, by an exact mask.

Three relaxations are here. In float32, and in each for K from 1 to N:

bounded (the default): `gate = sigmoid((key - c) / T)` with the one c at which the gates add up to
    K. The gates lie in [0, 1], so none opens twice, and K = N gives ones. c is found by bisection
    in units of T from the middle between the K-th and the next key, on the logarithms of what the
    chosen lack and the others have: both are accurate where 1 - gate is not, at any gap between
    keys. The gradient is that of the implicit function, `s / T * (v - mean of v by s)` with
    `s = gate (1 - gate)`: at most |v| / 2T. This is our remedy for the faults of the next one.
chained: the paper's (relaxed subset sampling of Xie & Ermon 2019): K softmaxes, each key lowered by
    `log(1 - p)` in between. It has gates above 1 and, mid-way, fewer than K open heads. The code
    needs float64; here a key is taken out once p > 1 - 1e-6 (else, with spread weights at T = 1e-8,
    the floor of float32 lets chosen keys be chosen again and the budget breaks), what flows
    backwards is scaled down to 1e6 before each of the K softmaxes (else it overflows, each having a
    slope of 1 / T), and K = N is ones by definition.
straight_through: forward the K heads of the highest weights, without noise or temperature; backward
    the identity (`--use_ste` of the paper's code, and what its authors used later).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float

from jaxheads.importance.gates.gate import (
    Gate,
    Theta,
    all_present,
    check_budget,
    keep_top,
    no_penalty,
)

Numbers = Float[Array | np.ndarray, "*N"]
Present = Bool[Array | np.ndarray, "*N"]

HALVINGS = 50  # from 1e10, the widest interval (T = 1e-8, keys 100 apart), to 1e-5
CHOSEN = 1e-6  # a key whose probability is so near to 1 is taken out of the chain
MOST = 1e6  # the largest number that flows backwards from one link of the chain to the one before


class Annealing(NamedTuple):
    """Temperatures that fall geometrically from `start` to `end` over a share of the steps."""

    start: float
    end: float
    share: float


# The paper's code for BERT on MNLI: 25,000 of 36,816 steps.
PAPER = Annealing(1000.0, 1e-8, 25_000 / 36_816)
# For translation: 15,000 steps of 60 epochs, about 66,000 (160,000 pairs, 4,096 tokens a batch).
PAPER_TRANSLATION = Annealing(0.1, 1e-8, 15_000 / 66_000)
# Ours. It begins where the gates already differ (at 1000 all are K/N, which shrinks what attention
# adds N/K times), and ends where they are within a few hundredths of 0 or 1 but still have slopes.
SAFE = Annealing(1.0, 0.01, 0.8)
ANNEALING = {"safe": SAFE, "paper": PAPER, "paper_translation": PAPER_TRANSLATION}


def subset(
    heads: tuple[int, int],
    budget: int,
    *,
    steps: int,
    annealing: Annealing = SAFE,
    relaxation: str = "bounded",
    present: Any = None,
) -> Gate:
    """Exactly `budget` heads, by weights that are trained.

    Args:
      heads: `(L, H)`.
      budget: heads to keep.
      steps: of the training, over a share of which the temperature falls.
      annealing: how it falls; of no meaning for the relaxation straight_through.
      relaxation: bounded, chained or straight_through.
      present: the heads that the model has, bool `[L, H]`; None: all.

    Raises:
      ValueError: for a budget that is not 1 to the number of heads present, heads present that are
        not bool `[L, H]`, an unknown relaxation, or temperatures that do not fall between positive
        numbers over a share of the steps.
    """
    present_LH = all_present(heads, present)
    check_budget(budget, present_LH)
    if relaxation not in RELAXATIONS:
        wanted = f"one of {', '.join(RELAXATIONS)}"
        raise ValueError(f"relaxation: expected {wanted}, got {relaxation!r}")
    if not 0 < annealing.end <= annealing.start < np.inf or not 0 < annealing.share <= 1:
        raise ValueError(
            f"annealing: expected start >= end > 0 and a share in (0, 1], got {tuple(annealing)}"
        )
    numbers: dict[str, Any] = {"budget": np.int32(budget), "present_LH": present_LH}
    if relaxation != "straight_through":
        named = zip(("start", "end", "cooldown"), annealing, strict=True)
        numbers |= {name: np.float32(value) for name, value in named}
        numbers["cooldown"] = np.float32(annealing.share * steps)
    return Gate(
        init=Partial(_weights, present_LH=present_LH),
        sample=Partial(RELAXATIONS[relaxation], **numbers),
        penalty=Partial(no_penalty),
        score=Partial(_score, present_LH=present_LH),
        present=present_LH,
    )


def temperature(step, *, start, end, cooldown):
    """`start^(1 - s) end^s` with s the share of the cool-down that is done."""
    done = jnp.minimum(step / cooldown, 1.0)
    return jnp.exp(jnp.log(start) * (1 - done) + jnp.log(end) * done)


# -- functions of gates


def _weights(key, *, present_LH) -> Theta:
    """Xavier's uniform distribution over the [L, H] matrix, as the paper's code has it."""
    bound = np.sqrt(6 / sum(present_LH.shape))
    return {"weight": jax.random.uniform(key, present_LH.shape, minval=-bound, maxval=bound)}


def _score(theta: Theta, *, present_LH) -> Float[Array, "L H"]:
    return jnp.where(present_LH, theta["weight"], 0.0)


def _bounded(theta: Theta, key, step, *, budget, present_LH, **annealing) -> Float[Array, "L H"]:
    noisy_LH = theta["weight"] + jax.random.gumbel(key, present_LH.shape)
    return bounded_top(noisy_LH, budget, temperature(step, **annealing), present_LH)


def _chained(theta: Theta, key, step, *, budget, present_LH, **annealing) -> Float[Array, "L H"]:
    noisy_LH = theta["weight"] + jax.random.gumbel(key, present_LH.shape)
    return chained_top(noisy_LH, budget, temperature(step, **annealing), present_LH)


def _straight_through(theta: Theta, key, step, *, budget, present_LH) -> Float[Array, "L H"]:  # noqa: ARG001
    return straight_through_top(theta["weight"], budget, present_LH)


RELAXATIONS: dict[str, Callable[..., Any]] = {
    "bounded": _bounded,
    "chained": _chained,
    "straight_through": _straight_through,
}


# -- relaxations of top-K; the budget and the temperature may be traced


@jax.custom_vjp
def bounded_top(key: Numbers, budget, temperature, present: Present) -> Float[Array, "*N"]:
    """`sigmoid((key - c) / temperature)` that adds up to `budget`; 0 where not present."""
    return _bounded_top(key, budget, temperature, present)[0]


def _bounded_top(key, budget, temperature, present):
    x_N, top_N = _scaled(key.ravel(), budget, temperature, present.ravel())
    rest_N = present.ravel() & ~top_N
    total = present.sum()

    def lacking(c):  # the chosen lack more than the others have: c is too high
        lack = jax.nn.logsumexp(jax.nn.log_sigmoid(c - x_N), where=top_N)
        have = jax.nn.logsumexp(jax.nn.log_sigmoid(x_N - c), where=rest_N)
        return lack > have

    def halve(_, ends):
        low, high = ends
        middle = low + (high - low) / 2
        much = lacking(middle)
        return jnp.where(much, low, middle), jnp.where(much, middle, high)

    last = jnp.min(jnp.where(top_N, x_N, jnp.inf))
    next_one = jnp.max(jnp.where(rest_N, x_N, -jnp.inf))
    ends = (next_one - jnp.log(1.0 + total), last + jnp.log(1.0 + total))
    low, high = jax.lax.fori_loop(0, HALVINGS, halve, ends)
    gate_N = jax.nn.sigmoid(x_N - (low + (high - low) / 2))
    slope_N = gate_N * jax.nn.sigmoid((low + (high - low) / 2) - x_N)
    whole = budget >= total
    gate_N = jnp.where(whole | ~present.ravel(), present.ravel(), gate_N)
    slope_N = jnp.where(whole | ~present.ravel(), 0.0, slope_N)
    return gate_N.reshape(key.shape), slope_N.reshape(key.shape)


def _scaled(key_N, budget, temperature, present_N):
    """Keys in units of the temperature from the middle of the boundary, and which are chosen.

    Differences of keys near the boundary are exact, so that they are right at any temperature.
    """
    top_N = keep_top(key_N, budget, present_N) > 0
    last = jnp.min(jnp.where(top_N, key_N, jnp.inf))
    next_one = jnp.max(jnp.where(present_N & ~top_N, key_N, -jnp.inf))
    next_one = jnp.where(jnp.isfinite(next_one), next_one, last)  # none is left out
    x_N = ((key_N - last) + (last - next_one) / 2) / temperature
    return jnp.clip(x_N, -1e15, 1e15), top_N


def _bounded_forward(key, budget, temperature, present):
    gate, slope = _bounded_top(key, budget, temperature, present)
    return gate, (slope, temperature)


def _bounded_backward(kept, v):
    """Without a slope anywhere the gradient is 0."""
    slope, temperature = kept
    total = slope.sum()
    mean = jnp.where(total > 0, (slope * v).sum() / jnp.where(total > 0, total, 1.0), 0.0)
    return slope * (v - mean) / temperature, None, None, None


bounded_top.defvjp(_bounded_forward, _bounded_backward)


def chained_top(key: Numbers, budget, temperature, present: Present) -> Float[Array, "*N"]:
    """The sum of `budget` softmaxes, each without what those before it have taken."""
    size = key.size

    def link(carry, number):
        r_N, gone_N = carry
        p_N = jax.nn.softmax(jnp.where(gone_N, -1e30, _tamed(r_N) / temperature))
        chosen_N = p_N > 1 - CHOSEN
        left_N = jnp.where(gone_N | chosen_N, 1.0, 1.0 - p_N)
        return (r_N + jnp.log(left_N), gone_N | chosen_N), jnp.where(number < budget, p_N, 0.0)

    start = (key.ravel(), ~present.ravel())
    _, p_NN = jax.lax.scan(link, start, jnp.arange(size))
    whole = budget >= present.sum()
    return jnp.where(whole | ~present, present * 1.0, p_NN.sum(0).reshape(key.shape))


@jax.custom_vjp
def _tamed(x):
    """`x`; its cotangent is scaled down so that no entry is above `MOST`."""
    return x


def _tame(_, v):
    largest = jnp.max(jnp.abs(v))
    return (v * jnp.where(largest > MOST, MOST / largest, 1.0),)


_tamed.defvjp(lambda x: (x, None), _tame)


@jax.custom_vjp
def straight_through_top(weight: Numbers, budget, present: Present) -> Float[Array, "*N"]:
    """1 at the `budget` highest weights; its gradient is passed on to the weights as it is."""
    return keep_top(weight, budget, present)


straight_through_top.defvjp(
    lambda weight, budget, present: (keep_top(weight, budget, present), present),
    lambda present, v: (jnp.where(present, v, 0.0), None, None),
)
