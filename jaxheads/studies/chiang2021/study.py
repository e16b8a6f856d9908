"""Do the heads that matter in pre-training matter downstream, and what may be cut before?

After Chiang & Chen 2021, "Why Can You Lay Off Heads?", of which only the abstract was available to
us: its four questions (prunability, coherence, the acceptable deduction, before and after
fine-tuning), with definitions and choices of our own. So are the nulls of `nulls.py`, which
cost one more fine-tuning for each task and seed.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

from jaxheads.parallel.mesh import open_mesh
from jaxheads.records.rows import Row, read_rows
from jaxheads.studies.chiang2021.acceptable import acceptable
from jaxheads.studies.chiang2021.coherence import coherence, functional, reliabilities
from jaxheads.studies.chiang2021.deduction import (
    BEFORE,
    again_name,
    budgets,
    compared,
    loss_before,
    methods,
    probe_pruned,
    prune_and_train,
    prune_tuned,
    trained_name,
)
from jaxheads.studies.chiang2021.nulls import (
    against_nulls,
    cells_of,
    null_cells,
    null_file,
    nulls_of,
)
from jaxheads.studies.chiang2021.regimes import compare
from jaxheads.studies.runner.cells import Cell, cell_path
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.prunability import (
    OWN,
    answers_of,
    contrasts,
    curves,
    save_answers,
    score_all,
)
from jaxheads.studies.workbench.settings import PRETRAINING, Run
from jaxheads.studies.workbench.steps import (
    FROZEN,
    TUNED,
    finetuned,
    score_base,
    score_file,
    score_weights,
    whole_name,
)
from jaxheads.studies.workbench.training_jobs import TrainingJob


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """All cells of the study, in an order in which each finds what it needs."""
    mesh = open_mesh(run.devices)
    for settings in run.models:
        model = StudyModel(run, settings, folder, mesh)
        yield pretrained_cell(model)
        yield from _subjects(model)
        yield from _curves(model)
        yield from _coherence(model)
        yield from _deductions(model)


def _subjects(model: StudyModel) -> Iterator[Cell]:
    """Fine-tuned models, and scores of all heads at every place."""
    base = (_pretrained(model),)
    yield Cell(_base_scores(model), functools.partial(score_base, model), needs=base)
    yield from null_cells(model, base)
    for task in model.tasks:
        for seed in model.run.seeds:
            what = (model, task.name, seed)
            yield Cell(whole_name(*what), functools.partial(finetuned, *what), base)
            yield Cell(_frozen_name(*what), functools.partial(frozen, *what), base)


def _curves(model: StudyModel) -> Iterator[Cell]:
    for task in model.task_names:
        for seed in _seeds(model, task):
            others = {_scored(model, other, _other_seed(model, seed)) for other in model.task_names}
            others |= {*cells_of(model, task, seed, TUNED)}
            yield Cell(
                _curves_name(model, task, seed),
                functools.partial(curves_of, model, task, seed),
                needs=(_pretrained(model), _scored(model, task, seed), *sorted(others)),
            )
        yield Cell(
            f"{model.name}-{task}-contrasts",
            functools.partial(contrasts_of, model, task),
            needs=tuple(_curves_name(model, task, seed) for seed in _seeds(model, task)),
        )


def _coherence(model: StudyModel) -> Iterator[Cell]:
    runs = list(itertools.product((task.name for task in model.tasks), model.run.seeds))
    scores = (
        _base_scores(model),
        *(name(model, *each) for each in runs for name in (whole_name, _frozen_name)),
    )
    along = (
        _curves_name(model, task, seed) for task in model.task_names for seed in _seeds(model, task)
    )
    yield Cell(f"{model.name}-coherence", functools.partial(coherence, model), needs=scores)
    yield Cell(f"{model.name}-reliability", functools.partial(reliabilities, model), needs=scores)
    if model.run.scoring.nulls:
        trained = (name for each in runs for name in cells_of(model, *each, TUNED, FROZEN))
        needs = (*scores, *trained)
        yield Cell(f"{model.name}-nulls", functools.partial(against_nulls, model), needs=needs)
    yield Cell(
        f"{model.name}-functional", functools.partial(functional_of, model), needs=tuple(along)
    )


def _deductions(model: StudyModel) -> Iterator[Cell]:
    """What is trained without some heads, and what follows from it."""
    loss = Cell(
        f"{model.name}-deduction",
        functools.partial(loss_before, model),
        needs=(_base_scores(model),),
    )
    retained = [loss.name]
    yield loss
    for task in model.tasks:
        compared_with: list[str] = []
        for place, seed in enumerate(model.run.seeds):
            retained += [whole_name(model, task.name, seed)]
            retained += [
                trained_name(model, task.name, seed, BEFORE, each) for each in budgets(model)
            ]
            regimes = [*_regimes(model, task.name, seed), *_trained(model, task.name, place, seed)]
            compared_with += [
                whole_name(model, task.name, seed),
                _frozen_name(model, task.name, seed),
            ]
            compared_with += [cell.name for cell in regimes]
            yield from regimes
        work = functools.partial(compare_of, model, task.name)
        yield Cell(f"{model.name}-{task.name}-regimes", work, needs=tuple(compared_with))
    yield Cell(
        f"{model.name}-acceptable", functools.partial(acceptable_of, model), needs=tuple(retained)
    )


def _regimes(model: StudyModel, task: str, seed: int) -> Iterator[Cell]:
    """Pruned without any training, and pruned after it."""
    for budget in sorted(compared(model), reverse=True):
        base, what = (_base_scores(model),), (seed, budget)
        yield Cell(
            _probed_name(model, task, *what),
            functools.partial(_of, model, task, probe_pruned, *what),
            base,
        )
        yield Cell(
            again_name(model, task, seed, budget),
            functools.partial(_of, model, task, prune_tuned, seed, budget),
            needs=(whole_name(model, task, seed),),
        )


def _trained(model: StudyModel, task: str, place: int, seed: int) -> Iterator[Cell]:
    """Pruned before fine-tuning; where drift is measured, after the scores that it starts from."""
    for method, budget in itertools.product(methods(model, place), budgets(model)):
        drifts = method == BEFORE and budget in compared(model)
        base, what = (_base_scores(model),), (seed, method, budget)
        yield Cell(
            trained_name(model, task, *what),
            functools.partial(_of, model, task, prune_and_train, *what),
            (*base, *((_probed_name(model, task, seed, budget),) if drifts else ())),
        )


# -- names


def _pretrained(model: StudyModel) -> str:
    return f"{model.name}-pretrained"


def _base_scores(model: StudyModel) -> str:
    return f"{model.name}-{PRETRAINING}-scores"


def _frozen_name(model: StudyModel, task: str, seed: int) -> str:
    return f"{model.name}-{task}-{seed}-frozen"


def _curves_name(model: StudyModel, task: str, seed: int) -> str:
    return f"{model.name}-{task}-{seed}-curves"


def _probed_name(model: StudyModel, task: str, seed: int, budget: int) -> str:
    return f"{model.name}-{task}-{seed}-probed-{budget}"


def _scored(model: StudyModel, task: str, seed: int) -> str:
    """The cell that scores the model of a task, or the pre-trained one."""
    return _base_scores(model) if task == PRETRAINING else whole_name(model, task, seed)


# -- cells


def _of(model: StudyModel, task: str, compute, *what):
    """What a function of the task itself gives, which is read when the cell runs."""
    return compute(model, model.task(task), *what)


def frozen(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """Train a readout alone, measure, and score the heads of the pre-trained body under it."""
    task, file = study_model.task(name), score_file(study_model, name, seed, FROZEN)
    model = study_model.fitted(_frozen(study_model, name, seed))
    found = study_model.measure(model, task)
    save_answers(study_model, _frozen_name(study_model, name, seed), answers_of(found))
    score_all(study_model, model, task, file)
    score_weights(study_model, model, task, file)
    return study_model.make_rows(name, found.metrics, stage="linear probe", seed=seed)


def _frozen(model: StudyModel, name: str, seed: int) -> TrainingJob:
    return model.probing(model.task(name), seed, score_file(model, name, seed, FROZEN))


def curves_of(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """Curves of a task's model along its own orders, those of other tasks, and those of nulls."""
    from_seed = _other_seed(study_model, seed)
    others = {
        other: score_file(study_model, other, from_seed)
        for other in study_model.task_names
        if other != name
    }
    others |= {
        null: null_file(study_model, null, name, seed) for null in nulls_of(study_model, name)
    }
    count, seeds = study_model.run.curve.draws, _seeds(study_model, name)
    place = seeds.index(seed)
    model = study_model.base if name == PRETRAINING else study_model.tuned(name, seed)
    return curves(
        study_model, model, study_model.task(name), score_file(study_model, name, seed), seed,
        others,
        range(place * count, (place + 1) * count),
    )  # fmt: skip


