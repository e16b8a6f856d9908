"""Do two tasks need the same heads? Ranks, overlaps and exchanged orders, against their ceilings.

Definitions of our own where Chiang & Chen 2021 (abstract alone) gives none. Importance is measured
at two places: on the fine-tuned model, and on the pre-trained body with a readout trained alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from jaxheads.analysis.agreement import Agreement, overlap, rank_agreement
from jaxheads.analysis.resampling import Estimate, bootstrap
from jaxheads.importance.kept import open_kept
from jaxheads.importance.reliability import score_kept
from jaxheads.pruning.curve import functional_coherence
from jaxheads.records import Row
from jaxheads.settings import PRETRAINING
from jaxheads.studies.lab import Lab
from jaxheads.studies.prunability import OWN, estimate_rows, is_draw, load_answers
from jaxheads.training.evaluate import METRICS

TUNED, FROZEN = "fine-tuned", "frozen body"
LOWEST, HIGHEST = 0.5, 0.2  # shares of the heads whose overlap is reported


def score_file(lab: Lab, task: str, seed: int, place: str = TUNED) -> str:
    """The name of a task's scores; the pre-training task has one seed and one place."""
    if task == PRETRAINING:
        return f"{lab.name}-{PRETRAINING}-0"
    middle = "-frozen" if place == FROZEN else ""
    return f"{lab.name}-{task}{middle}-{seed}"


def coherence(lab: Lab) -> list[Row]:
    """Agreement of the scores of every two tasks, seed by seed."""
    rows = []
    for place in (TUNED, FROZEN):
        for one, two in itertools.combinations(lab.subjects, 2):
            for seed in lab.run.seeds:
                one_LH, two_LH = (
                    lab.saved(score_file(lab, task, seed, place)).score_LH for task in (one, two)
                )
                what = {"stage": "coherence", "method": place, "seed": seed}
                rows += lab.note.rows(f"{one}~{two}", _statistics(one_LH, two_LH), **what)
    return rows


def ceilings(lab: Lab) -> list[Row]:
    """What the same statistics reach between halves of a task's examples, and between its seeds."""
    rows = []
    for task in lab.subjects:
        places = (TUNED,) if task == PRETRAINING else (TUNED, FROZEN)
        seeds = (0,) if task == PRETRAINING else lab.run.seeds
        for place in places:
            suffix = "" if place == TUNED else f", {FROZEN}"
            for seed in seeds:
                found = _halves(lab, score_file(lab, task, seed, place))
                what = {"stage": "ceiling", "method": f"halves{suffix}", "seed": seed}
                rows += lab.note.rows(task, found, **what)
            for number, pair in enumerate(itertools.combinations(seeds, 2)):
                one_LH, two_LH = (lab.saved(score_file(lab, task, s, place)).score_LH for s in pair)
                what = {"stage": "ceiling", "method": f"seeds{suffix}", "seed": number}
                rows += lab.note.rows(task, _values(one_LH, two_LH), **what)
    return rows


def functional(lab: Lab, names: Mapping[str, Mapping[int, str]]) -> list[Row]:
    """What the orders of other tasks are worth, at every budget, with intervals.

    `names`: by task and seed, the file of the answers along that task's curves.
    """
    rows: list[Row] = []
    for task, files in names.items():
        answers = [load_answers(lab, name) for name in files.values()]
        prefix = "order of "
        others = [n for n in answers[0] if n.startswith(prefix) and not n.endswith(".budgets")]
        for name in others:
            rows += _functional(lab, task, f"{name.removeprefix(prefix)}~{task}", name, answers)
    return rows


def _functional(lab: Lab, task: str, pair: str, name: str, answers) -> list[Row]:
    subject = lab.subject(task)
    metric, label_M = METRICS[subject.metrics[0]], answers[0]["label"]
    budgets, rows = answers[0][f"{OWN}.budgets"], []
    for place in range(1, len(budgets) - 1):  # the ends are the same for every order

        def share(seeds, examples, place=place):
            due = label_M[examples]

            def mean(pick) -> float:
                guesses = (pick(answers[seed]) for seed in seeds)
                return float(np.mean([np.mean([metric(g, due) for g in each]) for each in guesses]))

            own, other = (mean(lambda a, key=key: [a[key][place][examples]]) for key in (OWN, name))
            chance = mean(lambda a: [a[k][place][examples] for k in a if is_draw(k)])
            return functional_coherence(other, own, chance)

        found = bootstrap(share, len(answers), len(label_M), samples=200)
        rows += estimate_rows(
            lab, pair, subject.metrics[0], found if not math.isnan(found.value) else _undefined(),
            stage="functional coherence", method=OWN, budget=int(budgets[place]),
        )  # fmt: skip
    return rows


def _undefined() -> Estimate:
    """Where the task's own order is no better than chance."""
    return Estimate(math.nan, math.nan, math.nan)


def _statistics(one_LH: np.ndarray, two_LH: np.ndarray) -> dict[str, float]:
    """Every statistic, its p-value, and what chance has where that is not zero."""
    found = _agreements(one_LH, two_LH)
    values = {name: each.value for name, each in found.items()}
    p_values = {f"p of {name}": each.p_value for name, each in found.items()}
    chance = {f"chance of {name}": each.chance for name, each in found.items() if each.chance}
    return values | p_values | chance


def _values(one_LH: np.ndarray, two_LH: np.ndarray, permutations: int = 1) -> dict[str, float]:
    found = _agreements(one_LH, two_LH, permutations)
    return {name: each.value for name, each in found.items()}


def _agreements(one_LH, two_LH, permutations: int = 9999) -> dict[str, Agreement]:
    return {
        **rank_agreement(one_LH, two_LH, permutations=permutations),
        f"overlap of lowest {LOWEST:.0%}": overlap(one_LH, two_LH, LOWEST, lowest=True),
        f"overlap of highest {HIGHEST:.0%}": overlap(one_LH, two_LH, HIGHEST, lowest=False),
    }


def _halves(lab: Lab, name: str) -> dict[str, float]:
    """The mean of every statistic over random halves of the examples."""
    matrix_NLH = np.asarray(open_kept(lab.kept(name)))
    rng, count = np.random.default_rng(0), len(matrix_NLH)
    splits = []
    for _ in range(lab.run.scoring.splits):
        order = rng.permutation(count)
        halves = (order[: count // 2], order[count // 2 :])
        one_LH, two_LH = (score_kept(matrix_NLH[half]) for half in halves)
        splits.append(_values(one_LH, two_LH))
    return {name: float(np.mean([split[name] for split in splits])) for name in splits[0]}
