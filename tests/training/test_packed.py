"""Training on packed rows is training on the same examples padded."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.objectives import training_objective
from jaxheads.parallel.mesh import make_mesh
from jaxheads.training.fit import fit
from tests.importance.test_packed import source_of
from tests.support.random_tasks import make_task

# Plain descent: Adam's division would turn a rounded gradient of nothing into a step.
OPTIMIZER = OptimizerConfig(learning_rate=0.05, optimizer="sgd", warmup=0.0)


@pytest.mark.parametrize(
    ("family", "readout", "devices"),
    [
        ("roberta", "classification", None),
        pytest.param("roberta", "regression", None, marks=pytest.mark.slow),
        pytest.param("albert", "classification", 2, marks=pytest.mark.slow),
    ],
)
def test_packed_steps_are_those_of_padded_examples(family, readout, devices):
    task = make_task(family, readout)
    config = TrainingConfig(steps=3, batch_size=8, optimizer=OPTIMIZER, dropout=0.0)
    source = source_of(task.data, task.config.pad_token_id)
    objective = training_objective(task.config, task.readout, config)
    how = {"mesh": None if devices is None else make_mesh(devices)}
    padded, packed = (
        fit(objective, task.params, source, config, lengths=lengths, **how).params
        for lengths in ((8,), None)
    )
    moved = jax.tree.map(lambda one, two: np.abs(np.asarray(one) - two).max(), packed, task.params)
    assert max(jax.tree.leaves(moved)) > 1e-2
    for one, two in zip(*map(jax.tree.leaves, (packed, padded)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)
