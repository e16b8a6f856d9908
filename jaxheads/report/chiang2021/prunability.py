"""How many heads can go: curves, and the numbers that sum them up."""

from __future__ import annotations

from collections.abc import Iterator

from jaxheads.records.rows import Row, kind_of
from jaxheads.report.claims import FEWEST, said_of
from jaxheads.report.curves import curve_drawings
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Section, Table
from jaxheads.report.spread import Form, Spread, cell, ends, number, short, signed, spreads

MEASURES: dict[str, tuple[str, Form]] = {
    "k95": ("heads off at 95%", short),
    "k99": ("heads off at 99%", short),
    "area": ("area", number),
}


def prunability_section(study: Study) -> Section | None:
    """Curves, k95, k99 and area for each order, and the tested differences at half of the heads."""
    tables = [measures_table(study), _contrasts(study)]
    parts = (*curve_drawings(study), *(table for table in tables if table is not None))
    if not parts:
        return None
    lead = (
        "Heads are masked in the order of a score, the least important first, and the model is "
        "measured on held-out examples. “random”: any order, drawn several times for each seed; "
        "“reversed”: the most important first. k95 is the largest number of heads removed such "
        "that the metric stays at 95% of the whole model's or above for that and every smaller "
        "number that was tried; area is the mean share of the metric kept, over the curve."
    )
    return Section("prunability", "How many heads can go", lead, parts)


def measures_table(
    study: Study, stage: str = "prunability", name: str = "prunability-table", more: str = ""
) -> Table | None:
    """k95, k99 and area of every order that a stage has; `more` follows the caption."""
    rows = [row for row in study.at(stage) if row.metric in MEASURES]
    found = spreads(rows, lambda row: (row.model, row.task, kind_of(row.method), row.metric))
    lines = dict.fromkeys((model, task, method) for model, task, method, _ in found)
    body = tuple(
        (model, shown(task), method, *_cells(study, model, found, (model, task, method)))
        for model, task, method in lines
    )
    if not body:
        return None
    caption = (
        "Heads that can be masked, out of those in the column “heads”: mean "
        "(lowest to highest) over seeds, for random orders over draws too; [95% interval] where "
        "one was computed."
    )
    head = ("model", "task", "order", "heads", *(title for title, _ in MEASURES.values()))
    return Table(name, caption + more, head, body, labels=3)


def _cells(
    study: Study,
    model: str,
    found: dict[tuple[str, str, str, str], Spread],
    line: tuple[str, str, str],
) -> Iterator[str]:
    heads = study.heads(model)
    yield "–" if heads is None else str(heads)
    for measure, (_, form) in MEASURES.items():
        key = (*line, measure)
        yield cell(found.get(key), form)


def _contrasts(study: Study) -> Table | None:
    body = tuple(_contrast(study, row) for row in study.at("contrast"))
    if not body:
        return None
    caption = (
        "Differences between orders of pruning at one number of heads kept, with 95% intervals "
        "over seeds, random draws and examples (of one model: over its draws and examples); not "
        "corrected for their number. A difference counts only where its interval leaves out 0; of "
        f"one model it must also hold against all but 5% of at least {FEWEST} random masks."
    )
    head = ("model", "task", "difference", "metric", "heads kept", "value", "95% interval", "says")
    return Table("contrast-table", caption, head, body, labels=4)


def _contrast(study: Study, row: Row) -> tuple[str, ...]:
    return (
        row.model, shown(row.task), row.method.replace(" - ", " − "), row.metric,
        "all" if row.budget is None else str(row.budget), signed(row.value),
        ends(row) or "none", said_of(study, row),
    )  # fmt: skip
