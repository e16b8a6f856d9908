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
from jaxheads.records.folder import (
    AGAIN,
    EARLY,
    LATE,
    OWN,
    PRETRAINING,
    PRUNE,
    RANDOM,
    TIED,
    TWICE,
    Metric,
    Room,
    Stage,
    score_file,
)
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.answers import Way, estimate_rows, save_answers
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.scorer import scores_name
from jaxheads.studies.workbench.tasks import PreparedTask
from jaxheads.studies.workbench.trainer import Mask, masked_training

BEFORE = Way(OWN, other_task=PRETRAINING)


def budget_of(model: StudyModel, share: float) -> int:
    """The number of heads that a share of them is; for shared blocks a multiple of the layers."""
    config = model.layout
    total = config.num_layers * config.num_heads
    multiple = int(np.bincount(config.block_by_layer).max()) if config.shares_blocks else 1
    return multiple * round(share * total / multiple)


def mask_of(model: StudyModel, way: Way, budget: int) -> Mask:
    """The heads of the pre-trained model that a way keeps: by score, tied, or at random."""
    config = model.layout
    if way.draw is not None:
        return random_mask(config.num_layers, config.num_heads, budget, way.draw)
    rows = config.block_by_layer if way.reading == TIED else None
    name = scores_name(score_file(model.name, PRETRAINING, 0), way.reading)
    scores = model.scorer.saved(name)
    return mask_from_scores(scores.score_LH, budget, tied_rows=rows)


def methods(model: StudyModel, seed_place: int) -> list[Way]:
    """How heads are chosen before fine-tuning, with the random draws of one seed."""
    draws = model.run.study.draws
    numbers = range(seed_place * draws, (seed_place + 1) * draws)
    tied = [BEFORE._replace(reading=TIED)] if model.layout.shares_blocks else []
    return [BEFORE, *tied, *(Way(RANDOM, draw=number) for number in numbers)]


def loss_before(model: StudyModel) -> list[Row]:
    """What the pre-trained model loses on its own task at each budget, relative to all heads."""
    rows, task = [], model.text
    whole = model.scorer.measure(model.base, task)
    for way in [way for way in methods(model, 0) if way.draw is None]:
        for budget in (model.layout.num_layers * model.layout.num_heads, *budgets(model)):
            found = model.scorer.measure(model.base, task, mask_of(model, way, budget))
            what = {"stage": Stage.DEDUCTION, "budget": budget, **way._asdict()}
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
        Metric.LOSS_INCREASE: Sums(more_N, whole.loss_N).intervals().at(),
        Metric.ACCURACY_DROP: Sums(lost_N, right_N).intervals().at(),
    }


def budgets(model: StudyModel) -> tuple[int, ...]:
    """The budgets at which the pre-trained model is pruned."""
    return tuple(dict.fromkeys(budget_of(model, share) for share in model.run.study.kept))


def compared(model: StudyModel) -> set[int]:
    """The budgets at which the regimes are compared."""
    return {budget_of(model, share) for share in model.run.study.compared}


def prune_and_train(
    study_model: StudyModel, name: str, seed: int, way: Way, budget: int
) -> list[Row]:
    """Fine-tune the pre-trained model with heads masked; at compared budgets look at its heads."""
    task, mask_LH = study_model.task(name), mask_of(study_model, way, budget)
    file = name_of(prune_and_train, study_model, name, seed, way, budget)
    twice = way == BEFORE and budget in compared(study_model)
    fresh = study_model.fresh(task, seed)
    model = study_model.trainer.fitted(masked_training(fresh, task, seed, file, mask_LH))
    found = study_model.scorer.measure(model, task, mask_LH)
    again = _twice(study_model, model, task, seed, file, mask_LH) if twice else None
    guesses = {way: found.answers.guess_M}
    guesses |= {Way(TWICE): again.answers.guess_M} if again else {}
    save_answers(study_model.store, file, found, guesses)
    what = {"budget": budget, "seed": seed}
    rows = study_model.make_rows(
        name, found.metrics, stage=Stage.PRUNED_FIRST, **what, **way._asdict()
    )
    if budget not in compared(study_model):
        return rows
    rows += _regime_rows(study_model, task, Way(EARLY, _reading(way)), found, **what)
    if again:
        rows += _regime_rows(study_model, task, Way(TWICE), again, **what)
        after = study_model.scorer.score(model, task, mask_LH=mask_LH)
        before = study_model.scorer.saved(probed_file(study_model, name, seed, budget))
        drift = rank_agreement(before.score_LH, after.score_LH, present=mask_LH, permutations=1)
        values = {Metric.SPEARMAN: drift[Metric.SPEARMAN].value}
        rows += study_model.make_rows(name, values, stage=Stage.DRIFT, **what)
        if seed == study_model.run.seeds[0]:
            rows += cut_and_save(study_model, model, task, mask_LH, budget)
    return rows