def _other_seed(model: StudyModel, seed: int) -> int:
    """Of which seed other tasks' scores are taken."""
    return seed if seed in model.run.seeds else model.run.seeds[0]


def contrasts_of(model: StudyModel, name: str) -> list[Row]:
    """Whether the task's order beats chance, and chance the reverse; what beats the nulls."""
    task, files = model.task(name), _curve_files(model, name)
    others = (OWN, *(f"order of {other}" for other in model.task_names if other != name))
    nulls = [f"order of {null}" for null in nulls_of(model, name)]
    pairs = list(itertools.product(others, nulls))
    rows = contrasts(model, task, files)
    return rows + (contrasts(model, task, files, pairs, "contrast with nulls") if pairs else [])


def functional_of(model: StudyModel) -> list[Row]:
    """What orders are worth to other tasks."""
    return functional(model, {name: _curve_files(model, name) for name in model.task_names})


def acceptable_of(model: StudyModel) -> list[Row]:
    """The acceptable deduction of each task and of all."""
    before = read_rows(cell_path(model.folder, f"{model.name}-deduction"))
    files = {
        task.name: {
            seed: [
                whole_name(model, task.name, seed),
                *(
                    trained_name(model, task.name, seed, BEFORE, budget)
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
        place: [file(model, name, seed) for seed in model.run.seeds]
        for place, file in ((TUNED, whole_name), (FROZEN, _frozen_name))
    }
    return compare(model, model.task(name), places)


def _curve_files(model: StudyModel, name: str) -> dict[int, str]:
    """Whose answers along a task's curves are kept, by seed."""
    return {seed: score_file(model, name, seed) for seed in _seeds(model, name)}


def _seeds(model: StudyModel, name: str) -> tuple[int, ...]:
    """The pre-trained model is one; a task has a model for every seed."""
    return (0,) if name == PRETRAINING else model.run.seeds
