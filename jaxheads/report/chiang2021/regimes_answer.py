"""Before or after fine-tuning: regimes against each other, and what they differ in."""

from __future__ import annotations

import dataclasses

from jaxheads.records.rows import Row, kind_of
from jaxheads.report.baseline import MARK, TIMED, TOP, at_chance
from jaxheads.report.claims import clear_in, counted, verdict
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Answer, Table
from jaxheads.report.spread import cell, ends, signed, spread_of, spreads, words

RANDOM = ", random"  # ends the name of a regime whose heads are drawn
CONTRAST = f"{TIMED}, contrast"
EQUAL = "prune, fine-tune, fine-tune - fine-tune, prune, fine-tune"
FIRST = "prune, fine-tune - fine-tune, prune"
DIFFER = {
    EQUAL: "the score that chooses the heads (of pre-training or of the task) and when they go, at "
    "equal training",
    FIRST: "the score that chooses the heads, when they go and whether training follows it, so "
    "that it compares none of these",
}
CHOICE = "the choice of heads alone"


def regimes_answer(study: Study) -> Answer | None:
    """Is it better to prune before or after fine-tuning, and does the choice of heads matter."""
    found = spreads(
        (row for row in study.at(TIMED) if row.metric == study.metric(row.task)),
        lambda row: (row.model, row.task, row.budget),
    )
    points = tuple(_point(study, *place) for place in found)
    if not points:
        return None
    parts = (
        _counted(
            study, EQUAL,
            "With equal training, heads pruned before both fine-tunings (by the pre-training "
            "score) against heads pruned between them (by the task's own score)",
        ),
        _counted(
            study, FIRST,
            "“prune, fine-tune” against “fine-tune, prune”, which changes the score, the time and "
            "the training after it at once, so that it compares none of these",
        ),
    )  # fmt: skip
    summary = " ".join(part for part in parts if part) or "The regimes were not compared."
    summary += " By 95% intervals over seeds, random draws and examples." * any(parts)
    return Answer("Is it better to prune before or after fine-tuning?", summary, points)


def regimes_table(study: Study) -> Table | None:
    """Every difference of two regimes, with what they differ in."""
    body = tuple(
        (row.model, shown(row.task), _named(row.method), str(row.budget), row.metric,
         DIFFER.get(row.method, CHOICE), cell(spread_of([row]), signed), _said(study, row))
        for row in study.at(CONTRAST)
    )  # fmt: skip
    caption = (
        "Differences of regimes at equal numbers of heads, with 95% intervals over seeds, random "
        "draws and examples; not corrected for their number."
    )
    head = (
        "model",
        "task",
        "difference",
        "heads kept",
        "metric",
        "they differ in",
        "value",
        "says",
    )
    return Table("regimes-contrasts", caption, head, body, labels=6) if body else None


def _counted(study: Study, method: str, lead: str) -> str:
    """In how many cases the first is better, of those in which either is above chance."""
    rows = study.at(CONTRAST, method=method)
    if not rows:
        return ""
    several, left_out = counted(study, rows, lambda row: _both_idle(study, row))
    said = "not known"
    if several:
        said = f"better in {clear_in(several)} cases, worse in {clear_in(several, -1)}"
    return f"{lead}: {said}.{left_out}"


def _both_idle(study: Study, row: Row) -> bool:
    """Whether neither regime of a difference is shown to be above chance."""
    where = (study, row.model, row.task)
    return all(at_chance(*where, side, row.budget) for side in row.method.split(" - "))


def _at_ceiling(study: Study, row: Row, regime: str) -> bool:
    where = {"model": row.model, "task": row.task, "metric": row.metric, "budget": row.budget}
    found = spread_of(r for r in study.at(TIMED, **where) if kind_of(r.method) == regime)
    return found is not None and found.mean >= TOP


def _point(study: Study, model: str, task: str, budget: int | None) -> str:
    """The regimes at one number of heads, and their differences."""
    where = {"model": model, "task": task, "metric": study.metric(task)}
    found = spreads(study.at(TIMED, **where, budget=budget), lambda row: kind_of(row.method))
    whole = spread_of(study.at("whole", **where))
    means = [
        f"“{name}” {words(spread)}{f', {MARK}' * at_chance(study, model, task, name, budget)}"
        for name, spread in found.items()
        if not name.endswith(RANDOM)
    ]
    means += [f"all heads {words(whole)}"] if whole is not None else []
    differences = [
        f". {_named(row.method)} {signed(row.value)}{f' (95%: {ends(row)})' if ends(row) else ''}: "
        f"{_said(study, row)}; they differ in {DIFFER.get(row.method, CHOICE)}"
        for row in study.at(CONTRAST, **where, budget=budget)
    ]
    text = f"{model}, {shown(task)}, {budget} heads kept, {study.metric(task)}: {', '.join(means)}"
    return f"{text}{''.join(differences)}."


def _said(study: Study, row: Row) -> str:
    if _both_idle(study, row):
        return f"both {MARK}: no claim"
    if all(_at_ceiling(study, row, regime) for regime in row.method.split(" - ")):
        return "both at the ceiling of the metric: no claim"
    return verdict(dataclasses.replace(row, method=_named(row.method, " - ")))


def _named(method: str, less: str = " less ") -> str:
    """A difference with its regimes in quotes, whose names have commas."""
    return less.join(f"“{side}”" for side in method.split(" - "))
