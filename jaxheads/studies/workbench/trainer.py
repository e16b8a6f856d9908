"""The trainings of a study: each a value, its log in `logs/`, its state in `checkpoints/`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.importance.gates.gate import Gate, Theta, constant
from jaxheads.models.model import Model
from jaxheads.objectives import training_objective
from jaxheads.records.folder import Room
from jaxheads.storage.store import Store, carried
from jaxheads.studies.workbench.tasks import PreparedTask
from jaxheads.training.checkpoint import Checkpoints
from jaxheads.training.fit import fit
from jaxheads.training.optimizer import GATES
from jaxheads.training.watch import sampled

Mask = Bool[np.ndarray, "L H"]
Gates = Float[np.ndarray, "L H"]


class TrainingJob(NamedTuple):
    """A training that a study asks for; `only` as in `training.fit`.

    `name` is that of its log and its checkpoints, and no other training of the study has it.
    """

    name: str
    model: Model  # where it starts
    task: PreparedTask
    training: TrainingConfig
    gate: Gate
    gates: OptimizerConfig = GATES
    only: str | None = None


class TrainedModel(NamedTuple):
    """A trained model, and the gate it was trained with."""

    model: Model
    gate: Gate
    theta: Theta
    training: TrainingConfig

    @property
    def score_LH(self) -> Float[np.ndarray, "L H"]:
        """The gate's scores."""
        return np.asarray(self.gate.score(self.theta), np.float64)

    @property
    def sample_LH(self) -> Float[np.ndarray, "L H"]:
        """The gate's sample of the last step, with what it had learned after it."""
        seed, last = np.uint32(self.training.seed), self.training.steps - 1
        return np.asarray(sampled(self.gate, self.theta, seed, last), np.float64)


def masked_training(
    model: Model, task: PreparedTask, seed: int, name: str, mask_LH: Mask | Gates | None
) -> TrainingJob:
    """Training a model on the task with heads masked, or gated."""
    gate = constant(gate_of(model, mask_LH))
    return TrainingJob(name, model, task, seeded(task.training, seed), gate)


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains the models that are made of one pre-trained model."""

    model: str  # its name
    store: Store
    mesh: Mesh | None

    def fitted(self, job: TrainingJob) -> Model:
        """The model that a training gives."""
        return self.learned(job).model

    def learned(self, job: TrainingJob) -> TrainedModel:
        """What a training gives: the model and a gate, trained together, or one of them alone."""
        plain = without_labels(job.model)
        with (
            self.store.writing(f"logs/{job.name}.jsonl") as (log,),
            self.checkpoints(job.name, job.training, task=job.task.name) as checkpoints,
        ):
            found = fit(
                training_objective(plain.config, plain.readout, job.training),
                job.model.params,
                job.task.train,
                job.training,
                gate=job.gate,
                gates=job.gates,
                only=job.only,
                checkpoints=checkpoints,
                mesh=self.mesh,
                lengths=job.task.lengths,
                log=log,
                name=job.name,
            )
        model = job.model._replace(params=found.params)
        return TrainedModel(model, job.gate, found.theta, job.training)

    @contextlib.contextmanager
    def checkpoints(
        self, name: str, training: TrainingConfig, **about: Any
    ) -> Iterator[Checkpoints | None]:
        """Where a training keeps its state while it lasts; None where it keeps none.

        A state that is there is resumed, and goes when the block has ended well.
        """
        kept, about = f"{Room.CHECKPOINTS}/{name}", {"model": self.model, **about}
        if not training.save_every:
            yield None
            return
        with carried(f"{self.store}/{kept}") as (folder, put):
            yield Checkpoints(folder, True, about, put)
        self.store.remove(kept)


def seeded(training: TrainingConfig | None, seed: int) -> TrainingConfig:
    """How a model is trained, with a seed."""
    assert training is not None, "only what has settings is trained"
    return dataclasses.replace(training, seed=seed)


def gate_of(model: Model, mask_LH: Mask | Gates | None) -> np.ndarray:
    """The mask as a gate, ones without one: with and without a mask it is one program."""
    shape = (model.config.num_layers, model.config.num_heads)
    return np.ones(shape, np.float32) if mask_LH is None else mask_LH.astype(np.float32)


def without_labels(model: Model) -> Model:
    """The model without the names of its labels, so that like tasks share compiled programs."""
    labels = tuple(str(number) for number in range(len(model.readout.labels)))
    return model._replace(readout=dataclasses.replace(model.readout, labels=labels))
