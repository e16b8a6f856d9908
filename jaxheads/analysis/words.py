"""Attention between words from attention between pieces.

After Clark et al. (2019): attention to a word is summed over its pieces, attention from a word is
the mean over its pieces, so that each row stays a distribution. Axes: `T` query piece, `S` key
piece, `P` query word and `Q` key word, all of one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Members = Callable[[np.ndarray], np.ndarray]  # which pieces, bool [U, T] -> their weights [U, T]


class Units(NamedTuple):
    """The rows of a word-level map: the unit of each piece (-1: dropped), and how many there are.

    `word_of_unit` is the index of each unit's word, -1 for a special token that was kept.
    """

    unit_of_piece: np.ndarray
    word_of_unit: np.ndarray


def _first(member_UT: np.ndarray) -> np.ndarray:
    return member_UT & (np.cumsum(member_UT, 1) == 1)


def _last(member_UT: np.ndarray) -> np.ndarray:
    return _first(member_UT[:, ::-1])[:, ::-1]


def _mean(member_UT: np.ndarray) -> np.ndarray:
    return member_UT / np.maximum(member_UT.sum(1, keepdims=True), 1)


QUERIES: dict[str, Members] = {"mean": _mean, "first": _first, "last": _last}
KEYS: dict[str, Members] = {"sum": lambda member_UT: member_UT, "first": _first, "last": _last}


def units(word_of_piece: Sequence[int], words: int, *, keep_special: bool = False) -> Units:
    """Number the rows of a word-level map, given each piece's word (-1: a special token).

    Without special tokens unit `i` is word `i`, whether it has pieces or not. With them, each is a
    unit of its own in its place among the words, and words without pieces are refused, as they have
    no place. ValueError for words out of range.
    """
    word_T = np.asarray(word_of_piece, int)
    if word_T.ndim != 1 or ((word_T < -1) | (word_T >= words)).any():
        raise ValueError(f"units: expected words from -1 to {words - 1}, got {word_of_piece}")
    if not keep_special:
        return Units(word_T, np.arange(words))
    missing = sorted(set(range(words)) - set(word_T.tolist()))
    if missing:
        raise ValueError(f"units: expected pieces of all {words} words, got none of {missing[:5]}")
    keys = [(-1, place) if word < 0 else (word, -1) for place, word in enumerate(word_T.tolist())]
    order = {key: unit for unit, key in enumerate(dict.fromkeys(keys))}
    word_U = np.array([word for word, _ in order], int)
    return Units(np.array([order[key] for key in keys], int), word_U)


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
    _check_option("queries", queries, QUERIES)
    _check_option("keys", keys, KEYS)
    if len(word_of_piece) != attention.shape[-1]:
        raise ValueError(
            f"expected the words of {attention.shape[-1]} pieces, got {len(word_of_piece)}"
        )
    unit_T, word_U = units(word_of_piece, words, keep_special=keep_special)
    kind = np.float64 if attention.dtype == np.float64 else np.float32
    member_UT = unit_T == np.arange(len(word_U))[:, None]
    rows_PT = QUERIES[queries](member_UT).astype(kind)
    columns_SQ = KEYS[keys](member_UT).astype(kind).T
    return rows_PT @ (attention.astype(kind, copy=False) @ columns_SQ)


def renormalised(
    attention: Float[np.ndarray, "*heads P Q"],
) -> Float[np.ndarray, "*heads P Q"]:
    """Scale each row to sum to 1; a row of zeros stays one."""
    total = attention.sum(-1, keepdims=True)
    return attention / np.where(total > 0, total, 1)


def _check_option(name: str, value: str, known: dict[str, Members]) -> None:
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
