"""Every way to choose heads, at equal budgets: quality, what it costs, and what a cut model gains.

Each method of `selection.py` picks its heads for each task, seed and budget; the model is
measured under the exact mask as it is, and again after training it once more (of random masks the
first). Of a gate, the heads of its last sample are measured too. The learning rate of gates is
chosen by `studies.li2021.learning_rates`; what is held out of training is measured once. Rows are
the same in every run; seconds and speeds are not, and go to `speeds/` beside them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxheads.models.layout import kinds_of
from jaxheads.pruning.cost import count_parameters
from jaxheads.pruning.cut import cut
from jaxheads.records.folder import (
    META,
    ONE_PASS,
    OWN,
    SELECTION,
    TRAINING,
    Metric,
    Room,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.li2021.learning_rates import (
    learning_rate_cells,
    learning_rate_of,
)
from jaxheads.studies.li2021.selection import (
    METHODS,
    Selection,
    budgets,
    check_methods,
    choice_of,
    plain,
)
from jaxheads.studies.li2021.settings import Compare
from jaxheads.studies.runner.cells import Cell, cell, name_of
from jaxheads.studies.workbench.answers import Way, contrast_rows, load_answers, save_answers
from jaxheads.studies.workbench.latency import measure_speed, note_speed, timing
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.pretrain import made_cells
from jaxheads.studies.workbench.pruners import pruner_cells
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.steps import finetuned
from jaxheads.studies.workbench.tasks import PreparedTask
from jaxheads.studies.workbench.trainer import masked_training

# What a pass of the gradient gives beyond one ranking is compared with learned subsets too.
OURS = (f"{OWN}, iterative", "refined", "refined, rescaled")


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """All cells of the comparison.

    Raises:
      ValueError: for an unknown method, or one that a model with shared blocks cannot have.
    """
    check_methods(run.study.methods)
    for model in study_models(run, store):
        if model.layout.shares_blocks and "refined, rescaled" in run.study.methods:
            raise ValueError(
                f"study.methods: expected no 'refined, rescaled' for {model.name}: it folds a gate "
                "of each layer into weights that the layers of this model share"
            )
        yield from (base := made_cells(model))
        tasks = [task.name for task in model.tasks]
        pruners = pruner_cells(model, tasks, base) if META in run.study.methods else {}
        yield from dict.fromkeys(pruners.values())
        for task in tasks:
            yield from _cells_of(model, task, base, pruners)


def _cells_of(model: StudyModel, task: str, base: list[Cell], pruners) -> Iterator[Cell]:
    """The fine-tuned models of a task, the learning rates of gates, and every choice of heads."""
    seeds, methods = model.run.seeds, model.run.study.methods
    tuned = {seed: cell(whole, model, task, seed, after=base) for seed in seeds}
    yield from tuned.values()
    yield from (rates := dict(learning_rate_cells(model, task, base))).values()
    pruned: list[Cell] = []
    for method, seed in itertools.product(methods, seeds):
        after = [tuned[seed], *([rates[method]] if method in rates else [])]
        after += [pruners[task, seed]] if method == META else []
        pruned += [cell(prune, model, task, seed, method, n, after=after) for n in budgets(model)]
    yield from pruned
    yield cell(contrasts, model, task, after=pruned)
    if any(METHODS[each].starts_scaled for each in methods):
        for seed, budget in itertools.product(seeds, budgets(model)):
            yield cell(scaled, model, task, seed, budget, after=base)


# -- cells


def whole(model: StudyModel, name: str, seed: int) -> list[Row]:
    """Fine-tune with all heads, measure, score; and say how long a training and a pass take.

    The pass that is timed is a second one, of the gradient by the gate alone, from a compiled
    program.
    """
    if not model.is_tuned(name, seed):
        with timing(model, name, TRAINING, seed=seed):
            model.tuned(name, seed)
    rows = finetuned(model, name, seed)
    model.scorer.score(model.tuned(name, seed), model.task(name))
    with timing(model, name, ONE_PASS, seed=seed):
        model.scorer.score(model.tuned(name, seed), model.task(name))
    return rows


def prune(study_model: StudyModel, name: str, seed: int, method: str, budget: int) -> list[Row]:
    """Choose heads, measure without and with more training, and say what it took."""
    file = name_of(prune, study_model, name, seed, method, budget)
    task, how = study_model.task(name), study_model.run.study
    learning_rate = learning_rate_of(study_model, name, method)
    what = {"method": method, "budget": budget, "seed": seed}
    with timing(study_model, name, SELECTION, **what):
        chosen = METHODS[method].choose(choice_of(study_model, task, seed, budget, learning_rate))
    others = range(1, how.draws if METHODS[method].random else 1)
    more = (
        METHODS[method].choose(choice_of(study_model, task, seed, budget, learning_rate, draw))
        for draw in others
    )
    masks = [chosen.mask_LH, *(each.mask_LH for each in more)]
    measured = [study_model.scorer.measure(chosen.model, task, mask_LH) for mask_LH in masks]
    rows = [
        row
        for found in measured
        for row in study_model.make_rows(name, found.metrics, stage=Stage.PRUNED, **what)
    ]
    for mask_LH in masks:
        kinds = kinds_of(study_model.layout, np.asarray(mask_LH))
        heads = {name: float(kept.sum()) for name, kept in kinds.items()}
        rows += study_model.make_rows(name, heads, stage=Stage.KINDS, **what)
    guesses = {Way(method): np.stack([found.answers.guess_M for found in measured])}
    if chosen.seen_LH is not None:
        seen = study_model.scorer.measure(chosen.model, task, chosen.seen_LH).metrics
        seen[Metric.HEADS] = float(chosen.seen_LH.sum())
        seen[Metric.KEPT_OF_THEM] = float((chosen.seen_LH & chosen.mask_LH).sum())
        rows += study_model.make_rows(name, seen, stage=Stage.SAMPLE, **what)
    rows += study_model.make_rows(name, _cost(task, chosen, how), stage=Stage.COST, **what)
    model, mask_LH = chosen.model, chosen.mask_LH
    if how.again:
        again = masked_training(model, task, seed, f"{file}-again", mask_LH)
        model = study_model.trainer.fitted(again)
        found = study_model.scorer.measure(model, task, mask_LH)
        rows += study_model.make_rows(name, found.metrics, stage=Stage.AGAIN, **what)
        guesses[Way(method, Stage.AGAIN)] = found.answers.guess_M[None]
    save_answers(study_model.store, file, measured[0], guesses)
    timed = {
        round(share * study_model.layout.num_layers * study_model.layout.num_heads)
        for share in how.timed
    }
    if seed == study_model.run.seeds[0] and budget in timed:
        rows += _cut(study_model, name, model, mask_LH, what)
    return rows


def _cost(task: PreparedTask, chosen: Selection, how: Compare) -> dict[Metric, float]:
    """What one mask costs, and what once more training does."""
    training = task.training
    assert training is not None, "a task says how it is trained"
    base = chosen.base * training.steps
    cost = {
        Metric.STEPS: float(base + chosen.steps),
        Metric.EXAMPLES: float(base * training.batch_size + chosen.examples),
        Metric.FINE_TUNINGS: float(chosen.base),
        Metric.PASSES: float(chosen.passes),
    }
    if how.again:
        cost[Metric.STEPS_AGAIN] = cost[Metric.STEPS] + training.steps
        cost[Metric.EXAMPLES_AGAIN] = cost[Metric.EXAMPLES] + training.steps * training.batch_size
    return cost


def scaled(study_model: StudyModel, name: str, seed: int, budget: int) -> list[Row]:
    """Train and measure with the gates that joint training begins with, and nothing pruned.

    Every head of N is multiplied by K / N. What that takes from the fine-tuned model is the price
    of the smaller scale; what a joint gate loses beside it, that of the choice (Voita et al. 2019's
    and Li et al. 2021's gates change both at once).
    """
    task, heads = (
        study_model.task(name),
        (study_model.layout.num_layers, study_model.layout.num_heads),
    )
    gate_LH = np.full(heads, budget / math.prod(heads))
    label = name_of(scaled, study_model, name, seed, budget)
    model = study_model.trainer.fitted(
        masked_training(study_model.fresh(task, seed), task, seed, label, gate_LH)
    )
    metrics = study_model.scorer.measure(model, task, gate_LH).metrics
    return study_model.make_rows(name, metrics, stage=Stage.SCALED, budget=budget, seed=seed)


def _cut(study_model: StudyModel, name: str, model, mask_LH, what) -> list[Row]:
    """The model without those heads: its size, and in `speeds/` its speed beside the whole."""
    how = study_model.run.study
    params, config = cut(model.params, model.config, mask_LH)
    smaller = model._replace(params=params, config=config)
    label = f"{plain(what['method'])}-{what['budget']}"
    saved = f"{Room.SMALLER}/{study_model.name}-{name}-{label}"
    study_model.save_model(smaller, saved)
    task = study_model.task(name)
    assert task.training is not None
    speeds = measure_speed(
        model, smaller, how.batches, max(task.lengths), how.repeats,
        training_batch=task.training.batch_size,
    )  # fmt: skip
    note_speed(study_model, name, what, speeds)
    sizes = {
        Metric.PARAMETERS: float(count_parameters(params)),
        Metric.WHOLE_PARAMETERS: float(count_parameters(model.params)),
        Metric.DISK_BYTES: float(study_model.store.read(saved, _weights_size)),
    }
    return study_model.make_rows(name, sizes, stage=Stage.CUT_COMPARED, **what)


def _weights_size(path: Path) -> int:
    return (path / "model.safetensors").stat().st_size


def contrasts(model: StudyModel, name: str) -> list[Row]:
    """Differences of methods at equal budgets, with intervals over seeds and examples.

    Of every method and the gradient's one-shot order; of what goes further with the gradient
    (`OURS`) and each learned subset; and of the former trained once more and pipelined subsets as
    they are, which take about as much training ("equal cost").
    """
    how, task, rows = model.run.study, model.task(name), []
    for budget in budgets(model):
        answers = {
            method: [
                load_answers(model.store, name_of(prune, model, name, seed, method, budget))
                for seed in model.run.seeds
            ]
            for method in how.methods
        }
        due = answers[how.methods[0]][0]
        for stage, *pair in _pairs(how):
            one, two = ([list(f.guesses[way]) for f in answers[way.method]] for way in pair)
            what = {"method": pair[0].method, "other_method": pair[1].method, "budget": budget}
            rows += contrast_rows(model, task, one, two, due, stage=stage, **what)
    return rows


def _pairs(how: Compare) -> Iterator[tuple[Stage, Way, Way]]:
    """The stage of a contrast, and whose answers are compared."""
    ours = [method for method in OURS if method in how.methods]
    subsets = [method for method in how.methods if METHODS[method].learns_subset]
    pairs = [(way, OWN) for way in how.methods if OWN in how.methods and way != OWN]
    pairs += itertools.product(ours, subsets)
    yield from ((Stage.PRUNED_CONTRAST, Way(one), Way(two)) for one, two in pairs)
    if how.again:
        again = functools.partial(Way, reading=Stage.AGAIN)
        yield from ((Stage.AGAIN_CONTRAST, again(one), again(two)) for one, two in pairs)
        pipelined = [method for method in subsets if METHODS[method].pipelined]
        for one, two in itertools.product(ours, pipelined):
            yield Stage.EQUAL_CONTRAST, again(one), Way(two)
