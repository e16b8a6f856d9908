"""Maps `[L, H]` of what the trees of heads share with gold ones, of all sentences and of halves.

maps/MODEL-spans-0.npz, MODEL-spans.TASK-SEED.npz   F1 and recalls of every head
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jaxheads.analysis.spans import LABELS, label_recall, sentence_f1
from jaxheads.analysis.trees import Reading, TreeCounts
from jaxheads.models.model import Model
from jaxheads.records.folder import SPAN_MAPS
from jaxheads.records.head_maps import Named, save_maps
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.sharpness import Sharpness
from jaxheads.training.identity import encoder_bits


def save_head_maps(
    study_model: StudyModel,
    model: Model,
    task: str,
    seed: int,
    found: Mapping[str, TreeCounts],
    main: Reading,
    sharpness: Sharpness,
    more: Named | None = None,
) -> None:
    """Keep what heads share with gold trees, and how sharply they attend on the way.

    `more`: further maps, without halves.
    """
    first_N = _first_half(found[main.name])
    halves = tuple(
        head_maps({n: f._replace(heads=f.heads.rows(half_N)) for n, f in found.items()}, main)
        for half_N in (first_N, ~first_N)
    )
    maps = head_maps(found, main) | dict(more or {})
    save_maps(
        study_model.store, study_model.name, SPAN_MAPS, seed, maps, (halves[0], halves[1]),
        task=task, weights=encoder_bits(model),
    )  # fmt: skip
    sharpness.save(study_model, model, task, seed, first_N)


def head_maps(found: Mapping[str, TreeCounts], main: Reading) -> dict[str, np.ndarray]:
    """Maps `[L, H]`: F1 of every reading, and the recalls of the main one."""
    maps = {f"F1, {name}": sentence_f1(counts.heads) for name, counts in found.items()}
    recalls = {f"{label} recall": label_recall(found[main.name].heads, label) for label in LABELS}
    return {"F1": maps.pop(f"F1, {main.name}"), **recalls, **maps}


def _first_half(counts: TreeCounts) -> np.ndarray:
    count = len(counts.heads.words)
    return np.arange(count) < count // 2
