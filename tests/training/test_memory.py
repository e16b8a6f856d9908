"""Memory that is saved changes no number: a sharded optimizer state, and layers computed again."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxheads.config import OptimizerConfig, ReadoutConfig, TrainingConfig
from jaxheads.objectives import objective_for
from jaxheads.parallel.mesh import make_mesh, parameter_specs
from jaxheads.training.fit import fit
from jaxheads.training.step import start, state_specs


def test_spread_splits_the_largest_dimension_that_is_left(simple):
    mesh = make_mesh(4, 2)
    shapes = {
        "encoder": {
            "stack0": {"up": {"kernel": jax.ShapeDtypeStruct((3, 16, 24), "float32")}},
            "embeddings": {"position": {"table": jax.ShapeDtypeStruct((12, 16), "float32")}},
            "odd": jax.ShapeDtypeStruct((3, 5), "float32"),
        },
        "readout": {"bias": jax.ShapeDtypeStruct((40,), "float32")},
    }
    specs = parameter_specs(mesh, shapes, over_data=True)
    assert specs["encoder"]["stack0"]["up"]["kernel"] == P(None, "data", "model")
    assert specs["encoder"]["embeddings"]["position"]["table"] == P(None, "data")
    assert specs["encoder"]["odd"] == P(None, None)
    assert specs["readout"]["bias"] == P("model")
    state = start(simple.params, OptimizerConfig(), make_mesh(8), shard_opt_state=True)
    assert state.trainable["params"]["table"].is_fully_replicated
    opt_state = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.shape == (40,)]
    assert len(opt_state) == 2
    assert all(leaf.addressable_shards[0].data.shape == (5,) for leaf in opt_state)
    assert (
        state_specs(make_mesh(8), state, shard_opt_state=True).trainable["params"]["table"] == P()
    )


def test_a_run_with_a_spread_state_ends_in_the_same_parameters(simple):
    mesh = make_mesh(8)
    config = TrainingConfig(steps=5, batch_size=8, optimizer=OptimizerConfig(learning_rate=0.1))
    sharded = TrainingConfig(
        steps=5, batch_size=8, optimizer=OptimizerConfig(learning_rate=0.1), shard_opt_state=True
    )
    one, two = (
        fit(simple.objective, simple.params, simple.source, each, mesh=mesh, lengths=(8,)).params
        for each in (config, sharded)
    )
    for name, leaf in one.items():
        np.testing.assert_allclose(two[name], leaf, atol=1e-6)
    assert np.abs(one["table"]).max() > 0.1


@pytest.mark.slow
def test_layers_that_are_computed_twice_give_the_same_gradient(classifier):
    batch = classifier.source.rows(np.arange(4), np.zeros(4, np.int64), 8)

    def gradient(remat: bool):
        config, readout = (
            classifier.config,
            ReadoutConfig("classification", ("low", "high"), dropout=0.0),
        )
        objective = objective_for(config, readout, remat=remat)
        total = jax.jit(jax.grad(lambda p: objective(p, None, batch, None).loss_B.sum()))
        return total(classifier.params), str(jax.make_jaxpr(total)(classifier.params))

    (plain, program), (twice, other) = gradient(False), gradient(True)
    assert other.count("dot_general") > program.count("dot_general")  # the second time
    for one, two in zip(jax.tree.leaves(plain), jax.tree.leaves(twice), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
