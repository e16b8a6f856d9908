"""Do two tasks need the same heads? Ranks, overlaps and exchanged orders, and their reliability.

Definitions of our own where Chiang & Chen 2021 (abstract alone) gives none. Importance is measured
at two places: on the fine-tuned model, and on the pre-trained body with a readout trained alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from jaxheads.analysis.agreement import Agreement, ceiling, overlap, rank_agreement
from jaxheads.analysis.intervals import Estimate, jackknife, quotient
from jaxheads.importance.kept import open_kept
from jaxheads.importance.reliability import reliability
from jaxheads.inference.metrics import METRICS
from jaxheads.records.folder import (
    FROZEN,
    NULLS,
    OTHER_BOTH,
    OTHER_EXAMPLES,
    OTHER_SEED,
    OWN,
    PRETRAINING,
    RANDOM,
    TUNED,
    Metric,
    Stage,
    score_file,
)
from jaxheads.records.rows import Row
from jaxheads.studies.workbench.answers import Answered, Way, estimate_rows, load_answers
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.scorer import kept_name

LOWEST, HIGHEST = 0.5, 0.2  # shares of the heads whose overlap is reported, as metrics say


def coherence(model: StudyModel) -> list[Row]:
    """Agreement of the scores of every two tasks, seed by seed."""
    rows = []
    for place in (TUNED, FROZEN):
        for one, two in pairs_of(model):
            for seed in model.run.seeds:
                one_LH, two_LH = (
                    model.scorer.saved(score_file(model.name, task, seed, place)).score_LH
                    for task in (one, two)
                )
                what = {"stage": Stage.COHERENCE, "place": place, "seed": seed, "other_task": two}
                for name, each in agreements(one_LH, two_LH).items():
                    chance = {"chance": each.chance} if each.chance else {}
                    what |= {"p_value": each.p_value}
                    rows += model.make_rows(one, {name: each.value}, **what, **chance)
    return rows


def pairs_of(model: StudyModel) -> Iterator[tuple[str, str]]:
    """Every two of the tasks that are compared."""
    return itertools.combinations(model.task_names, 2)


def reliabilities(model: StudyModel) -> list[Row]:
    """How each map of scores repeats, and the ceiling that this sets to each correlation of two.

    "other examples": on as many other examples in the same model, from halves (Spearman and Brown).
    "other seed": between fine-tuning seeds on the same examples. "other examples and seed": both,
    which is the reliability of one map of one seed and sets the ceiling; the pre-trained model is
    one, so that its map repeats over examples alone.
    """
    rows, both = [], {}
    for task in model.task_names:
        places = (TUNED,) if task == PRETRAINING else (TUNED, FROZEN)
        seeds = (0,) if task == PRETRAINING else model.run.seeds
        for place in places:
            names = {seed: score_file(model.name, task, seed, place) for seed in seeds}
            both[task, place], found = _repeats(model, task, place, names)
            rows += found
    for place, (one, two) in itertools.product((TUNED, FROZEN), pairs_of(model)):
        values = [both[task, TUNED if task == PRETRAINING else place] for task in (one, two)]
        what = {"stage": Stage.CEILING, "place": place, "other_task": two}
        rows += model.make_rows(one, {Metric.SPEARMAN: ceiling(*values)}, **what)
    return rows


def _repeats(
    model: StudyModel, task: str, place: str, names: Mapping[int, str]
) -> tuple[float, list[Row]]:
    """The reliability of one map, by the files of all seeds, and the rows of its parts."""
    splits = model.run.scoring.splits
    kept = {seed: model.store.read(kept_name(name), open_kept) for seed, name in names.items()}
    rows: list[Row] = []

    def note(what: str, seed: int, values: Mapping[str, float]) -> None:
        where = {"stage": Stage.RELIABILITY, "method": what, "place": place, "seed": seed}
        rows.extend(model.make_rows(task, values, **where))

    for seed, matrix_NLH in kept.items():
        note(OTHER_EXAMPLES, seed, {Metric.SPEARMAN: reliability([matrix_NLH], splits=splits)})
    for number, pair in enumerate(itertools.combinations(names.values(), 2)):
        one_LH, two_LH = (model.scorer.saved(name).score_LH for name in pair)
        note(OTHER_SEED, number, agreement_values(one_LH, two_LH))
    value = reliability(list(kept.values()), splits=splits)
    if len(kept) > 1:
        note(OTHER_BOTH, 0, {Metric.SPEARMAN: value})
    return value, rows


def functional(model: StudyModel, names: Mapping[str, Sequence[str]]) -> list[Row]:
    """What the orders of other tasks are worth, at every budget, with intervals.

    `names`: by task, seed by seed, the file of the answers along that task's curves.
    """
    rows: list[Row] = []
    for task, files in names.items():
        answers = [load_answers(model.store, name) for name in files]
        others = (way for way in answers[0].guesses if way.other_task or way.method in NULLS)
        for way in others:
            rows += _functional(model, task, way, answers)
    return rows


def _functional(
    model: StudyModel, task: str, way: Way, answers: Sequence[Answered]
) -> Iterator[Row]:
    metric, due = model.task(task).metrics[0], answers[0]
    budgets = due.budgets[Way(OWN)]
    for place in range(1, len(budgets) - 1):  # the ends are the same for every order
        orders = [
            (
                each.guesses[way][place],
                each.guesses[Way(OWN)][place],
                [guess[place] for guess in each.of_kind(Way(RANDOM))],
            )
            for each in answers
        ]
        found = _shared_gain(orders, due.label_M, due.example_M, METRICS[metric])
        what = {"stage": Stage.FUNCTIONAL, "budget": int(budgets[place]), **way._asdict()}
        yield from estimate_rows(model, task, metric, found, **what)


def _shared_gain(orders, label_M, example_M, metric) -> Estimate:
    """How much of what a task's own order gains over chance another task's order gains.

    `(other - chance) / (own - chance)`, each the metric at one budget: 1 where the other order is
    as good as the own one, 0 where it is no better than random ones. NaN where the own order is not
    better than random, so that there is nothing to share. Over seeds (with one: over its draws) and
    examples; the definition is ours.

    `orders`: by seed, the answers by the other order, by the own one, and by each random one.
    """
    if len(orders) == 1:
        other, own, chance = orders[0]
        orders = [(other, own, [draw]) for draw in chance]

    def gain(which: int):
        def over_chance(row: int, rows) -> float:
            chance = np.mean([metric(draw[rows], label_M[rows]) for draw in orders[row][2]])
            return float(metric(orders[row][which][rows], label_M[rows]) - chance)

        return jackknife(over_chance, len(orders), example_M)

    return quotient(gain(0), gain(1))


def agreement_values(
    one_LH: Float[np.ndarray, "L H"], two_LH: Float[np.ndarray, "L H"]
) -> dict[str, float]:
    """Every statistic of two maps, without its p-value."""
    return {name: each.value for name, each in agreements(one_LH, two_LH, 1).items()}


def agreements(
    one_LH: Float[np.ndarray, "L H"], two_LH: Float[np.ndarray, "L H"], permutations: int = 9999
) -> dict[str, Agreement]:
    """Every statistic of two maps."""
    return {
        **rank_agreement(one_LH, two_LH, permutations=permutations),
        Metric.LOWEST: overlap(one_LH, two_LH, LOWEST, lowest=True),
        Metric.HIGHEST: overlap(one_LH, two_LH, HIGHEST, lowest=False),
    }
