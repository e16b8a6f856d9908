"""Do the heads that matter in pre-training matter downstream, and what may be cut before?

After Chiang & Chen 2021, "Why Can You Lay Off Heads?", of which only the abstract was available to
us: its four questions (prunability, coherence, the acceptable deduction, before and after
fine-tuning), with definitions and choices of our own. So are the nulls of `nulls.py`, which
cost one more fine-tuning for each task and seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from jaxheads.records.folder import FROZEN, OWN, PRETRAINING, TUNED, WHOLE, Stage, score_file
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.chiang2021.acceptable import acceptable
from jaxheads.studies.chiang2021.coherence import coherence, functional, reliabilities
from jaxheads.studies.chiang2021.deduction import (
    BEFORE,
    budgets,
    compared,
    cut_pruned,
    drift,
    loss_before,
    methods,
    probe_pruned,
    prune_tuned,
    train_pruned,
    train_twice,
    tune_pruned,
)
from jaxheads.studies.chiang2021.nulls import (
    against_nulls,
    null_cells,
    null_file,
    nulls_of,
)
from jaxheads.studies.chiang2021.regimes import compare
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.workbench.answers import Way, contrasts, save_answers
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.prunability import along, orders
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.steps import score_base

Models = dict[tuple[str, int], Cell]  # by task and seed


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """All cells of the study, in an order in which each finds what it needs."""
    for model in study_models(run, store):
        runs = list(itertools.product((task.name for task in model.tasks), run.seeds))
        yield (base := pretrained_cell(model))
        yield (scores := cell(score_base, model, after=[base]))
        yield from (cell(floors, model, task.name, after=[base]) for task in model.tasks)
        tuned = {each: cell(fine_tuned, model, *each, after=[base]) for each in runs}
        scored = {each: cell(score_tuned, model, *each, after=[own]) for each, own in tuned.items()}
        probes = {each: cell(probed, model, *each, after=[base]) for each in runs}
        nulls = {each: null_cells(model, *each, base, own) for each, own in tuned.items()}
        for each in runs:
            blind = dict.fromkeys(itertools.chain(*nulls[each].values()))
            yield from (tuned[each], scored[each], probes[each], *blind)
        curved = _curves(model, {(PRETRAINING, 0): scores, **scored}, nulls)
        for task, own in curved.items():
            yield from own
            yield cell(contrasts_of, model, task, after=own)
        every = [scores, *scored.values(), *probes.values()]
        yield cell(coherence, model, after=every)
        yield cell(reliabilities, model, after=every)
        if run.scoring.nulls:
            trained = (each for places in nulls.values() for own in places.values() for each in own)
            yield cell(against_nulls, model, after=[*every, *trained])
        yield cell(functional_of, model, after=itertools.chain(*curved.values()))
        yield from _deductions(model, scores, tuned, scored, probes)


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


def _deductions(
    model: StudyModel, scores: Cell, tuned: Models, scored: Models, probes: Models
) -> Iterator[Cell]:
    """What is trained without some heads, and what follows from it."""
    yield (lost := cell(loss_before, model, after=[scores]))
    retained = [lost, *tuned.values()]
    for task in (task.name for task in model.tasks):
        regimes: list[Cell] = []
        for place, seed in enumerate(model.run.seeds):
            what = (model, task, seed)
            trained: dict[int, Cell] = {}
            for budget in sorted(compared(model), reverse=True):
                early = cell(probe_pruned, *what, budget, after=[scores])
                late = cell(prune_tuned, *what, budget, after=[scored[task, seed]])
                trained[budget] = cell(train_pruned, *what, budget, after=[scores])
                twice = cell(train_twice, *what, budget, after=[trained[budget]])
                regimes += [tuned[task, seed], probes[task, seed], early, late, twice]
                yield from (early, late, trained[budget], twice)
                yield cell(drift, *what, budget, after=[early, trained[budget]])
                if place == 0:
                    yield cell(cut_pruned, *what, budget, after=[trained[budget]])
            for method, budget in itertools.product(methods(model, place), budgets(model)):
                made = [trained[budget]] if method == BEFORE and budget in trained else [scores]
                yield (own := cell(tune_pruned, *what, method, budget, after=made))
                regimes.append(own)
                retained += [own] if method == BEFORE else []
        yield cell(compare, model, task, after=regimes)
    yield cell(acceptable, model, after=retained)


# -- cells


def floors(model: StudyModel, name: str) -> list[Row]:
    """What guesses reach: the majority class, whichever model is measured, and counts of words."""
    task = model.task(name)
    found = model.scorer.measure(model.fresh(task, 0), task).floors
    return model.make_rows(name, found | model.reader.bag_of_words(name), stage=Stage.FLOOR)


def fine_tuned(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """Fine-tune with all heads, and measure."""
    task, model = study_model.task(name), study_model.tuned(name, seed)
    found = study_model.scorer.measure(model, task)
    save_answers(study_model.store, score_file(study_model.name, name, seed, WHOLE), found)
    return study_model.make_rows(name, found.metrics, stage=Stage.WHOLE, seed=seed)


def score_tuned(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """Score the heads of a fine-tuned model."""
    task, model = study_model.task(name), study_model.tuned(name, seed)
    study_model.scorer.score_all(model, task, score_file(study_model.name, name, seed))
    return []


def probed(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """Train a readout alone, measure, and score the heads of the pre-trained body under it."""
    task, file = study_model.task(name), score_file(study_model.name, name, seed, FROZEN)
    model = study_model.trainer.fitted(study_model.probing(task, seed, file))
    found = study_model.scorer.measure(model, task)
    save_answers(study_model.store, file, found)
    study_model.scorer.score_all(model, task, file)
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
    own = (study_model, model, study_model.task(name), score_file(study_model.name, name, seed))
    draws = range(place * count, (place + 1) * count)
    return along(*own, seed, orders(*own, others, draws))


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


def _curve_files(model: StudyModel, name: str) -> list[str]:
    """Whose answers along a task's curves are kept, seed by seed."""
    return [score_file(model.name, name, seed) for seed in _seeds(model, name)]


def _seeds(model: StudyModel, name: str) -> tuple[int, ...]:
    """The pre-trained model is one; a task has a model for every seed."""
    return (0,) if name == PRETRAINING else model.run.seeds
