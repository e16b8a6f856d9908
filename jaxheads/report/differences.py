"""Differences of ways to choose heads at equal budgets: tables, and answers in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxheads.records import Row
from jaxheads.report.folder import Study
from jaxheads.report.looks import shown
from jaxheads.report.parts import Answer, Table
from jaxheads.report.prunability import verdict
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
    said = [(way, _said(row)) for (*_, way, _), own in contrasts.items() for row in own]
    verdicts = [what for _, what in said]
    ways = list(dict.fromkeys(way for way, what in said if what == "better"))
    summary = (
        f"Of {len(said)} comparisons with the gradient's one-shot order at equal budgets, "
        f"{verdicts.count('better')} are better and {verdicts.count('worse')} worse by 95% "
        "intervals over seeds and examples"
        + (f"; better at some budget: {'; '.join(ways)}." if ways else ".")
        + " Nothing is corrected for their number."
    )
    question = "Does any way to choose heads beat one pass of the gradient?"
    return Answer(question, summary, _points(contrasts))


def further_answer(study: Study) -> Answer | None:
    """Whether going further with the gradient beats learning a subset."""
    contrasts = _contrasts(study, further=True)
    if not contrasts:
        return None
    equal = {place: own for place, own in contrasts.items() if place[2] == EQUAL}
    others = {place: own for place, own in contrasts.items() if place[2] != EQUAL}
    summary = (
        f"{_counted(others)} for the learned subset by 95% intervals over seeds and examples. "
        + (
            f"At about equal cost (the former trained once more, the latter learned on the "
            f"fine-tuned model and not trained again): {_counted(equal).lower()} for the learned "
            "subset. " if equal else ""
        )
        + "What each costs is in the table of costs. Nothing is corrected for their number."
    )  # fmt: skip
    question = "Does scoring again, or refining by interactions, beat a learned subset?"
    return Answer(question, summary, _points(contrasts))


def _counted(contrasts: Contrasts) -> str:
    said = [_said(row) for own in contrasts.values() for row in own]
    return (
        f"Of {len(said)} comparisons at equal budgets, {said.count('better')} are for going "
        f"further and {said.count('worse')}"
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


def _points(contrasts: Contrasts) -> tuple[str, ...]:
    return tuple(
        f"{model}, {shown(task)}, {WORDS[stage]}: {method} less {rest} {_verdicts(own)}."
        for (model, task, stage, method, rest), own in contrasts.items()
    )


def _verdicts(rows: Sequence[Row]) -> str:
    """At which numbers of heads the difference is clear, and its sign."""
    said: dict[str, list[str]] = {"better": [], "worse": [], "not distinguishable": []}
    for row in rows:
        said[_said(row)].append(str(row.budget))
    return ", ".join(f"{what} with {' / '.join(kept)} heads" for what, kept in said.items() if kept)


def _said(row: Row) -> str:
    found = verdict(row)
    if found.endswith("more"):
        return "better"
    return "worse" if found.endswith("less") else "not distinguishable"


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
        f"{what}, by the number of heads kept, with 95% intervals over seeds and examples; not "
        "corrected for their number."
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
