"""Differentiable subset pruning, as Li, Cotterell and Sachan 2021 (TACL 9, arXiv 2108.04657) do it.

Their grid of budgets and their peers by `compare.py`, and for the L0 gates of Voita et al.
2019 the sweep of strengths that they need in the place of a budget: how many heads each leaves
open, and how good the model is with those. The paper's tables were not available to us. Ours: other
ways to choose beside theirs, budgets for L0, the intervals. A task of the kind "translate" is their
other half: one budget for the heads of all three kinds, compared by BLEU.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from jaxheads.importance.gates.hard_concrete import l0, naturally_open
from jaxheads.records.folder import Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.li2021 import compare
from jaxheads.studies.li2021.learning_rates import choose_learning_rate, learning_rate_of
from jaxheads.studies.li2021.selection import training_of
from jaxheads.studies.runner.cells import Cell, cell, name_of
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.trainer import TrainingJob
from jaxheads.training.optimizer import GATES

ALONE = "L0, pipelined"


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """The comparison, and a training for each strength and seed at the learning rate of L0.

    Raises:
      ValueError: for strengths without the method "L0, pipelined", and as `compare.cells`.
    """
    how = run.study
    if how.strengths and ALONE not in how.methods:
        raise ValueError(
            f"study.strengths: expected {ALONE} among methods, whose learning rate is theirs"
        )
    yield from (made := list(compare.cells(run, store)))
    by_name = {each.name: each for each in made}
    for model in study_models(run, store):
        for task in (task.name for task in model.tasks):
            for strength, seed in itertools.product(how.strengths, run.seeds):
                tuned = by_name[name_of(compare.whole, model, task, seed)]
                learning_rate = by_name[name_of(choose_learning_rate, model, task, ALONE)]
                yield cell(swept, model, task, strength, seed, after=[tuned, learning_rate])


def swept(study_model: StudyModel, name: str, strength: float, seed: int) -> list[Row]:
    """Gates alone, on the fine-tuned model, at one price of a head."""
    task, model = study_model.task(name), study_model.tuned(name, seed)
    training = dataclasses.replace(training_of(study_model, task, joint=False), seed=seed)
    label = name_of(swept, study_model, name, strength, seed)
    gate = l0((model.config.num_layers, model.config.num_heads), strength)
    gates = dataclasses.replace(GATES, learning_rate=learning_rate_of(study_model, name, ALONE))
    found = study_model.trainer.learned(
        TrainingJob(label, model, task, training, gate, gates, "gates")
    )
    mask_LH = naturally_open(found.score_LH)
    values = study_model.scorer.measure(found.model, task, mask_LH).metrics
    values[Metric.OPEN] = float(mask_LH.sum())
    what = {"stage": Stage.SWEEP, "method": "L0", "setting": strength, "seed": seed}
    return study_model.make_rows(name, values, **what)
