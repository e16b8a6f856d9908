"""How fine-tuning changes what heads know of constituents: layers before and after, by task.

Values are differences of S-F1, fine-tuned less pre-trained, sentence by sentence on the test
section; intervals are over seeds of fine-tuning and sentences at once. That tasks of similarity
lower it in the upper layers and tasks of entailment raise it is the hypothesis (Luo 2021).
"""

from __future__ import annotations

import numpy as np

from jaxheads.analysis.intervals import crossed
from jaxheads.analysis.spans import f1_by_sentence
from jaxheads.records.rows import Row
from jaxheads.studies.luo2021.constituents import F1, load_counts, readings_of
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.prunability import estimate_rows

KINDS = {
    "similarity": ("mrpc", "stsb", "qqp", "grammar_paraphrase"),
    "entailment": ("sick", "rte", "mnli", "qnli", "wnli", "grammar_entailment"),
}


def changes(model: StudyModel, task: str) -> list[Row]:
    """What a task changes in every layer and in the halves, and in how many heads it is clear."""
    rows = []
    for reading in readings_of(model, all_measures=False):
        change_SXLH = _changes(model, task, reading.name)
        layers_SXL = change_SXLH.mean(-1)
        places = {f"layer {n}": layers_SXL[..., n] for n in range(layers_SXL.shape[2])}
        places |= halves(layers_SXL)
        found = crossed(np.stack([*places.values()], -1))
        for column, place in enumerate(places):
            method = f"{reading.name}: {place}"
            what = {"stage": "change", "method": method, "seeds": len(model.run.seeds)}
            rows += estimate_rows(model, task, F1, found.at(column), **what)
        heads = crossed(change_SXLH)
        values = {
            "heads": float(heads.value.size),
            "higher": float((heads.low > 0).sum()),
            "lower": float((heads.high < 0).sum()),
        }
        rows += model.make_rows(task, values, stage="changed heads", method=reading.name)
    return rows


def kinds_of(model: StudyModel) -> dict[str, list[str]]:
    """The run's tasks of each kind; a kind without a task is left out."""
    tasks = [task.name for task in model.tasks]
    own = {kind: [task for task in tasks if task in names] for kind, names in KINDS.items()}
    return {kind: names for kind, names in own.items() if names}


def changes_by_kind(model: StudyModel) -> list[Row]:
    """The mean change over the tasks of each kind, in all and in the halves, and the difference."""
    rows, kinds = [], kinds_of(model)
    for reading in readings_of(model, all_measures=False):
        mean = {
            kind: halves(
                np.mean([_changes(model, task, reading.name).mean(-1) for task in tasks], axis=0)
            )
            for kind, tasks in kinds.items()
        }
        if len(mean) == len(KINDS):
            one, two = mean.values()
            mean[" - ".join(kinds)] = {place: one[place] - two[place] for place in one}
        for kind, places in mean.items():
            found = crossed(np.stack([*places.values()], -1))
            for column, place in enumerate(places):
                what = {"stage": "change by kind", "seeds": len(model.run.seeds)}
                method = f"{reading.name}: {kind}: {place}"
                rows += estimate_rows(model, "", F1, found.at(column), method=method, **what)
    return rows


def halves(layers_SXL: np.ndarray) -> dict[str, np.ndarray]:
    """Means over all layers, and over their halves; of an odd number the middle one is upper."""
    middle = layers_SXL.shape[-1] // 2
    parts = {"all layers": layers_SXL, "upper layers": layers_SXL[..., middle:]}
    if middle:
        parts["lower layers"] = layers_SXL[..., :middle]
    return {name: part.mean(-1) for name, part in parts.items()}


def _changes(model: StudyModel, task: str, reading: str) -> np.ndarray:
    """Fine-tuned less pre-trained `[S, X, L, H]`, of every seed, sentence and head."""
    before = f1_by_sentence(load_counts(model.folder, model.name, reading))
    names = [f"{model.name}-{task}-{seed}" for seed in model.run.seeds]
    return np.stack(
        [f1_by_sentence(load_counts(model.folder, name, reading)) - before for name in names]
    )
