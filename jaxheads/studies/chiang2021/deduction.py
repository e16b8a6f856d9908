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
from jaxheads.models.model import Model
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


def train_pruned(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """Fine-tune the pre-trained model with heads masked, to look at what has come of it."""
    _trained(study_model, name, seed, budget)
    return []


def _trained(study_model: StudyModel, name: str, seed: int, budget: int) -> tuple[Model, Mask]:
    """The model of `train_pruned`, trained now or as it was saved, and its mask."""
    task, mask_LH = study_model.task(name), mask_of(study_model, BEFORE, budget)
    file = name_of(train_pruned, study_model, name, seed, budget)
    return study_model.masked(task, seed, file, mask_LH), mask_LH


def tune_pruned(study_model: StudyModel, name: str, seed: int, way: Way, budget: int) -> list[Row]:
    """Measure the pre-trained model fine-tuned with heads masked."""
    task, again = study_model.task(name), budget in compared(study_model)
    file = name_of(tune_pruned, study_model, name, seed, way, budget)
    if again and way == BEFORE:
        model, mask_LH = _trained(study_model, name, seed, budget)
    else:
        mask_LH, fresh = mask_of(study_model, way, budget), study_model.fresh(task, seed)
        model = study_model.trainer.fitted(masked_training(fresh, task, seed, file, mask_LH))
    found = study_model.scorer.measure(model, task, mask_LH)
    save_answers(study_model.store, file, found, {way: found.answers.guess_M})
    what, own = {"budget": budget, "seed": seed}, {"stage": Stage.PRUNED_FIRST, **way._asdict()}
    rows = study_model.make_rows(name, found.metrics, **own, **what)
    if again:
        rows += _regime_rows(study_model, task, Way(EARLY, _reading(way)), found, **what)
    return rows


def train_twice(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """After a second training like the first: as much as of "fine-tune, prune, fine-tune"."""
    task, file = study_model.task(name), name_of(train_twice, study_model, name, seed, budget)
    model, mask_LH = _trained(study_model, name, seed, budget)
    again = study_model.trainer.fitted(masked_training(model, task, seed, file, mask_LH))
    found = study_model.scorer.measure(again, task, mask_LH)
    save_answers(study_model.store, file, found, {Way(TWICE): found.answers.guess_M})
    return _regime_rows(study_model, task, Way(TWICE), found, budget=budget, seed=seed)


def drift(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """Ranks of the heads that are left, by the readout on the pruned body and after training."""
    model, mask_LH = _trained(study_model, name, seed, budget)
    after = study_model.scorer.score(model, study_model.task(name), mask_LH=mask_LH)
    before = study_model.scorer.saved(probed_file(study_model, name, seed, budget))
    found = rank_agreement(before.score_LH, after.score_LH, present=mask_LH, permutations=1)
    values = {Metric.SPEARMAN: found[Metric.SPEARMAN].value}
    return study_model.make_rows(name, values, stage=Stage.DRIFT, budget=budget, seed=seed)


def _regime_rows(
    model: StudyModel, task: PreparedTask, regime: Way, found: Evaluation, **what: int
) -> list[Row]:
    """The metric by which models are compared."""
    value = {task.metrics[0]: found.metrics[task.metrics[0]]}
    return model.make_rows(task.name, value, stage=Stage.REGIMES, **regime._asdict(), **what)


def _reading(way: Way) -> str:
    """What tells ways of choosing heads before fine-tuning apart among the regimes."""
    return RANDOM if way.draw is not None else way.reading


def cut_pruned(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """Cut the masked heads out of the weights; the smaller model is saved and measured anew."""
    model, mask_LH = _trained(study_model, name, seed, budget)
    params, config = cut(model.params, model.config, mask_LH)
    smaller = model._replace(params=params, config=config)
    study_model.save_model(smaller, f"{Room.SMALLER}/{study_model.name}-{name}-{budget}")
    found = study_model.scorer.measure(smaller, study_model.task(name))
    sizes = {
        Metric.PARAMETERS: float(count_parameters(params)),
        Metric.WHOLE_PARAMETERS: float(count_parameters(model.params)),
    }
    what = {"stage": Stage.CUT, "budget": budget, "seed": seed, **BEFORE._asdict()}
    return study_model.make_rows(name, found.metrics | sizes, **what)


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
