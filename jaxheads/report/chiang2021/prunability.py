"""How many heads can go: curves, and the numbers that sum them up."""

from __future__ import annotations

from collections.abc import Iterable

from jaxheads.records.folder import Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.chiang2021.answers import idle
from jaxheads.report.claims import FEWEST
from jaxheads.report.curves import curve_drawings
from jaxheads.report.folder import Study
from jaxheads.report.names import way
from jaxheads.report.parts import Section, Table, section
from jaxheads.report.spread import Form, number, short
from jaxheads.report.tables import difference_table, table_of

MEASURES: dict[str, tuple[str, Form]] = {
    Metric.K95: ("heads off at 95%", short),
    Metric.K99: ("heads off at 99%", short),
    Metric.AREA: ("area", number),
}


def prunability_section(study: Study) -> Section | None:
    """Curves, k95, k99 and area for each order, and the tested differences at half of the heads."""
    lead = (
        "Heads are masked in the order of a score, the least important first, and the model is "
        "measured on held-out examples. “random”: any order, drawn several times for each seed; "
        "“reversed”: the most important first. k95 is the largest number of heads removed such "
        "that the metric stays at 95% of the whole model's or above for that and every smaller "
        "number that was tried; area is the mean share of the metric kept, over the curve."
    )
    caption = (
        "Differences between orders of pruning at one number of heads kept, with 95% intervals "
        "over seeds, random draws and examples (of one model: over its draws and examples); not "
        "corrected for their number. A difference counts only where its interval leaves out 0; of "
        f"one model it must also hold against all but 5% of at least {FEWEST} random masks."
    )
    return section(
        "prunability", "How many heads can go", lead, curve_drawings(study),
        measures_table(study, study.at(Stage.PRUNABILITY), "prunability-table"),
        difference_table(study, "contrast-table", caption, study.at(Stage.CONTRAST)),
    )  # fmt: skip


def measures_table(study: Study, rows: Iterable[Row], name: str, more: str = "") -> Table:
    """k95, k99 and area of every order; `more` follows the caption."""
    caption = (
        "Heads that can be masked, out of those in the column “heads”: mean "
        "(lowest to highest) over seeds, for random orders over draws too; [95% interval] where "
        f"one was computed.{more}"
    )
    lines = {"model": "model", "task": "task", "order": way}
    lines["heads"] = lambda row: str(study.heads(row.model) or "–")
    measured = (row for row in rows if row.metric in MEASURES)
    found = table_of(
        name, caption, measured, lines, dict(MEASURES.values()),
        by=lambda row: MEASURES[row.metric][0],
        more={"but": lambda row: _but(study, row)},
    )  # fmt: skip
    return found._replace(labels=3)


def _but(study: Study, row: Row) -> str:
    """Why the numbers of a line say nothing of heads, where they do not."""
    own = {"model": row.model, "task": row.task, "method": row.method, "reading": row.reading}
    k95 = study.spread(row.stage, **own, other_task=row.other_task, metric=Metric.K95)
    heads = study.heads(row.model) or 1
    return idle(study, row.model, row.task, 0.0 if k95 is None else k95.mean / heads)
