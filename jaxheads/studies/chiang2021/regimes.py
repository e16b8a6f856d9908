"""Before and after fine-tuning, compared: regimes with each other, and models with a constant one.

Two regimes of equal budgets may differ in the score that chooses the heads, in when the heads go,
and in the training: `COMPARED` are those that differ in as little as our regimes allow, beside the
two that a reader would compare first, which differ in more. The definitions are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jaxheads.analysis.intervals import contrast
from jaxheads.inference.metrics import METRICS, constant_answer
from jaxheads.records.rows import Row
from jaxheads.studies.chiang2021.deduction import (
    AGAIN,
    BEFORE,
    LATE,
    REGIMES,
    TWICE,
    compared,
    methods,
    probed_file,
    prune_and_train,
    prune_tuned,
)
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.prunability import RANDOM, contrast_rows, load_answers
from jaxheads.studies.workbench.tasks import PreparedTask

EARLY, BASELINE = "prune, fine-tune", "above the baseline"
COMPARED = (
    (EARLY, LATE),
    (TWICE, AGAIN),
    (EARLY, f"{EARLY}, {RANDOM}"),
    (LATE, f"{LATE}, {RANDOM}"),
)


def compare(
    model: StudyModel, task: PreparedTask, places: Mapping[str, Sequence[str]]
) -> list[Row]:
    """Differences of regimes, and of each model from the majority-class baseline, with intervals.

    Intervals are over seeds, random draws and examples. `places`: the files of answers of whole
    models, by seed, under what they are called ("fine-tuned", "linear probe").
    """
    rows: list[Row] = []
    for place, names in places.items():
        answers = [load_answers(model.store, name) for name in names]
        found = {place: [[each["guess"]] for each in answers]}
        rows += _above_baseline(model, task, found, answers[0])
    for budget in sorted(compared(model), reverse=True):
        files = [_answers(model, task.name, *each, budget) for each in enumerate(model.run.seeds)]
        answered = {regime: [by_regime[regime] for by_regime, _ in files] for regime in files[0][0]}
        due = files[0][1]
        rows += _above_baseline(model, task, answered, due, budget=budget)
        for one, two in COMPARED:
            rows += _contrast(
                model, task, answered[one], answered[two], due,
                stage=f"{REGIMES}, contrast", method=f"{one} - {two}", budget=budget,
            )  # fmt: skip
    return rows


def _above_baseline(model: StudyModel, task: PreparedTask, answered, due, **what) -> list[Row]:
    rows: list[Row] = []
    for method, guesses in answered.items():
        constant = [[constant_answer(due["label"])]] * len(guesses)
        what |= {"stage": BASELINE, "method": method}
        rows += _contrast(model, task, guesses, constant, due, **what)
    return rows


def _contrast(
    model: StudyModel, task: PreparedTask, one, two, due: Mapping[str, np.ndarray], **what
):
    metric = task.metrics[0]
    found = contrast(one, two, due["label"], METRICS[metric], due["example"])
    return contrast_rows(model, task.name, metric, found, **what)


def _answers(
    model: StudyModel, task: str, place: int, seed: int, budget: int
) -> tuple[dict[str, list[np.ndarray]], dict[str, np.ndarray]]:
    """The answers of a seed by regime, a list of draws each, and what was due."""
    trained = {
        method: load_answers(
            model.store, name_of(prune_and_train, model, task, seed, method, budget)
        )
        for method in methods(model, place)
    }
    own = trained[BEFORE]
    again = load_answers(model.store, name_of(prune_tuned, model, task, seed, budget))
    probed = load_answers(model.store, probed_file(model, task, seed, budget))
    chance = [found["guess"] for method, found in trained.items() if method.startswith(RANDOM)]
    by_regime = {"prune": [probed["guess"]], EARLY: [own["guess"]], f"{EARLY}, {RANDOM}": chance}
    by_regime |= {TWICE: [own[TWICE]]}
    by_regime |= {name: [guess] for name, guess in again.items() if name.startswith(LATE)}
    return by_regime, own
