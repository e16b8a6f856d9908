"""What a head's attention between the words of one sentence is like.

Axes: `P` query word and `Q` key word. `data.pieces` says how words come from pieces.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def renormalised(
    attention: Float[np.ndarray, "*heads P Q"],
) -> Float[np.ndarray, "*heads P Q"]:
    """Scale each row to sum to 1; a row of zeros stays one."""
    total = attention.sum(-1, keepdims=True)
    return attention / np.where(total > 0, total, 1)


def confidence(attention: Float[np.ndarray, "*heads P Q"]) -> Float[np.ndarray, "*heads"]:
    """The greatest weight of a word's attention to words, mean over words (Voita et al. 2019)."""
    return np.asarray(attention.max(-1).mean(-1))


def focus(attention: Float[np.ndarray, "*heads P Q"]) -> Float[np.ndarray, "*heads"]:
    """Minus the entropy in nats of a word's attention to words made a distribution, their mean."""
    share = renormalised(attention)
    return np.asarray((share * np.log(np.where(share > 0, share, 1))).sum(-1).mean(-1))
