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
from pathlib import Path

import numpy as np

from jaxheads.analysis.agreement import chance_jaccard, jaccard
from jaxheads.analysis.intervals import contrast
from jaxheads.importance import score_heads
from jaxheads.importance.meta.scoring import channel_of, departure_objective
from jaxheads.importance.methods import magnitude
from jaxheads.inference.evaluate import evaluate
from jaxheads.inference.metrics import METRICS
from jaxheads.objectives import cosine_for
from jaxheads.pruning.mask import random_mask
from jaxheads.records.head_maps import save_maps
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell, cell, name_of
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.prunability import (
    answers_of,
    contrast_rows,
    load_answers,
    save_answers,
)
from jaxheads.studies.workbench.pruners import (
    META,
    Mask,
    body,
    kept_heads,
    layer_mask,
    meta_of,
    pruner_cells,
    representing,
    score_by_pruner,
)
from jaxheads.studies.workbench.settings import PRETRAINING, Run, TaskSettings
from jaxheads.studies.workbench.trainer import masked_training
from jaxheads.training.identity import encoder_bits

WHOLE, INVERTED, RANDOM, GRADIENT, MAGNITUDE = (
    "whole", "inverted meta", "random", "gradient", "magnitude",
)  # fmt: skip
TRAINED, DEPARTURE, SIMILARITY = "masked, fine-tuned", "likeness lost", "similarity"
COSINE = ("spearman", "pearson")  # of the cosine and the label
OVERLAP, CONTRAST = "overlap of masks", "contrast of masks"


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """Pruners and scores, then for each task and seed the same training under every mask."""
    for model in study_models(run, folder):
        yield (base := pretrained_cell(model))
        once = [cell(score_once, model, way, after=[base]) for way in (GRADIENT, MAGNITUDE)]
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
                ways = (WHOLE, *methods(model, seed))
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


def methods(model: StudyModel, seed: int) -> list[str]:
    """How masks are made for a seed, which has random ones of its own."""
    draws, place = meta_of(model).draws, model.run.seeds.index(seed)
    chance = [f"{RANDOM} {place * draws + draw}" for draw in range(draws)]
    return [META, INVERTED, *chance, GRADIENT, MAGNITUDE]


def mask_by(model: StudyModel, task: str, seed: int, method: str) -> Mask:
    """The mask of a method."""
    shape = (model.layout.num_layers, model.layout.num_heads)
    if method == WHOLE:
        return np.ones(shape, bool)
    if method.startswith(RANDOM):
        draw = int(method.rpartition(" ")[2])
        return random_mask(*shape, kept_heads(model) * shape[0], draw, per_layer=True)
    if method in (META, INVERTED):
        score_LH = model.scorer.saved(_meta_file(model, task, seed)).score_LH
        return layer_mask(model, score_LH if method == META else -score_LH)
    return layer_mask(model, model.scorer.saved(_file(model, method)).score_LH)


def _meta_file(model: StudyModel, task: str, seed: int) -> str:
    return f"{model.name}-{task}-{seed}.{META}"


def _file(model: StudyModel, method: str) -> str:
    name = f"{model.name}-{PRETRAINING}-0"
    return name if method == GRADIENT else f"{name}.{method}"


# -- cells


def score_once(model: StudyModel, method: str) -> list[Row]:
    """Scores that are the same for all tasks: by the pre-training loss, or without data."""
    if method == GRADIENT:
        scores = model.scorer.score(model.base, model.text)
    else:
        scores = score_heads(
            None,
            model.base.params,
            (),
            heads=model.base.config,
            method=magnitude(),
            model=model.name,
        )
    model.scorer.save(_file(model, method), scores)
    return []


def score_for(model: StudyModel, task: TaskSettings, seed: int) -> list[Row]:
    """The pruner's scores for a task that it did not learn on."""
    source = model.reader.taught(task)
    model.scorer.save(
        _meta_file(model, task.name, seed), score_by_pruner(model, task, source, seed)
    )
    return []


