"""Scores from effects kept on disk, and how far they can be trusted: no further pass of a model.

A matrix is read in pieces, so it may be larger than memory. Its rows are the examples' effects
`[N, L, H]` that `score_heads(keep=...)` wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float

from jaxheads.importance.kept import CHUNK
from jaxheads.importance.scores import normalize_layers
from jaxheads.importance.units import GROUP, tie_mean, tie_sum, unit_of


class ScoreReading(NamedTuple):
    """How effects become scores; the arguments of `score_heads` of the same names.

    The unit "token" is for `NAME.token.npy`, "mean" for statistics of attention; any other unit is
    for effects, whichever unit they were kept with.
    """

    unit: str = "example"
    normalize: str = "none"
    blocks: Sequence[int] | None = None  # tied heads: the number of each layer's block
    group: int = GROUP
    present_LH: Bool[np.ndarray, "L H"] | None = None  # heads neither cut nor masked; None: all


PLAIN = ScoreReading()


def score_kept(
    matrix_NLH: Float[np.ndarray, "N L H"], reading: ScoreReading = PLAIN
) -> Float[np.ndarray, "L H"]:
    """The scores from all kept effects: those of `score_heads`, to rounding.

    Raises:
      ValueError: for no example, or an unknown unit or normalisation.
    """
    return _scores(matrix_NLH, reading, lambda _, rows: np.ones((1, rows)))[0]


def split_half(
    matrix_NLH: Float[np.ndarray, "N L H"],
    reading: ScoreReading = PLAIN,
    *,
    splits: int = 20,
    seed: int = 0,
) -> Float[np.ndarray, "S"]:
    """How well the ranking repeats on other examples; the mean over splits is its reliability.

    Halves are of examples, or of groups for the unit "batch". Only present heads are ranked.

    Returns:
      For each random split what the formula of Spearman and Brown expects between two data sets of
      full size, from the rank correlation over heads (Spearman) between the scores of the halves.

    Raises:
      ValueError: for fewer than two examples (or groups), no split, or an unknown unit.
    """
    one_SX, other_SX = _half_scores(matrix_NLH, reading, splits, seed)
    half_S = np.array(list(map(_spearman, one_SX, other_SX)))
    return 2 * half_S / (1 + half_S)


def reliability(
    kept: Sequence[Float[np.ndarray, "N L H"]],
    reading: ScoreReading = PLAIN,
    *,
    splits: int = 20,
    seed: int = 0,
) -> float:
    """Estimate how a score would correlate with itself on other examples and in another model.

    Scores of half of the examples in one model are compared with scores of the other half in
    another one, `r`, and in the same one, `h`. The variance of a score has a part of the task, a
    part of the model (its seed) and a part of the examples, of which halves have twice as much, so
    that on all examples the part of the task is `2 r / (1 + h)`. With one model `r` is `h`, and
    this is the formula of Spearman and Brown.

    Args:
      kept: the effects in each model on the same examples, such as one for each fine-tuning seed.
        With one model the estimate is for other examples in that same model.
      reading: how effects become scores.
      splits: random halves to average over.
      seed: of the splits, which are the same for all models.

    Returns:
      A rank correlation (Spearman), averaged over splits and pairs of models.

    Raises:
      ValueError: for no model, fewer than two examples or no split.
    """
    if not kept:
        raise ValueError("reliability: expected the effects of at least one model, got none")
    halves = [_half_scores(matrix_NLH, reading, splits, seed) for matrix_NLH in kept]
    between_MM = np.array([
        [np.mean(list(map(_spearman, one_SX, other_SX))) for _, other_SX in halves]
        for one_SX, _ in halves
    ])  # fmt: skip
    same = between_MM.diagonal().mean()
    other = same
    if len(kept) > 1:
        other = between_MM[~np.eye(len(kept), dtype=bool)].mean()
    return float(2 * other / (1 + same)) if same > -1 else -float("inf")


def _half_scores(
    matrix_NLH: np.ndarray, reading: ScoreReading, splits: int, seed: int
) -> tuple[Float[np.ndarray, "S X"], Float[np.ndarray, "S X"]]:
    """The scores of the `X` present heads from both halves of each random split."""
    rows = _count(matrix_NLH, reading)
    if rows < 2 or splits < 1:
        raise ValueError(f"split half: expected 2 rows and 1 split at least, got {rows}, {splits}")
    halves_SR = np.tile(np.arange(rows) % 2 == 0, (splits, 1))
    halves_SR = np.random.default_rng(seed).permuted(halves_SR, axis=1)
    both = np.concatenate([halves_SR, ~halves_SR])
    score_2SLH = _scores(matrix_NLH, reading, lambda start, rows: both[:, start : start + rows])
    flat = score_2SLH[:, _present(matrix_NLH, reading)]
    return flat[:splits], flat[splits:]


def _scores(
    matrix_NLH: np.ndarray, reading: ScoreReading, weights: Callable[[int, int], np.ndarray]
) -> Float[np.ndarray, "S L H"]:
    """The scores under `S` weightings of the rows; `weights(start, n)` are those of n rows."""
    sums, count_S, start = np.zeros(1), np.zeros(1), 0
    for rows_nLH in _rows(matrix_NLH, reading):
        weight_Sn = weights(start, len(rows_nLH)).astype(np.float64)
        sums = sums + weight_Sn @ rows_nLH.reshape(len(rows_nLH), -1)
        count_S, start = count_S + weight_Sn.sum(1), start + len(rows_nLH)
    if not start:
        raise ValueError("kept effects: expected at least one example, got none")
    score_SLH = (sums / count_S[:, None]).reshape(-1, *matrix_NLH.shape[1:])
    present_LH = _present(matrix_NLH, reading)
    return np.stack([normalize_layers(s, reading.normalize, present_LH) for s in score_SLH])


def _rows(matrix_NLH: np.ndarray, reading: ScoreReading) -> Iterator[Float[np.ndarray, "n L H"]]:
    """The rows whose mean is the score, float64, a piece at a time."""
    unit = unit_of(reading.unit)
    group = reading.group if unit.grouped else 1
    size = max(1, CHUNK // group) * group
    for start in range(0, len(matrix_NLH), size):
        piece = np.asarray(matrix_NLH[start : start + size], np.float64)
        if reading.blocks is not None and unit.source != "token":
            tie = tie_mean if unit.source == "value" else tie_sum
            piece = tie(piece, reading.blocks)
        if unit.grouped:
            piece = np.add.reduceat(piece, np.arange(0, len(piece), group), axis=0)
        yield unit.of(piece)


def _count(matrix_NLH: np.ndarray, reading: ScoreReading) -> int:
    group = reading.group if unit_of(reading.unit).grouped else 1
    return -(-len(matrix_NLH) // group)


def _present(matrix_NLH: np.ndarray, reading: ScoreReading) -> Bool[np.ndarray, "L H"]:
    if reading.present_LH is None:
        return np.ones(matrix_NLH.shape[1:], bool)
    return reading.present_LH


def _spearman(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.corrcoef(*map(scipy.stats.rankdata, (one, two)))[0, 1])
