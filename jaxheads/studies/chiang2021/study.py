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
from jaxheads.studies.workbench.model import Lab
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
from jaxheads.studies.workbench.training_jobs import Fit


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """All cells of the study, in an order in which each finds what it needs."""
    mesh = open_mesh(run.devices)
    for settings in run.models:
        lab = Lab(run, settings, folder, mesh)
        yield pretrained_cell(lab)
        yield from _subjects(lab)
        yield from _curves(lab)
        yield from _coherence(lab)
        yield from _deductions(lab)


def _subjects(lab: Lab) -> Iterator[Cell]:
    """Fine-tuned models, and scores of all heads at every place."""
    base = (_pretrained(lab),)
    yield Cell(_base_scores(lab), functools.partial(score_base, lab), needs=base)
    yield from null_cells(lab, base)
    for task in lab.tasks:
        for seed in lab.run.seeds:
            what = (lab, task.name, seed)
            yield Cell(whole_name(*what), functools.partial(finetuned, *what), base)
            yield Cell(_frozen_name(*what), functools.partial(frozen, *what), base)


def _curves(lab: Lab) -> Iterator[Cell]:
    for task in lab.subjects:
        for seed in _seeds(lab, task):
            others = {_scored(lab, other, _other_seed(lab, seed)) for other in lab.subjects}
            others |= {*cells_of(lab, task, seed, TUNED)}
            yield Cell(
                _curves_name(lab, task, seed),
                functools.partial(curves_of, lab, task, seed),
                needs=(_pretrained(lab), _scored(lab, task, seed), *sorted(others)),
            )
        yield Cell(
            f"{lab.name}-{task}-contrasts",
            functools.partial(contrasts_of, lab, task),
            needs=tuple(_curves_name(lab, task, seed) for seed in _seeds(lab, task)),
        )


def _coherence(lab: Lab) -> Iterator[Cell]:
    runs = list(itertools.product((task.name for task in lab.tasks), lab.run.seeds))
    scores = (
        _base_scores(lab),
        *(name(lab, *each) for each in runs for name in (whole_name, _frozen_name)),
    )
    along = (_curves_name(lab, task, seed) for task in lab.subjects for seed in _seeds(lab, task))
    yield Cell(f"{lab.name}-coherence", functools.partial(coherence, lab), needs=scores)
    yield Cell(f"{lab.name}-reliability", functools.partial(reliabilities, lab), needs=scores)
    if lab.run.scoring.nulls:
        trained = (name for each in runs for name in cells_of(lab, *each, TUNED, FROZEN))
        needs = (*scores, *trained)
        yield Cell(f"{lab.name}-nulls", functools.partial(against_nulls, lab), needs=needs)
    yield Cell(f"{lab.name}-functional", functools.partial(functional_of, lab), needs=tuple(along))


def _deductions(lab: Lab) -> Iterator[Cell]:
    """What is trained without some heads, and what follows from it."""
    loss = Cell(
        f"{lab.name}-deduction", functools.partial(loss_before, lab), needs=(_base_scores(lab),)
    )
    retained = [loss.name]
    yield loss
    for task in lab.tasks:
        compared_with: list[str] = []
        for place, seed in enumerate(lab.run.seeds):
            retained += [whole_name(lab, task.name, seed)]
            retained += [trained_name(lab, task.name, seed, BEFORE, each) for each in budgets(lab)]
            regimes = [*_regimes(lab, task.name, seed), *_trained(lab, task.name, place, seed)]
            compared_with += [whole_name(lab, task.name, seed), _frozen_name(lab, task.name, seed)]
            compared_with += [cell.name for cell in regimes]
            yield from regimes
        work = functools.partial(compare_of, lab, task.name)
        yield Cell(f"{lab.name}-{task.name}-regimes", work, needs=tuple(compared_with))
    yield Cell(
        f"{lab.name}-acceptable", functools.partial(acceptable_of, lab), needs=tuple(retained)
    )


def _regimes(lab: Lab, task: str, seed: int) -> Iterator[Cell]:
    """Pruned without any training, and pruned after it."""
    for budget in sorted(compared(lab), reverse=True):
        base, what = (_base_scores(lab),), (seed, budget)
        yield Cell(
            _probed_name(lab, task, *what),
            functools.partial(_of, lab, task, probe_pruned, *what),
            base,
        )
        yield Cell(
            again_name(lab, task, seed, budget),
            functools.partial(_of, lab, task, prune_tuned, seed, budget),
            needs=(whole_name(lab, task, seed),),
        )


def _trained(lab: Lab, task: str, place: int, seed: int) -> Iterator[Cell]:
    """Pruned before fine-tuning; where drift is measured, after the scores that it starts from."""
    for method, budget in itertools.product(methods(lab, place), budgets(lab)):
        drifts = method == BEFORE and budget in compared(lab)
        base, what = (_base_scores(lab),), (seed, method, budget)
        yield Cell(
            trained_name(lab, task, *what),
            functools.partial(_of, lab, task, prune_and_train, *what),
            (*base, *((_probed_name(lab, task, seed, budget),) if drifts else ())),
        )


