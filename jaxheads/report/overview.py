"""The models with all heads, the majority-class baseline, and all other stages."""

from __future__ import annotations

from collections.abc import Iterator

from jaxheads.records.folder import FROZEN, TUNED, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, at_chance
from jaxheads.report.folder import Study
from jaxheads.report.names import shown, tasks_of, way
from jaxheads.report.parts import Section, Table, section, slug
from jaxheads.report.spread import cell
from jaxheads.report.tables import table_of

MOST = 200  # lines of a table of a stage that has no section of its own


def overview_section(study: Study) -> Section | None:
    """One table: floors, bags of words, linear probes (encoder frozen) and whole models."""
    rows = [
        row
        for stage in (Stage.WHOLE, Stage.PROBE, Stage.FLOOR)
        for row in study.at(stage)
        if row.task in study.tasks and row.metric != Metric.BAG_OF_WORDS
    ]
    rows.sort(key=lambda row: (study.models.index(row.model), study.tasks.index(row.task)))
    lines = dict.fromkeys((row.model, row.task, row.metric) for row in rows)
    shuffled = bool(study.at(Stage.SHUFFLED, place=TUNED))
    body = tuple((m, shown(t), of, *_cells(study, m, t, of, shuffled)) for m, t, of in lines)
    lead = (
        "Floors: the majority-class baseline (the most frequent label, the mean, or for masked LM "
        "the word frequencies), and a bag of words: a linear model on counts of words, learned "
        "from all training examples of the task. A number near its floor says nothing about heads."
    )
    caption = (
        "Measured on held-out examples: mean (lowest to highest) over seeds. The first metric of a "
        "task that is not a loss is the one by which pruned models are compared. “Labels "
        "shuffled”: fine-tuned on permuted labels."
        f"{CROSSED}"
    )
    columns = [Stage.FLOOR, Metric.BAG_OF_WORDS, Stage.PROBE, *[Stage.SHUFFLED] * shuffled]
    head = ("model", "task", "metric", *columns, "all heads", "seeds")
    table = Table("overview-table", caption, head, body, labels=3)
    return section("overview", "Whole models and floors", lead, table)


def _cells(study: Study, model: str, task: str, metric: str, shuffled: bool) -> Iterator[str]:
    own, main = {"model": model, "task": task}, metric == study.metric(task)
    yield cell(study.spread(Stage.FLOOR, **own, metric=metric))
    bag = study.spread(Stage.FLOOR, **own, metric=Metric.BAG_OF_WORDS)
    yield cell(bag if main else None)
    frozen = cell(study.spread(Stage.PROBE, **own, metric=metric))
    yield frozen + CROSS * (main and at_chance(study, model, task, FROZEN))
    if shuffled:
        yield cell(study.spread(Stage.SHUFFLED, **own, metric=metric, place=TUNED))
    whole = study.spread(Stage.WHOLE, **own, metric=metric)
    yield cell(whole) + CROSS * (main and at_chance(study, model, task))
    yield "–" if whole is None else str(whole.number)


def other_section(study: Study) -> Section | None:
    """A table for each stage that no section knows, so that no row stays unseen."""
    lead = "Stages of the study that this report has no figure for, as they are."
    known = set(Stage) - {Stage.VALIDATION}
    tables = (_stage_table(study, stage) for stage in study.stages if stage not in known)
    return section("other", "Further rows", lead, tables)


def _stage_table(study: Study, stage: str) -> Table:
    caption = f"Stage “{stage}”: mean, [95% interval] or (lowest to highest) of n values."
    lines = {"model": "model", "task": lambda row: tasks_of(row) or "–", "method": _way}
    lines |= {"metric": "metric", "heads kept": lambda row: str(row.budget or "–")}
    table = table_of(slug("stage", stage or "none"), caption, study.at(stage), lines)
    if len(table.body) > MOST:
        caption += f" The first {MOST} of {len(table.body)} lines; the rows' file has all."
    return table._replace(caption=caption, body=table.body[:MOST], labels=4)


def _way(row: Row) -> str:
    return way(row) or "–"
