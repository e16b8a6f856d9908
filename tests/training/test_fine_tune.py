"""`fine_tune` is `fit` with the model's own task and a mask as the gate."""

from __future__ import annotations

import numpy as np

from jaxheads.config import ReadoutConfig, TrainingConfig
from jaxheads.importance.gates.gate import constant
from jaxheads.models.model import Model
from jaxheads.objectives import training_objective
from jaxheads.training.fine_tune import fine_tune
from jaxheads.training.fit import fit
from tests.training.test_fit import equal


def test_fine_tuning_a_model_is_the_same_training(classifier):
    mask_LH = np.array(np.indices((2, 2)).sum(0) % 2, bool)
    readout = ReadoutConfig("classification", ("low", "high"), dropout=0.0)
    model = Model(classifier.config, readout, classifier.params)
    config = TrainingConfig(steps=3, batch_size=10, dropout=0.0)
    found = fine_tune(model, classifier.source, config, mask=mask_LH)
    objective = training_objective(model.config, model.readout, config)
    gate = constant(mask_LH)
    expected = fit(objective, model.params, classifier.source, config, gate=gate).params
    assert equal(found.params, expected)
    unmasked = fine_tune(model, classifier.source, config).params
    assert not equal(found.params, unmasked)
