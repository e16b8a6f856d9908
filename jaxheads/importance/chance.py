"""Random scores: the baseline that any other method has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def chance(
    heads: tuple[int, int], seed: int, block_by_layer: Sequence[int] | None = None
) -> Float[np.ndarray, "L H"]:
    """Uniform in [0, 1), a pure function of the arguments; alike in layers that share heads."""
    bits = np.random.Philox(np.random.SeedSequence(seed)).random_raw(heads[0] * heads[1])
    score_LH = ((bits >> np.uint64(11)) / 2.0**53).reshape(heads)
    return score_LH if block_by_layer is None else score_LH[list(block_by_layer)]
