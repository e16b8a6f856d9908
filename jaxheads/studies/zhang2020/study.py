"""Which half of each layer's heads does a task need, asked of a network that never saw the task?

After Zhang, Qi, Liu, Liu and Sun 2020, "Know What You Don't Need" (arXiv 2011.03770), of which the
authors' code was available to us and no result table. Masks by a pruner that learned on other
tasks, beside its inverse, chance, the gradient of the pre-training loss and the size of the
weights; then fine-tuning that is the same for all. Ours: the pruner never sees the task that it
prunes for, random and other masks, intervals. Not built: what the paper compares with, its tables
of speed and memory, and unlabelled similarity other than of the tasks named in `meta.similar`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxheads.analysis.agreement import chance_jaccard, jaccard
from jaxheads.analysis.intervals import contrast
from jaxheads.importance import score_heads
from jaxheads.importance.meta.scoring import channel_of, departure_objective
from jaxheads.importance.methods import magnitude
from jaxheads.inference.evaluate import METRICS, evaluate
from jaxheads.objectives import cosine_for
from jaxheads.parallel.mesh import open_mesh
from jaxheads.pruning.mask import random_mask
from jaxheads.records.head_maps import save_maps
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.workbench.model import Lab
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
    pruner_name,
    representing,
    score_by_pruner,
)
from jaxheads.studies.workbench.settings import PRETRAINING, Run, TaskSettings
from jaxheads.studies.workbench.training_jobs import Fit
from jaxheads.training.identity import encoder_bits

WHOLE, INVERTED, RANDOM, GRADIENT, MAGNITUDE = (
    "whole", "inverted meta", "random", "gradient", "magnitude",
)  # fmt: skip
TRAINED, DEPARTURE, SIMILARITY = "masked, fine-tuned", "likeness lost", "similarity"
COSINE = ("spearman", "pearson")  # of the cosine and the label
OVERLAP, CONTRAST = "overlap of masks", "contrast of masks"


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """Pruners and scores, then for each task and seed the same training under every mask."""
    mesh = open_mesh(run.devices)
    for settings in run.models:
        lab = Lab(run, settings, folder, mesh)
        yield pretrained_cell(lab)
        yield from _scored(lab)
        for task in lab.tasks:
            yield from _tuned(lab, task.name)
        for task, seed in itertools.product(meta_of(lab).similar, run.seeds):
            work = functools.partial(similarity, lab, task, seed)
            needs = scored_cells(lab, task.name, seed)
            yield Cell(f"{lab.name}-{task.name}-{seed}-similarity", work, needs)
        every = itertools.product(_scored_tasks(lab), run.seeds)
        needs = tuple(scored_cell(lab, META, task.name, seed) for task, seed in every)
        yield Cell(f"{lab.name}-overlap", functools.partial(overlap, lab), needs)


def _scored(lab: Lab) -> Iterator[Cell]:
    """Scores by every method, each in a cell of its own, whose time is its cost."""
    base = (f"{lab.name}-pretrained",)
    for method in (GRADIENT, MAGNITUDE):
        name = scored_cell(lab, method)
        yield Cell(name, functools.partial(score_once, lab, method), needs=base)
    tasks = _scored_tasks(lab)
    yield from pruner_cells(lab, (task.name for task in tasks), base)
    for task, seed in itertools.product(tasks, lab.run.seeds):
        work, pruner = (
            functools.partial(score_for, lab, task, seed),
            pruner_name(lab, task.name, seed),
        )
        yield Cell(scored_cell(lab, META, task.name, seed), work, needs=(*base, pruner))


def scored_cell(lab: Lab, method: str, *task_and_seed: object) -> str:
    """The cell of a method's scores: of every task and seed, or the same for all."""
    return "-".join(map(str, (lab.name, *task_and_seed, "scored", method)))


def scored_cells(lab: Lab, task: str, seed: int) -> tuple[str, ...]:
    """The cells whose scores the masks of a task and a seed are made from."""
    own = scored_cell(lab, META, task, seed)
    return own, scored_cell(lab, GRADIENT), scored_cell(lab, MAGNITUDE)


def _scored_tasks(lab: Lab) -> dict[TaskSettings, None]:
    """The tasks of the run, and those measured by cosine that are not among them."""
    names = {task.name for task in lab.tasks}
    more = [task for task in meta_of(lab).similar if task.name not in names]
    return dict.fromkeys((*lab.tasks, *more))


