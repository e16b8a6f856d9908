"""What position alone finds of dependency arcs: the baselines of the analysis of heads.

An offset is the head's place less the dependent's. Under undirected MAX a next-word head scores the
share of |offset| = 1, so the signed baseline is too weak there: compare with the unsigned one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxheads.analysis.arcs import Arcs

CONTENTLESS = ("next", "previous", "after next", "before previous", "near", "random")
SHIFTS = (1, -1, 2, -2)  # of the first four


class OffsetBaseline(NamedTuple):
    """The most frequent offset of a relation's arcs, the share of arcs that have it, of a total.

    A magnitude where `signed` is false. `accuracy` is of the arcs scored, NaN for none.
    """

    offset: int
    accuracy: float
    total: int
    signed: bool


def offset_baseline(
    arcs: Arcs,
    scored_A: Bool[np.ndarray, "A"],
    chosen_A: Bool[np.ndarray, "A"] | None = None,
    *,
    signed: bool,
) -> OffsetBaseline:
    """Choose the most frequent offset on some arcs (None: on those scored) and score it on others.

    Among equally common ones the nearer, then the one to the left, is taken; 0 where no arc is
    there to choose on.
    """
    offset_A = arcs.offset_A if signed else np.abs(arcs.offset_A)
    choices, counts = np.unique(
        offset_A[scored_A if chosen_A is None else chosen_A], return_counts=True
    )
    order = np.lexsort((choices, np.abs(choices), -counts))
    offset = int(choices[order[0]]) if len(order) else 0
    count = int(scored_A.sum())
    accuracy = float((offset_A[scored_A] == offset).mean()) if count else float("nan")
    return OffsetBaseline(offset, accuracy, count, signed)


def chain(arcs: Arcs) -> Bool[np.ndarray, "A"]:
    """Which arcs the right-branching chain finds (undirected: the left-branching one too)."""
    return np.abs(arcs.offset_A) == 1


def contentless_attention(words: int, seed: int = 0) -> Float[np.ndarray, "1 K words words"]:
    """One layer of heads that see no word, named by `CONTENTLESS`, for `ArcRecorder.add`.

    Softly one or two words to the right or left, exp(-|j - (i + shift)|); near, exp(-|i - j|); and
    uniform random numbers drawn from the seed. No word attends to itself; all rows but those of
    "near" and "random" sum to 1 (0 for one word alone). Some trees of "previous" are equally heavy
    in exact arithmetic (where the root is the third word, the first attends as much to the last as
    it does), so that its MST score with punctuation hangs on the order of the ties: on PUD 40.54
    where the lower word is taken, 41.46 where the higher one is, 41.1 where rounding decides.
    """
    place = np.arange(words)
    step_TT = place - place[:, None]
    soft = [np.exp(-np.abs(step_TT - shift)) for shift in SHIFTS]
    soft = [_rows_of_one(map_TT * (step_TT != 0)) for map_TT in soft]
    near_TT = np.exp(-np.abs(step_TT)) * (step_TT != 0)
    random_TT = np.random.default_rng(seed).random((words, words)) * (step_TT != 0)
    return np.stack([*soft, near_TT, random_TT])[None]


def _rows_of_one(map_TT: np.ndarray) -> np.ndarray:
    total_T1 = map_TT.sum(1, keepdims=True)
    return map_TT / np.where(total_T1 > 0, total_T1, 1)
