"""Pruners of a study: trained on some tasks of one model, they score its heads for others.

pruners/NAME    a pruner's directory; logs/NAME.jsonl how its training went
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Bool, Float

from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import bucket_lengths
from jaxheads.data.pool import Pool
from jaxheads.data.tasks import task_named
from jaxheads.importance import Scores, score_heads
from jaxheads.importance.meta.files import load_pruner, save_pruner
from jaxheads.importance.meta.pruner import init_pruner
from jaxheads.importance.meta.scoring import channel_of, meta_objective
from jaxheads.importance.methods import meta
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.models.model import Model
from jaxheads.objectives import Represent, represent_for
from jaxheads.pruning.mask import mask_from_scores
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.workbench.model import Lab
from jaxheads.studies.workbench.settings import MetaSettings, TaskSettings
from jaxheads.training.fit import fit

META = "meta"

Mask = Bool[np.ndarray, "L H"]


def meta_of(lab: Lab) -> MetaSettings:
    """How the run's pruners learn: its own settings, or a part of those of a comparison."""
    study = lab.run.study
    return study if isinstance(study, MetaSettings) else study.meta


def teachers(lab: Lab, task: str) -> tuple[TaskSettings, ...]:
    """The tasks that a pruner for `task` learns on: never that task itself."""
    found = tuple(each for each in meta_of(lab).tasks if each.name != task)
    if not found:
        raise ValueError(f"tasks: expected another task than {task}, got none")
    return found


def pruner_name(lab: Lab, task: str, seed: int) -> str:
    """A pruner's name; tasks that none learns on share one."""
    own = any(each.name == task for each in meta_of(lab).tasks)
    return f"{lab.name}-pruner{f'.{task}' if own else ''}-{seed}"


def pruner_path(lab: Lab, task: str, seed: int) -> Path:
    """Where the pruner for a task is."""
    return lab.folder / "pruners" / pruner_name(lab, task, seed)


def body(lab: Lab) -> Model:
    """The pre-trained model as a pruner sees it: without a readout, or with BERT's pooler."""
    if not meta_of(lab).pooler:
        params = {"encoder": lab.base.params["encoder"], "readout": {}}
        return lab.base._replace(readout=ReadoutConfig(), params=params)
    if lab.base.config.family != "bert" or lab.settings.source is None:
        raise ValueError(f"meta.pooler: expected a BERT checkpoint, got {lab.base.config.family}")
    classifier = ReadoutConfig("classification", ("0", "1"))  # whose first layer is the pooler
    return load_model(lab.settings.source, readout=classifier, key=jax.random.key(0))


def representing(lab: Lab) -> Represent:
    """The representations that a pruner is to keep."""
    model = body(lab)
    return represent_for(model.config, model.readout)


def kept_heads(lab: Lab) -> int:
    """How many heads of each layer a mask keeps."""
    return min(max(round(meta_of(lab).kept * lab.layout.num_heads), 1), lab.layout.num_heads - 1)


def layer_mask(lab: Lab, score_LH: Float[np.ndarray, "L H"]) -> Mask:
    """The best heads of every layer."""
    budget = kept_heads(lab) * lab.layout.num_layers
    return mask_from_scores(score_LH, budget, per_layer=True)


def pruner_cells(lab: Lab, tasks: Iterable[str], needs: tuple[str, ...]) -> Iterator[Cell]:
    """A pruner for every task and seed, one for all the tasks that it may serve."""
    every = itertools.product(tasks, lab.run.seeds)
    for name, place in {pruner_name(lab, *place): place for place in every}.items():
        yield Cell(name, functools.partial(train_pruner, lab, *place), needs=needs)


def train_pruner(lab: Lab, task: str, seed: int) -> list[Row]:
    """Train a pruner for `task` on the other tasks and save it; rows of the loss at both ends."""
    meta, path, model = meta_of(lab), pruner_path(lab, task, seed), body(lab)
    found = teachers(lab, task)
    channels = tuple(channel_of(task_named(each.name).is_pair) for each in found)
    sources = tuple(lab.reader.teaching(each) for each in found)
    pool = Pool(sources, channels, meta.training.accumulate)
    represent = represent_for(model.config, model.readout)
    longest = max(each.length for each in found)
    lengths = bucket_lengths(longest) if meta.training.window else (longest,)
    fresh = init_pruner(meta.pruner, seed)
    names = [each.name for each in found]
    with lab.checkpoints(path.name, meta.training, tasks=names) as checkpoints:
        fitted = fit(
            meta_objective(represent, meta.pruner, kept_heads(lab)),
            {**model.params, "pruner": fresh.params},
            pool,
            dataclasses.replace(meta.training, seed=seed),
            only="pruner",
            checkpoints=checkpoints,
            mesh=lab.mesh,
            lengths=lengths,
            log=lab.folder / "logs" / f"{path.name}.jsonl",
            name=path.name,
        )
    if not path.is_dir():
        save_pruner(path, fresh._replace(params=fitted.params["pruner"]))
    ends = {"first": fitted.log[0].loss, "last": fitted.log[-1].loss}
    return [
        row
        for end, loss in ends.items()
        for row in lab.note.rows(
            "", {"likeness loss": loss}, stage="pruner training", method=end, seed=seed
        )
    ]


def score_by_pruner(lab: Lab, task: TaskSettings, source: EncodedSource, seed: int) -> Scores:
    """One shot: scores of the pre-trained model's heads by forward passes over some sentences."""
    pruner, pair = load_pruner(pruner_path(lab, task.name, seed)), task_named(task.name).is_pair
    return score_heads(
        None,
        lab.base.params,
        lab.reader.batches(source, (task.length,), lab.run.scoring.batch_size),
        heads=lab.base.config,
        method=meta(pruner, pair=pair),
        mesh=lab.mesh,
        model=f"{lab.name}-{task.name}",
        progress=False,
    )
