"""The models with all heads, the majority-class baseline, and all other stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxheads.records.rows import Row, kind_of
from jaxheads.report.baseline import CROSS, CROSSED, FROZEN, TUNED, at_chance
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.luo2021.rows import STAGES as CONSTITUENCY
from jaxheads.report.parts import Section, Table, slug
from jaxheads.report.spread import cell, spread_of, spreads

BAG = "bag of words"
KNOWN = {
    *("floor", "whole", "linear probe", "masked", "prunability", "contrast", "coherence"),
    *("null", "more than nulls", "contrast with nulls"),
    *("ceiling", "reliability", "functional coherence", "deduction", "pruned, then fine-tuned"),
    *("acceptable deduction", "before and after", "before and after, contrast", "drift"),
    *("above the baseline", "one head removed", "one head kept"),
    "half cut",
    *("one head removed, summary", "agreement of data sets", "cut"),
    *("pairs of headlines", "surface leak", "labels shuffled", "accuracy on headlines"),
    *("accuracy by size of edit", "attention distance", "head", "localisation", "control", "gated"),
    *("words masked", "accuracy by opposition", "attention by place"),
    *("gradient and ablation", "masked, fine-tuned", "likeness lost", "similarity"),
    *("overlap of masks", "contrast of masks", "pruner training"),
    *CONSTITUENCY,
    *("best head", "best head, random weights", "relation", "relation, random weights"),
    *("best head of a layer", "best head of a layer, random weights"),
    *("baseline", "change by fine-tuning", "sentences", "attention mass"),
    "attention mass by relation",
    *("map agreement", "agreement of kinds of maps", "map reliability"),
    *("pruned", "trained again", "pruned, contrast", "trained again, contrast"),
    *(
        "cost",
        "cut, compared",
        "choice of learning rate",
        "heads of the last sample",
        "equal cost, contrast",
    ),
    *("all heads, scaled", "sweep of strengths"),
}
MOST = 200  # lines of a table of a stage that has no section of its own


def overview_section(study: Study) -> Section | None:
    """One table: floors, bags of words, linear probes (encoder frozen) and whole models."""
    rows = [
        row
        for stage in ("whole", FROZEN, "floor")
        for row in study.at(stage)
        if row.task in study.tasks
    ]
    shuffled = ["labels shuffled"] * bool(study.at("labels shuffled", method=TUNED))
    lines = dict.fromkeys(
        (row.model, row.task, row.metric)
        for row in sorted(rows, key=lambda row: _place(study, row))
        if row.metric != BAG
    )
    body = tuple((m, shown(t), of, *_cells(study, m, t, of, shuffled)) for m, t, of in lines)
    if not body:
        return None
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
    head = (
        "model", "task", "metric", "floor", BAG, "linear probe", *shuffled, "all heads", "seeds",
    )  # fmt: skip
    table = Table("overview-table", caption, head, body, labels=3)
    return Section("overview", "Whole models and floors", lead, (table,))


def floor_suffices(study: Study, model: str, task: str, share: float) -> bool:
    """Whether no head is needed for that share of the whole model's metric: the baseline has it."""
    own = {"model": model, "task": task, "metric": study.metric(task)}
    floor, whole = (spread_of(study.at(stage, **own)) for stage in ("floor", "whole"))
    return floor is not None and whole is not None and floor.mean >= share * whole.mean


def _place(study: Study, row: Row) -> tuple[int, int]:
    return study.models.index(row.model), study.tasks.index(row.task)


def _cells(
    study: Study, model: str, task: str, metric: str, shuffled: Sequence[str]
) -> Iterator[str]:
    own = {"model": model, "task": task}
    yield cell(spread_of(study.at("floor", **own, metric=metric)))
    bag = study.at("floor", **own, metric=BAG) if metric == study.metric(task) else []
    yield cell(spread_of(bag))
    main = metric == study.metric(task)
    frozen = cell(spread_of(study.at(FROZEN, **own, metric=metric)))
    yield frozen + CROSS * (main and at_chance(study, model, task, FROZEN))
    for stage in shuffled:
        yield cell(spread_of(study.at(stage, **own, metric=metric, method=TUNED)))
    whole = spread_of(study.at("whole", **own, metric=metric))
    yield cell(whole) + CROSS * (main and at_chance(study, model, task))
    yield "–" if whole is None else str(whole.number)


def other_section(study: Study) -> Section | None:
    """A table for each stage that no section knows, so that no row stays unseen."""
    tables = tuple(_stage_table(study, stage) for stage in study.stages if stage not in KNOWN)
    if not tables:
        return None
    lead = "Stages of the study that this report has no figure for, as they are."
    return Section("other", "Further rows", lead, tables)


def _stage_table(study: Study, stage: str) -> Table:
    found = spreads(
        study.at(stage),
        lambda row: (row.model, row.task, row.metric, kind_of(row.method), row.budget),
    )
    body = tuple(
        (model, shown(task) or "–", method or "–", metric,
         "–" if budget is None else str(budget), cell(spread), str(spread.number))
        for (model, task, metric, method, budget), spread in found.items()
    )  # fmt: skip
    caption = f"Stage “{stage}”: mean, [95% interval] or (lowest to highest) of n values."
    if len(body) > MOST:
        caption += f" The first {MOST} of {len(body)} lines; the rows' file has all."
    head = ("model", "task", "method", "metric", "heads kept", "value", "n")
    return Table(slug("stage", stage or "none"), caption, head, body[:MOST], labels=4)