def _tuned(lab: Lab, task: str) -> Iterator[Cell]:
    made: list[str] = []
    for seed in lab.run.seeds:
        work = functools.partial(departures, lab, task, seed)
        needs = scored_cells(lab, task, seed)
        yield Cell(f"{lab.name}-{task}-{seed}-departures", work, needs)
        for method in (WHOLE, *methods(lab, seed)):
            work = functools.partial(tuned, lab, task, seed, method)
            name = tuned_name(lab, task, seed, method)
            made.append(name)
            yield Cell(name, work, needs)
    yield Cell(f"{lab.name}-{task}-contrasts", functools.partial(contrasts, lab, task), (*made,))


def methods(lab: Lab, seed: int) -> list[str]:
    """How masks are made for a seed, which has random ones of its own."""
    draws, place = meta_of(lab).draws, lab.run.seeds.index(seed)
    chance = [f"{RANDOM} {place * draws + draw}" for draw in range(draws)]
    return [META, INVERTED, *chance, GRADIENT, MAGNITUDE]


def tuned_name(lab: Lab, task: str, seed: int, method: str) -> str:
    """A cell's name, and that of its answers."""
    return f"{lab.name}-{task}-{seed}-by-{method.replace(' ', '_')}"


def mask_by(lab: Lab, task: str, seed: int, method: str) -> Mask:
    """The mask of a method."""
    shape = (lab.layout.num_layers, lab.layout.num_heads)
    if method == WHOLE:
        return np.ones(shape, bool)
    if method.startswith(RANDOM):
        draw = int(method.rpartition(" ")[2])
        return random_mask(*shape, kept_heads(lab) * shape[0], draw, per_layer=True)
    if method in (META, INVERTED):
        score_LH = lab.saved(_meta_file(lab, task, seed)).score_LH
        return layer_mask(lab, score_LH if method == META else -score_LH)
    return layer_mask(lab, lab.saved(_file(lab, method)).score_LH)


def _meta_file(lab: Lab, task: str, seed: int) -> str:
    return f"{lab.name}-{task}-{seed}.{META}"


def _file(lab: Lab, method: str) -> str:
    name = f"{lab.name}-{PRETRAINING}-0"
    return name if method == GRADIENT else f"{name}.{method}"


# -- cells


def score_once(lab: Lab, method: str) -> list[Row]:
    """Scores that are the same for all tasks: by the pre-training loss, or without data."""
    if method == GRADIENT:
        scores = lab.score(lab.base, lab.text)
    else:
        scores = score_heads(
            None, lab.base.params, (), heads=lab.base.config, method=magnitude(), model=lab.name
        )
    lab.save(_file(lab, method), scores)
    return []


def score_for(lab: Lab, task: TaskSettings, seed: int) -> list[Row]:
    """The pruner's scores for a task that it did not learn on."""
    source = lab.reader.taught(task)
    lab.save(_meta_file(lab, task.name, seed), score_by_pruner(lab, task, source, seed))
    return []


def departures(lab: Lab, name: str, seed: int) -> list[Row]:
    """What every mask takes from the likeness of held-out sentences, before any training."""
    task, model = lab.subject(name), body(lab)
    objective = departure_objective(representing(lab), channel_of(task.task.is_pair))
    whole = [batch for batch in task.held_out if np.asarray(batch.weight_B).all()]
    rows = []
    for method in methods(lab, seed):
        mask_LH = mask_by(lab, name, seed, method)
        gate_LH = mask_LH.astype(np.float32)
        found = evaluate(objective, model.params, whole, (), gate=gate_LH, mesh=lab.mesh)
        what = {"stage": DEPARTURE, "method": method, "budget": int(mask_LH.sum()), "seed": seed}
        rows += lab.note.rows(name, {"likeness loss": found.metrics["loss"]}, **what)
    return rows


def tuned(lab: Lab, name: str, seed: int, method: str) -> list[Row]:
    """Fine-tune under a mask, and measure under it."""
    task, mask_LH = lab.subject(name), mask_by(lab, name, seed, method)
    how = _fit(lab, name, seed, method)
    found = lab.measure(lab.fitted(how), task, mask_LH)
    save_answers(lab, how.name, answers_of(found))
    if method != WHOLE:
        what = {"stage": TRAINED, "method": method, "budget": int(mask_LH.sum()), "seed": seed}
        return lab.note.rows(name, found.metrics, **what)
    floors = found.floors | lab.reader.bag_of_words(name) if seed == lab.run.seeds[0] else {}
    return [
        *lab.note.rows(name, floors, stage="floor"),
        *lab.note.rows(name, found.metrics, stage="whole", seed=seed),
    ]


