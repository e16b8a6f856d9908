"""Pruners of a study: trained on some tasks of one model, they score its heads for others.

pruners/NAME    a pruner's directory; logs/NAME.jsonl how its training went
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable

import jax
import numpy as np
from jaxtyping import Bool, Float

from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import bucket_lengths
from jaxheads.data.pool import Pool
from jaxheads.importance import Scores, score_heads
from jaxheads.importance.meta.files import load_pruner, save_pruner
from jaxheads.importance.meta.pruner import init_pruner
from jaxheads.importance.meta.scoring import channel_of, meta_objective
from jaxheads.importance.methods import meta
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.models.model import Model
from jaxheads.objectives import Represent, represent_for
from jaxheads.pruning.mask import mask_from_scores
from jaxheads.records.folder import FIRST, LAST, PRUNER_TRAINING, Metric, Room, Stage
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.workbench.latency import timing
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.settings import MetaSettings, TaskSettings
from jaxheads.studies.workbench.tasks import batches_of, task_of
from jaxheads.training.fit import fit

Mask = Bool[np.ndarray, "L H"]


def meta_of(model: StudyModel) -> MetaSettings:
    """How the run's pruners learn: its own settings, or a part of those of a comparison."""
    study = model.run.study
    return study if isinstance(study, MetaSettings) else study.meta


def teachers(model: StudyModel, task: str) -> tuple[TaskSettings, ...]:
    """The tasks that a pruner for `task` learns on: never that task itself.

    Raises:
      ValueError: if there is no other.
    """
    found = tuple(each for each in meta_of(model).tasks if each.name != task)
    if not found:
        raise ValueError(f"tasks: expected another task than {task}, got none")
    return found


def pruner_name(model: StudyModel, task: str, seed: int) -> str:
    """A pruner's name; tasks that none learns on share one."""
    own = any(each.name == task for each in meta_of(model).tasks)
    return f"{model.name}-pruner{f'.{task}' if own else ''}-{seed}"


def pruner_file(model: StudyModel, task: str, seed: int) -> str:
    """Where the pruner for a task is."""
    return f"{Room.PRUNERS}/{pruner_name(model, task, seed)}"


def body(model: StudyModel) -> Model:
    """The pre-trained model as a pruner sees it: without a readout, or with BERT's pooler.

    Raises:
      ValueError: for the pooler of a model that is no BERT checkpoint.
    """
    if not meta_of(model).pooler:
        params = {"encoder": model.base.params["encoder"], "readout": {}}
        return model.base._replace(readout=ReadoutConfig(), params=params)
    if model.base.config.family != "bert" or model.settings.source is None:
        raise ValueError(f"meta.pooler: expected a BERT checkpoint, got {model.base.config.family}")
    classifier = ReadoutConfig("classification", ("0", "1"))  # whose first layer is the pooler
    return load_model(model.settings.source, readout=classifier, key=jax.random.key(0))


def representing(study_model: StudyModel) -> Represent:
    """The representations that a pruner is to keep."""
    model = body(study_model)
    return represent_for(model.config, model.readout)


def kept_heads(model: StudyModel) -> int:
    """How many heads of each layer a mask keeps."""
    return min(
        max(round(meta_of(model).kept * model.layout.num_heads), 1), model.layout.num_heads - 1
    )


def layer_mask(model: StudyModel, score_LH: Float[np.ndarray, "L H"]) -> Mask:
    """The best heads of every layer."""
    budget = kept_heads(model) * model.layout.num_layers
    return mask_from_scores(score_LH, budget, per_layer=True)


def pruner_cells(
    model: StudyModel, tasks: Iterable[str], after: Iterable[Cell]
) -> dict[tuple[str, int], Cell]:
    """A pruner for every task and seed, one for all the tasks that it may serve."""
    every, made = list(itertools.product(tasks, model.run.seeds)), {}
    for place in every:
        made.setdefault(pruner_name(model, *place), cell(train_pruner, model, *place, after=after))
    return {place: made[pruner_name(model, *place)] for place in every}


def train_pruner(study_model: StudyModel, task: str, seed: int) -> list[Row]:
    """Train a pruner for `task` on the other tasks and save it; rows of the loss at both ends."""
    meta, model = meta_of(study_model), body(study_model)
    name, file = pruner_name(study_model, task, seed), pruner_file(study_model, task, seed)
    found = teachers(study_model, task)
    channels = tuple(channel_of(task_of(each).is_pair) for each in found)
    sources = tuple(study_model.reader.teaching(each) for each in found)
    pool = Pool(sources, channels, meta.training.accumulate)
    represent = represent_for(model.config, model.readout)
    longest = max(each.length for each in found)
    lengths = bucket_lengths(longest) if meta.training.window else (longest,)
    fresh = init_pruner(meta.pruner, seed)
    names = [each.name for each in found]
    with (
        timing(study_model, task, PRUNER_TRAINING, seed=seed),
        study_model.store.writing(f"{Room.LOGS}/{name}.jsonl") as (log,),
        study_model.trainer.checkpoints(name, meta.training, tasks=names) as checkpoints,
    ):
        fitted = fit(
            meta_objective(represent, meta.pruner, kept_heads(study_model)),
            {**model.params, "pruner": fresh.params},
            pool,
            dataclasses.replace(meta.training, seed=seed),
            only="pruner",
            checkpoints=checkpoints,
            mesh=study_model.mesh,
            lengths=lengths,
            log=log,
            name=name,
        )
    if not study_model.store.exists(file):
        trained = fresh._replace(params=fitted.params["pruner"])
        study_model.store.write(file, lambda path: save_pruner(path, trained))
    what = {"stage": Stage.PRUNER_TRAINING, "seed": seed}
    return [
        row
        for end, step in ((FIRST, fitted.log[0]), (LAST, fitted.log[-1]))
        for row in study_model.make_rows("", {Metric.LIKENESS_LOSS: step.loss}, method=end, **what)
    ]


def score_by_pruner(
    model: StudyModel, task: TaskSettings, source: EncodedSource, seed: int
) -> Scores:
    """One shot: scores of the pre-trained model's heads by forward passes over some sentences."""
    pruner = model.store.read(pruner_file(model, task.name, seed), load_pruner)
    pair = task_of(task).is_pair
    return score_heads(
        None,
        model.base.params,
        batches_of(source, (task.length,), model.run.scoring.batch_size, model.mesh),
        heads=model.base.config,
        method=meta(pruner, pair=pair),
        mesh=model.mesh,
        model=f"{model.name}-{task.name}",
        progress=False,
    )
