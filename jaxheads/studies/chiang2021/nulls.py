"""Maps of heads that know nothing of a task's labels: what agreement of tasks has to be more than.

magnitude          the norm of a head's weights, in the model whose importance it is set against
output_norm        the mean length of what a head adds to the residual stream there, over the
                   examples that are scored
untrained_readout  the gradient's score in the pre-trained body under a new readout
shuffled_labels    the same training and the same score, with the labels of the training examples
                   permuted among them (another permutation for each seed); what is held out keeps
                   its labels

Costs for each task and seed: one more fine-tuning and one more readout for the shuffled labels, and
about three passes over the scored examples for the rest; for each of them one more curve. Masked LM
has the first two alone. All of this is ours: Chiang & Chen 2021 (abstract alone) names no null.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from jaxheads.analysis.agreement import partial_spearman, rank_agreement
from jaxheads.analysis.intervals import crossed
from jaxheads.records.folder import (
    FROZEN,
    NULLS,
    PRETRAINING,
    SHUFFLED,
    TUNED,
    UNTRAINED,
    Metric,
    Stage,
    score_file,
)
from jaxheads.records.rows import Row
from jaxheads.studies.chiang2021.coherence import agreement_values, pairs_of
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.workbench.answers import estimate_rows
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.scorer import scores_name
from jaxheads.studies.workbench.steps import OF_WEIGHTS, score_weights
from jaxheads.studies.workbench.trainer import masked_training

TRAINED = (SHUFFLED, UNTRAINED)  # measured as importance is, with its noise


def nulls_of(model: StudyModel, task: str) -> tuple[str, ...]:
    """The nulls that the run asks for and that a task has."""
    known = OF_WEIGHTS if task == PRETRAINING else NULLS
    return tuple(null for null in model.run.scoring.nulls if null in known)


def null_file(model: StudyModel, null: str, task: str, seed: int, place: str = TUNED) -> str:
    """The file of a null's map, beside the scores of the same task, seed and place."""
    if null in OF_WEIGHTS:
        return scores_name(score_file(model.name, task, seed, place), null)
    at_readout = null == SHUFFLED and place == FROZEN
    return score_file(model.name, task, seed, f"frozen-{null}" if at_readout else null)


# -- cells


def null_cells(
    model: StudyModel, task: str, seed: int, base: Cell, tuned: Cell
) -> dict[str, list[Cell]]:
    """By place, what is trained or scored for the nulls alone."""
    wanted, found = nulls_of(model, task), {TUNED: [], FROZEN: []}
    for place, body in ((TUNED, tuned), (FROZEN, base)):
        what = (model, task, seed, place)
        found[place] += [cell(weights, *what, after=[body])] if OF_WEIGHTS.keys() & wanted else []
        found[place] += [cell(shuffled, *what, after=[base])] if SHUFFLED in wanted else []
    if UNTRAINED in wanted:
        own = cell(untrained, model, task, seed, after=[base])
        found = {place: [*cells, own] for place, cells in found.items()}
    return found


def weights(study_model: StudyModel, name: str, seed: int, place: str) -> list[Row]:
    """Score the heads of a body, which a linear probe leaves as it is, by magnitude and norm."""
    task = study_model.task(name)
    model = study_model.tuned(name, seed) if place == TUNED else study_model.fresh(task, seed)
    score_weights(study_model, model, task, score_file(study_model.name, name, seed, place))
    return []


def shuffled(study_model: StudyModel, name: str, seed: int, place: str) -> list[Row]:
    """Train on permuted labels, measure on the true ones of what is held out, and score."""
    task = study_model.reader.shuffled(study_model.task(name), seed)
    file = null_file(study_model, SHUFFLED, name, seed, place)
    if place == FROZEN:
        model = study_model.trainer.fitted(study_model.probing(task, seed, file))
    else:
        model = study_model.trainer.fitted(
            masked_training(study_model.fresh(task, seed), task, seed, file, None)
        )
    found = study_model.scorer.measure(model, task)
    study_model.scorer.save(file, study_model.scorer.score(model, task))
    return study_model.make_rows(name, found.metrics, stage=Stage.SHUFFLED, place=place, seed=seed)


def untrained(model: StudyModel, name: str, seed: int) -> list[Row]:
    """Score the heads of the pre-trained body under a new readout."""
    task = model.task(name)
    model.scorer.save(
        null_file(model, UNTRAINED, name, seed), model.scorer.score(model.fresh(task, seed), task)
    )
    return []


# -- rows


def against_nulls(model: StudyModel) -> list[Row]:
    """How far nulls agree with importance, and what two tasks agree in beyond them."""
    rows: list[Row] = []
    for place in (TUNED, FROZEN):
        for one, two in itertools.product(model.task_names, repeat=2):
            rows += _null_rows(model, one, two, place)
        for pair in pairs_of(model):
            rows += [*_given_rows(model, pair, place), *_excess_rows(model, pair, place)]
    return rows


def _null_rows(model: StudyModel, one: str, two: str, place: str) -> Iterator[Row]:
    """The nulls of one task beside the importance of another, or of the same one."""
    only_text = one == two == PRETRAINING
    for null in nulls_of(model, one) if place == TUNED or not only_text else ():
        for seed in model.run.seeds[:1] if only_text else model.run.seeds:
            found = agreement_values(
                _map(model, null_file(model, null, one, seed, place)),
                _map(model, score_file(model.name, two, seed, place)),
            )
            what = {"stage": Stage.NULL, "method": null, "place": place, "other_task": two}
            yield from model.make_rows(one, found, seed=seed, **what)


def _given_rows(model: StudyModel, pair: tuple[str, str], place: str) -> Iterator[Row]:
    """The agreement that is left when a null of both models is held constant."""
    for null, seed in itertools.product(OF_WEIGHTS, model.run.seeds):
        if null not in model.run.scoring.nulls:
            continue
        given = [_map(model, null_file(model, null, task, seed, place)) for task in pair]
        one_LH, two_LH = (_map(model, score_file(model.name, task, seed, place)) for task in pair)
        found = partial_spearman(one_LH, two_LH, given)
        what = {"stage": Stage.GIVEN_NULL, "method": null, "place": place, "other_task": pair[1]}
        what |= {"p_value": found.p_value, "seed": seed}
        yield from model.make_rows(pair[0], {Metric.SPEARMAN: found.value}, **what)


def _excess_rows(model: StudyModel, pair: tuple[str, str], place: str) -> Iterator[Row]:
    """The agreement less that of either side's null with the other: the greater, at least 0."""
    for null in (null for null in TRAINED if null in model.run.scoring.nulls):
        less = []
        for seed in model.run.seeds:
            one_LH, two_LH = (
                _map(model, score_file(model.name, task, seed, place)) for task in pair
            )
            blind = [
                _spearman(_map(model, null_file(model, null, task, seed, place)), other_LH)
                for task, other_LH in zip(pair, (two_LH, one_LH), strict=True)
                if null in nulls_of(model, task)
            ]
            less.append(_spearman(one_LH, two_LH) - max(0.0, *blind))
        found = crossed(np.array(less)[:, None]).at()
        what = {"stage": Stage.BEYOND_NULL, "method": null, "place": place, "other_task": pair[1]}
        yield from estimate_rows(model, pair[0], Metric.SPEARMAN, found, **what)


def _map(model: StudyModel, name: str) -> np.ndarray:
    return model.scorer.saved(name).score_LH


def _spearman(one_LH: np.ndarray, two_LH: np.ndarray) -> float:
    return rank_agreement(one_LH, two_LH, permutations=1)[Metric.SPEARMAN].value
