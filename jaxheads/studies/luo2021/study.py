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

from collections.abc import Iterator

from jaxheads.storage.store import Store
from jaxheads.studies.luo2021.change import changes, changes_by_kind, kinds_of
from jaxheads.studies.luo2021.constituents import base_trees, random_trees, tuned_trees
from jaxheads.studies.luo2021.masking import masked, masking_contrasts
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.workbench.agreement import map_agreement
from jaxheads.studies.workbench.model import study_models
from jaxheads.studies.workbench.other_studies import copy_maps
from jaxheads.studies.workbench.seeds import together_cell
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.steps import finetuned, text_cells


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """All cells of the study, in an order in which each finds what it needs.

    Raises:
      ValueError: for a model with some heads cut.
    """
    for model in study_models(run, store):
        if model.layout.kept is not None:
            raise ValueError(
                f"luo2021: expected a model with all its heads, got {model.name} with some cut: a "
                "head that is not there makes right-branching trees, which score well"
            )
        base, scores = text_cells(model)
        yield from base + scores
        yield (others := cell(copy_maps, model, after=base))
        yield (untuned := cell(base_trees, model, after=base))
        yield from (cell(random_trees, model, n, after=base) for n in range(run.study.controls))
        compared, parsed = [*scores, untuned, others], {}
        for task in (task.name for task in model.tasks):
            parsed[task], hidden = [untuned], []
            for seed in run.seeds:
                what = (model, task, seed)
                yield (tuned := cell(finetuned, *what, after=base))
                yield (trees := cell(tuned_trees, *what, after=[tuned]))
                yield (without := cell(masked, *what, after=[trees]))
                compared += [tuned, trees]
                parsed[task].append(trees)
                hidden.append(without)
            yield from together_cell(model, task, [[trees] for trees in parsed[task][1:]])
            yield cell(changes, model, task, after=parsed[task])
            yield cell(masking_contrasts, model, task, after=hidden)
        yield cell(map_agreement, model, after=compared)
        if kinds := kinds_of(model):
            of_kinds = (each for tasks in kinds.values() for task in tasks for each in parsed[task])
            yield cell(changes_by_kind, model, after=of_kinds)
