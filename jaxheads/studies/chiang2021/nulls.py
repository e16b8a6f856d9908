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

import functools
import itertools
from collections.abc import Iterator

import numpy as np

from jaxheads.analysis.agreement import partial_spearman, rank_agreement
from jaxheads.analysis.intervals import crossed
from jaxheads.records.rows import Row
from jaxheads.studies.chiang2021.coherence import agreement_values, pairs_of
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.workbench.model import Lab
from jaxheads.studies.workbench.prunability import estimate_rows, scores_name
from jaxheads.studies.workbench.settings import NULLS, PRETRAINING
from jaxheads.studies.workbench.steps import FROZEN, OF_WEIGHTS, TUNED, score_file

SHUFFLED, MAGNITUDE, OUTPUT_NORM, UNTRAINED = NULLS
TRAINED = (SHUFFLED, UNTRAINED)  # measured as importance is, with its noise


def nulls_of(lab: Lab, task: str) -> tuple[str, ...]:
    """The nulls that the run asks for and that a task has."""
    known = OF_WEIGHTS if task == PRETRAINING else NULLS
    return tuple(null for null in lab.run.scoring.nulls if null in known)


def null_file(lab: Lab, null: str, task: str, seed: int, place: str = TUNED) -> str:
    """The file of a null's map, beside the scores of the same task, seed and place."""
    own = score_file(lab, task, seed, place)
    if null in OF_WEIGHTS:
        return scores_name(own, null)
    if null == UNTRAINED:
        return f"{lab.name}-{task}-{null}-{seed}"
    return f"{own.removesuffix(f'-{seed}')}-{null}-{seed}"


# -- cells


def null_cells(lab: Lab, needs: tuple[str, ...]) -> Iterator[Cell]:
    """What is trained or scored for the nulls alone, once the pre-trained model is there."""
    for task, seed in itertools.product((task.name for task in lab.tasks), lab.run.seeds):
        wanted = nulls_of(lab, task)
        for place in (TUNED, FROZEN) if SHUFFLED in wanted else ():
            compute = functools.partial(shuffled, lab, task, seed, place)
            yield Cell(_cell_name(lab, SHUFFLED, task, seed, place), compute, needs)
        if UNTRAINED in wanted:
            compute = functools.partial(untrained, lab, task, seed)
            yield Cell(_cell_name(lab, UNTRAINED, task, seed), compute, needs)


def cells_of(lab: Lab, task: str, seed: int, *places: str) -> tuple[str, ...]:
    """The cells of `null_cells` that a task and seed have."""
    return tuple(
        dict.fromkeys(
            _cell_name(lab, null, task, seed, place)
            for null in nulls_of(lab, task)
            for place in places
            if null in TRAINED
        )
    )


def _cell_name(lab: Lab, null: str, task: str, seed: int, place: str = TUNED) -> str:
    frozen = "-frozen" if place == FROZEN and null == SHUFFLED else ""
    return f"{lab.name}-{task}-{seed}-{null}{frozen}"


def shuffled(lab: Lab, name: str, seed: int, place: str) -> list[Row]:
    """Train on permuted labels, measure on the true ones of what is held out, and score."""
    task = lab.reader.shuffled(lab.subject(name), seed)
    file = null_file(lab, SHUFFLED, name, seed, place)
    if place == FROZEN:
        model = lab.fitted(lab.probing(task, seed, file))
    else:
        model = lab.fitted(lab.refitting(lab.fresh(task, seed), task, seed, file, None))
    found = lab.measure(model, task)
    lab.save(file, lab.score(model, task))
    return lab.note.rows(name, found.metrics, stage="labels shuffled", method=place, seed=seed)


def untrained(lab: Lab, name: str, seed: int) -> list[Row]:
    """Score the heads of the pre-trained body under a new readout."""
    task = lab.subject(name)
    lab.save(null_file(lab, UNTRAINED, name, seed), lab.score(lab.fresh(task, seed), task))
    return []


# -- rows


def against_nulls(lab: Lab) -> list[Row]:
    """How far nulls agree with importance, and what two tasks agree in beyond them."""
    rows: list[Row] = []
    for place in (TUNED, FROZEN):
        for one, two in itertools.product(lab.subjects, repeat=2):
            rows += _null_rows(lab, one, two, place)
        for pair in pairs_of(lab):
            rows += [*_given_rows(lab, pair, place), *_excess_rows(lab, pair, place)]
    return rows


def _null_rows(lab: Lab, one: str, two: str, place: str) -> Iterator[Row]:
    """The nulls of one task beside the importance of another, or of the same one."""
    only_text = one == two == PRETRAINING
    for null in nulls_of(lab, one) if place == TUNED or not only_text else ():
        for seed in lab.run.seeds[:1] if only_text else lab.run.seeds:
            found = agreement_values(
                _map(lab, null_file(lab, null, one, seed, place)),
                _map(lab, score_file(lab, two, seed, place)),
            )
            method = null if place == TUNED else f"{null}, {place}"
            yield from lab.note.rows(f"{one}~{two}", found, stage="null", method=method, seed=seed)


def _given_rows(lab: Lab, pair: tuple[str, str], place: str) -> Iterator[Row]:
    """The agreement that is left when a null of both models is held constant."""
    for null, seed in itertools.product(OF_WEIGHTS, lab.run.seeds):
        if null not in lab.run.scoring.nulls:
            continue
        given = [_map(lab, null_file(lab, null, task, seed, place)) for task in pair]
        one_LH, two_LH = (_map(lab, score_file(lab, task, seed, place)) for task in pair)
        found = partial_spearman(one_LH, two_LH, given)
        name = f"spearman given {null}"
        yield from lab.note.rows(
            "~".join(pair), {name: found.value, f"p of {name}": found.p_value},
            stage="coherence", method=place, seed=seed,
        )  # fmt: skip


def _excess_rows(lab: Lab, pair: tuple[str, str], place: str) -> Iterator[Row]:
    """The agreement less that of either side's null with the other: the greater, at least 0."""
    for null in (null for null in TRAINED if null in lab.run.scoring.nulls):
        less = []
        for seed in lab.run.seeds:
            one_LH, two_LH = (_map(lab, score_file(lab, task, seed, place)) for task in pair)
            blind = [
                _spearman(_map(lab, null_file(lab, null, task, seed, place)), other_LH)
                for task, other_LH in zip(pair, (two_LH, one_LH), strict=True)
                if null in nulls_of(lab, task)
            ]
            less.append(_spearman(one_LH, two_LH) - max(0.0, *blind))
        yield from estimate_rows(
            lab, "~".join(pair), f"spearman less {null}", crossed(np.array(less)[:, None]).at(),
            stage="more than nulls", method=place,
        )  # fmt: skip


def _map(lab: Lab, name: str) -> np.ndarray:
    return lab.saved(name).score_LH


def _spearman(one_LH: np.ndarray, two_LH: np.ndarray) -> float:
    return rank_agreement(one_LH, two_LH, permutations=1)["spearman"].value
