"""Do heads know constituents, does fine-tuning change it, and do tasks need the heads that do?

After Luo 2021, "Have Attention Heads in BERT Learned Constituency Grammar?" (arXiv 2102.07926),
whose tables and code were not available to us: trees from the syntactic distances of attention rows
(Kim et al. 2020, whose code fixes the procedure), each layer's ability before and after fine-tuning
on tasks of similarity and of entailment, and heads masked by ability. Heads ranked without labels
and their ensembles are after Li et al. 2020. Ours: a section on which heads are chosen, RoBERTa's
first word with a space, random heads of the same layers, the intervals, the comparison with
importance. Not built: distances of hidden states, and the parser with a bias of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from jaxheads.parallel.mesh import open_mesh
from jaxheads.studies.luo2021.change import changes, changes_by_kind, kinds_of
from jaxheads.studies.luo2021.constituents import base_trees, random_trees, tuned_trees
from jaxheads.studies.luo2021.masking import answers_name, masked, masking_contrasts
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.workbench.agreement import map_agreement
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.other_studies import other_studies_cell
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.seeds import seeds_cell
from jaxheads.studies.workbench.settings import PRETRAINING, Run
from jaxheads.studies.workbench.steps import finetuned, score_base


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """All cells of the study, in an order in which each finds what it needs.

    Raises:
      ValueError: for a model with some heads cut.
    """
    mesh = open_mesh(run.devices)
    for settings in run.models:
        model = StudyModel(run, settings, folder, mesh)
        if model.layout.kept is not None:
            raise ValueError(
                f"luo2021: expected a model with all its heads, got {model.name} with some cut: a "
                "head that is not there makes right-branching trees, which score well"
            )
        base = (f"{model.name}-pretrained",)
        yield pretrained_cell(model)
        yield other_studies_cell(model, base)
        name = f"{model.name}-{PRETRAINING}-scores"
        yield Cell(name, functools.partial(score_base, model), needs=base)
        yield Cell(f"{model.name}-trees", functools.partial(base_trees, model), needs=base)
        for draw in range(model.run.study.controls):
            name = f"{model.name}-random-{draw}-trees"
            yield Cell(name, functools.partial(random_trees, model, draw), needs=base)
        for task in model.tasks:
            yield from _task(model, task.name, base)
        names = [f"{model.name}-{task.name}-{seed}" for task in model.tasks for seed in run.seeds]
        needs = [f"{name}-{what}" for name in names for what in ("fine-tuned", "trees")]
        needs += [
            f"{model.name}-{what}" for what in (f"{PRETRAINING}-scores", "trees", "other-studies")
        ]
        work = functools.partial(map_agreement, model)
        yield Cell(f"{model.name}-agreement", work, needs=tuple(needs))
        if kinds_of(model):
            yield Cell(
                f"{model.name}-changes",
                functools.partial(changes_by_kind, model),
                needs=(
                    f"{model.name}-trees",
                    *(
                        f"{model.name}-{task}-{seed}-trees"
                        for tasks in kinds_of(model).values()
                        for task in tasks
                        for seed in run.seeds
                    ),
                ),
            )


def _task(model: StudyModel, task: str, base: tuple[str, ...]) -> Iterator[Cell]:
    """The models fine-tuned on a task, their trees, and the task without some of their heads."""
    names = [f"{model.name}-{task}-{seed}" for seed in model.run.seeds]
    for name, seed in zip(names, model.run.seeds, strict=True):
        tuned, trees = f"{name}-fine-tuned", f"{name}-trees"
        yield Cell(tuned, functools.partial(finetuned, model, task, seed), needs=base)
        yield Cell(trees, functools.partial(tuned_trees, model, task, seed), needs=(tuned,))
        masking = answers_name(model, task, seed)
        yield Cell(masking, functools.partial(masked, model, task, seed), needs=(trees,))
    yield from seeds_cell(model, task, ("trees",))
    trees = (f"{model.name}-trees", *(f"{name}-trees" for name in names))
    yield Cell(f"{model.name}-{task}-changes", functools.partial(changes, model, task), needs=trees)
    yield Cell(
        f"{model.name}-{task}-contrasts",
        functools.partial(masking_contrasts, model, task),
        needs=tuple(f"{name}-masked" for name in names),
    )
