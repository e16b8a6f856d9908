"""Tables of what single heads know of syntax, made from the kept rows of finished runs."""

from __future__ import annotations

from collections.abc import Callable

from jaxheads.records.folder import (
    ENTAILMENT,
    MAX,
    MST,
    SIMILAR,
    UPPER_LAYERS,
    Metric,
    Stage,
)
from jaxheads.records.folder import PRETRAINING as LM
from jaxheads.report.names import head_of
from jaxheads.report.spread import cell, number, percent, signed, spread_of
from tests.support.published import Place, by_place, markdown, reader, study_of

BUILT_IN: dict[str, Place] = {"RoBERTa": ("roberta", LM), "ALBERT": ("albert", LM)}
MINILM: dict[str, Place] = {"all-MiniLM-L6-v2": ("published", LM)}
TREES = {MAX: "MAX", MST: "MST"}


def points(value: float) -> str:
    """A difference of shares as percentage points."""
    return f"{round(100 * value, 1) + 0.0:+.1f}".replace("-", "−")


def dependency_trees(name: str, models: dict[str, Place], draws: int, tuned_on: str = "") -> str:
    """Whole dependency trees: the best head beside what sees no word or is not trained."""
    study, line = study_of(name), reader(name)

    def blind(reading: str) -> Callable[[str, str], str]:
        def read(model: str, task: str) -> str:
            where = {"model": model, "task": task, "metric": Metric.UUAS, "reading": reading}
            row = max(study.at(Stage.BASELINE, **where), key=lambda row: row.value)
            return f"{cell(spread_of([row]), percent)} ({row.method})"

        return read

    def change(reading: str) -> Callable[[str, str], str]:
        own = line(Stage.TUNED_CHANGE, Metric.UUAS, reading=reading, form=points)
        return lambda model, _: own(model, tuned_on)

    lines = {}
    for reading, tree in TREES.items():
        own = {"metric": Metric.UUAS, "reading": reading, "form": percent}
        lines |= {
            f"{tree}: best head": line(Stage.BEST_HEAD, **own),
            f"{tree}: best head that sees no word": blind(reading),
            f"{tree}: best head of random weights, {draws} draws": line(
                Stage.RANDOM_BEST_HEAD, **own
            ),
        }
        if tuned_on:
            lines[f"{tree}: change by fine-tuning on sentiment, points"] = change(reading)
    return by_place(models, lines)


def dependency_relations(name: str, models: dict[str, Place], common: int) -> str:
    """Relations of so many arcs: the best head, and what it gains over a fixed distance."""
    study, (first, _) = study_of(name), next(iter(models.values()))
    at = {"task": LM, "reading": MAX}
    columns = {"best head": (Metric.ACCURACY, percent)}
    columns["gain over the offset, points"] = (Metric.GAIN, points)
    head = [
        "relation",
        "arcs",
        "best offset",
        *(f"{m}: {what}" for m in models for what in columns),
    ]
    body = []
    for arcs in study.at(Stage.RELATION, **at, model=first, metric=Metric.ARCS):
        if arcs.value < common:
            continue
        own = {**at, "relation": arcs.relation}
        (offset,) = study.at(Stage.RELATION, **own, model=first, metric=Metric.UNSIGNED)
        cells = [arcs.relation, number(arcs.value, 0), percent(offset.value)]
        cells += [
            cell(study.spread(Stage.RELATION, **own, model=model, metric=metric), form)
            for model, _ in models.values()
            for metric, form in columns.values()
        ]
        body.append(cells)
    return markdown(head, body)


# -- constituents

READINGS = {
    ("jsd", 0.0): "Jensen-Shannon",
    ("jsd", 1.5): "Jensen-Shannon, right-branching bias",
    ("hellinger", 0.0): "Hellinger",
    ("hellinger", 1.5): "Hellinger, right-branching bias",
}


def constituency_heads(name: str) -> str:
    """The best head at whole constituency trees, against trees that no model made."""
    study = study_of(name)
    body = []
    for (reading, bias), distance in READINGS.items():
        own = {"task": LM, "metric": Metric.F1, "reading": reading, "setting": bias}
        (row,) = study.at(Stage.BEST_HEAD, **own)
        less = (
            study.spread(Stage.MARGIN, **own, other_method=tree)
            for tree in ("right", "balanced", "random")
        )
        random = study.spread(Stage.RANDOM_WEIGHTS, **own, method=Metric.BEST_HEAD)
        body.append(
            (
                distance, head_of(row), cell(spread_of([row])),
                *(cell(each, signed) for each in less), cell(random),
            )
        )  # fmt: skip
    lead = ("distance", "head", "S-F1", "less right-branching", "less balanced", "less random")
    return markdown((*lead, "best head of random weights"), body)


def luo_grammar_changes() -> str:
    """How fine-tuning changes the upper layers' mean, by the kind of task."""
    study = study_of("luo_grammar")
    kinds = {
        "paraphrase (similarity)": (SIMILAR, ""),
        "entailment": (ENTAILMENT, ""),
        "similarity less entailment": (SIMILAR, ENTAILMENT),
    }

    def change(reading: str, bias: float, kind: str, other: str) -> str:
        what = {"reading": reading, "setting": bias, "method": kind, "other_method": other}
        what["place"] = UPPER_LAYERS
        return cell(study.spread(Stage.CHANGE_BY_KIND, **what), signed)

    found = {(row.reading, row.setting) for row in study.at(Stage.CHANGE_BY_KIND)}
    readings = [reading for reading in READINGS if reading in found]
    body = ((name, *(change(*r, *kind) for r in readings)) for name, kind in kinds.items())
    return markdown(("", *(READINGS[r] for r in readings)), body)
