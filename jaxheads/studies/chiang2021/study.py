"""Do the heads that matter in pre-training matter downstream, and what may be cut before?

After Chiang & Chen 2021, "Why Can You Lay Off Heads?", of which only the abstract was available to
us: its four questions (prunability, coherence, the acceptable deduction, before and after
fine-tuning), with definitions and choices of our own. So are the nulls of `nulls.py`, which
cost one more fine-tuning for each task and seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from jaxheads.records.folder import FROZEN, OWN, PRETRAINING, TUNED, Stage, score_file
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.chiang2021.acceptable import acceptable
from jaxheads.studies.chiang2021.coherence import coherence, functional, reliabilities
from jaxheads.studies.chiang2021.deduction import (
    BEFORE,
    budgets,
    compared,
    loss_before,
    methods,
    probe_pruned,
    prune_and_train,
    prune_tuned,
)
from jaxheads.studies.chiang2021.nulls import (
    against_nulls,
    null_cells,
    null_file,
    nulls_of,
)
from jaxheads.studies.chiang2021.regimes import compare
from jaxheads.studies.runner.cells import Cell, cell, name_of, rows_of
from jaxheads.studies.workbench.answers import Way, contrasts, save_answers
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.prunability import curves
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.steps import finetuned, score_base, score_weights

Models = dict[tuple[str, int], Cell]  # by task and seed


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """All cells of the study, in an order in which each finds what it needs."""
    for model in study_models(run, store):
        runs = list(itertools.product((task.name for task in model.tasks), run.seeds))
        yield (base := pretrained_cell(model))
        yield (scores := cell(score_base, model, after=[base]))
        nulls = {each: null_cells(model, *each, [base]) for each in runs}
        for places in nulls.values():
            yield from dict.fromkeys(itertools.chain(*places.values()))
        tuned = {each: cell(finetuned, model, *each, after=[base]) for each in runs}
        probed = {each: cell(frozen, model, *each, after=[base]) for each in runs}
        yield from itertools.chain(*zip(tuned.values(), probed.values(), strict=True))
        curved = _curves(model, {(PRETRAINING, 0): scores, **tuned}, nulls)
        for task, own in curved.items():
            yield from own
            yield cell(contrasts_of, model, task, after=own)
        every = [scores, *tuned.values(), *probed.values()]
        yield cell(coherence, model, after=every)
        yield cell(reliabilities, model, after=every)
        if run.scoring.nulls:
            trained = (each for places in nulls.values() for own in places.values() for each in own)
            yield cell(against_nulls, model, after=[*every, *trained])
        yield cell(functional_of, model, after=itertools.chain(*curved.values()))
        yield from _deductions(model, scores, tuned, probed)


def _curves(model: StudyModel, scored: Models, nulls: Mapping) -> dict[str, list[Cell]]:
    """By task, a cell for each seed: its model along its own, the others' and the nulls' orders."""

    def curve(task: str, seed: int) -> Cell:
        others = [
            scored[other, 0 if other == PRETRAINING else _other_seed(model, seed)]
            for other in model.task_names
            if other != task
        ]
        blind = nulls.get((task, seed), {}).get(TUNED, ())
        return cell(curves_of, model, task, seed, after=[scored[task, seed], *others, *blind])

    return {task: [curve(task, seed) for seed in _seeds(model, task)] for task in model.task_names}


def _deductions(model: StudyModel, scores: Cell, tuned: Models, probed: Models) -> Iterator[Cell]:
    """What is trained without some heads, and what follows from it."""
    yield (lost := cell(loss_before, model, after=[scores]))
    retained = [lost, *tuned.values()]
    for task in (task.name for task in model.tasks):
        regimes: list[Cell] = []
        for place, seed in enumerate(model.run.seeds):
            what = (model, task, seed)
            pruned = {}
            for budget in sorted(compared(model), reverse=True):
                pruned[budget] = cell(probe_pruned, *what, budget, after=[scores])
                late = cell(prune_tuned, *what, budget, after=[tuned[task, seed]])
                regimes += [tuned[task, seed], probed[task, seed], pruned[budget], late]
                yield from (pruned[budget], late)
            for method, budget in itertools.product(methods(model, place), budgets(model)):
                # drift is measured from the scores of the readout on the pruned body
                drifts = [pruned[budget]] if method == BEFORE and budget in pruned else []
                after = [scores, *drifts]
                yield (own := cell(prune_and_train, *what, method, budget, after=after))
                regimes.append(own)
                retained += [own] if method == BEFORE else []
        yield cell(compare_of, model, task, after=regimes)
    yield cell(acceptable_of, model, after=retained)


# -- cells


def frozen(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """Train a readout alone, measure, and score the heads of the pre-trained body under it."""
    task, file = study_model.task(name), score_file(study_model.name, name, seed, FROZEN)
    model = study_model.trainer.fitted(study_model.probing(task, seed, file))
    found = study_model.scorer.measure(model, task)
    save_answers(study_model.store, name_of(frozen, study_model, name, seed), found)
    study_model.scorer.score_all(model, task, file)
    score_weights(study_model, model, task, file)
    return study_model.make_rows(name, found.metrics, stage=Stage.PROBE, seed=seed)


def curves_of(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """Curves of a task's model along its own orders, those of other tasks, and those of nulls."""
    from_seed = _other_seed(study_model, seed)
    others = {
        Way(OWN, other_task=other): score_file(study_model.name, other, from_seed)
        for other in study_model.task_names
        if other != name
    }
    others |= {
        Way(null): null_file(study_model, null, name, seed) for null in nulls_of(study_model, name)
    }
    count, seeds = study_model.run.curve.draws, _seeds(study_model, name)
    place = seeds.index(seed)
    model = study_model.base if name == PRETRAINING else study_model.tuned(name, seed)
    return curves(
        study_model, model, study_model.task(name), score_file(study_model.name, name, seed), seed,
        others,
        range(place * count, (place + 1) * count),
    )  # fmt: skip


