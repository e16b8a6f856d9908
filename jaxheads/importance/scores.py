"""`score_LH`, the object that the project turns on, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxheads.analysis.heat_map import heat_map
from jaxheads.storage.files import read_arrays, write_arrays

NORMALIZE = ("none", "l2")
KEYS = ("score", "method", "unit", "examples", "model")
MEASURED = ("metrics", "values", "baselines")


class Scores(NamedTuple):
    """Importance of every head in original coordinates, float64; higher means keep.

    `unit` says how the effects on single examples became one number (see `units.UNITS`),
    `examples` how many there were (0: the method reads no data), `model` whose heads these are.
    `measured` are the model's loss and metrics on those examples where they were measured, each
    with what the majority-class baseline gets.
    """

    score_LH: Float[np.ndarray, "L H"]
    method: str
    unit: str
    examples: int
    model: str = ""
    measured: Mapping[str, tuple[float, float]] = {}

    def __repr__(self) -> str:
        """One line: whose scores, how many, and the heads that matter most and least."""
        layers, heads = self.score_LH.shape
        order = np.argsort(-self.score_LH, axis=None, kind="stable")
        ends = [divmod(int(order[place]), heads) for place in (0, -1)] if order.size else []
        named = [f"{word} layer {at[0]} head {at[1]} ({self.score_LH[at]:.3g})"
                 for word, at in zip(("highest", "lowest"), ends, strict=False)]  # fmt: skip
        return f"Scores({self._about()}, {layers} layers x {heads} heads, {', '.join(named)})"

    def _about(self) -> str:
        data = f" on {self.examples:,} examples" if self.examples else ""
        return f"{self.method}, unit {self.unit}{data}{f', {self.model}' if self.model else ''}"

    def _repr_html_(self) -> str:
        """A heat map for notebooks."""
        return heat_map(self.score_LH, self._about())


def normalize_layers(
    score_LH: Float[np.ndarray, "L H"], how: str, present_LH: Bool[np.ndarray, "L H"]
) -> Float[np.ndarray, "L H"]:
    """Scores with heads that are not present at exactly 0, and with "l2" each layer of length 1.

    Absent (cut or masked) heads enter no length; a layer whose scores are all zero stays so.

    Raises:
      ValueError: for an unknown normalisation.
    """
    if how not in NORMALIZE:
        raise ValueError(f"normalize: expected one of {', '.join(NORMALIZE)}, got {how!r}")
    score_LH = np.where(present_LH, score_LH, 0.0)
    if how == "none":
        return score_LH
    length_L1 = np.sqrt(np.square(score_LH).sum(1, keepdims=True))
    return np.divide(score_LH, length_L1, out=np.zeros_like(score_LH), where=length_L1 > 0)


def save_scores(path: str | Path, scores: Scores) -> None:
    """Write `scores` to an npz file, whole or not at all; its keys are those of `KEYS`.

    What was `measured` is in `metrics` (names), `values` and `baselines`.

    Raises:
      ValueError: for a file name that does not end in .npz.
    """
    named: dict[str, np.ndarray] = dict(
        zip(KEYS, map(np.asarray, scores[: len(KEYS)]), strict=True)
    )
    if scores.measured:
        values, baselines = np.transpose(list(scores.measured.values()))
        named |= dict(zip(MEASURED, (np.array([*scores.measured]), values, baselines), strict=True))
    write_arrays(_npz(path), named)


def load_scores(path: str | Path) -> Scores:
    """Read what `save_scores` wrote.

    Raises:
      ValueError: names everything that is wrong with a file.
    """
    found = read_arrays(path, what="scores")
    problems = list(_problems(found))
    if problems:
        raise ValueError(f"{path}: " + "; ".join(problems))
    score_LH = found["score"].astype(np.float64)
    method, unit, model = (str(found[key]) for key in ("method", "unit", "model"))
    measured = {}
    if "metrics" in found:
        names, *pairs = (found[key].tolist() for key in MEASURED)
        measured = dict(zip(names, zip(*pairs, strict=True), strict=True))
    return Scores(score_LH, method, unit, int(found["examples"]), model, measured)


def _npz(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".npz":  # numpy would add it and so write elsewhere
        raise ValueError(f"scores: expected a file name that ends in .npz, got {path}")
    return path


def _problems(found: dict[str, np.ndarray]):
    missing = [key for key in KEYS if key not in found]
    if missing:
        yield f"expected the keys {', '.join(KEYS)}, got no {', '.join(missing)}"
        return
    score = found["score"]
    if score.ndim != 2 or score.dtype.kind != "f":
        yield f"score: expected floats [L, H], got {score.dtype} {list(score.shape)}"
    elif not np.isfinite(score).all():
        yield f"score: expected finite numbers, got {int((~np.isfinite(score)).sum())} others"
    for key in ("method", "unit", "model"):
        if found[key].ndim or found[key].dtype.kind != "U":
            yield f"{key}: expected one string, got {found[key].dtype} {list(found[key].shape)}"
    if "metrics" in found:
        shapes = {found[key].shape if key in found else None for key in MEASURED}
        kinds = [found[key].dtype.kind for key in MEASURED if key in found]
        if len(shapes) > 1 or kinds != ["U", "f", "f"] or found["metrics"].ndim != 1:
            yield f"{', '.join(MEASURED)}: expected as many names as numbers in each"
    if found["examples"].ndim or found["examples"].dtype.kind not in "iu":
        yield f"examples: expected one whole number, got {found['examples'].dtype}"
