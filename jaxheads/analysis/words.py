"""Attention between words from attention between pieces.

After Clark et al. (2019): attention to a word is summed over its pieces, attention from a word is
the mean over its pieces, so that each row stays a distribution. Axes: `T` query piece, `S` key
piece, `P` query word and `Q` key word, all of one sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxheads.data.pieces import piece_weights, units


def attention_of_words(
    attention: Float[np.ndarray, "*heads T T"],
    word_of_piece: Sequence[int],
    words: int,
    *,
    queries: str = "mean",
    keys: str = "sum",
    keep_special: bool = False,
) -> Float[np.ndarray, "*heads P P"]:
    """Turn attention between the pieces of one sentence into attention between its words.

    `word_of_piece` is that of `data.tokens.EncodedWords`, of as many pieces as the map has (padding
    is to be cut off before). `queries` is "mean", "first" or "last", `keys` "sum", "first" or
    "last": how the pieces of a word count as rows and as columns. Where special tokens are dropped
    the rows sum to what is left; see `renormalised`. A word without pieces has a row and a column
    of zeros. Half precision is summed in float32.
    """
    if len(word_of_piece) != attention.shape[-1]:
        raise ValueError(
            f"expected the words of {attention.shape[-1]} pieces, got {len(word_of_piece)}"
        )
    unit_T, word_U = units(word_of_piece, words, keep_special=keep_special)
    kind = np.float64 if attention.dtype == np.float64 else np.float32
    row_T, column_T = piece_weights(unit_T, queries, keys)
    member_UT = unit_T == np.arange(len(word_U))[:, None]
    rows_PT = (member_UT * row_T).astype(kind)
    columns_SQ = (member_UT * column_T).astype(kind).T
    return rows_PT @ (attention.astype(kind, copy=False) @ columns_SQ)


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
