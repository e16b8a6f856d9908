"""Differences of ways to choose heads at equal budgets: tables, and answers in words."""

from __future__ import annotations

from collections.abc import Sequence

from jaxheads.records.folder import Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, at_chance
from jaxheads.report.claims import counted, number_in
from jaxheads.report.folder import Study
from jaxheads.report.names import difference, shown
from jaxheads.report.parts import Answer, Table
from jaxheads.report.questions import compared
from jaxheads.report.spread import signed
from jaxheads.report.tables import table_of

THEN = {
    Stage.PRUNED_CONTRAST: "nothing trained again",
    Stage.AGAIN_CONTRAST: "trained once more",
    Stage.EQUAL_CONTRAST: "the former trained once more",
}


def further_answer(study: Study) -> Answer | None:
    """Whether going further with the gradient beats learning a subset."""
    rows = compared(study, further=True)
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
    return Answer(question, summary)


def _counted(study: Study, rows: Sequence[Row]) -> str:
    several, left_out = counted(study, rows)
    if not several:
        return f"unknown, no comparison can be counted.{left_out}"
    (ours, sure), (theirs, surely) = number_in(several), number_in(several, -1)
    return (
        f"{ours or 'none'} of {len(several)} comparisons {'is' if ours < 2 else 'are'} for going "
        f"further{sure}; {theirs or 'none'} {'is' if theirs < 2 else 'are'} for the learned subset"
        f"{surely}, by 95% intervals over seeds and examples.{left_out}"
    )


def _then(row: Row) -> str:
    return THEN[Stage(row.stage)]


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
        f"{CROSSED}"
    )

    def task(row: Row) -> str:
        return shown(row.task) + CROSS * at_chance(study, row.model, row.task)

    name = "comparison-further" if further else "comparison-contrasts"
    lines = {"model": "model", "task": task, "then": _then, "difference": difference}
    rows = compared(study, further=further)
    return table_of(
        name, caption, rows, lines, by=lambda row: f"{row.budget} heads", form=signed
    )  # fmt: skip
