"""Do the heads that matter in pre-training matter downstream, and what may be cut before?

After Chiang & Chen 2021, "Why Can You Lay Off Heads?", of which only the abstract was available to
us: its questions, with choices of our own. This is the first, thin form of the study: one model,
one task, gradient scores.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxheads.analysis.agreement import agreement
from jaxheads.config import Run
from jaxheads.data.batch import Batch
from jaxheads.data.loader import Source, batches
from jaxheads.importance import Scores, save_scores, score_heads
from jaxheads.importance.kept import open_kept
from jaxheads.importance.reliability import Reading, split_half
from jaxheads.mesh import data_share
from jaxheads.models.model import Model
from jaxheads.objectives import objective_for
from jaxheads.pruning.mask import mask_from_scores, random_mask, reversed_scores
from jaxheads.pruning.schedule import one_shot
from jaxheads.studies import prepare
from jaxheads.studies.material import (
    Material,
    check_files,
    finetune,
    gather,
    pretrain,
    saved,
)
from jaxheads.studies.notes import Notes, is_finished
from jaxheads.training.evaluate import Evaluation, evaluate

PRETRAINING = "mlm"
OWN, OTHER = "gradient", "gradient of the other task"
REVERSED, RANDOM = "reversed gradient", "random"

Mask = Bool[np.ndarray, "L H"]
Order = Callable[[int], Mask]  # the heads that a budget keeps


class Subjects(NamedTuple):
    """The pre-trained model, and by seed the models fine-tuned from it."""

    base: Model
    tuned: dict[int, Model]


class ScoresOfAll(NamedTuple):
    """Scores on the pre-training task, and on the downstream task by seed."""

    base: Scores
    tuned: dict[int, Scores]


def run(run: Run, folder: Path) -> None:
    """The whole study into a folder; models that it saved there before are taken as they are."""
    check_files(run.data)
    if is_finished(run, folder):
        print(f"{folder}: this study is finished", flush=True)
        return
    notes = Notes(run, folder)
    with notes.timed("reading"):
        material = gather(run, folder / "pretrained")
    subjects = train_subjects(run, notes, material)
    scores = score_subjects(run, notes, material, subjects)
    compare_scores(run, notes, scores)
    prune_without_training(run, notes, material, subjects, scores)
    prune_and_train(run, notes, material, subjects, scores)
    notes.finish()


# -- the passes


def train_subjects(run: Run, notes: Notes, material: Material) -> Subjects:
    """Pre-train once, fine-tune once a seed, and measure all of them on what is held out."""
    folder, log = notes.folder, notes.folder / "logs"
    with notes.timed("pre-training"):
        make = functools.partial(pretrain, run, material, log / "pretrain.jsonl")
        base = saved(folder / "pretrained", make, material.tokenizer)
    found = measure(base, material.held_out_blocks, material)
    notes.add(PRETRAINING, found.floors, stage="floor")
    notes.add(PRETRAINING, found.metrics, stage="pre-trained", seed=run.pretrain.seed)
    tuned, whole = {}, np.ones((base.config.num_layers, base.config.num_heads), bool)
    for seed in run.seeds:
        name = f"finetuned-{seed}"
        make = functools.partial(
            finetune, run, base, material, seed, log / f"{name}.jsonl",
            mask_LH=whole, physical=False,
        )  # fmt: skip
        with notes.timed("fine-tuning"):
            tuned[seed] = saved(folder / name, make, material.tokenizer)
        found = measure(tuned[seed], material.held_out, material)
        if seed == run.seeds[0]:
            notes.add(run.data.task, found.floors, stage="floor")
        notes.add(run.data.task, found.metrics, stage="fine-tuned", seed=seed)
    return Subjects(base, tuned)


def score_subjects(run: Run, notes: Notes, material: Material, subjects: Subjects) -> ScoresOfAll:
    """Score heads on training examples; note how well each ranking repeats on half of them."""
    with notes.timed("scoring"):
        base = score(run, notes, material, subjects.base, material.scored_blocks, PRETRAINING, 0)
        tuned = {
            seed: score(run, notes, material, model, material.scored, run.data.task, seed)
            for seed, model in subjects.tuned.items()
        }
    return ScoresOfAll(base, tuned)


def compare_scores(run: Run, notes: Notes, scores: ScoresOfAll) -> None:
    """Coherence of the two tasks, and what two seeds of the same task reach."""
    both = f"{PRETRAINING}~{run.data.task}"
    for seed, tuned in scores.tuned.items():
        found = agreement(scores.base.score_LH, tuned.score_LH)
        notes.add(both, found._asdict(), stage="coherence", method=OWN, seed=seed)
    for one, two in itertools.combinations(scores.tuned, 2):
        found = agreement(scores.tuned[one].score_LH, scores.tuned[two].score_LH)
        stage = f"seed {one}~{two}"
        notes.add(run.data.task, {"spearman": found.spearman}, stage=stage, method=OWN)


def prune_without_training(
    run: Run, notes: Notes, material: Material, subjects: Subjects, scores: ScoresOfAll
) -> None:
    """Pruning curves of the pre-trained and the fine-tuned models; heads are masked."""
    with notes.timed("pruning curves"):
        first = scores.tuned[run.seeds[0]]
        draws = run.curve.draws * len(run.seeds)
        orders = named_orders(scores.base, first, range(draws))
        curve(run, notes, material, subjects.base, material.held_out_blocks, orders, PRETRAINING, 0)
        for place, (seed, model) in enumerate(subjects.tuned.items()):
            numbers = range(place * run.curve.draws, (place + 1) * run.curve.draws)
            orders = named_orders(scores.tuned[seed], scores.base, numbers)
            curve(run, notes, material, model, material.held_out, orders, run.data.task, seed)


def prune_and_train(
    run: Run, notes: Notes, material: Material, subjects: Subjects, scores: ScoresOfAll
) -> None:
    """Fine-tune the pre-trained model without half of its heads: by the pre-training score, cut;
    and, beside it, other heads at random, masked."""
    layers, heads = scores.base.score_LH.shape
    budget = round(run.kept * layers * heads)
    best_LH = mask_from_scores(scores.base.score_LH, budget)
    for place, seed in enumerate(run.seeds):
        chance_LH = random_mask(layers, heads, budget, place * run.curve.draws)
        for name, method, mask_LH in (("cut", OTHER, best_LH), ("random", RANDOM, chance_LH)):
            physical, folder = name == "cut", notes.folder / f"{name}-{seed}"
            make = functools.partial(
                finetune, run, subjects.base, material, seed,
                notes.folder / "logs" / f"{folder.name}.jsonl", mask_LH=mask_LH, physical=physical,
            )  # fmt: skip
            with notes.timed(f"fine-tuning, {name}"):
                model = saved(folder, make, material.tokenizer)
            found = measure(model, material.held_out, material, None if physical else mask_LH)
            what = {"stage": "pruned, then fine-tuned", "method": method, "budget": budget}
            notes.add(run.data.task, found.metrics, seed=seed, **what)


# -- what the passes are made of


def measure(
    model: Model, held_out: list[Batch], material: Material, mask_LH: Mask | None = None
) -> Evaluation:
    """The task's metrics of a model, or of one with heads masked."""
    config, readout = model.config, model.readout
    metrics = material.task.metrics if readout.labels else ("accuracy",)
    if mask_LH is None:
        mask_LH = np.ones((config.num_layers, config.num_heads), bool)
    gate = mask_LH.astype(np.float32)
    objective = objective_for(config, readout)
    return evaluate(objective, model.params, held_out, metrics, gate=gate, mesh=material.mesh)


