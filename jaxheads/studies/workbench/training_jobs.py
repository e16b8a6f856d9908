"""A training of a study as a value, and what it leaves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.importance.gates.gate import Gate, Theta
from jaxheads.models.model import Model
from jaxheads.studies.workbench.tasks import PreparedTask
from jaxheads.training.gating import sampled
from jaxheads.training.optimizer import GATES


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