def _other_seed(model: StudyModel, seed: int) -> int:
    """Of which seed other tasks' scores are taken."""
    return seed if seed in model.run.seeds else model.run.seeds[0]


def contrasts_of(model: StudyModel, name: str) -> list[Row]:
    """Whether the task's order beats chance, and chance the reverse; what beats the nulls."""
    task, files = model.task(name), _curve_files(model, name)
    names = (other for other in model.task_names if other != name)
    others = (Way(OWN), *(Way(OWN, other_task=other) for other in names))
    pairs = list(itertools.product(others, map(Way, nulls_of(model, name))))
    rows = contrasts(model, task, files)
    return rows + (contrasts(model, task, files, pairs, Stage.NULL_CONTRAST) if pairs else [])


def functional_of(model: StudyModel) -> list[Row]:
    """What orders are worth to other tasks."""
    return functional(model, {name: _curve_files(model, name) for name in model.task_names})


def acceptable_of(model: StudyModel) -> list[Row]:
    """The acceptable deduction of each task and of all."""
    before = rows_of(model.store, loss_before, model)
    files = {
        task.name: {
            seed: [
                name_of(finetuned, model, task.name, seed),
                *(
                    name_of(prune_and_train, model, task.name, seed, BEFORE, budget)
                    for budget in budgets(model)
                ),
            ]
            for seed in model.run.seeds
        }
        for task in model.tasks
    }
    return acceptable(model, before, files)


def compare_of(model: StudyModel, name: str) -> list[Row]:
    """Regimes against each other, and every model against the majority-class baseline."""
    places = {
        place: [name_of(compute, model, name, seed) for seed in model.run.seeds]
        for place, compute in ((TUNED, finetuned), (FROZEN, frozen))
    }
    return compare(model, model.task(name), places)


def _curve_files(model: StudyModel, name: str) -> list[str]:
    """Whose answers along a task's curves are kept, seed by seed."""
    return [score_file(model.name, name, seed) for seed in _seeds(model, name)]


def _seeds(model: StudyModel, name: str) -> tuple[int, ...]:
    """The pre-trained model is one; a task has a model for every seed."""
    return (0,) if name == PRETRAINING else model.run.seeds
