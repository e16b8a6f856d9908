"""The acceptable deduction: what may be lost on the pre-training task, before any fine-tuning.

A task keeps enough at a budget if its metric is not below `1 - tolerance` of the whole model's. The
bounds of A are found by asking that of the bounds of the difference, at every budget: up to the
first, the task surely keeps enough; beyond the last, surely not. Each question has its own 95%
interval over seeds and examples; they are not corrected for the number of budgets. Definitions and
interval are ours (Chiang & Chen 2021 names the question in its abstract).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxheads.analysis.intervals import Estimate, Estimates, crossed, jackknife
from jaxheads.inference.metrics import METRICS
from jaxheads.pruning.curve import acceptable_deduction
from jaxheads.records.folder import ALL_TASKS, WHOLE, Metric, Stage, score_file
from jaxheads.records.rows import Row
from jaxheads.studies.chiang2021.deduction import BEFORE, budgets, loss_before, tune_pruned
from jaxheads.studies.runner.cells import name_of, rows_of
from jaxheads.studies.workbench.answers import estimate_rows, load_answers
from jaxheads.studies.workbench.model import StudyModel


class Retained(NamedTuple):
    """What models of one task, pruned and then fine-tuned, answered to held-out examples."""

    metric: Callable[[np.ndarray, np.ndarray], float]
    guess_SKM: np.ndarray  # by seed and budget, the whole model first
    label_M: np.ndarray
    example_M: np.ndarray

    def margins(self, tolerance: float) -> Estimates:
        """By budget, the metric less `1 - tolerance` of the whole model's.

        A bound that is not known is infinite; of the whole model, which keeps all, it is the value.
        """

        def margin(place: int) -> Estimate:
            def of(seed: int, rows) -> float:
                kept, whole = (
                    self.metric(self.guess_SKM[seed, at][rows], self.label_M[rows])
                    for at in (place, 0)
                )
                return kept - (1 - tolerance) * whole

            return crossed(jackknife(of, len(self.guess_SKM), self.example_M)).at()

        found = [margin(place) for place in range(self.guess_SKM.shape[1])]
        value_K, low_K, high_K, p_K = map(np.array, zip(*found, strict=True))
        for bound_K, unknown in ((low_K, -np.inf), (high_K, np.inf)):
            bound_K[np.isnan(bound_K)] = unknown
            bound_K[0] = bound_K[0] if np.isfinite(bound_K[0]) else value_K[0]
        return Estimates(value_K, low_K, high_K, p_K)


def acceptable(model: StudyModel) -> list[Row]:
    """A(eps) of every task and of all tasks, with bounds over seeds and examples.

    All tasks: every one of them must keep enough.
    """
    before = rows_of(model.store, loss_before, model)
    lost = [r for r in before if r.metric == Metric.LOSS_INCREASE and not r.reading]
    budget_K, loss_K = [r.budget or 0 for r in lost], [r.value for r in lost]
    tasks = {task.name: _read(model, task.name) for task in model.tasks}
    rows: list[Row] = []
    for tolerance in model.run.study.tolerances:
        margins = {task: answers.margins(tolerance) for task, answers in tasks.items()}
        each = list(margins.values())
        least = Estimates(*(np.min(side, axis=0) for side in zip(*each, strict=True)))
        for name, margin in [*margins.items(), (ALL_TASKS, least)]:
            for what, found in reached(margin, budget_K, loss_K).items():
                where = {"stage": Stage.ACCEPTABLE, "setting": tolerance, **BEFORE._asdict()}
                rows += estimate_rows(model, name, what, found, **where)
    return rows


def reached(
    margin_K: Estimates, budgets: Sequence[int], loss_K: Sequence[float]
) -> dict[str, Estimate]:
    """The largest acceptable loss and number of heads removed, by value and bounds of margins.

    They have no bound where no pruned model's margin has one (one seed, one example).
    """

    def at(side_K: Float[np.ndarray, "K"]) -> tuple[float, float]:
        if np.isinf(side_K[1:]).all():
            return float("nan"), float("nan")
        loss, place = acceptable_deduction(loss_K, side_K)
        return loss, float(budgets[0] - budgets[place])

    sides = zip(*map(at, (margin_K.value, margin_K.low, margin_K.high)), strict=True)
    return {
        what: Estimate(*found)
        for what, found in zip((Metric.LOSS_INCREASE, Metric.HEADS_REMOVED), sides, strict=True)
    }


def _read(model: StudyModel, task: str) -> Retained:
    def files(seed: int) -> Iterator[str]:
        yield score_file(model.name, task, seed, WHOLE)
        yield from (name_of(tune_pruned, model, task, seed, BEFORE, n) for n in budgets(model))

    answers = [[load_answers(model.store, n) for n in files(seed)] for seed in model.run.seeds]
    guess_SKM = np.array([[next(iter(f.guesses.values())) for f in own] for own in answers])
    metric, first = METRICS[model.task(task).metrics[0]], answers[0][0]
    return Retained(metric, guess_SKM, first.label_M, first.example_M)
