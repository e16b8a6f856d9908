"""What training with a gate leaves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxheads.config import TrainingConfig
from jaxheads.importance.gate import Gate, Theta
from jaxheads.models.model import Model
from jaxheads.training.gating import sampled


class Learned(NamedTuple):
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