def departures(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """What every mask takes from the likeness of held-out sentences, before any training."""
    task, model = study_model.task(name), body(study_model)
    objective = departure_objective(representing(study_model), channel_of(task.task.is_pair))
    whole = [batch for batch in task.held_out if np.asarray(batch.weight_B).all()]
    rows = []
    for method in methods(study_model, seed):
        mask_LH = mask_by(study_model, name, seed, method)
        gate_LH = mask_LH.astype(np.float32)
        found = evaluate(objective, model.params, whole, (), gate=gate_LH, mesh=study_model.mesh)
        what = {"stage": DEPARTURE, "method": method, "budget": int(mask_LH.sum()), "seed": seed}
        rows += study_model.make_rows(name, {"likeness loss": found.metrics["loss"]}, **what)
    return rows


def tuned(model: StudyModel, name: str, seed: int, method: str) -> list[Row]:
    """Fine-tune under a mask, and measure under it."""
    task, mask_LH = model.task(name), mask_by(model, name, seed, method)
    file = name_of(tuned, model, name, seed, method)
    how = masked_training(model.fresh(task, seed), task, seed, file, mask_LH)
    found = model.scorer.measure(model.trainer.fitted(how), task, mask_LH)
    save_answers(model.store, file, answers_of(found))
    if method != WHOLE:
        what = {"stage": TRAINED, "method": method, "budget": int(mask_LH.sum()), "seed": seed}
        return model.make_rows(name, found.metrics, **what)
    floors = found.floors | model.reader.bag_of_words(name) if seed == model.run.seeds[0] else {}
    return [
        *model.make_rows(name, floors, stage="floor"),
        *model.make_rows(name, found.metrics, stage="whole", seed=seed),
    ]


def contrasts(model: StudyModel, name: str) -> list[Row]:
    """The pruner's masks less each of the others', and chance less the inverse, with intervals."""
    seeds, metric = model.run.seeds, model.task(name).metrics[0]
    answers = [
        {
            method: load_answers(model.store, name_of(tuned, model, name, seed, method))
            for method in (WHOLE, *methods(model, seed))
        }
        for seed in seeds
    ]
    label_M, example_M = (answers[0][WHOLE][each] for each in ("label", "example"))

    def of(kind: str) -> list[list[np.ndarray]]:
        """By seed, the answers under each mask of a kind."""
        first = kind.partition(" ")[0]
        return [
            [found["guess"] for method, found in each.items() if method.partition(" ")[0] == first]
            for each in answers
        ]

    rows = []
    budget = kept_heads(model) * model.layout.num_layers
    pairs = [(META, other) for other in (RANDOM, INVERTED, GRADIENT, MAGNITUDE, WHOLE)]
    for one, two in (*pairs, (RANDOM, INVERTED), (GRADIENT, RANDOM)):
        found = contrast(of(one), of(two), label_M, METRICS[metric], example_M)
        what = {"stage": CONTRAST, "method": f"{one} - {two}", "budget": budget}
        rows += contrast_rows(model, name, metric, found, **what)
    return rows


def similarity(study_model: StudyModel, task: TaskSettings, seed: int) -> list[Row]:
    """Sentence likeness by the cosine of representations, nothing trained, under every mask."""
    held_out, represent, rows = study_model.reader.siamese(task), representing(study_model), []
    model, all_LH = (
        body(study_model),
        np.ones((study_model.layout.num_layers, study_model.layout.num_heads), bool),
    )
    for kind, pooled in (("mean of tokens", False), ("first token", True)):
        objective = cosine_for(represent, pooled)
        for method in (WHOLE, *methods(study_model, seed)):
            mask_LH = mask_by(study_model, task.name, seed, method)
            gate_LH = (all_LH if mask_LH is None else mask_LH).astype(np.float32)
            found = evaluate(
                objective, model.params, held_out, COSINE, gate=gate_LH, mesh=study_model.mesh
            )
            values = {f"{name}, {kind}": found.metrics[name] for name in COSINE}
            what = {"stage": SIMILARITY, "method": method, "budget": int(gate_LH.sum())}
            rows += study_model.make_rows(task.name, values, seed=seed, **what)
        if seed == study_model.run.seeds[0]:
            floor = study_model.reader.bag_of_words_likeness(task, COSINE)
            values = {f"{name}, {kind}": floor[name] for name in COSINE}
            rows += study_model.make_rows(
                task.name, values, stage=SIMILARITY, method="bag of words"
            )
    return rows


def overlap(model: StudyModel) -> list[Row]:
    """How many heads the pruner's masks of two tasks share, and those of two seeds."""
    names = [task.name for task in _scored_tasks(model)]
    masks: dict[tuple[str, int], Mask] = {}
    for name, seed in itertools.product(names, model.run.seeds):
        mask_LH = mask_by(model, name, seed, META)
        masks[name, seed] = mask_LH
    for seed in model.run.seeds:
        scores = {
            name: model.scorer.saved(_meta_file(model, name, seed)).score_LH for name in names
        }
        save_maps(model.folder, model.name, META, seed, scores, weights=encoder_bits(model.base))
    layers, heads = masks[names[0], model.run.seeds[0]].shape
    chance = {"jaccard": chance_jaccard(layers, heads, kept_heads(model))}
    rows = model.make_rows("", chance, stage=OVERLAP, method="chance")
    for seed, (one, two) in itertools.product(model.run.seeds, itertools.combinations(names, 2)):
        value = {"jaccard": jaccard(masks[one, seed], masks[two, seed])}
        rows += model.make_rows(f"{one}~{two}", value, stage=OVERLAP, method="tasks", seed=seed)
    for name, (one, two) in itertools.product(names, itertools.combinations(model.run.seeds, 2)):
        value = {"jaccard": jaccard(masks[name, one], masks[name, two])}
        rows += model.make_rows(name, value, stage=OVERLAP, method="seeds", seed=one)
    for name, seed in masks:
        for other in (GRADIENT, MAGNITUDE):
            mask_LH = mask_by(model, name, seed, other)
            value = {"jaccard": jaccard(masks[name, seed], mask_LH)}
            rows += model.make_rows(name, value, stage=OVERLAP, method=other, seed=seed)
    return rows
