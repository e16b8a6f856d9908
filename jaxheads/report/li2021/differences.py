"""Differences of ways to choose heads at equal budgets: tables, and answers in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxheads.records.folder import OWN, Stage
from jaxheads.records.rows import Row
from jaxheads.report.claims import NONE, clear_in, counted, said_of, side
from jaxheads.report.folder import Study
from jaxheads.report.names import difference, shown
from jaxheads.report.parts import Answer, Table
from jaxheads.report.spread import signed
from jaxheads.report.tables import table_of

THEN = {
    Stage.PRUNED_CONTRAST: "nothing trained again",
    Stage.AGAIN_CONTRAST: "trained once more",
    Stage.EQUAL_CONTRAST: "the former trained once more",
}


def comparison_answer(study: Study) -> Answer | None:
    """Which methods are better than the one-shot order of the gradient."""
    rows = _contrasts(study, further=False)
    if not rows:
        return None
    several, left_out = counted(study, rows)
    ways = dict.fromkeys(row.method for row in several if side(row) > 0)
    summary = NONE
    if several:
        summary = (
            "Of comparisons with the gradient's one-shot order at equal budgets "
            f"{clear_in(several)} are better and {clear_in(several, -1)} worse, by 95% intervals "
            "over seeds, random draws and examples"
            + (f"; better at some budget by its own interval: {'; '.join(ways)}." if ways else ".")
        )
    question = "Does any way to choose heads beat one pass of the gradient?"
    return Answer(question, summary + left_out, tuple(_points(study, rows)))


def further_answer(study: Study) -> Answer | None:
    """Whether going further with the gradient beats learning a subset."""
    rows = _contrasts(study, further=True)
    if not rows:
        return None
    parts = {
        "At equal budgets: ": [row for row in rows if row.stage != Stage.EQUAL_CONTRAST],
        "At about equal cost (the former trained once more, the latter learned on the fine-tuned "
        "model and not trained again): ": [
            row for row in rows if row.stage == Stage.EQUAL_CONTRAST
        ],
    }
    said = [f"{lead}{_counted(study, own)}" for lead, own in parts.items() if own]
    summary = f"{' '.join(said)} What each costs is in the table of costs."
    question = "Does scoring again, or refining by interactions, beat a learned subset?"
    return Answer(question, summary, tuple(_points(study, rows)))


def _counted(study: Study, rows: Sequence[Row]) -> str:
    several, left_out = counted(study, rows)
    if not several:
        return f"unknown, no comparison can be counted.{left_out}"
    return (
        f"of comparisons {clear_in(several)} are for going further and {clear_in(several, -1)} for "
        f"the learned subset, by 95% intervals over seeds and examples.{left_out}"
    )


def _contrasts(study: Study, *, further: bool) -> list[Row]:
    """What is compared with the gradient's one-shot order, or `further`: with something else."""
    rows = [row for stage in THEN for row in study.at(stage)]
    return [row for row in rows if (row.other_method != OWN) == further]


def _points(study: Study, rows: Sequence[Row]) -> Iterator[str]:
    """Each comparison: at which numbers of heads it is clear, and its sign."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        lead = f"{row.model}, {shown(row.task)}, {_then(row)}: {difference(row, ' less ')}"
        own = found.setdefault(lead, {"better": [], "worse": []})
        own.setdefault(_said(study, row), []).append(str(row.budget))
    for lead, said in found.items():
        verdicts = (f"{what} with {' / '.join(n)} heads" for what, n in said.items() if n)
        yield f"{lead} {', '.join(verdicts)}."


def _then(row: Row) -> str:
    return THEN[Stage(row.stage)]


def _said(study: Study, row: Row) -> str:
    """In a word where a claim can be made, otherwise why not."""
    words = said_of(study, row)
    if "keep" not in words:
        return words
    return ("better" if side(row) > 0 else "worse") + " (one model)" * (row.seeds == 1)


def contrast_table(study: Study) -> Table:
    """Every method less the one-shot order of the gradient."""
    return _differences(study, "Each method less the gradient's one-shot order", further=False)


def further_table(study: Study) -> Table:
    """What goes further with the gradient less every learned subset."""
    what = "What goes further with the gradient less each learned subset"
    return _differences(study, what, further=True)


def _differences(study: Study, what: str, *, further: bool) -> Table:
    caption = (
        f"{what}, by the number of heads kept, with 95% intervals over seeds, random draws and "
        "examples (of one model: over its draws and examples); not corrected for their number."
    )
    name = "comparison-further" if further else "comparison-contrasts"
    lines = {"model": "model", "task": "task", "then": _then, "difference": difference}
    rows = _contrasts(study, further=further)
    return table_of(
        name, caption, rows, lines, by=lambda row: f"{row.budget} heads", form=signed
    )  # fmt: skip
