"""Masks: boolean decisions `[L, H]`, True = keep, made from scores or by chance.

One rule gives all of them. Heads stand in one order of removal (`order_from_scores`) that the
budget does not change, and a mask keeps the last `budget` of it: masks of one order are nested.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from jaxheads.config import EncoderConfig
from jaxheads.models.layout import as_given


def mask_from_scores(
    score_LH: ArrayLike,
    budget: int | float,
    *,
    per_layer: bool = False,
    floor: int = 0,
    present: ArrayLike | None = None,
    tied_rows: Sequence[int] | None = None,
) -> Any:
    """Keep the `budget` heads that `order_from_scores` removes last; see there for the options.

    A budget that is a float is a share of the heads present, to the nearest head (halves upwards).
    A mask is bool `[L, H]`. Scores of three kinds of heads share a budget, and give it by kind.

    Raises:
      ValueError: as `order_from_scores`, and for a budget below what the floor protects, above the
        heads present, or, with tied rows, one that would split the uses of a shared head; and for a
        share outside 0 to 1.
    """
    ranked = _rank(score_LH, per_layer, floor, present, tied_rows)
    budget = _heads_of(budget, ranked.total)
    left = ranked.total - np.cumsum([0, *ranked.uses])  # heads kept after each removal
    _check_budget(budget, ranked, left)
    removed = int(np.flatnonzero(left == budget)[0])
    mask_RH = np.zeros(ranked.shape, bool)
    mask_RH[tuple(ranked.order[removed:].T)] = True
    return as_given(score_LH, mask_RH[ranked.row_by_layer])


def _heads_of(budget: int | float, heads: int) -> int:
    """A number of heads, or a share of them, as a number."""
    if not isinstance(budget, float):
        return operator.index(budget)
    if not 0 <= budget <= 1:
        raise ValueError(f"budget: expected a share of the heads from 0 to 1, got {budget}")
    return int(budget * heads + 0.5)


def order_from_scores(
    score_LH: ArrayLike,
    *,
    per_layer: bool = False,
    floor: int = 0,
    present: ArrayLike | None = None,
    tied_rows: Sequence[int] | None = None,
) -> Int[np.ndarray, "N 2"]:
    """The heads present as (layer, head), the first to be removed first.

    Ascending by (score, layer, head): of equal scores the lower layer, and in it the lower head,
    goes first.

    Args:
      score_LH: higher means keep.
      per_layer: the layers give up heads in turn, so that all keep equally many. Where they do not
        divide the budget, the odd heads stay in the layers whose next best head scores highest; a
        layer that has too few keeps all, and the others share the rest.
      floor: the best `floor` heads of each layer (all it has, if fewer) go after all others.
      present: bool `[L, H]`; only these heads are ranked. The others stay out of every mask and
        their scores are not read.
      tied_rows: the block that each layer uses (`EncoderConfig.block_by_layer`). A head then goes
        in all layers of its block at once; it is ranked by the mean score of its uses, and a budget
        counts uses.

    Raises:
      ValueError: for scores that are not finite or not `[L, H]`, a negative floor, tied rows of
        another length or whose layers have different heads.
    """
    ranked = _rank(score_LH, per_layer, floor, present, tied_rows)
    row_by_layer = ranked.row_by_layer
    uses = [
        (layer, head) for row, head in ranked.order for layer in np.flatnonzero(row_by_layer == row)
    ]
    return np.array(uses, np.int64).reshape(-1, 2)


def reversed_scores(
    score_LH: ArrayLike, *, present: ArrayLike | None = None
) -> Float[np.ndarray, "L H"]:
    """Scores whose order of removal is exactly the reverse, equal scores included (a baseline)."""
    order = order_from_scores(score_LH, present=present)
    rank_LH = np.zeros(np.shape(score_LH))
    rank_LH[tuple(order.T)] = -np.arange(len(order))
    return rank_LH


def random_mask(
    layers: int,
    heads: int,
    budget: int,
    seed: int,
    *,
    per_layer: bool = False,
    floor: int = 0,
    present: ArrayLike | None = None,
    tied_rows: Sequence[int] | None = None,
) -> Bool[np.ndarray, "L H"]:
    """`budget` heads at random; `per_layer` stratifies. A pure function; nested for one seed.

    Raises:
      ValueError: as `mask_from_scores`.
    """
    rows = _row_by_layer(tied_rows, layers)
    ranks = np.random.default_rng(seed).permutation((rows.max() + 1) * heads)
    score_LH = ranks.reshape(-1, heads)[rows]
    return mask_from_scores(
        score_LH, budget, per_layer=per_layer, floor=floor, present=present, tied_rows=tied_rows
    )


def shuffled_in_layers(mask_LH: Bool[np.ndarray, "L H"], seed: int) -> Bool[np.ndarray, "L H"]:
    """As many heads of each layer as a mask keeps, at random: what its depth alone would do.

    A pure function; nested masks stay nested for one seed.
    """
    ranks_LH = np.random.default_rng(seed).random(mask_LH.shape).argsort(1).argsort(1)
    return ranks_LH < mask_LH.sum(1, keepdims=True)


def present_heads(config: EncoderConfig) -> Bool[np.ndarray, "L H"]:
    """The heads that a model still has: all of an uncut one."""
    present_LH = np.zeros((config.num_layers, config.num_heads), bool)
    for layer, heads in enumerate(config.heads_by_layer):
        present_LH[layer, list(heads)] = True
    return present_LH


def kept_heads(config: EncoderConfig, mask_LH: ArrayLike) -> tuple[tuple[int, ...], ...]:
    """The heads of each layer that a mask keeps, checked against the model.

    Raises:
      ValueError: for a mask that is not bool `[L, H]`, or keeps heads that the model no longer has
        (all are named).
    """
    mask_LH = np.asarray(mask_LH)
    expected = (config.num_layers, config.num_heads)
    if mask_LH.dtype != bool or mask_LH.shape != expected:
        got = f"{mask_LH.dtype} {list(mask_LH.shape)}"
        raise ValueError(f"mask: expected bool {list(expected)}, got {got}")
    absent = np.argwhere(mask_LH & ~present_heads(config))
    if len(absent):
        named = ", ".join(f"layer {layer} head {head}" for layer, head in absent)
        raise ValueError(f"mask: expected heads that the model has, it no longer has {named}")
    return tuple(tuple(np.flatnonzero(row).tolist()) for row in mask_LH)


class _Ranked(NamedTuple):
    """Heads of the rows (layers, or blocks where tied) in order of removal."""

    order: Int[np.ndarray, "N 2"]  # (row, head)
    uses: Int[np.ndarray, "N"]  # heads that the budget loses with each
    protected: int  # uses that the floor protects
    row_by_layer: Int[np.ndarray, "L"]
    shape: tuple[int, int]  # rows, heads

    @property
    def total(self) -> int:
        return int(self.uses.sum())


def _rank(score_LH, per_layer, floor, present, tied_rows) -> _Ranked:
    score_LH, present_LH = _checked(score_LH, present)
    if floor < 0:
        raise ValueError(f"floor: expected at least 0 heads a layer, got {floor}")
    rows = _row_by_layer(tied_rows, len(score_LH))
    score_RH, present_RH = _by_row(score_LH, present_LH, rows)
    place_RH = _place_in_row(score_RH, present_RH)
    tier_RH = place_RH if per_layer else np.minimum(place_RH, floor)  # the lowest tier goes last
    row, head = np.nonzero(present_RH)
    sequence = np.lexsort((head, row, score_RH[row, head], -tier_RH[row, head]))
    order = np.stack([row, head], axis=1)[sequence]
    uses = np.bincount(rows)
    protected = int(uses @ np.minimum(present_RH.sum(1), floor))
    return _Ranked(order, uses[order[:, 0]], protected, rows, score_RH.shape)


def _place_in_row(score_RH, present_RH):
    """How many heads of its own row go after each head: 0 for the best one."""
    place_RH = np.zeros(score_RH.shape, int)
    for row, (score_H, present_H) in enumerate(zip(score_RH, present_RH, strict=True)):
        heads = np.flatnonzero(present_H)
        best_last = heads[np.argsort(score_H[heads], kind="stable")]
        place_RH[row, best_last] = np.arange(len(heads))[::-1]
    return place_RH


def _by_row(score_LH, present_LH, row_by_layer):
    """Scores and presence by row: the mean over the layers of a row, which have the same heads."""
    layers_of = [np.flatnonzero(row_by_layer == row) for row in range(row_by_layer.max() + 1)]
    unequal = [
        layers for layers in layers_of if (present_LH[layers] != present_LH[layers[0]]).any()
    ]
    if unequal:
        named = "; ".join(str(layers.tolist()) for layers in unequal)
        raise ValueError(
            f"tied rows: expected the same heads in layers of one block, not so in {named}"
        )
    score_RH = np.stack([_mean(score_LH[layers]) for layers in layers_of])
    return score_RH, present_LH[[layers[0] for layers in layers_of]]


def _mean(score_LH):
    """Mean over layers; equal rows come back unrounded."""
    return score_LH[0] + (score_LH - score_LH[0]).mean(0) if len(score_LH) > 1 else score_LH[0]


def _checked(score_LH, present):
    score_LH = np.asarray(score_LH)
    if score_LH.ndim != 2 or score_LH.dtype.kind not in "fiu" or not score_LH.size:
        got = f"{score_LH.dtype} {list(score_LH.shape)}"
        raise ValueError(f"scores: expected real numbers [layers, heads], got {got}")
    score_LH = score_LH.astype(np.float64)
    present_LH = np.ones(score_LH.shape, bool) if present is None else np.asarray(present)
    if present_LH.dtype != bool or present_LH.shape != score_LH.shape:
        got = f"{present_LH.dtype} {list(present_LH.shape)}"
        raise ValueError(f"present: expected bool {list(score_LH.shape)}, got {got}")
    broken = np.argwhere(~np.isfinite(score_LH) & present_LH)
    if len(broken):
        named = ", ".join(f"{score_LH[i, h]} at layer {i} head {h}" for i, h in broken)
        raise ValueError(f"scores: expected finite numbers, got {named}")
    return np.where(present_LH, score_LH, 0.0), present_LH


def _row_by_layer(tied_rows, layers: int):
    if tied_rows is None:
        return np.arange(layers)
    rows = np.asarray(tied_rows)
    if rows.shape != (layers,) or set(rows.tolist()) != set(range(len(set(rows.tolist())))):
        expected = f"a block number from 0 for each of {layers} layers"
        raise ValueError(f"tied rows: expected {expected}, got {list(tied_rows)}")
    return rows


def _check_budget(budget: int, ranked: _Ranked, left) -> None:
    low, high = ranked.protected, ranked.total
    if not low <= budget <= high:
        why = " (what the floor protects)" if low else ""
        raise ValueError(f"budget: expected {low}{why} to {high} heads kept, got {budget}")
    if budget not in left:
        near = f"{left[left < budget].max()} or {left[left > budget].min()}"
        raise ValueError(
            f"budget: expected {near}, since layers of one block lose a head together, got {budget}"
        )
