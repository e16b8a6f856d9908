"""Syntactic distances from attention rows, the trees that they induce, and rankings without labels.

The distances of adjacent words' rows are those of Kim et al. (2020), whose published code the
formulas follow, and of Luo (2021): a sentence is split at its greatest distance, both parts again,
and so on. Of equal distances the first is taken, so equal distances give the right-branching tree.
Everything is done for all heads of a sentence at once: `*heads` is `L H` for heads, `L` for layers,
`K` for ensembles, and N words have M = N - 1 distances, one for each gap between words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

# -- distances


def jensen_shannon(
    one: Float[np.ndarray, "*heads S"], two: Float[np.ndarray, "*heads S"]
) -> Float[np.ndarray, "*heads"]:
    """The square root of the Jensen-Shannon divergence in nats: 0 to sqrt(ln 2) = 0.833.

    The rows are normalised first; a row of zeros (a word without pieces) counts as uniform.
    """
    one, two = _normal(one), _normal(two)
    half = [_divergence(row, (one + two) / 2) for row in (one, two)]
    return np.asarray(np.sqrt((half[0] + half[1]) / 2))


def hellinger(
    one: Float[np.ndarray, "*heads S"], two: Float[np.ndarray, "*heads S"]
) -> Float[np.ndarray, "*heads"]:
    """The Hellinger distance, 0 to 1 for rows of sum 1; the rows are not normalised."""
    return np.asarray(np.sqrt(np.square(np.sqrt(one) - np.sqrt(two)).sum(-1) / 2))


def _normal(row):
    row = np.asarray(row, np.float64) + 1e-30
    return row / row.sum(-1, keepdims=True)


def _divergence(one, two):
    return np.maximum((one * np.log(one / two)).sum(-1), 0.0)


Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]
MEASURES: dict[str, Measure] = {"jsd": jensen_shannon, "hellinger": hellinger}


def adjacent_distances(
    attention: Float[np.ndarray, "*heads N N"], measure: str = "jsd"
) -> Float[np.ndarray, "*heads M"]:
    """The distances of adjacent words' rows, M = N - 1 (0 for a sentence of one word or none).

    The mean over the heads' axis gives a layer's distances (the "average" measures of Kim et al.).

    Raises:
      ValueError: for an unknown measure, and attention that is negative or not finite.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure: expected one of {', '.join(MEASURES)}, got {measure!r}")
    check_attention(attention)
    rows = np.asarray(attention, np.float64)
    return MEASURES[measure](rows[..., :-1, :], rows[..., 1:, :])


def check_attention(attention: np.ndarray) -> None:
    """Check that all weights are finite and none is negative.

    Raises:
      ValueError: for any other weight.
    """
    bad = ~(np.isfinite(attention) & (attention >= 0))
    if bad.any():
        raise ValueError(
            f"attention: expected finite weights of at least 0, got {attention[bad][0]} "
            f"and {bad.sum() - 1} more such weights of {bad.size}"
        )


def skewed(
    distance: Float[np.ndarray, "*heads M"], weight: float = 1.5
) -> Float[np.ndarray, "*heads M"]:
    """Add a bias to the right: `weight` mean distances at the first gap, falling to 0 at the last.

    Kim et al. (2020) add none, or 1.5; with it, heads compete with the right-branching tree.
    """
    gaps = distance.shape[-1]
    if gaps < 2:
        return distance
    return distance + weight * distance.mean(-1, keepdims=True) * np.linspace(1, 0, gaps)


# -- trees


class Trees(NamedTuple):
    """Binary trees over N words: gap g splits the words `start[..., g]` to `end[..., g] - 1`.

    The splits of one tree are N - 1 different spans, that of the whole sentence among them.
    """

    start: Int[np.ndarray, "*heads M"]
    end: Int[np.ndarray, "*heads M"]


def top_down(distance: Float[np.ndarray, "*heads M"]) -> Trees:
    """Split at the first greatest distance, then both parts in the same way.

    Gap g's span reaches to the nearest gap on its left that is not less, and to the nearest on its
    right that is greater: those were split before it.
    """
    gaps = distance.shape[-1]
    place = np.arange(gaps)
    here, other = distance[..., :, None], distance[..., None, :]
    before = (other >= here) & (place < place[:, None])
    after = (other > here) & (place > place[:, None])
    start = np.where(before, place + 1, 0).max(-1, initial=0)
    end = np.where(after, place, gaps).min(-1, initial=gaps) + 1
    return Trees(start, end)


def tied_splits(
    distance: Float[np.ndarray, "*heads M"], trees: Trees, tolerance: float = 1e-6
) -> Int[np.ndarray, "*heads"]:
    """How many splits the order of gaps decided, or rounding: another gap was within tolerance.

    Heads with sharp diagonals have many. To be compared with the number of `choices`.
    """
    place = np.arange(distance.shape[-1])
    inside = (place >= trees.start[..., None]) & (place < trees.end[..., None] - 1)
    near = distance[..., None, :] >= distance[..., :, None] - tolerance
    return np.asarray(((inside & near).sum(-1) > 1).sum(-1))