# -- names


def _pretrained(lab: Lab) -> str:
    return f"{lab.name}-pretrained"


def _base_scores(lab: Lab) -> str:
    return f"{lab.name}-{PRETRAINING}-scores"


def _frozen_name(lab: Lab, task: str, seed: int) -> str:
    return f"{lab.name}-{task}-{seed}-frozen"


def _curves_name(lab: Lab, task: str, seed: int) -> str:
    return f"{lab.name}-{task}-{seed}-curves"


def _probed_name(lab: Lab, task: str, seed: int, budget: int) -> str:
    return f"{lab.name}-{task}-{seed}-probed-{budget}"


def _scored(lab: Lab, task: str, seed: int) -> str:
    """The cell that scores the model of a task, or the pre-trained one."""
    return _base_scores(lab) if task == PRETRAINING else whole_name(lab, task, seed)


# -- cells


def _of(lab: Lab, task: str, compute, *what):
    """What a function of the task itself gives, which is read when the cell runs."""
    return compute(lab, lab.subject(task), *what)


def frozen(lab: Lab, name: str, seed: int) -> list[Row]:
    """Train a readout alone, measure, and score the heads of the pre-trained body under it."""
    task, file = lab.subject(name), score_file(lab, name, seed, FROZEN)
    model = lab.fitted(_frozen(lab, name, seed))
    found = lab.measure(model, task)
    save_answers(lab, _frozen_name(lab, name, seed), answers_of(found))
    score_all(lab, model, task, file)
    score_weights(lab, model, task, file)
    return lab.note.rows(name, found.metrics, stage="frozen body", seed=seed)


def _frozen(lab: Lab, name: str, seed: int) -> Fit:
    return lab.probing(lab.subject(name), seed, score_file(lab, name, seed, FROZEN))


def curves_of(lab: Lab, name: str, seed: int) -> list[Row]:
    """Curves of a task's model along its own orders, those of other tasks, and those of nulls."""
    from_seed = _other_seed(lab, seed)
    others = {other: score_file(lab, other, from_seed) for other in lab.subjects if other != name}
    others |= {null: null_file(lab, null, name, seed) for null in nulls_of(lab, name)}
    count, seeds = lab.run.curve.draws, _seeds(lab, name)
    place = seeds.index(seed)
    model = lab.base if name == PRETRAINING else lab.tuned(name, seed)
    return curves(
        lab, model, lab.subject(name), score_file(lab, name, seed), seed, others,
        range(place * count, (place + 1) * count),
    )  # fmt: skip


def _other_seed(lab: Lab, seed: int) -> int:
    """Of which seed other tasks' scores are taken."""
    return seed if seed in lab.run.seeds else lab.run.seeds[0]


def contrasts_of(lab: Lab, name: str) -> list[Row]:
    """Whether the task's order beats chance, and chance the reverse; what beats the nulls."""
    task, files = lab.subject(name), _curve_files(lab, name)
    others = (OWN, *(f"order of {other}" for other in lab.subjects if other != name))
    nulls = [f"order of {null}" for null in nulls_of(lab, name)]
    pairs = list(itertools.product(others, nulls))
    rows = contrasts(lab, task, files)
    return rows + (contrasts(lab, task, files, pairs, "contrast with nulls") if pairs else [])


def functional_of(lab: Lab) -> list[Row]:
    """What orders are worth to other tasks."""
    return functional(lab, {name: _curve_files(lab, name) for name in lab.subjects})


def acceptable_of(lab: Lab) -> list[Row]:
    """The acceptable deduction of each task and of all."""
    before = read_rows(cell_path(lab.folder, f"{lab.name}-deduction"))
    files = {
        task.name: {
            seed: [
                whole_name(lab, task.name, seed),
                *(trained_name(lab, task.name, seed, BEFORE, budget) for budget in budgets(lab)),
            ]
            for seed in lab.run.seeds
        }
        for task in lab.tasks
    }
    return acceptable(lab, before, files)


def compare_of(lab: Lab, name: str) -> list[Row]:
    """Regimes against each other, and every model against a constant answer."""
    places = {
        place: [file(lab, name, seed) for seed in lab.run.seeds]
        for place, file in ((TUNED, whole_name), (FROZEN, _frozen_name))
    }
    return compare(lab, lab.subject(name), places)


def _curve_files(lab: Lab, name: str) -> dict[int, str]:
    """Whose answers along a task's curves are kept, by seed."""
    return {seed: score_file(lab, name, seed) for seed in _seeds(lab, name)}


def _seeds(lab: Lab, name: str) -> tuple[int, ...]:
    """The pre-trained model is one; a task has a model for every seed."""
    return (0,) if name == PRETRAINING else lab.run.seeds
