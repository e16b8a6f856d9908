"""Every method that has a loss finds the head that alone carries the label."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxheads.importance.ablation import costs
from jaxheads.importance.methods import ablation, alone, gradient, integrated
from jaxheads.importance.score import score_heads
from tests.planted.classifier import plant, planted_examples

PLACES = [(0, 2), (1, 3)]


@pytest.fixture(params=PLACES, ids=str)
def planted(task, request):
    """The place of the planted head, and a task in which it is planted."""
    params = plant(jax.tree.map(np.array, task.params), *request.param)
    data = planted_examples(task.data, np.random.default_rng(1))
    return request.param, task._replace(params=params, data=data)


def test_the_planted_head_alone_carries_the_label(planted):
    place, task = planted
    gates = np.ones((6, 2, 4), np.float32)
    gates[(1, *place)] = 0
    gates[2] = 0
    gates[(2, *place)] = 1
    loss_BV = np.asarray(costs(task.objective, task.params, task.data, gates))
    assert loss_BV[:, 0].max() < 0.65
    np.testing.assert_allclose(loss_BV[:, 1], np.log(2), atol=1e-3)  # knows nothing
    assert loss_BV[:, 2].max() < 0.65


METHODS = {method.name: method for method in (gradient(), integrated(), ablation(), alone())}
ALL = [(name, unit) for name, method in METHODS.items() for unit in method.units]


@pytest.mark.parametrize(("method", "unit"), ALL)
def test_the_planted_head_is_ranked_first(planted, method, unit):
    place, task = planted
    scores = score_heads(
        task.objective,
        task.params,
        task.batches(20),
        heads=task.config,
        method=METHODS[method],
        unit=unit,
    )
    ranked = scores.score_LH
    if method == "alone":  # which is about single layers
        ranked = np.where(np.arange(2)[:, None] == place[0], ranked, -np.inf)
    assert np.unravel_index(ranked.argmax(), ranked.shape) == place
