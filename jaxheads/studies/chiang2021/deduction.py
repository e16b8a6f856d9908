"""Pruning before fine-tuning: the acceptable deduction, and four regimes at equal budgets.

The definitions are ours (Chiang & Chen 2021 names the questions in its abstract): the pre-trained
model is pruned by its score on the pre-training task; what it lost there, before any fine-tuning,
is set against what is retained downstream after it.
"""

from __future__ import annotations

import numpy as np

from jaxheads.analysis.agreement import rank_agreement
from jaxheads.analysis.intervals import Estimate
from jaxheads.analysis.sums import Sums
from jaxheads.inference.evaluate import Evaluation
from jaxheads.pruning.cost import count_parameters
from jaxheads.pruning.cut import cut
from jaxheads.pruning.mask import mask_from_scores, random_mask
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.prunability import (
    OWN,
    RANDOM,
    TIED,
    answers_of,
    estimate_rows,
    save_answers,
    scores_name,
)
from jaxheads.studies.workbench.settings import PRETRAINING
from jaxheads.studies.workbench.steps import score_file
from jaxheads.studies.workbench.tasks import PreparedTask
from jaxheads.studies.workbench.trainer import Mask, masked_training

BEFORE = f"{OWN} of {PRETRAINING}"
TWICE, AGAIN = "prune, fine-tune, fine-tune", "fine-tune, prune, fine-tune"
LATE = "fine-tune, prune"
AFTER_PRUNING, REGIMES = "pruned, then fine-tuned", "before and after"


def budget_of(model: StudyModel, share: float) -> int:
    """The number of heads that a share of them is; for shared blocks a multiple of the layers."""
    config = model.layout
    total = config.num_layers * config.num_heads
    multiple = int(np.bincount(config.block_by_layer).max()) if config.shares_blocks else 1
    return multiple * round(share * total / multiple)


def mask_of(model: StudyModel, method: str, budget: int) -> Mask:
    """The heads of the pre-trained model that a method keeps: by score, tied, or at random."""
    config = model.layout
    if method.startswith(RANDOM):
        draw = int(method.rpartition(" ")[2])
        return random_mask(config.num_layers, config.num_heads, budget, draw)
    rows = config.block_by_layer if method.endswith(TIED) else None
    name = score_file(model.name, PRETRAINING, 0)
    scores = model.scorer.saved(scores_name(name, TIED if rows is not None else ""))
    return mask_from_scores(scores.score_LH, budget, tied_rows=rows)


def methods(model: StudyModel, seed_place: int) -> list[str]:
    """How heads are chosen before fine-tuning, with the random draws of one seed."""
    draws = model.run.study.draws
    numbers = range(seed_place * draws, (seed_place + 1) * draws)
    tied = [f"{BEFORE} {TIED}"] if model.layout.shares_blocks else []
    return [BEFORE, *tied, *(f"{RANDOM} {number}" for number in numbers)]


def loss_before(model: StudyModel) -> list[Row]:
    """What the pre-trained model loses on its own task at each budget, relative to all heads."""
    rows, task = [], model.text
    whole = model.scorer.measure(model.base, task)
    for method in [name for name in methods(model, 0) if not name.startswith(RANDOM)]:
        for budget in (model.layout.num_layers * model.layout.num_heads, *budgets(model)):
            found = model.scorer.measure(model.base, task, mask_of(model, method, budget))
            what = {"stage": "deduction", "method": method, "budget": budget}
            for metric, estimate in _lost(whole, found).items():
                rows += estimate_rows(model, task.name, metric, estimate, **what)
    return rows


def _lost(whole: Evaluation, found: Evaluation) -> dict[str, Estimate]:
    """What is lost as a share of what the whole model has, with intervals over blocks of text."""
    right, still = (each.answers.guess_M == each.answers.label_M for each in (whole, found))
    lost_N, right_N = (
        np.bincount(whole.answers.example_M, weights, whole.examples)
        for weights in (right.astype(float) - still, right)
    )
    more_N = found.loss_N - whole.loss_N
    return {
        "loss increase": Sums(more_N, whole.loss_N).intervals().at(),
        "accuracy drop": Sums(lost_N, right_N).intervals().at(),
    }


def budgets(model: StudyModel) -> tuple[int, ...]:
    """The budgets at which the pre-trained model is pruned."""
    return tuple(dict.fromkeys(budget_of(model, share) for share in model.run.study.kept))


def compared(model: StudyModel) -> set[int]:
    """The budgets at which the regimes are compared."""
    return {budget_of(model, share) for share in model.run.study.compared}


