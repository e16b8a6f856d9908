"""Which word a head points at, and whether it is the edited one, after Peyrard et al. (2021).

A head's word is the one that gets most of its attention, summed over query rows. Beside it stand
rules that see no attention: a word at random, the last word, the place that is edited most often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxheads.analysis.contrast import word_weights

RANDOM, FINAL, COMMON = "random word", "final word", "most edited place"  # rules
ALL, LAST, OTHER = "all", "final", "not final"  # headlines by the place of their edit


def predicted_words(
    weight_LHT: Float[np.ndarray, "L H T"], word_of_piece: Sequence[int], *, specials: bool = False
) -> Int[np.ndarray, "L H"]:
    """The word that gets most attention (`contrast.received`), the first of equals.

    -1: a special token. These stand for election only if `specials`, as published; each on its own.
    """
    weight_LHN = word_weights(weight_LHT, word_of_piece)
    best_LH = weight_LHN.argmax(-1)
    if specials:
        special_T = np.asarray(word_of_piece) < 0
        other_LH = weight_LHT[..., special_T].max(-1, initial=0.0)
        best_LH = np.where(other_LH > weight_LHN.max(-1), -1, best_LH)
    return best_LH


class Located(NamedTuple):
    """One headline: how many words, which are edited, and what each head predicts, if asked."""

    words: int
    edited: tuple[int, ...]
    predicted_LH: Int[np.ndarray, "L H"] | None = None


def most_edited_place(headlines: Sequence[Located]) -> int:
    """The most frequent edited place: from the start (0, 1, ...) or from the end (-1, -2, ...).

    To be chosen on other headlines than it is scored on. Of equals, the nearest to either end.

    Raises:
      ValueError: for no headline.
    """
    if not headlines:
        raise ValueError("headlines: expected at least one, got none")
    count = Counter(
        place
        for each in headlines
        for edited in each.edited
        for place in (edited, edited - each.words)
    )
    return min(count, key=lambda place: (-count[place], abs(place), place))


def positions(headlines: Sequence[Located]) -> dict[str, Bool[np.ndarray, "X"]]:
    """Which headlines are of which group: all, those whose last word is edited, the others."""
    last_X = np.array([each.words - 1 in each.edited for each in headlines], bool)
    return {ALL: np.ones(len(headlines), bool), LAST: last_X, OTHER: ~last_X}


def rule_hits(headlines: Sequence[Located], common: int) -> dict[str, Float[np.ndarray, "X"]]:
    """How likely each rule finds an edited word of each headline.

    `common` is `most_edited_place` of the validation pairs.
    """
    found = [
        (
            len(each.edited) / each.words,
            each.words - 1 in each.edited,
            -each.words <= common < each.words and common % each.words in each.edited,
        )
        for each in headlines
    ]
    return dict(zip((RANDOM, FINAL, COMMON), np.array(found, float).T, strict=True))


def head_hits(headlines: Sequence[Located]) -> Bool[np.ndarray, "X L H"]:
    """Whether each head points at an edited word.

    Raises:
      ValueError: for a headline without a prediction.
    """
    found = [(each.predicted_LH, each.edited) for each in headlines]
    if any(predicted_LH is None for predicted_LH, _ in found):
        raise ValueError("headlines: expected a prediction for each, got none for some")
    return np.stack([np.isin(np.asarray(predicted), edited) for predicted, edited in found])
