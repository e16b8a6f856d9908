"""Which half of each layer's heads does a task need, asked of a network that never saw the task?

After Zhang, Qi, Liu, Liu and Sun 2020, "Know What You Don't Need" (arXiv 2011.03770), of which the
authors' code was available to us and no result table. Masks by a pruner that learned on other
tasks, beside its inverse, chance, the gradient of the pre-training loss and the size of the
weights; then fine-tuning that is the same for all. Ours: the pruner never sees the task that it
prunes for, random and other masks, intervals. Not built: what the paper compares with, its tables
of speed and memory, and unlabelled similarity other than of the tasks named in `meta.similar`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from jaxheads.analysis.agreement import chance_jaccard, jaccard
from jaxheads.importance import score_heads
from jaxheads.importance.meta.scoring import channel_of, departure_objective
from jaxheads.importance.methods import magnitude
from jaxheads.inference.evaluate import evaluate
from jaxheads.objectives import cosine_for
from jaxheads.pruning.mask import random_mask
from jaxheads.records.folder import (
    FROM_CHANCE,
    INVERTED,
    MAGNITUDE,
    META,
    OWN,
    PRETRAINING,
    RANDOM,
    SCORING,
    TRAINING,
    WHOLE,
    Metric,
    Stage,
)
from jaxheads.records.head_maps import save_maps
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.runner.cells import Cell, cell, name_of
from jaxheads.studies.workbench.answers import (
    WHOLE_MODEL,
    Way,
    contrast_rows,
    load_answers,
    save_answers,
)
from jaxheads.studies.workbench.latency import timing
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.pruners import (
    Mask,
    body,
    kept_heads,
    layer_mask,
    meta_of,
    pruner_cells,
    representing,
    score_by_pruner,
)
from jaxheads.studies.workbench.settings import Run, TaskSettings
from jaxheads.studies.workbench.trainer import masked_training
from jaxheads.training.identity import encoder_bits

COSINE = (Metric.SPEARMAN, Metric.PEARSON)  # of the cosine and the label
WHOLE_MASK = Way(WHOLE)


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """Pruners and scores, then for each task and seed the same training under every mask."""
    for model in study_models(run, store):
        yield (base := pretrained_cell(model))
        once = [cell(score_once, model, way, after=[base]) for way in (OWN, MAGNITUDE)]
        yield from once
        tasks = _scored_tasks(model)
        pruners = pruner_cells(model, (task.name for task in tasks), [base])
        yield from dict.fromkeys(pruners.values())
        scored: dict[tuple[str, int], list[Cell]] = {}
        for task, seed in itertools.product(tasks, run.seeds):
            yield (
                own := cell(score_for, model, task, seed, after=[base, pruners[task.name, seed]])
            )
            scored[task.name, seed] = [own, *once]
        for task in (task.name for task in model.tasks):
            made: list[Cell] = []
            for seed in run.seeds:
                after = scored[task, seed]
                yield cell(departures, model, task, seed, after=after)
                ways = (WHOLE_MASK, *methods(model, seed))
                own = [cell(tuned, model, task, seed, way, after=after) for way in ways]
                yield from own
                made += own
            yield cell(contrasts, model, task, after=made)
        for task, seed in itertools.product(meta_of(model).similar, run.seeds):
            yield cell(similarity, model, task, seed, after=scored[task.name, seed])
        yield cell(overlap, model, after=itertools.chain(*scored.values()))


def _scored_tasks(model: StudyModel) -> dict[TaskSettings, None]:
    """The tasks of the run, and those measured by cosine that are not among them."""
    names = {task.name for task in model.tasks}
    more = [task for task in meta_of(model).similar if task.name not in names]
    return dict.fromkeys((*model.tasks, *more))


def methods(model: StudyModel, seed: int) -> list[Way]:
    """How masks are made for a seed, which has random ones of its own."""
    draws, place = meta_of(model).draws, model.run.seeds.index(seed)
    chance = [Way(RANDOM, draw=place * draws + draw) for draw in range(draws)]
    return [Way(META), Way(INVERTED), *chance, Way(OWN), Way(MAGNITUDE)]


def mask_by(model: StudyModel, task: str, seed: int, way: Way) -> Mask:
    """The mask of a way."""
    shape = (model.layout.num_layers, model.layout.num_heads)
    if way == WHOLE_MASK:
        return np.ones(shape, bool)
    if way.draw is not None:
        return random_mask(*shape, kept_heads(model) * shape[0], way.draw, per_layer=True)
    if way.method in (META, INVERTED):
        score_LH = model.scorer.saved(_meta_file(model, task, seed)).score_LH
        return layer_mask(model, score_LH if way.method == META else -score_LH)
    return layer_mask(model, model.scorer.saved(_file(model, way.method)).score_LH)


def _meta_file(model: StudyModel, task: str, seed: int) -> str:
    return f"{model.name}-{task}-{seed}.{META}"


def _file(model: StudyModel, method: str) -> str:
    name = f"{model.name}-{PRETRAINING}-0"
    return name if method == OWN else f"{name}.{method}"


# -- cells


def score_once(model: StudyModel, method: str) -> list[Row]:
    """Scores that are the same for all tasks: by the pre-training loss, or without data."""
    with timing(model, PRETRAINING, SCORING[method]):
        if method == OWN:
            scores = model.scorer.score(model.base, model.text)
        else:
            params, config = model.base.params, model.base.config
            scores = score_heads(
                None, params, (), heads=config, method=magnitude(), model=model.name
            )
    model.scorer.save(_file(model, method), scores)
    return []


def score_for(model: StudyModel, task: TaskSettings, seed: int) -> list[Row]:
    """The pruner's scores for a task that it did not learn on."""
    with timing(model, task.name, SCORING[META], seed=seed):
        scores = score_by_pruner(model, task, model.reader.taught(task), seed)
    model.scorer.save(_meta_file(model, task.name, seed), scores)
    return []