def score(
    run: Run, notes: Notes, material: Material, model: Model, source: Source, task: str, seed: int
) -> Scores:
    """The model's scores on a source, written to disk with every example's own effects."""
    how, folder = run.scoring, notes.folder / "scores"
    kept = folder / f"{task}-{seed}.npy"
    found = score_heads(
        objective_for(model.config, model.readout),
        model.params,
        batches(
            source, how.batch_size, share=data_share(material.mesh),
            lengths=prepare.bucket_lengths(int(source.lengths.max())),
        ),
        heads=model.config, method=OWN, unit=how.unit, normalize=how.normalize,
        mesh=material.mesh, keep=kept, examples=len(source.lengths), model=f"{task}-{seed}",
    )  # fmt: skip
    save_scores(folder / f"{task}-{seed}.npz", found)
    halves = split_half(open_kept(kept), Reading(how.unit, how.normalize), splits=how.splits)
    ceiling = {"spearman of halves": float(halves.half_S.mean())}
    notes.add(task, ceiling, stage="noise ceiling", method=OWN, seed=seed)
    return found


def named_orders(own: Scores, other: Scores, draws: range) -> Iterator[tuple[str, Order]]:
    """Orders to prune in, and what they are called."""
    layers, heads = own.score_LH.shape
    yield OWN, functools.partial(mask_from_scores, own.score_LH)
    yield OTHER, functools.partial(mask_from_scores, other.score_LH)
    yield REVERSED, functools.partial(mask_from_scores, reversed_scores(own.score_LH))
    for draw in draws:
        yield f"{RANDOM} {draw}", functools.partial(random_mask, layers, heads, seed=draw)


def curve(
    run: Run,
    notes: Notes,
    material: Material,
    model: Model,
    held_out: list[Batch],
    orders: Iterator[tuple[str, Order]],
    task: str,
    seed: int,
) -> None:
    """A row for every metric, order and number of heads kept."""
    total, points = model.config.num_layers * model.config.num_heads, run.curve.points
    schedule = one_shot(sorted({round(total * i / points) for i in range(points + 1)})[::-1])
    seen: dict[bytes, Evaluation] = {}  # the ends of all curves are the same
    for method, mask_of in orders:
        for budget in schedule.budgets:
            mask_LH = mask_of(budget)
            key = mask_LH.tobytes()
            if key not in seen:
                seen[key] = measure(model, held_out, material, mask_LH)
            what = {"stage": "masked", "method": method, "budget": budget, "seed": seed}
            notes.extend(notes.row(task, *pair, **what) for pair in seen[key].metrics.items())
