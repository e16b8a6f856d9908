"""Fine-tuning of a model on its own task, in one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool

from jaxheads.config import TrainingConfig
from jaxheads.data.loader import Source
from jaxheads.importance.gates.gate import constant
from jaxheads.models.layout import HeadKinds
from jaxheads.models.model import Model
from jaxheads.objectives import training_objective
from jaxheads.training.fit import fit


def fine_tune(
    model: Model,
    source: Source,
    config: TrainingConfig,
    *,
    mask: Bool[np.ndarray, "L H"] | HeadKinds | None = None,
    mesh: Mesh | None = None,
    log: str | Path | None = None,
) -> Model:
    """Train a copy of the model on its readout's task; `fit` is the same with parts of your own.

    Args:
      source: encoded examples (`encode_task`).
      config: steps, batch size, optimizer, dropout (None: the model's own), numbers' type.
      mask: heads that stay as they are, the others masked all along; None: all stay.
      mesh: devices that share each batch.
      log: a file of JSON lines, one for every `config.log_every` steps.

    Raises:
      ValueError: for examples that do not suit the readout, and a loss that is not finite.
    """
    objective = training_objective(model.config, model.readout, config)
    how = {"gate": constant(mask), "mesh": mesh, "log": log}
    return model._replace(params=fit(objective, model.params, source, config, **how).params)
