"""How the effects of heads on single examples become one score: the table of units.

The effect of a head on an example is what it adds to the example's loss, to first order (gradient),
along a path (integrated) or exactly (ablation); it is negative for a useful head. Every score is a
mean over rows of some function of effects. Sums are float64 and keyed by the examples' own numbers,
so they depend neither on the batch size nor on how examples are spread over devices and processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxheads.parallel.processes import gather_processes, gather_rows

GROUP = 32  # consecutive examples whose effects are summed, for the unit "batch"

Tie = Callable[[np.ndarray, Sequence[int]], np.ndarray]  # (effect_bLH, block_by_layer)


class Unit(NamedTuple):
    """`of` turns rows of effects into rows whose mean is the score.

    `grouped` sums the effects of a group of examples into one row first; `source` names the array
    that a method's step returns.
    """

    of: Callable[[np.ndarray], np.ndarray]
    grouped: bool = False
    source: str = "effect"


UNITS: dict[str, Unit] = {
    # The mean over examples of |effect|: the formula of Michel et al. 2019.
    "example": Unit(np.abs),
    # ... of the sum over positions of |effect at a position|: what their BERT code computes, but
    # for its divisors per layer, which vanish under normalize="l2". A step takes these values.
    "token": Unit(np.abs, source="token"),
    # ... over groups of consecutive examples of |summed effect|: what a batched script computes.
    "batch": Unit(np.abs, grouped=True),
    # ... of -effect: the loss expected to be added by removing the head. It may be negative.
    "signed": Unit(np.negative),
    # ... of effect squared: the diagonal of the empirical Fisher information of the gates.
    "fisher": Unit(np.square),
    # ... of a statistic of which more means keep.
    "mean": Unit(np.asarray, source="value"),
}


def unit_of(name: str) -> Unit:
    """The unit called `name`.

    Raises:
      ValueError: for an unknown one, listing those that there are.
    """
    if name not in UNITS:
        raise ValueError(f"unit: expected one of {', '.join(UNITS)}, got {name!r}")
    return UNITS[name]


def tie_sum(
    effect_bLH: Float[np.ndarray, "b L H"], block_by_layer: Sequence[int]
) -> Float[np.ndarray, "b L H"]:
    """Effects of shared heads: in every layer the sum over all that use its block.

    To first order the effect of one gate on all uses of a head; no absolute value was taken so far.
    """
    return _over_uses(same_block(block_by_layer).astype(np.float64), effect_bLH)


def tie_mean(
    value_bLH: Float[np.ndarray, "b L H"], block_by_layer: Sequence[int]
) -> Float[np.ndarray, "b L H"]:
    """Statistics of shared heads: in every layer the mean over all that use its block."""
    same_LL = same_block(block_by_layer).astype(np.float64)
    return _over_uses(same_LL / same_LL.sum(1, keepdims=True), value_bLH)


def already_tied(
    effect_bLH: Float[np.ndarray, "b L H"], block_by_layer: Sequence[int]
) -> Float[np.ndarray, "b L H"]:
    """Effects that were taken on all uses of a head at once, as they are."""
    del block_by_layer
    return effect_bLH


def _over_uses(weight_LL: np.ndarray, value_bLH: np.ndarray) -> np.ndarray:
    return np.einsum("lm,bmh->blh", weight_LL, value_bLH.astype(np.float64))


def same_block(block_by_layer: Sequence[int]) -> np.ndarray:
    """Whether two layers use the same parameters, bool `[L, L]`."""
    blocks = np.asarray(block_by_layer)
    return blocks[:, None] == blocks[None, :]


class Mean:
    """The running mean over rows that is one unit's score.

    Groups of `group` consecutive examples, by number, are complete wherever their examples come in
    order or close to it; open groups are kept, so memory is constant then. The last group may be
    short.
    """

    def __init__(self, unit: Unit, heads: tuple[int, int], group: int):
        if group < 1:
            raise ValueError(f"group: expected at least 1 example, got {group}")
        self.unit, self._group = unit, group
        self._total_LH = np.zeros(heads)
        self._rows = self._examples = 0
        self._open: dict[int, tuple[int, np.ndarray]] = {}

    def add(self, index_b: Int[np.ndarray, "b"], effect_bLH: Float[np.ndarray, "b L H"]) -> None:
        """Take in the effects on the examples numbered `index_b`.

        Raises:
          ValueError: for more examples in a group than it has, so one that comes twice.
        """
        effect_bLH = effect_bLH.astype(np.float64)
        self._examples += len(index_b)
        if not self.unit.grouped:
            self._take(effect_bLH)
            return
        group_b = index_b // self._group
        for group in np.unique(group_b):
            own = group_b == group
            self._grow(int(group), int(own.sum()), effect_bLH[own].sum(0))

    def _take(self, row_bLH: np.ndarray) -> None:
        self._total_LH += self.unit.of(row_bLH).sum(0)
        self._rows += len(row_bLH)

    def _grow(self, group: int, members: int, effect_LH: np.ndarray) -> None:
        count, total_LH = self._open.pop(group, (0, 0.0))
        count, total_LH = count + members, total_LH + effect_LH
        if count > self._group:
            raise ValueError(
                f"batches: expected every example once, got {count} with numbers from "
                f"{group * self._group} to {(group + 1) * self._group - 1}"
            )
        if count < self._group:
            self._open[group] = (count, total_LH)
        else:
            self._take(total_LH[None])

    def result(self, everywhere: bool = False) -> tuple[Float[np.ndarray, "L H"], int]:
        """The mean over all rows, and the number of examples.

        Args:
          everywhere: of all processes, each of which must call; `L H + 2` numbers of each are sent,
            and before them the groups that are still open, where the unit has groups.

        Raises:
          ValueError: for no example.
        """
        if everywhere and self.unit.grouped:
            self._join_groups()
        for _, total_LH in self._open.values():
            self._take(total_LH[None])
        self._open = {}
        sums = np.append(self._total_LH, (self._rows, self._examples))
        if everywhere:
            sums = gather_processes(sums).sum(0)  # in the order of the processes
        *total, rows, examples = sums
        if not examples:
            raise ValueError("batches: expected at least one example, got none")
        return np.reshape(total, self._total_LH.shape) / rows, int(examples)

    def _join_groups(self) -> None:
        """Bring the groups that are open on any process together on the first one."""
        mine = [np.r_[group, count, total.ravel()] for group, (count, total) in self._open.items()]
        rows = gather_rows(np.reshape(mine, (len(mine), 2 + self._total_LH.size)))
        self._open = {}
        for group, count, *total in rows if jax.process_index() == 0 else ():
            self._grow(int(group), int(count), np.reshape(total, self._total_LH.shape))