def _twice(
    study_model: StudyModel, model, task: PreparedTask, seed: int, name: str, mask_LH: Mask
) -> Evaluation:
    """The model after a second training like the first, for "fine-tune, prune, fine-tune"."""
    again = study_model.trainer.fitted(masked_training(model, task, seed, f"{name}-twice", mask_LH))
    return study_model.scorer.measure(again, task, mask_LH)


def _regime_rows(
    model: StudyModel, task: PreparedTask, regime: Way, found: Evaluation, **what: int
) -> list[Row]:
    """The metric by which models are compared."""
    value = {task.metrics[0]: found.metrics[task.metrics[0]]}
    return model.make_rows(task.name, value, stage=Stage.REGIMES, **regime._asdict(), **what)


def _reading(way: Way) -> str:
    """What tells ways of choosing heads before fine-tuning apart among the regimes."""
    return RANDOM if way.draw is not None else way.reading


def cut_and_save(
    study_model: StudyModel, model, task: PreparedTask, mask_LH: Mask, budget: int
) -> list[Row]:
    """Cut the masked heads out of the weights; the smaller model is saved and measured anew."""
    params, config = cut(model.params, model.config, mask_LH)
    smaller = model._replace(params=params, config=config)
    study_model.save_model(smaller, f"{Room.SMALLER}/{study_model.name}-{task.name}-{budget}")
    found = study_model.scorer.measure(smaller, task)
    sizes = {
        Metric.PARAMETERS: float(count_parameters(params)),
        Metric.WHOLE_PARAMETERS: float(count_parameters(model.params)),
    }
    what = {"stage": Stage.CUT, "budget": budget, "seed": study_model.run.seeds[0]}
    return study_model.make_rows(task.name, found.metrics | sizes, **what, **BEFORE._asdict())


def probe_pruned(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """Prune only: a readout trained on the pruned body, which stays as it is."""
    task, mask_LH = study_model.task(name), mask_of(study_model, BEFORE, budget)
    file = probed_file(study_model, name, seed, budget)
    model = study_model.trainer.fitted(study_model.probing(task, seed, file, mask_LH))
    found = study_model.scorer.measure(model, task, mask_LH)
    study_model.scorer.save(file, study_model.scorer.score(model, task, mask_LH=mask_LH))
    save_answers(study_model.store, file, found)
    return _regime_rows(study_model, task, Way(PRUNE), found, budget=budget, seed=seed)


def probed_file(model: StudyModel, task: str, seed: int, budget: int) -> str:
    """The log, the scores and the answers of a readout on the pruned body."""
    return score_file(model.name, task, seed, f"pruned{budget}")


def prune_tuned(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """Fine-tune, prune by the task's own score; and fine-tune again, as long as the first time.

    The last regime so has twice the training of the others; `TWICE` has as much.
    """
    task, model = study_model.task(name), study_model.tuned(name, seed)
    file = name_of(prune_tuned, study_model, name, seed, budget)
    own = score_file(study_model.name, name, seed)
    shape = (study_model.layout.num_layers, study_model.layout.num_heads)
    masks = {
        "": mask_from_scores(study_model.scorer.saved(own).score_LH, budget),
        RANDOM: random_mask(*shape, budget, seed),
    }
    if study_model.layout.shares_blocks:
        score_LH = study_model.scorer.saved(scores_name(own, TIED)).score_LH
        blocks = study_model.layout.block_by_layer
        masks[TIED] = mask_from_scores(score_LH, budget, tied_rows=blocks)
    found = {
        Way(LATE, reading): study_model.scorer.measure(model, task, mask)
        for reading, mask in masks.items()
    }
    again = study_model.trainer.fitted(masked_training(model, task, seed, file, masks[""]))
    found[Way(AGAIN)] = study_model.scorer.measure(again, task, masks[""])
    guesses = {regime: each.answers.guess_M for regime, each in found.items()}
    save_answers(study_model.store, file, found[Way(LATE)], guesses)
    return [
        row
        for regime, each in found.items()
        for row in _regime_rows(study_model, task, regime, each, budget=budget, seed=seed)
    ]
