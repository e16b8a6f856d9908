"""The question of the study of headlines, answered in words with numbers."""

from __future__ import annotations

from collections.abc import Sequence

from jaxheads.records.folder import ALL_TOKENS, CHOSEN, ITSELF, POSITIONS, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import MARK, at_chance
from jaxheads.report.claims import LEVEL, out_of, side_of_interval
from jaxheads.report.folder import Study
from jaxheads.report.parts import Answer
from jaxheads.report.peyrard2021.humor import places

# What else must hold, by the differences whose intervals say so: all above 0, or all below.
FURTHER = (
    ("its contrast is above that of every control but the other form of the task",
     Stage.CONTROL, Metric.CONTRAST, ITSELF, 1),
    ("it points at the edited word more often than every rule",
     Stage.LOCALISATION, POSITIONS[0], CHOSEN, 1),
    ("the accuracy falls more without it than without other heads of its layer",
     Stage.GATED, Metric.ACCURACY, CHOSEN, -1),
)  # fmt: skip


def humor_answer(study: Study) -> Answer | None:
    """Is there a head; is it the edit that it finds; is it due to the task; does it matter."""
    found = places(study)
    if not found:
        return None
    tested = study.at(Stage.HEAD, method=ALL_TOKENS, metric=Metric.CORRECTED_P)
    able = [row for row in tested if not at_chance(study, row.model, row.task)]
    sure = [row for row in able if row.value < LEVEL]
    left = len(tested) - len(able)
    summary = (
        f"In {out_of(len(sure), len(able))} classifiers (models, tasks and seeds) the head chosen "
        "on validation looks more at the edited word when it is funny, on test pairs, after "
        "correction for all heads of a classifier (p below 0.05; not corrected for the number of "
        f"classifiers).{_further(study, found)}"
        + f" Not counted: {left} of models {MARK}."
        * (left > 0)
    )
    return Answer("Does one head find what makes a headline funny?", summary)


def _further(study: Study, found: Sequence[tuple[str, str]]) -> str:
    """In how many models and tasks the head does more than that, over several seeds."""
    able = [place for place in found if not at_chance(study, *place)]
    forms, said = {task for _, task in found}, []
    for what, stage, metric, method, sign in FURTHER:
        own = {"metric": metric, "method": method}
        rows = [
            [
                row
                for row in study.at(stage, model=model, task=task, **own)
                if row.other_method and row.other_task not in forms
            ]
            for model, task in able
        ]
        several = [over for each in rows if (over := [r for r in each if (r.seeds or 0) > 1])]
        if several:
            said.append(f"{what} in {out_of(_all_clear(several, sign), len(several))}")
    if not said:
        return ""
    return (
        f" Over several seeds, of models and tasks: {'; '.join(said)} (95% intervals over seeds "
        "and originals, not corrected for their number)."
    )


def _all_clear(places: Sequence[Sequence[Row]], sign: int) -> int:
    return sum(all(side_of_interval(row) == sign for row in rows) for rows in places)
