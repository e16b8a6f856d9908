"""The cost of every kind of cell: one line of a table for each function that computes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

from jaxheads.records.folder import MAGNITUDE, META, PRETRAINING
from jaxheads.studies.chiang2021 import deduction, nulls
from jaxheads.studies.chiang2021 import study as chiang2021
from jaxheads.studies.costs.passes import (
    ASSUMED,
    along,
    heads,
    held_out,
    measure,
    orders,
    pairs,
    passed,
    probe,
    saved,
    score,
    score_all,
    score_weights,
    scored,
    task_of,
    train,
    tune,
)
from jaxheads.studies.costs.work import Work
from jaxheads.studies.htut2019 import study as htut2019
from jaxheads.studies.li2021 import compare, learning_rates
from jaxheads.studies.li2021 import study as li2021
from jaxheads.studies.li2021.selection import METHODS, budgets
from jaxheads.studies.luo2021 import constituents, masking
from jaxheads.studies.michel2019 import study as michel2019
from jaxheads.studies.peyrard2021 import head_ablation
from jaxheads.studies.peyrard2021 import masking as words
from jaxheads.studies.peyrard2021 import study as peyrard2021
from jaxheads.studies.peyrard2021.headlines import TASKS, TEST
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.workbench import pretrain, pruners, steps
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.settings import TaskSettings
from jaxheads.studies.zhang2020 import study as zhang2020

WORDS = 10  # of a headline


def _pretrained(model: StudyModel) -> Work:
    how, work = model.settings.pretrain, measure(model, PRETRAINING)
    return work if how is None else work | train(model, PRETRAINING, how) | saved(model)


def _fine_tuned(model: StudyModel, task: str, _seed: int) -> Work:
    return tune(model, task) | measure(model, task) | saved(model)


def _all_scores(model: StudyModel, task: str, *_) -> Work:
    return score_all(model, task) | score_weights(model, task)


def _finetuned(model: StudyModel, task: str, seed: int) -> Work:
    return _fine_tuned(model, task, seed) | _all_scores(model, task)


def _shuffled(model: StudyModel, task: str, _seed: int, place: str) -> Work:
    trained = probe(model, task) if place == nulls.FROZEN else tune(model, task)
    return trained | measure(model, task) | score(model, task)


def _probed(model: StudyModel, task: str) -> Work:
    return probe(model, task) | measure(model, task)


def _curves(model: StudyModel, task: str, _seed: int) -> Work:
    return along(
        model,
        task,
        *orders(model, len(model.task_names) - 1 + len(nulls.nulls_of(model, task))),
    )


def _loss_before(model: StudyModel) -> Work:
    ways = 1 + model.layout.shares_blocks
    return measure(model, PRETRAINING, 1 + ways * (1 + len(deduction.budgets(model))))


def _prune_tuned(model: StudyModel, task: str, _seed: int, _budget: int) -> Work:
    return tune(model, task) | measure(model, task, 3 + model.layout.shares_blocks)


def _tune_pruned(model: StudyModel, task: str, _seed: int, way, budget: int) -> Work:
    there = way == deduction.BEFORE and budget in deduction.compared(model)
    return measure(model, task) if there else _scaled(model, task)


def _whole(model: StudyModel, task: str, seed: int) -> Work:
    return _finetuned(model, task, seed) | score(model, task, 2)


def _gated(model: StudyModel, task: str, *, joint: bool) -> Work:
    alone = None if joint else model.run.study.pipelined
    if alone:
        return train(model, task, alone, gates=True)
    return tune(model, task, gates=not joint)


def _prune(model: StudyModel, task: str, seed: int, method: str, budget: int) -> Work:
    how, way = model.run.study, METHODS[method]
    work = measure(model, task, (how.draws if way.random else 1) + bool(way.gate))
    if way.gate:
        work |= _gated(model, task, joint=way.joint)
    elif way.iterative:
        before = sum(each >= budget for each in budgets(model))
        work |= score(model, task, before, limit=model.run.scoring.rescored)
    elif method == META:
        work |= score(model, task, backward=False, times=1)
    if how.again:
        work |= tune(model, task) | measure(model, task)
    timed = budget in {round(share * heads(model)) for share in how.timed}
    return work | saved(model, int(timed and seed == model.run.seeds[0]))


def _scaled(model: StudyModel, task: str, *_) -> Work:
    return tune(model, task) | measure(model, task)


def _learning_rate(model: StudyModel, task: str, method: str) -> Work:
    rates, found = model.run.study.learning_rates, task_of(model, task)
    if len(rates) == 1:
        return Work()
    tries = len(rates) * len(budgets(model))
    train = (found and found.examples) or ASSUMED
    left_out = round(model.run.study.chosen_on * train)
    one = _gated(model, task, joint=METHODS[method].joint)
    tried = functools.reduce(Work.__or__, [one] * tries)._replace(programs=1)
    return tried | measure(model, task, tries, left_out)


def _swept(model: StudyModel, task: str, *_) -> Work:
    return _gated(model, task, joint=False) | measure(model, task)


def _pruner(model: StudyModel, *_) -> Work:
    """The whole and the masked model are passed, the latter backward too."""
    meta = pruners.meta_of(model)
    longest = max(meta.tasks, key=lambda task: task.length)
    how = meta.training
    count, size = how.steps * how.batch_size, how.batch_size // how.accumulate
    work = passed(model, longest, count, times=3, backward=True, size=size)
    return work._replace(steps=how.steps * how.accumulate)


def _sentences(model: StudyModel, counts: Sequence[int | None], readings: int = 1) -> Work:
    """Maps of all heads over sentences, and their trees."""
    count = sum(each or ASSUMED for each in counts)
    work = passed(model, PRETRAINING, count, size=model.run.scoring.batch_size)
    return work | Work(trees=readings * count * heads(model))


def _arcs(model: StudyModel, *_) -> Work:
    return _sentences(model, [model.run.study.sentences])


def _parsed(model: StudyModel, measures: int) -> Work:
    how = model.run.study
    counts = [how.tune_sentences, how.test_sentences]
    return _sentences(model, counts, measures * len(how.biases))


def _ability_masked(model: StudyModel, task: str, _seed: int) -> Work:
    orders = 4 + 4 * model.run.curve.draws
    return along(model, task, orders) | measure(model, task, model.layout.num_layers)


def _removed(model: StudyModel, task: str, _seed: int) -> Work:
    found = task_of(model, task)
    other = bool(found and (found.other_held_out or found.other_split))
    return measure(model, task, (1 + other) * (1 + heads(model)))


def _alone(model: StudyModel, task: str, _seed: int) -> Work:
    tried = measure(model, task, heads(model), scored(model, task, model.run.scoring.ablated))
    return tried | measure(model, task, 1 + heads(model))


def _classified(model: StudyModel, variant: str, _seed: int) -> Work:
    task = next(task for task in TASKS if variant.startswith(task))
    work = tune(model, task) | measure(model, task) | saved(model)
    if variant != task:
        return work
    return work | probe(model, task) | measure(model, task, 2) | score_all(model, task)


def _attended(model: StudyModel, *_) -> Work:
    """Both sides of the pairs of two splits, and those with random words, in two models."""
    count = 2 * 2 * 3 * pairs(model, TEST)
    return passed(model, TASKS[0], count, size=model.run.scoring.batch_size)


def _similar(model: StudyModel, task: TaskSettings, seed: int) -> Work:
    masks = 1 + len(zhang2020.methods(model, seed))
    count = 2 * 2 * masks * held_out(model, task)
    return passed(model, task, count, size=model.run.curve.batch_size)


def _once(model: StudyModel, method: str) -> Work:
    return Work() if method == MAGNITUDE else score(model, PRETRAINING)


# Cells that this table does not have read what others left.
COSTS: Mapping[Callable, Callable[..., Work]] = {
    pretrain.pretrained: _pretrained,
    pretrain.halved: lambda model: measure(model, PRETRAINING) | saved(model),
    steps.score_base: lambda model: _all_scores(model, PRETRAINING),
    steps.finetuned: _finetuned,
    pruners.train_pruner: _pruner,
    nulls.weights: lambda model, task, *_: score_weights(model, task),
    nulls.shuffled: _shuffled,
    nulls.untrained: lambda model, task, _: score(model, task),
    chiang2021.floors: measure,
    chiang2021.fine_tuned: _fine_tuned,
    chiang2021.score_tuned: lambda model, task, _: score_all(model, task),
    chiang2021.probed: lambda model, task, _: _probed(model, task) | score_all(model, task),
    chiang2021.curves_of: _curves,
    deduction.loss_before: _loss_before,
    deduction.probe_pruned: lambda model, task, *_: _probed(model, task) | score(model, task),
    deduction.prune_tuned: _prune_tuned,
    deduction.train_pruned: lambda model, task, *_: tune(model, task) | saved(model),
    deduction.train_twice: _scaled,
    deduction.tune_pruned: _tune_pruned,
    deduction.drift: lambda model, task, *_: score(model, task),
    deduction.cut_pruned: lambda model, task, *_: measure(model, task) | saved(model),
    compare.whole: _whole,
    compare.prune: _prune,
    compare.scaled: _scaled,
    learning_rates.choose_learning_rate: _learning_rate,
    learning_rates.tuned_for_trials: lambda model, task: tune(model, task) | saved(model),
    li2021.swept: _swept,
    michel2019.removed: _removed,
    michel2019.alone: _alone,
    michel2019.pruned: lambda model, task, _: along(model, task, *orders(model)),
    htut2019.pretrained_arcs: _arcs,
    htut2019.random_arcs: _arcs,
    htut2019.tuned_arcs: _arcs,
    constituents.base_trees: lambda model: _parsed(model, len(model.run.study.measures)),
    constituents.random_trees: lambda model, _: _parsed(model, 1),
    constituents.tuned_trees: lambda model, *_: _parsed(model, 1),
    masking.masked: _ability_masked,
    peyrard2021.classified: _classified,
    peyrard2021.attention: _attended,
    head_ablation.gated: lambda model, task, _: measure(model, task, 1 + model.layout.num_heads),
    words.masked: lambda model, task, _: measure(model, task, 1 + WORDS),
    zhang2020.score_once: _once,
    zhang2020.score_for: lambda model, task, _: score(model, task, backward=False, times=1),
    zhang2020.departures: lambda model, task, seed: measure(
        model, task, 2 * len(zhang2020.methods(model, seed))
    ),
    zhang2020.tuned: _scaled,
    zhang2020.similarity: _similar,
}


def kind_of(cell: Cell) -> str:
    """What a cell computes, in words."""
    return _computing(cell).func.__name__.removesuffix("_of").replace("_", " ")


def cost_of(cell: Cell) -> Work:
    """What one cell costs; nothing where it only reads what others left."""
    run = _computing(cell)
    return COSTS.get(run.func, lambda *_: Work())(*run.args)


def _computing(cell: Cell) -> functools.partial:
    assert isinstance(cell.run, functools.partial), cell.name
    return cell.run
