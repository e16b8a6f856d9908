"""Before and after fine-tuning, compared: regimes with each other, and models with a constant one.

Two regimes of equal budgets may differ in the score that chooses the heads, in when the heads go,
and in the training: `COMPARED` are those that differ in as little as our regimes allow, beside the
two that a reader would compare first, which differ in more. The definitions are ours.
"""

from __future__ import annotations

import numpy as np

from jaxheads.inference.metrics import constant_answer
from jaxheads.records.folder import (
    AGAIN,
    EARLY,
    FROZEN,
    LATE,
    PRUNE,
    RANDOM,
    TUNED,
    TWICE,
    WHOLE,
    Stage,
    score_file,
)  # fmt: skip
from jaxheads.records.rows import Row
from jaxheads.studies.chiang2021.deduction import (
    BEFORE,
    compared,
    methods,
    probed_file,
    prune_tuned,
    train_twice,
    tune_pruned,
)
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.answers import (
    WHOLE_MODEL,
    Answered,
    Way,
    contrast_rows,
    load_answers,
)
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.tasks import PreparedTask

COMPARED = (
    (Way(EARLY), Way(LATE)),
    (Way(TWICE), Way(AGAIN)),
    (Way(EARLY), Way(EARLY, RANDOM)),
    (Way(LATE), Way(LATE, RANDOM)),
)


def compare(model: StudyModel, name: str) -> list[Row]:
    """Differences of regimes, and of each model from the majority-class baseline, with intervals.

    Intervals are over seeds, random draws and examples.
    """
    task, rows = model.task(name), list[Row]()
    for place, measured in ((TUNED, WHOLE), (FROZEN, FROZEN)):
        names = (score_file(model.name, name, seed, measured) for seed in model.run.seeds)
        answers = [load_answers(model.store, each) for each in names]
        guesses = [[each.guesses[WHOLE_MODEL]] for each in answers]
        rows += _above_baseline(model, task, guesses, answers[0], place=place)
    for budget in sorted(compared(model), reverse=True):
        files = [_answers(model, task.name, *each, budget) for each in enumerate(model.run.seeds)]
        answered = {regime: [by_regime[regime] for by_regime, _ in files] for regime in files[0][0]}
        due = files[0][1]
        for regime, guesses in answered.items():
            what = {**regime._asdict(), "budget": budget}
            rows += _above_baseline(model, task, guesses, due, **what)
        for one, two in COMPARED:
            what = {"stage": Stage.REGIME_CONTRAST, "budget": budget, **one.less(two)}
            rows += contrast_rows(model, task, answered[one], answered[two], due, **what)
    return rows


def _above_baseline(
    model: StudyModel, task: PreparedTask, guesses, due: Answered, **what
) -> list[Row]:
    constant = [[constant_answer(due.label_M)]] * len(guesses)
    return contrast_rows(model, task, guesses, constant, due, stage=Stage.ABOVE_BASELINE, **what)


def _answers(
    model: StudyModel, task: str, place: int, seed: int, budget: int
) -> tuple[dict[Way, list[np.ndarray]], Answered]:
    """The answers of a seed by regime, a list of draws each, and what was due."""
    trained = {
        way: load_answers(model.store, name_of(tune_pruned, model, task, seed, way, budget))
        for way in methods(model, place)
    }
    own = trained[BEFORE]
    again = load_answers(model.store, name_of(prune_tuned, model, task, seed, budget))
    twice = load_answers(model.store, name_of(train_twice, model, task, seed, budget))
    probed = load_answers(model.store, probed_file(model, task, seed, budget))
    chance = [found.guesses[way] for way, found in trained.items() if way.draw is not None]
    by_regime = {Way(PRUNE): [probed.guesses[WHOLE_MODEL]], Way(EARLY): [own.guesses[BEFORE]]}
    by_regime |= {Way(EARLY, RANDOM): chance, Way(TWICE): [twice.guesses[Way(TWICE)]]}
    return by_regime | {regime: [guess] for regime, guess in again.guesses.items()}, own
