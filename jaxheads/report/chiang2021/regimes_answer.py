"""Before or after fine-tuning: regimes against each other, and what they differ in."""

from __future__ import annotations

from typing import Any

from jaxheads.records.folder import AGAIN, EARLY, LATE, TWICE, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import MARK, TOP, at_chance
from jaxheads.report.claims import clear_in, counted, verdict
from jaxheads.report.folder import Study
from jaxheads.report.names import difference, heads_kept, shown
from jaxheads.report.parts import Answer, Table
from jaxheads.report.spread import cell, signed, spread_of

QUOTED = "“{}”"  # the names of regimes have commas
DIFFER = {
    (TWICE, AGAIN): "the score that chooses the heads (of pre-training or of the task) and when "
    "they go, at equal training",
    (EARLY, LATE): "the score that chooses the heads, when they go and whether training follows "
    "it, so that it compares none of these",
}
LEADS = {
    (TWICE, AGAIN): "With equal training, heads pruned before both fine-tunings (by the "
    "pre-training score) against heads pruned between them (by the task's own score)",
    (EARLY, LATE): "“prune, fine-tune” against “fine-tune, prune”, which changes the score, the "
    "time and the training after it at once, so that it compares none of these",
}


def regimes_answer(study: Study) -> Answer | None:
    """Is it better to prune before or after fine-tuning, and does the choice of heads matter."""
    if not study.main(Stage.REGIMES):
        return None
    summary = " ".join(filter(None, (_counted(study, *pair, LEADS[pair]) for pair in LEADS)))
    summary += " By 95% intervals over seeds, random draws and examples." * bool(summary)
    question = "Is it better to prune before or after fine-tuning?"
    return Answer(question, summary or "The regimes were not compared.")


def regimes_table(study: Study) -> Table:
    """Every difference of two regimes, with what they differ in."""
    body = tuple(
        (row.model, shown(row.task), _named(row), heads_kept(row.budget), row.metric, _differ(row),
         cell(spread_of([row]), signed), _said(study, row))
        for row in study.at(Stage.REGIME_CONTRAST)
    )  # fmt: skip
    caption = (
        "Differences of regimes at equal numbers of heads, with 95% intervals over seeds, random "
        "draws and examples; not corrected for their number."
    )
    head = (
        *("model", "task", "difference", "heads kept"),
        *("metric", "they differ in", "value", "says"),
    )
    return Table("regimes-contrasts", caption, head, body, labels=6)


def _counted(study: Study, one: str, two: str, lead: str) -> str:
    """In how many cases the first is better, of those in which either is above chance."""
    rows = study.at(Stage.REGIME_CONTRAST, method=one, other_method=two, other_reading="")
    if not rows:
        return ""
    several, left_out = counted(study, rows, lambda row: _both_idle(study, row))
    said = "not known"
    if several:
        said = f"better in {clear_in(several)} cases, worse in {clear_in(several, -1)}"
    return f"{lead}: {said}.{left_out}"


def _sides(row: Row) -> list[dict[str, Any]]:
    """Both regimes of a difference, by their fields."""
    sides = ((row.method, row.reading), (row.other_method, row.other_reading))
    return [{"method": m, "reading": r, "budget": row.budget} for m, r in sides]


def _both_idle(study: Study, row: Row) -> bool:
    """Whether neither regime of a difference is shown to be above chance."""
    return all(at_chance(study, row.model, row.task, **side) for side in _sides(row))


def _at_ceiling(study: Study, row: Row, regime: dict[str, Any]) -> bool:
    where = {"model": row.model, "task": row.task, "metric": row.metric}
    found = study.spread(Stage.REGIMES, **where, **regime)
    return found is not None and found.mean >= TOP


def _said(study: Study, row: Row) -> str:
    if _both_idle(study, row):
        return f"both {MARK}: no claim"
    if all(_at_ceiling(study, row, regime) for regime in _sides(row)):
        return "both at the ceiling of the metric: no claim"
    return verdict(row, QUOTED)


def _named(row: Row) -> str:
    return difference(row, " less ", QUOTED)


def _differ(row: Row) -> str:
    pair = (row.method, row.other_method)
    return "the choice of heads alone" if row.other_reading else DIFFER.get(pair, "when heads go")
