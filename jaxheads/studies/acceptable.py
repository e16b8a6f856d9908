"""The acceptable deduction: what may be lost on the pre-training task, before any fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxheads.analysis.resampling import bootstrap
from jaxheads.pruning.curve import acceptable_deduction
from jaxheads.records import Row
from jaxheads.studies.deduction import BEFORE
from jaxheads.studies.lab import Lab
from jaxheads.studies.prunability import estimate_rows, load_answers
from jaxheads.training.evaluate import METRICS

ALL, SAMPLES = "all tasks", 400


class Retained(NamedTuple):
    """What models of one task, pruned and then fine-tuned, answered to held-out examples."""

    metric: Callable[[np.ndarray, np.ndarray], float]
    guess_SKM: np.ndarray  # by seed and budget, the whole model first
    label_M: np.ndarray

    def shares(self, seeds: np.ndarray, examples: np.ndarray) -> np.ndarray:
        """The mean metric at every budget, as a share of the whole model's."""
        due = self.label_M[examples]
        scores_SK = [[self.metric(g[examples], due) for g in self.guess_SKM[s]] for s in seeds]
        mean_K = np.mean(scores_SK, axis=0)
        return mean_K / mean_K[0] if mean_K[0] > 0 else np.zeros_like(mean_K)


def acceptable(
    lab: Lab, before: Sequence[Row], files: Mapping[str, Mapping[int, Sequence[str]]]
) -> list[Row]:
    """A(eps) of every task and of all tasks, with intervals over seeds and examples.

    `before`: the rows of `loss_before`; `files`: by task and seed, whose answers are read at each
    budget of those rows. All tasks: at each budget the least share over the tasks.
    """
    lost = [r for r in before if r.method == BEFORE and r.metric == "loss increase"]
    budgets, loss_K = [r.budget or 0 for r in lost], [r.value for r in lost]
    tasks = {task: _read(lab, task, by_seed) for task, by_seed in files.items()}
    rows: list[Row] = []
    for tolerance in lab.run.pruning.tolerances:
        for name, some in [
            *((name, [task]) for name, task in tasks.items()),
            (ALL, [*tasks.values()]),
        ]:
            rows += _rows(lab, name, some, budgets, loss_K, tolerance)
    return rows


def _read(lab: Lab, task: str, by_seed: Mapping[int, Sequence[str]]) -> Retained:
    answers = [[load_answers(lab, name) for name in names] for names in by_seed.values()]
    guess_SKM = np.array([[each["guess"] for each in of_seed] for of_seed in answers])
    return Retained(METRICS[lab.subject(task).metrics[0]], guess_SKM, answers[0][0]["label"])


def _rows(
    lab: Lab,
    name: str,
    tasks: Sequence[Retained],
    budgets: Sequence[int],
    loss_K: Sequence[float],
    tolerance: float,
) -> list[Row]:
    def reached(seeds, *examples) -> tuple[float, int]:
        shares = [task.shares(seeds, each) for task, each in zip(tasks, examples, strict=True)]
        return acceptable_deduction(loss_K, np.min(shares, axis=0), tolerance)

    sizes = (len(tasks[0].guess_SKM), *(len(task.label_M) for task in tasks))
    found = {
        "loss increase": bootstrap(lambda *drawn: reached(*drawn)[0], *sizes, samples=SAMPLES),
        "heads removed": bootstrap(
            lambda *drawn: float(budgets[0] - budgets[reached(*drawn)[1]]), *sizes, samples=SAMPLES
        ),
    }
    rows: list[Row] = []
    for what, estimate in found.items():
        rows += estimate_rows(
            lab, name, f"{what} at {tolerance:.0%}", estimate,
            stage="acceptable deduction", method=BEFORE,
        )  # fmt: skip
    return rows
