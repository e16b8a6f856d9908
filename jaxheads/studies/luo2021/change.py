"""How fine-tuning changes what heads know of constituents: layers before and after, by task.

Values are differences of S-F1, fine-tuned less pre-trained, sentence by sentence on the test
section; intervals are over seeds of fine-tuning and sentences at once. That tasks of similarity
lower it in the upper layers and tasks of entailment raise it is the hypothesis (Luo 2021).
"""

from __future__ import annotations

import numpy as np

from jaxheads.analysis.intervals import crossed
from jaxheads.analysis.spans import f1_by_sentence
from jaxheads.records.folder import (
    ALL_LAYERS,
    ENTAILMENT,
    LOWER_LAYERS,
    SIMILAR,
    UPPER_LAYERS,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.studies.luo2021.constituents import fields_of, load_counts, readings_of
from jaxheads.studies.workbench.answers import estimate_rows
from jaxheads.studies.workbench.model import StudyModel

KINDS = {
    SIMILAR: ("mrpc", "stsb", "qqp", "grammar_paraphrase"),
    ENTAILMENT: ("sick", "rte", "mnli", "qnli", "wnli", "grammar_entailment"),
}


def changes(model: StudyModel, task: str) -> list[Row]:
    """What a task changes in every layer and in the halves, and in how many heads it is clear."""
    rows = []
    for reading in readings_of(model, all_measures=False):
        change_SXLH = _changes(model, task, reading.name)
        layers_SXL = change_SXLH.mean(-1)
        of_layers = [({"layer": n}, layers_SXL[..., n]) for n in range(layers_SXL.shape[2])]
        places = of_layers + [({"place": name}, part) for name, part in halves(layers_SXL).items()]
        found = crossed(np.stack([part for _, part in places], -1))
        what = {**fields_of(reading), "seeds": len(model.run.seeds), "stage": Stage.CHANGE}
        for column, (place, _) in enumerate(places):
            rows += estimate_rows(model, task, Metric.F1, found.at(column), **place, **what)
        heads = crossed(change_SXLH)
        values = {
            Metric.HEADS: float(heads.value.size),
            Metric.HIGHER: float((heads.low > 0).sum()),
            Metric.LOWER: float((heads.high < 0).sum()),
        }
        what = {"stage": Stage.CHANGED_HEADS, **fields_of(reading)}
        rows += model.make_rows(task, values, **what)
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
            (kind, ""): halves(
                np.mean([_changes(model, task, reading.name).mean(-1) for task in tasks], axis=0)
            )
            for kind, tasks in kinds.items()
        }
        if len(mean) == len(KINDS):
            one, two = mean.values()
            mean[SIMILAR, ENTAILMENT] = {place: one[place] - two[place] for place in one}
        for (kind, other), places in mean.items():
            found = crossed(np.stack([*places.values()], -1))
            what = {"stage": Stage.CHANGE_BY_KIND, **fields_of(reading), "method": kind}
            what |= {"other_method": other, "seeds": len(model.run.seeds)}
            for column, place in enumerate(places):
                rows += estimate_rows(model, "", Metric.F1, found.at(column), place=place, **what)
    return rows


def halves(layers_SXL: np.ndarray) -> dict[str, np.ndarray]:
    """Means over all layers, and over their halves; of an odd number the middle one is upper."""
    middle = layers_SXL.shape[-1] // 2
    parts = {ALL_LAYERS: layers_SXL, UPPER_LAYERS: layers_SXL[..., middle:]}
    if middle:
        parts[LOWER_LAYERS] = layers_SXL[..., :middle]
    return {name: part.mean(-1) for name, part in parts.items()}


def _changes(model: StudyModel, task: str, reading: str) -> np.ndarray:
    """Fine-tuned less pre-trained `[S, X, L, H]`, of every seed, sentence and head."""
    before = f1_by_sentence(load_counts(model.store, model.name, reading))
    names = [f"{model.name}-{task}-{seed}" for seed in model.run.seeds]
    return np.stack(
        [f1_by_sentence(load_counts(model.store, name, reading)) - before for name in names]
    )