def prune_and_train(
    study_model: StudyModel, name: str, seed: int, method: str, budget: int
) -> list[Row]:
    """Fine-tune the pre-trained model with heads masked; at compared budgets look at its heads."""
    task, mask_LH = study_model.task(name), mask_of(study_model, method, budget)
    file = name_of(prune_and_train, study_model, name, seed, method, budget)
    twice = method == BEFORE and budget in compared(study_model)
    fresh = study_model.fresh(task, seed)
    model = study_model.trainer.fitted(masked_training(fresh, task, seed, file, mask_LH))
    found = study_model.scorer.measure(model, task, mask_LH)
    again = _twice(study_model, model, task, seed, file, mask_LH) if twice else None
    answers = {TWICE: again.answers.guess_M} if again else {}
    save_answers(study_model.store, file, answers_of(found) | answers)
    what = {"method": method, "budget": budget, "seed": seed}
    rows = study_model.make_rows(task.name, found.metrics, stage=AFTER_PRUNING, **what)
    if budget not in compared(study_model):
        return rows
    what = {"stage": REGIMES, "budget": budget, "seed": seed}
    rows += study_model.make_rows(task.name, _main(task, found), method=_regime(method), **what)
    if again:
        rows += study_model.make_rows(task.name, _main(task, again), method=TWICE, **what)
        after = study_model.scorer.score(model, task, mask_LH=mask_LH)
        before = study_model.scorer.saved(probed_file(study_model, name, seed, budget))
        drift = rank_agreement(before.score_LH, after.score_LH, present=mask_LH, permutations=1)
        values = {"spearman": drift["spearman"].value}
        what = {"stage": "drift", "method": "before~after", "budget": budget, "seed": seed}
        rows += study_model.make_rows(task.name, values, **what)
        if seed == study_model.run.seeds[0]:
            rows += cut_and_save(study_model, model, task, mask_LH, budget)
    return rows


def _twice(
    study_model: StudyModel, model, task: PreparedTask, seed: int, name: str, mask_LH: Mask
) -> Evaluation:
    """The model after a second training like the first, for "fine-tune, prune, fine-tune"."""
    again = study_model.trainer.fitted(masked_training(model, task, seed, f"{name}-twice", mask_LH))
    return study_model.scorer.measure(again, task, mask_LH)


def _main(task: PreparedTask, found: Evaluation) -> dict[str, float]:
    """The metric by which models are compared."""
    return {task.metrics[0]: found.metrics[task.metrics[0]]}


def _regime(method: str) -> str:
    """What a way of choosing heads before fine-tuning is called among the regimes."""
    if method.startswith(RANDOM):
        return f"prune, fine-tune, {RANDOM}"
    return f"prune, fine-tune, {TIED}" if method.endswith(TIED) else "prune, fine-tune"


def cut_and_save(
    study_model: StudyModel, model, task: PreparedTask, mask_LH: Mask, budget: int
) -> list[Row]:
    """Cut the masked heads out of the weights; the smaller model is saved and measured anew."""
    params, config = cut(model.params, model.config, mask_LH)
    smaller = model._replace(params=params, config=config)
    path = study_model.folder / "smaller" / f"{study_model.name}-{task.name}-{budget}"
    study_model.save_model(smaller, path)
    found = study_model.scorer.measure(smaller, task)
    sizes = {
        "parameters": float(count_parameters(params)),
        "parameters of the whole": float(count_parameters(model.params)),
    }
    what = {"stage": "cut", "method": BEFORE, "budget": budget, "seed": study_model.run.seeds[0]}
    return study_model.make_rows(task.name, found.metrics | sizes, **what)


def probe_pruned(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """Prune only: a readout trained on the pruned body, which stays as it is."""
    task, mask_LH = study_model.task(name), mask_of(study_model, BEFORE, budget)
    file = probed_file(study_model, name, seed, budget)
    model = study_model.trainer.fitted(study_model.probing(task, seed, file, mask_LH))
    found = study_model.scorer.measure(model, task, mask_LH)
    study_model.scorer.save(file, study_model.scorer.score(model, task, mask_LH=mask_LH))
    save_answers(study_model.store, file, answers_of(found))
    what = {"stage": REGIMES, "method": "prune", "budget": budget, "seed": seed}
    return study_model.make_rows(name, _main(task, found), **what)


def probed_file(model: StudyModel, task: str, seed: int, budget: int) -> str:
    """The log, the scores and the answers of a readout on the pruned body."""
    return score_file(model.name, task, seed, f"pruned{budget}")


def prune_tuned(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """Fine-tune, prune by the task's own score; and fine-tune again, as long as the first time.

    The last regime so has twice the training of the others; `TWICE` has as much.
    """
    task, model, rows, answers = study_model.task(name), study_model.tuned(name, seed), [], {}
    file = name_of(prune_tuned, study_model, name, seed, budget)
    own = score_file(study_model.name, name, seed)
    shape = (study_model.layout.num_layers, study_model.layout.num_heads)
    masks = {
        "": mask_from_scores(study_model.scorer.saved(own).score_LH, budget),
        f", {RANDOM}": random_mask(*shape, budget, seed),
    }
    if study_model.layout.shares_blocks:
        tied, blocks = (
            study_model.scorer.saved(scores_name(own, TIED)),
            study_model.layout.block_by_layer,
        )
        masks[f", {TIED}"] = mask_from_scores(tied.score_LH, budget, tied_rows=blocks)
    what = {"stage": REGIMES, "budget": budget, "seed": seed}
    found = {
        f"{LATE}{kind}": study_model.scorer.measure(model, task, mask)
        for kind, mask in masks.items()
    }
    again = study_model.trainer.fitted(masked_training(model, task, seed, file, masks[""]))
    found[AGAIN] = study_model.scorer.measure(again, task, masks[""])
    for method, each in found.items():
        rows += study_model.make_rows(task.name, _main(task, each), method=method, **what)
        answers |= answers_of(each) | {method: each.answers.guess_M}
    save_answers(study_model.store, file, answers)
    return rows
