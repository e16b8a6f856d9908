"""What the rows and columns of an attention map stand for: the units of a model's input.

A unit is a word with all its pieces, or a single piece. How the pieces of a unit count is one
weight for each piece as a row and one as a column: after Clark et al. (2019) the mean as rows and
the sum as columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxheads.data.tokens import EncodedWords

SPECIAL = ("dropped", "kept", "absent")


class Pieces(NamedTuple):
    """One input of a model: token numbers, each with its unit (-1: of none)."""

    ids: Int[np.ndarray, "T"]
    unit_T: Int[np.ndarray, "T"]
    units: int
    types_T: Int[np.ndarray, "T"] | None = None  # token types; none: all 0


def _first(unit_T: np.ndarray) -> np.ndarray:
    weight_T = np.zeros(len(unit_T))
    weight_T[np.unique(unit_T, return_index=True)[1]] = 1
    return weight_T


def _last(unit_T: np.ndarray) -> np.ndarray:
    return _first(unit_T[::-1])[::-1]


def _mean(unit_T: np.ndarray) -> np.ndarray:
    _, place_T, count_U = np.unique(unit_T, return_inverse=True, return_counts=True)
    return 1 / count_U[place_T]


def _sum(unit_T: np.ndarray) -> np.ndarray:
    return np.ones(len(unit_T))


Weights = Callable[[np.ndarray], np.ndarray]  # the unit of each piece -> its weight, both [T]

QUERIES: dict[str, Weights] = {"mean": _mean, "first": _first, "last": _last}
KEYS: dict[str, Weights] = {"sum": _sum, "first": _first, "last": _last}


def check_choices(queries: str, keys: str) -> None:
    """Check that the names are in `QUERIES` and `KEYS`.

    Raises:
      ValueError: for any other name.
    """
    for name, value, known in (("queries", queries, QUERIES), ("keys", keys, KEYS)):
        if value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")


def piece_weights(
    unit_T: Int[np.ndarray, "T"], queries: str = "mean", keys: str = "sum"
) -> tuple[Float[np.ndarray, "T"], Float[np.ndarray, "T"]]:
    """How each piece counts in its unit's row, and in its unit's column; 0 for pieces of none."""
    check_choices(queries, keys)
    member_T = unit_T >= 0
    return QUERIES[queries](unit_T) * member_T, KEYS[keys](unit_T) * member_T


def _units(
    word_of_piece: Sequence[int], words: int, *, keep_special: bool
) -> tuple[Int[np.ndarray, "T"], int]:
    """The unit of each piece (-1: of none) by its word (-1: a special token), and their number.

    Without special tokens unit `i` is word `i`, whether it has pieces or not. With them, each is a
    unit of its own in its place among the words, and words without pieces are rejected, as they
    have no place.
    """
    word_T = np.asarray(word_of_piece, int)
    if word_T.ndim != 1 or ((word_T < -1) | (word_T >= words)).any():
        raise ValueError(f"units: expected words from -1 to {words - 1}, got {word_of_piece}")
    if not keep_special:
        return word_T, words
    missing = sorted(set(range(words)) - set(word_T.tolist()))
    if missing:
        raise ValueError(f"units: expected pieces of all {words} words, got none of {missing[:5]}")
    keys = [(-1, place) if word < 0 else (word, -1) for place, word in enumerate(word_T.tolist())]
    order = {key: unit for unit, key in enumerate(dict.fromkeys(keys))}
    return np.array([order[key] for key in keys], int), len(order)


def pieces_of_words(encoded: EncodedWords, words: int, *, special: str = "dropped") -> Pieces:
    """A sentence of so many words as a model's input, its words as units.

    Special tokens are seen by the model but have no row (`special="dropped"`: Htut et al. 2019),
    have rows in their places among the words ("kept": Clark et al. 2019), or do not enter the model
    at all ("absent": Kim et al. 2020).

    Raises:
      ValueError: for a sentence without pieces, words out of range, an unknown `special`, and,
        where special tokens are kept, words without pieces.
    """
    if special not in SPECIAL:
        raise ValueError(f"special: expected one of {', '.join(SPECIAL)}, got {special!r}")
    chosen = [
        (piece, word)
        for piece, word in zip(encoded.ids, encoded.word_of_piece, strict=True)
        if special != "absent" or word >= 0
    ]
    ids_T = _ids([piece for piece, _ in chosen])
    word_of_piece = [word for _, word in chosen]
    return Pieces(ids_T, *_units(word_of_piece, words, keep_special=special == "kept"))


def single_pieces(ids: Sequence[int]) -> Pieces:
    """An input of which every piece, special tokens too, is a unit of its own.

    Raises:
      ValueError: for no piece.
    """
    ids_T = _ids(ids)
    return Pieces(ids_T, np.arange(len(ids_T)), len(ids_T))


def _ids(ids: Sequence[int]) -> Int[np.ndarray, "T"]:
    if not len(ids):
        raise ValueError("pieces: expected at least one piece, got none")
    return np.asarray(ids, int)
