"""Maps `[L, H]` of what the trees of heads share with gold ones, of all sentences and of halves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jaxheads.analysis.spans import LABELS, label_recall, sentence_f1
from jaxheads.analysis.trees import Reading, TreeCounts


def head_maps(found: Mapping[str, TreeCounts], main: Reading) -> dict[str, np.ndarray]:
    """Maps `[L, H]`: F1 of every reading, and the recalls of the main one."""
    maps = {f"F1, {name}": sentence_f1(counts.heads) for name, counts in found.items()}
    recalls = {f"{label} recall": label_recall(found[main.name].heads, label) for label in LABELS}
    return {"F1": maps.pop(f"F1, {main.name}"), **recalls, **maps}


def half_maps(
    found: Mapping[str, TreeCounts], main: Reading
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The same of the first and of the second half of the sentences."""
    first_X = np.arange(count := len(found[main.name].heads.words)) < count // 2
    one, two = (
        head_maps({n: f._replace(heads=f.heads.rows(half)) for n, f in found.items()}, main)
        for half in (first_X, ~first_X)
    )
    return one, two