def departures(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """What every mask takes from the likeness of held-out sentences, before any training."""
    task, model = study_model.task(name), body(study_model)
    objective = departure_objective(representing(study_model), channel_of(task.task.is_pair))
    full = (batch for batch in task.held_out if np.asarray(batch.weight_B).all())
    whole = [batch._replace(labels=np.zeros(batch.index_B.shape, np.int32)) for batch in full]
    rows = []
    for way in methods(study_model, seed):
        mask_LH = mask_by(study_model, name, seed, way)
        gate_LH = mask_LH.astype(np.float32)
        found = evaluate(objective, model.params, whole, (), gate=gate_LH, mesh=study_model.mesh)
        what = {"stage": Stage.LIKENESS_LOST, "budget": int(mask_LH.sum()), "seed": seed}
        value = {Metric.LIKENESS_LOSS: found.metrics["loss"]}
        rows += study_model.make_rows(name, value, **what, **way._asdict())
    return rows


def tuned(model: StudyModel, name: str, seed: int, way: Way) -> list[Row]:
    """Fine-tune under a mask, and measure under it."""
    task, mask_LH = model.task(name), mask_by(model, name, seed, way)
    file = name_of(tuned, model, name, seed, way)
    how = masked_training(model.fresh(task, seed), task, seed, file, mask_LH)
    with timing(model, name, TRAINING, seed=seed, **way._asdict()):
        trained = model.trainer.fitted(how)
    found = model.scorer.measure(trained, task, mask_LH)
    save_answers(model.store, file, found)
    if way != WHOLE_MASK:
        what = {"stage": Stage.MASK_TUNED, "budget": int(mask_LH.sum()), "seed": seed}
        return model.make_rows(name, found.metrics, **what, **way._asdict())
    floors = found.floors | model.reader.bag_of_words(name) if seed == model.run.seeds[0] else {}
    return [
        *model.make_rows(name, floors, stage=Stage.FLOOR),
        *model.make_rows(name, found.metrics, stage=Stage.WHOLE, seed=seed),
    ]


def contrasts(model: StudyModel, name: str) -> list[Row]:
    """The pruner's masks less each of the others', and chance less the inverse, with intervals."""
    answers = [
        {
            way: load_answers(model.store, name_of(tuned, model, name, seed, way))
            for way in (WHOLE_MASK, *methods(model, seed))
        }
        for seed in model.run.seeds
    ]

    def of(kind: Way) -> list[list[np.ndarray]]:
        """By seed, the answers under each mask of a kind."""
        return [
            [found.guesses[WHOLE_MODEL] for way, found in each.items() if way.kind == kind]
            for each in answers
        ]

    rows, task, due = [], model.task(name), answers[0][WHOLE_MASK]
    budget = kept_heads(model) * model.layout.num_layers
    others = (RANDOM, INVERTED, OWN, MAGNITUDE, WHOLE)
    pairs = [(META, other) for other in others] + [(RANDOM, INVERTED), (OWN, RANDOM)]
    for one, two in (map(Way, pair) for pair in pairs):
        what = {"stage": Stage.MASK_CONTRAST, "budget": budget, **one.less(two)}
        rows += contrast_rows(model, task, of(one), of(two), due, **what)
    return rows


def similarity(study_model: StudyModel, task: TaskSettings, seed: int) -> list[Row]:
    """Sentence likeness by the cosine of representations, nothing trained, under every mask."""
    held_out, represent = study_model.reader.siamese(task), representing(study_model)
    model, rows = body(study_model), []
    for kind, pooled in (("mean of tokens", False), ("first token", True)):
        objective = cosine_for(represent, pooled)
        what = {"stage": Stage.SIMILARITY, "reading": kind}
        for way in (WHOLE_MASK, *methods(study_model, seed)):
            gate_LH = mask_by(study_model, task.name, seed, way).astype(np.float32)
            found = evaluate(
                objective, model.params, held_out, COSINE, gate=gate_LH, mesh=study_model.mesh
            )
            own = {"method": way.method, "draw": way.draw, "budget": int(gate_LH.sum())}
            values = {name: found.metrics[name] for name in COSINE}
            rows += study_model.make_rows(task.name, values, seed=seed, **own, **what)
        if seed == study_model.run.seeds[0]:
            floor = study_model.reader.bag_of_words_likeness(task, COSINE)
            values = {name: floor[name] for name in COSINE}
            rows += study_model.make_rows(task.name, values, method=Metric.BAG_OF_WORDS, **what)
    return rows


def overlap(model: StudyModel) -> list[Row]:
    """How many heads the pruner's masks of two tasks share, and those of two seeds."""
    names = [task.name for task in _scored_tasks(model)]
    every = itertools.product(names, model.run.seeds)
    masks = {place: mask_by(model, *place, Way(META)) for place in every}
    for seed in model.run.seeds:
        scores = {
            name: model.scorer.saved(_meta_file(model, name, seed)).score_LH for name in names
        }
        save_maps(model.store, model.name, META, seed, scores, weights=encoder_bits(model.base))

    def shared(name: str, seed: int, mask_LH: Mask, method: str, **other: str) -> list[Row]:
        value = {Metric.JACCARD: jaccard(masks[name, seed], mask_LH)}
        what = {"stage": Stage.OVERLAP, "method": method, "seed": seed, **other}
        return model.make_rows(name, value, **what)

    layers, heads = masks[names[0], model.run.seeds[0]].shape
    chance = {Metric.JACCARD: chance_jaccard(layers, heads, kept_heads(model))}
    rows = model.make_rows("", chance, stage=Stage.OVERLAP, method=FROM_CHANCE)
    for seed, (one, two) in itertools.product(model.run.seeds, itertools.combinations(names, 2)):
        rows += shared(one, seed, masks[two, seed], "tasks", other_task=two)
    for name, (one, two) in itertools.product(names, itertools.combinations(model.run.seeds, 2)):
        rows += shared(name, one, masks[name, two], "seeds")
    for name, seed in masks:
        for method in (OWN, MAGNITUDE):
            rows += shared(name, seed, mask_by(model, name, seed, Way(method)), method)
    return rows
