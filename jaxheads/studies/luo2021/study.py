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
from jaxheads.studies.workbench.model import Lab
from jaxheads.studies.workbench.other_studies import beside_cell
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.seeds import seeds_cell
from jaxheads.studies.workbench.settings import PRETRAINING, Run
from jaxheads.studies.workbench.steps import finetuned, score_base


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """All cells of the study, in an order in which each finds what it needs."""
    mesh = open_mesh(run.devices)
    for settings in run.models:
        lab = Lab(run, settings, folder, mesh)
        if lab.layout.kept is not None:
            raise ValueError(
                f"luo2021: expected a model with all its heads, got {lab.name} with some cut: a "
                "head that is not there makes right-branching trees, which score well"
            )
        base = (f"{lab.name}-pretrained",)
        yield pretrained_cell(lab)
        yield beside_cell(lab, base)
        name = f"{lab.name}-{PRETRAINING}-scores"
        yield Cell(name, functools.partial(score_base, lab), needs=base)
        yield Cell(f"{lab.name}-trees", functools.partial(base_trees, lab), needs=base)
        for draw in range(lab.run.study.controls):
            name = f"{lab.name}-random-{draw}-trees"
            yield Cell(name, functools.partial(random_trees, lab, draw), needs=base)
        for task in lab.tasks:
            yield from _task(lab, task.name, base)
        names = [f"{lab.name}-{task.name}-{seed}" for task in lab.tasks for seed in run.seeds]
        needs = [f"{name}-{what}" for name in names for what in ("fine-tuned", "trees")]
        needs += [f"{lab.name}-{what}" for what in (f"{PRETRAINING}-scores", "trees", "beside")]
        work = functools.partial(map_agreement, lab)
        yield Cell(f"{lab.name}-agreement", work, needs=tuple(needs))
        if kinds_of(lab):
            yield Cell(
                f"{lab.name}-changes",
                functools.partial(changes_by_kind, lab),
                needs=(
                    f"{lab.name}-trees",
                    *(
                        f"{lab.name}-{task}-{seed}-trees"
                        for tasks in kinds_of(lab).values()
                        for task in tasks
                        for seed in run.seeds
                    ),
                ),
            )


def _task(lab: Lab, task: str, base: tuple[str, ...]) -> Iterator[Cell]:
    """The models fine-tuned on a task, their trees, and the task without some of their heads."""
    names = [f"{lab.name}-{task}-{seed}" for seed in lab.run.seeds]
    for name, seed in zip(names, lab.run.seeds, strict=True):
        tuned, trees = f"{name}-fine-tuned", f"{name}-trees"
        yield Cell(tuned, functools.partial(finetuned, lab, task, seed), needs=base)
        yield Cell(trees, functools.partial(tuned_trees, lab, task, seed), needs=(tuned,))
        masking = answers_name(lab, task, seed)
        yield Cell(masking, functools.partial(masked, lab, task, seed), needs=(trees,))
    yield from seeds_cell(lab, task, ("trees",))
    trees = (f"{lab.name}-trees", *(f"{name}-trees" for name in names))
    yield Cell(f"{lab.name}-{task}-changes", functools.partial(changes, lab, task), needs=trees)
    yield Cell(
        f"{lab.name}-{task}-contrasts",
        functools.partial(masking_contrasts, lab, task),
        needs=tuple(f"{name}-masked" for name in names),
    )
