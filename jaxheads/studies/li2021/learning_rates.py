"""At which learning rate gates learn: tried on training examples that are held out for it.

Pipelined gates are tried on a model that was fine-tuned without those examples too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from jaxheads.data.encode import EncodedSource
from jaxheads.data.sources import take
from jaxheads.records.folder import Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.studies.li2021.selection import (
    METHODS,
    budgets,
    choice_of,
)
from jaxheads.studies.runner.cells import Cell, cell, rows_of
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.tasks import PreparedTask, batches_of


def learning_rate_cells(
    model: StudyModel, task: str, after: Sequence[Cell]
) -> Iterator[tuple[str, Cell]]:
    """By method with a learning rate its cell; before them, the model which some of them need."""
    methods = [method for method in model.run.study.methods if METHODS[method].gate]
    if len(model.run.study.learning_rates) > 1 and any(METHODS[each].pipelined for each in methods):
        after = [cell(tuned_for_trials, model, task, after=after)]
        yield "", after[0]
    for method in methods:
        yield method, cell(choose_learning_rate, model, task, method, after=after)


def learning_rate_of(model: StudyModel, name: str, method: str) -> float:
    """The learning rate that was chosen; that of methods without gates is not used."""
    if not METHODS[method].gate:
        return 1.0
    rows = rows_of(model.store, choose_learning_rate, model, name, method)
    return next(row.value for row in rows if row.metric == Metric.LEARNING_RATE)


def choose_learning_rate(model: StudyModel, name: str, method: str) -> list[Row]:
    """The learning rate with the best metric on training examples that the trial has not seen.

    The mean over all budgets (at a large one nearly any heads will do), with the first seed; a
    single one needs no choice. `steps of all trials` counts the fine-tuning that they start from,
    which pipelined methods share.
    """
    how, what = model.run.study, {"stage": Stage.LEARNING_RATE, "method": method}
    if len(how.learning_rates) == 1:
        return model.make_rows(name, {Metric.LEARNING_RATE: how.learning_rates[0]}, **what)
    part = _without_tried(model, name)
    assert part.training is not None
    rows: list[Row] = []
    found: dict[float, list[float]] = {learning_rate: [] for learning_rate in how.learning_rates}
    steps = part.training.steps if METHODS[method].pipelined else 0
    for learning_rate, budget in itertools.product(how.learning_rates, budgets(model)):
        choice = choice_of(model, part, model.run.seeds[0], budget, learning_rate)
        chosen, metric = METHODS[method].choose(choice), part.metrics[0]
        steps += chosen.steps
        value = model.scorer.measure(chosen.model, part, chosen.mask_LH).metrics[metric]
        found[learning_rate].append(value)
        tried = {**what, "budget": budget, "setting": learning_rate}
        rows += model.make_rows(name, {metric: value}, **tried)
    best = max(found, key=lambda learning_rate: sum(found[learning_rate]))
    values = {Metric.LEARNING_RATE: best, Metric.TRIAL_STEPS: float(steps)}
    return rows + model.make_rows(name, values, **what)


def tuned_for_trials(model: StudyModel, name: str) -> list[Row]:
    """The fine-tuned model of the trials."""
    model.trained(_without_tried(model, name), model.run.seeds[0])
    return []


def _without_tried(model: StudyModel, name: str) -> PreparedTask:
    """The task as trials have it: what is held out is a part of its training examples by chance."""
    task = model.task(name)
    assert isinstance(task.train, EncodedSource), "downstream tasks are read whole"
    train, rest = parted(task.train, model.run.study.chosen_on)
    batches = list(batches_of(rest, task.lengths, model.run.curve.batch_size, model.mesh))
    name = f"{name}-for-learning-rates"  # of a translation by its next tokens, without its texts
    return task._replace(name=name, train=train, held_out=batches, references=None)


def parted(source: EncodedSource, share: float) -> tuple[EncodedSource, EncodedSource]:
    """A source without a share of its examples, drawn by a fixed seed, and those by themselves.

    Files may be sorted, so the last examples would not do.
    """
    count = len(source.lengths)
    order = np.random.default_rng(0).permutation(count)
    left_out = round(count * share)
    rest, kept = np.sort(order[:left_out]), np.sort(order[left_out:])
    return take(source, kept), take(source, rest)