def _fit(lab: Lab, name: str, seed: int, method: str) -> Fit:
    task, file = lab.subject(name), tuned_name(lab, name, seed, method)
    return lab.refitting(lab.fresh(task, seed), task, seed, file, mask_by(lab, name, seed, method))


def contrasts(lab: Lab, name: str) -> list[Row]:
    """The pruner's masks less each of the others', and chance less the inverse, with intervals."""
    seeds, metric = lab.run.seeds, lab.subject(name).metrics[0]
    answers = [
        {
            method: load_answers(lab, tuned_name(lab, name, seed, method))
            for method in (WHOLE, *methods(lab, seed))
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
    budget = kept_heads(lab) * lab.layout.num_layers
    pairs = [(META, other) for other in (RANDOM, INVERTED, GRADIENT, MAGNITUDE, WHOLE)]
    for one, two in (*pairs, (RANDOM, INVERTED), (GRADIENT, RANDOM)):
        found = contrast(of(one), of(two), label_M, METRICS[metric], example_M)
        what = {"stage": CONTRAST, "method": f"{one} - {two}", "budget": budget}
        rows += contrast_rows(lab, name, metric, found, **what)
    return rows


def similarity(lab: Lab, task: TaskSettings, seed: int) -> list[Row]:
    """Sentence likeness by the cosine of representations, nothing trained, under every mask."""
    held_out, represent, rows = lab.reader.apart(task), representing(lab), []
    model, all_LH = body(lab), np.ones((lab.layout.num_layers, lab.layout.num_heads), bool)
    for kind, pooled in (("mean of tokens", False), ("first token", True)):
        objective = cosine_for(represent, pooled)
        for method in (WHOLE, *methods(lab, seed)):
            mask_LH = mask_by(lab, task.name, seed, method)
            gate_LH = (all_LH if mask_LH is None else mask_LH).astype(np.float32)
            found = evaluate(objective, model.params, held_out, COSINE, gate=gate_LH, mesh=lab.mesh)
            values = {f"{name}, {kind}": found.metrics[name] for name in COSINE}
            what = {"stage": SIMILARITY, "method": method, "budget": int(gate_LH.sum())}
            rows += lab.note.rows(task.name, values, seed=seed, **what)
        if seed == lab.run.seeds[0]:
            floor = lab.reader.bag_of_words_likeness(task, COSINE)
            values = {f"{name}, {kind}": floor[name] for name in COSINE}
            rows += lab.note.rows(task.name, values, stage=SIMILARITY, method="bag of words")
    return rows


def overlap(lab: Lab) -> list[Row]:
    """How many heads the pruner's masks of two tasks share, and those of two seeds."""
    names = [task.name for task in _scored_tasks(lab)]
    masks: dict[tuple[str, int], Mask] = {}
    for name, seed in itertools.product(names, lab.run.seeds):
        mask_LH = mask_by(lab, name, seed, META)
        masks[name, seed] = mask_LH
    for seed in lab.run.seeds:
        scores = {name: lab.saved(_meta_file(lab, name, seed)).score_LH for name in names}
        save_maps(lab.folder, lab.name, META, seed, scores, weights=encoder_bits(lab.base))
    layers, heads = masks[names[0], lab.run.seeds[0]].shape
    chance = {"jaccard": chance_jaccard(layers, heads, kept_heads(lab))}
    rows = lab.note.rows("", chance, stage=OVERLAP, method="chance")
    for seed, (one, two) in itertools.product(lab.run.seeds, itertools.combinations(names, 2)):
        value = {"jaccard": jaccard(masks[one, seed], masks[two, seed])}
        rows += lab.note.rows(f"{one}~{two}", value, stage=OVERLAP, method="tasks", seed=seed)
    for name, (one, two) in itertools.product(names, itertools.combinations(lab.run.seeds, 2)):
        value = {"jaccard": jaccard(masks[name, one], masks[name, two])}
        rows += lab.note.rows(name, value, stage=OVERLAP, method="seeds", seed=one)
    for name, seed in masks:
        for other in (GRADIENT, MAGNITUDE):
            mask_LH = mask_by(lab, name, seed, other)
            value = {"jaccard": jaccard(masks[name, seed], mask_LH)}
            rows += lab.note.rows(name, value, stage=OVERLAP, method=other, seed=seed)
    return rows
