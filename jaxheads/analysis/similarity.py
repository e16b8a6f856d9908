"""How alike the attention of heads is: two models, or one before and after a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxheads.analysis.distances import check_attention, jensen_shannon


class HeadComparison(NamedTuple):
    """Distances from each head of one model, the first two axes, to each of another."""

    distance: Float[np.ndarray, "L H M K"]

    @property
    def same_place(self) -> Float[np.ndarray, "L H"] | None:
        """From each head to the one in its place; None for models of other sizes."""
        layers, heads, *other = self.distance.shape
        if [layers, heads] != other:
            return None
        return np.einsum("lhlh->lh", self.distance)

    @property
    def match(self) -> Int[np.ndarray, "L H 2"]:
        """The layer and head of the other model that is nearest to each; the first of equals."""
        layers, heads, *other = self.distance.shape
        nearest = self.distance.reshape(layers, heads, -1).argmin(-1)
        return np.stack(np.unravel_index(nearest, other), -1)

    @property
    def match_distance(self) -> Float[np.ndarray, "L H"]:
        """How near that one is."""
        return self.distance.min((2, 3))


def compare_heads(
    one: Sequence[Float[np.ndarray, "L H _ _"]], two: Sequence[Float[np.ndarray, "M K _ _"]]
) -> HeadComparison:
    """The Jensen-Shannon distance of every two heads of two models, mean over words.

    Args:
      one, two: attention of the models in the same texts, row by row; `attention_maps(..., words=
        True)` gives models of different tokenizers the same rows.

    Returns:
      Distances `[L, H, M, K]`: the root of the divergence in nats, 0 to 0.833 (root of ln 2).

    Raises:
      ValueError: for no text, texts of another number or length, and weights that are negative or
        not finite.
    """
    lengths = [[each.shape[-1] for each in maps] for maps in (one, two)]
    if lengths[0] != lengths[1] or not lengths[0]:
        raise ValueError(f"expected the same texts of both models, got lengths {lengths}"[:400])
    layers, heads, others = *one[0].shape[:2], two[0].shape[:2]
    total = np.zeros((layers, heads, *others))
    for mine, theirs in zip(one, two, strict=True):
        check_attention(mine)
        check_attention(theirs)
        for place in np.ndindex(layers, heads):  # one head a time, against all others
            own = np.broadcast_to(mine[place].astype(float), theirs.shape)
            total[place] += jensen_shannon(own, theirs.astype(float)).sum(-1)
    return HeadComparison(total / sum(lengths[0]))
