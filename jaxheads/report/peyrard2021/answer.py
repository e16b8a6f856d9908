"""The question of the study of headlines, answered in words with numbers."""

from __future__ import annotations

from jaxheads.records.folder import (
    ALL_TOKENS,
    COMMON_PLACE,
    FINAL_WORD,
    POSITIONS,
    RANDOM_WORD,
    Metric,
    Stage,
)
from jaxheads.report.baseline import MARK, at_chance
from jaxheads.report.claims import LEVEL
from jaxheads.report.folder import Study
from jaxheads.report.parts import Answer
from jaxheads.report.peyrard2021.humor import places

RULES = (RANDOM_WORD, FINAL_WORD, COMMON_PLACE)
EVERY, FINAL, NOT_FINAL, _ = POSITIONS


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
        f"In {len(sure)} of {len(able)} classifiers (models, tasks and seeds) the head chosen on "
        "validation looks more at the edited word when it is funny, on test pairs, after "
        "correction for all heads of a classifier (p below 0.05; not corrected for the number of "
        "classifiers)." + f" Not counted: {left} of models {MARK}." * (left > 0)
    )
    return Answer("Does one head find what makes a headline funny?", summary)
