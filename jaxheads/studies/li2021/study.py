"""Differentiable subset pruning, as Li, Cotterell and Sachan 2021 (TACL 9, arXiv 2108.04657) do it.

Their grid of budgets and their peers by `compare.py`, and for the L0 gates of Voita et al.
2019 the sweep of strengths that they need in the place of a budget: how many heads each leaves
open, and how good the model is with those. The paper's tables were not available to us. Ours: other
ways to choose beside theirs, budgets for L0, the intervals. Not built: translation.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

from jaxheads.importance.gates.hard_concrete import l0, naturally_open
from jaxheads.parallel.mesh import open_mesh
from jaxheads.records.rows import Row
from jaxheads.studies.li2021 import compare
from jaxheads.studies.li2021.learning_rates import learning_rate_cell, learning_rate_of
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.steps import whole_name
from jaxheads.studies.workbench.training_jobs import TrainingJob
from jaxheads.training.optimizer import GATES

SWEEP, ALONE = "sweep of strengths", "L0, pipelined"


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """The comparison, and a training for each strength and seed at the learning rate of L0.

    Raises:
      ValueError: for strengths without the method "L0, pipelined", and as `compare.cells`.
    """
    how = run.study
    if how.strengths and ALONE not in how.methods:
        raise ValueError(
            f"study.strengths: expected {ALONE} among methods, whose learning rate is theirs"
        )
    yield from compare.cells(run, folder)
    mesh = open_mesh(run.devices)
    for settings in run.models:
        model = StudyModel(run, settings, folder, mesh)
        for task in (task.name for task in model.tasks):
            learning_rate = learning_rate_cell(model, task, ALONE)
            for strength in how.strengths:
                for seed in run.seeds:
                    name = f"{model.name}-{task}-{seed}-strength-{strength:g}"
                    work = functools.partial(swept, model, task, strength, seed, name)
                    yield Cell(name, work, needs=(whole_name(model, task, seed), learning_rate))


def swept(study_model: StudyModel, name: str, strength: float, seed: int, label: str) -> list[Row]:
    """Gates alone, on the fine-tuned model, at one price of a head."""
    task, model = study_model.task(name), study_model.tuned(name, seed)
    assert task.training is not None, "a task says how it is trained"
    training = dataclasses.replace(task.training, seed=seed)
    gate = l0((model.config.num_layers, model.config.num_heads), strength)
    gates = dataclasses.replace(GATES, learning_rate=learning_rate_of(study_model, name, ALONE))
    found = study_model.learned(TrainingJob(label, model, task, training, gate, gates, "gates"))
    mask_LH = naturally_open(found.score_LH)
    values = study_model.measure(found.model, task, mask_LH).metrics | {
        "heads open": float(mask_LH.sum())
    }
    return study_model.make_rows(name, values, stage=SWEEP, method=f"L0 at {strength:g}", seed=seed)