def choices(trees: Trees) -> Int[np.ndarray, "*heads"]:
    """How many splits had more than one gap to choose from."""
    return np.asarray((trees.end - trees.start > 2).sum(-1))


# -- heads ranked, and put together, without labels: Li et al. (2020) rank heads by an intrinsic
#    property of their trees, whose formula could not be confirmed; these two are ours


def contrast_of_splits(
    attention: Float[np.ndarray, "*heads N N"], trees: Trees
) -> Float[np.ndarray, "*heads"]:
    """How far the parts of a head's splits differ more than the words inside them; 0 to 1.

    The mean over splits of the mean squared Hellinger distance of words across the two parts, less
    that of the pairs inside them (no pairs: 0 is not assumed, the split of two words is left out).
    Heads that look everywhere alike, or each word at itself, score 0. Heads that look near,
    whatever the words are, score high, but not by `sharpness_of_splits`.
    """
    root = np.sqrt(_normal(attention))
    apart = 1 - root @ root.swapaxes(-1, -2)
    apart[..., np.arange(root.shape[-2]), np.arange(root.shape[-2])] = 0.0
    total = np.zeros((*apart.shape[:-2], *(size + 1 for size in apart.shape[-2:])))
    total[..., 1:, 1:] = apart.cumsum(-1).cumsum(-2)
    split = np.broadcast_to(np.arange(1, root.shape[-2]), trees.start.shape)
    left, right = split - trees.start, trees.end - split
    across = _block(total, (trees.start, split), (split, trees.end)) / np.maximum(left * right, 1)
    within = _block(total, (trees.start, split), (trees.start, split))
    within = within + _block(total, (split, trees.end), (split, trees.end))
    pairs = left * (left - 1) + right * (right - 1)
    counted = pairs > 0
    gain = np.where(counted, across - within / np.maximum(pairs, 1), 0.0)
    return np.asarray(gain.sum(-1) / np.maximum(counted.sum(-1), 1))


def sharpness_of_splits(
    distance: Float[np.ndarray, "*heads M"], trees: Trees
) -> Float[np.ndarray, "*heads"]:
    """How far the distances at splits stand out from the others in their spans; 0 to 1.

    The mean over splits of 1 less the mean of the other distances as a share of the split's own
    (splits without a choice are left out). Equal distances score 0, as those of heads that look
    each word at itself, everywhere alike, or near whatever the words are; 1: no other distances.
    """
    total = np.zeros((*distance.shape[:-1], distance.shape[-1] + 1))
    total[..., 1:] = distance.cumsum(-1)
    others = trees.end - trees.start - 2
    last = np.maximum(trees.end - 1, 0)
    inside = np.take_along_axis(total, last, -1) - np.take_along_axis(total, trees.start, -1)
    share = (inside - distance) / np.maximum(others * distance, 1e-30)
    counted = (others > 0) & (distance > 0)
    gain = np.where(counted, np.maximum(1 - share, 0.0), 0.0)
    return np.asarray(gain.sum(-1) / np.maximum((others > 0).sum(-1), 1))


def _block(total, rows, columns):
    """The sum over a block of each split, from cumulative sums with a leading row of zeros."""

    def corner(row, column):
        flat = total.reshape(*total.shape[:-2], -1)
        return np.take_along_axis(flat, row * total.shape[-1] + column, -1)

    (top, bottom), (left, right) = rows, columns
    whole = corner(bottom, right) - corner(top, right)
    return whole - corner(bottom, left) + corner(top, left)


def ensemble_distances(
    distance: Float[np.ndarray, "*sentences L H M"], ranking: Sequence[tuple[int, int]]
) -> Float[np.ndarray, "*sentences K M"]:
    """The mean distances of the first 1, 2, ... K heads of a ranking of (layer, head).

    Their trees are the ensembles of the top heads, all K at once.

    Raises:
      ValueError: for an empty ranking, or a head named twice.
    """
    if not ranking or len(set(ranking)) < len(ranking):
        raise ValueError(f"ranking: expected different heads, got {list(ranking)}")
    layers, heads = np.array(ranking).T
    chosen = distance[..., layers, heads, :]
    return chosen.cumsum(-2) / np.arange(1, len(ranking) + 1)[:, None]


Unlabelled = Callable[[np.ndarray, np.ndarray, Trees], np.ndarray]  # attention, distance, trees
WITHOUT_LABELS: dict[str, Unlabelled] = {
    "contrast": lambda attention, _, trees: contrast_of_splits(attention, trees),
    "sharpness": lambda _, distance, trees: sharpness_of_splits(distance, trees),
}


def ranked(score_LH: Float[np.ndarray, "L H"]) -> list[tuple[int, int]]:
    """The heads as (layer, head), the highest score first; of equal ones the first comes first."""
    order = np.argsort(-score_LH, axis=None, kind="stable")
    return [(int(place) // score_LH.shape[1], int(place) % score_LH.shape[1]) for place in order]
