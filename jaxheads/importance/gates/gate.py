"""Gates as values: a small record of pure functions that the one training loop runs.

The functions of a gate are `jax.tree_util.Partial`s, so a gate is a tree whose leaves are its
numbers (a mask, a budget, temperatures). It goes into a compiled step as an argument: gates of one
kind and shape share one program whatever their numbers are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float

from jaxheads.models.layout import HeadKinds

Theta = dict[str, Any]  # what is trained of a gate; empty for one that is not trained


class Gate(NamedTuple):
    """How heads are gated while a model is trained, and what is learned about them by it.

    init: key -> theta.
    sample: (theta, key, step) -> the gate `[L, H]` of one step, None for ones; `step` is traced.
    penalty: theta -> what is added to the mean loss.
    score: theta -> `score_LH`, of which higher means keep; 0 at heads that a model does not have.
    present: those it has, bool `[L, H]`; None: all.
    """

    init: Callable[[Any], Theta]
    sample: Callable[..., Any]
    penalty: Callable[[Theta], Any]
    score: Callable[[Theta], Any]
    present: Any = None


def constant(
    gate_LH: Float[Array | np.ndarray, "L H"] | Bool[np.ndarray, "L H"] | HeadKinds | None = None,
) -> Gate:
    """The gate that is always the same: a mask, or ones. Nothing is trained."""
    given = None if gate_LH is None else np.asarray(gate_LH, np.float32)
    return Gate(
        init=Partial(_nothing),
        sample=Partial(_given, gate_LH=given),
        penalty=Partial(no_penalty),
        score=Partial(_as_score, gate_LH=given),
    )


def describe(gate: Gate) -> dict[str, Any]:
    """The names of a gate's functions and their numbers: what tells it from another gate."""
    return {
        name: {"function": part.func.__name__, **{k: _told(v) for k, v in part.keywords.items()}}
        for name, part in gate._asdict().items()
        if isinstance(part, Partial)
    }


def keep_top(
    score: Float[Array | np.ndarray, "*N"],
    budget: Any,
    present: Bool[Array | np.ndarray, "*N"],
) -> Float[Array, "*N"]:
    """1 at the `budget` highest scores among those present, 0 elsewhere; `budget` may be traced.

    Of equal scores the later stays, as in `pruning.mask`.
    """
    flat = jnp.where(present, score, -jnp.inf).ravel()
    rank_N = jnp.argsort(jnp.argsort(flat, stable=True), stable=True)
    return jnp.where(present, (rank_N >= flat.size - budget).reshape(score.shape), 0.0)


def all_present(heads: tuple[int, int], present: Any = None) -> Bool[np.ndarray, "L H"]:
    """The heads that a model has, all of them without `present`.

    Raises:
      ValueError: for heads that are not bool `[L, H]`, or none.
    """
    present_LH = np.ones(heads, bool) if present is None else np.asarray(present)
    if present_LH.shape != heads or present_LH.dtype != bool or not present_LH.any():
        got = f"{present_LH.dtype} {list(present_LH.shape)}"
        raise ValueError(f"present: expected bool {list(heads)} with any head, got {got}")
    return present_LH


def check_budget(budget: int, present_LH: Bool[np.ndarray, "L H"]) -> None:
    """See that `budget` heads can be kept of those present.

    Raises:
      ValueError: for less than one, or more than there are.
    """
    if not 1 <= budget <= present_LH.sum():
        raise ValueError(f"budget: expected 1 to {present_LH.sum()} heads kept, got {budget}")


def no_penalty(theta: Theta) -> Float[Array, ""]:  # noqa: ARG001 a gate's own call
    """Nothing is added to the loss."""
    return jnp.zeros(())


def _nothing(key: Any) -> Theta:  # noqa: ARG001 a gate's own call
    return {}


def _given(theta: Theta, key: Any, step: Any, *, gate_LH: Any) -> Any:  # noqa: ARG001
    return gate_LH


def _as_score(theta: Theta, *, gate_LH: Any) -> Any:  # noqa: ARG001
    return gate_LH


def _told(value: Any) -> Any:
    return value if value is None else np.asarray(value).tolist()
