"""Before or after fine-tuning: regimes against each other, and what they differ in."""

from __future__ import annotations

import dataclasses

from jaxheads.records import Row
from jaxheads.report.baseline import MARK, TIMED, at_chance
from jaxheads.report.claims import clear_in, counted, verdict
from jaxheads.report.folder import Study
from jaxheads.report.looks import shown
from jaxheads.report.parts import Answer, Table
from jaxheads.report.spread import cell, ends, kind_of, signed, spread_of, spreads, words

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
            "With equal training (two fine-tunings), pruned by the pre-training score before both "
            "or by the task's own score between them: the former",
        ),
        _counted(
            study, FIRST,
            "Pruned and then fine-tuned, or fine-tuned and then pruned, which changes the score, "
            "the time and the training after it at once and compares none of these: the former",
        ),
    )  # fmt: skip
    summary = " ".join(part for part in parts if part) or "The regimes were not compared."
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
    several, left_out = counted(study, [row for row in rows if not _both_idle(study, row)])
    idle = sum(_both_idle(study, row) for row in rows)
    left_out += f" In {idle} both are {MARK}." if idle else ""
    if not several:
        return f"{lead} is not known to be better or worse.{left_out}"
    return (
        f"{lead} is better in {clear_in(several)} cases, worse in {clear_in(several, -1)} (95% "
        f"intervals over seeds and examples).{left_out}"
    )


def _both_idle(study: Study, row: Row) -> bool:
    """Whether neither regime of a difference is shown to be above chance."""
    where = (study, row.model, row.task)
    return all(at_chance(*where, side, row.budget) for side in row.method.split(" - "))


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
    return verdict(dataclasses.replace(row, method=_named(row.method, " - ")))


def _named(method: str, less: str = " less ") -> str:
    """A difference with its regimes in quotes, whose names have commas."""
    return less.join(f"“{side}”" for side in method.split(" - "))
