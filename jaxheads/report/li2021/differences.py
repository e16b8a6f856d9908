"""Differences of ways to choose heads at equal budgets: tables, and answers in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxheads.records.rows import Row
from jaxheads.report.claims import NONE, clear_in, counted, said_of, side
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Answer, Table
from jaxheads.report.spread import cell, signed, spread_of

Contrasts = dict[tuple[str, str, str, str, str], list[Row]]

STAGES = {"pruned": "nothing trained again", "trained again": "trained once more"}
EQUAL = "equal cost"
WORDS = STAGES | {EQUAL: "the former trained once more"}
BASELINE = "gradient"


def comparison_answer(study: Study) -> Answer | None:
    """Which methods are better than the one-shot order of the gradient."""
    contrasts = _contrasts(study, further=False)
    if not contrasts:
        return None
    several, left_out = counted(study, [row for own in contrasts.values() for row in own])
    ways = dict.fromkeys(row.method.partition(" - ")[0] for row in several if side(row) > 0)
    summary = NONE
    if several:
        summary = (
            "Of comparisons with the gradient's one-shot order at equal budgets "
            f"{clear_in(several)} are better and {clear_in(several, -1)} worse, by 95% intervals "
            "over seeds, random draws and examples"
            + (f"; better at some budget by its own interval: {'; '.join(ways)}." if ways else ".")
        )
    question = "Does any way to choose heads beat one pass of the gradient?"
    return Answer(question, summary + left_out, _points(study, contrasts))


def further_answer(study: Study) -> Answer | None:
    """Whether going further with the gradient beats learning a subset."""
    contrasts = _contrasts(study, further=True)
    if not contrasts:
        return None
    equal = {place: own for place, own in contrasts.items() if place[2] == EQUAL}
    others = {place: own for place, own in contrasts.items() if place[2] != EQUAL}
    parts = {
        "At equal budgets: ": others,
        "At about equal cost (the former trained once more, the latter learned on the fine-tuned "
        "model and not trained again): ": equal,
    }
    said = [f"{lead}{_counted(study, own)}" for lead, own in parts.items() if own]
    summary = f"{' '.join(said)} What each costs is in the table of costs."
    question = "Does scoring again, or refining by interactions, beat a learned subset?"
    return Answer(question, summary, _points(study, contrasts))


def _counted(study: Study, contrasts: Contrasts) -> str:
    several, left_out = counted(study, [row for own in contrasts.values() for row in own])
    if not several:
        return f"unknown, no comparison can be counted.{left_out}"
    return (
        f"of comparisons {clear_in(several)} are for going further and {clear_in(several, -1)} for "
        f"the learned subset, by 95% intervals over seeds and examples.{left_out}"
    )


def _contrasts(study: Study, *, further: bool) -> Contrasts:
    """By model, task, stage, method and what it is compared with: rows in the order of budgets.

    What is compared with the gradient's one-shot order, or `further`: with something else.
    """
    found: Contrasts = {}
    for stage in WORDS:
        for row in study.at(f"{stage}, contrast"):
            method, _, rest = row.method.partition(" - ")
            if (rest != BASELINE) == further:
                found.setdefault((row.model, row.task, stage, method, rest), []).append(row)
    return found


def _points(study: Study, contrasts: Contrasts) -> tuple[str, ...]:
    return tuple(
        f"{model}, {shown(task)}, {WORDS[stage]}: {method} less {rest} {_verdicts(study, own)}."
        for (model, task, stage, method, rest), own in contrasts.items()
    )


def _verdicts(study: Study, rows: Sequence[Row]) -> str:
    """At which numbers of heads the difference is clear, and its sign."""
    said: dict[str, list[str]] = {"better": [], "worse": []}
    for row in rows:
        said.setdefault(_said(study, row), []).append(str(row.budget))
    return ", ".join(f"{what} with {' / '.join(kept)} heads" for what, kept in said.items() if kept)


def _said(study: Study, row: Row) -> str:
    """In a word where a claim can be made, otherwise why not."""
    words = said_of(study, row)
    if "keep" not in words:
        return words
    return ("better" if side(row) > 0 else "worse") + " (one model)" * (row.seeds == 1)


def contrast_table(study: Study) -> Table | None:
    """Every method less the one-shot order of the gradient."""
    return _differences(study, "Each method less the gradient's one-shot order", further=False)


def further_table(study: Study) -> Table | None:
    """What goes further with the gradient less every learned subset."""
    what = "What goes further with the gradient less each learned subset"
    return _differences(study, what, further=True)


def _differences(study: Study, what: str, *, further: bool) -> Table | None:
    columns, body = side_by_side(
        ((model, shown(task), WORDS[stage], f"{method} − {rest}"), f"{row.budget} heads",
         cell(spread_of([row]), signed))
        for (model, task, stage, method, rest), own in _contrasts(study, further=further).items()
        for row in own
    )  # fmt: skip
    caption = (
        f"{what}, by the number of heads kept, with 95% intervals over seeds, random draws and "
        "examples (of one model: over its draws and examples); not corrected for their number."
    )
    head = ("model", "task", "then", "difference", *columns)
    name = "comparison-further" if further else "comparison-contrasts"
    return Table(name, caption, head, body, labels=4) if body else None


def side_by_side(
    entries: Iterable[tuple[tuple[str, ...], str, str]],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Texts by their line and their column: the columns, and the lines with all of them."""
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    columns: dict[str, None] = {}
    for line, column, text in entries:
        lines.setdefault(line, {})[column] = text
        columns[column] = None
    body = (
        (*line, *(texts.get(column, "–") for column in columns)) for line, texts in lines.items()
    )
    return tuple(columns), tuple(body)
