from __future__ import annotations

import dataclasses

import jax
import numpy as np

from jaxheads.importance.baselines import chance, magnitude
from jaxheads.models.model import abstract_params


def test_random_scores_are_uniform_and_a_function_of_the_seed():
    found = chance((30, 40), seed=3)
    np.testing.assert_array_equal(found, chance((30, 40), seed=3))
    assert (found != chance((30, 40), seed=4)).all()
    assert 0 <= found.min() < 0.01 and 0.99 < found.max() < 1 and abs(found.mean() - 0.5) < 0.03
    assert len(np.unique(found)) == found.size


def test_random_scores_never_change_between_releases():
    np.testing.assert_allclose(chance((1, 3), seed=0), [[0.01406, 0.25784, 0.4716]], atol=1e-4)


def test_layers_that_share_heads_draw_alike():
    found = chance((4, 3), 0, block_by_layer=(0, 0, 1, 1))
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[1] != found[2]).all()


def test_magnitude_is_the_norm_of_a_heads_four_kernels_together(task):
    found_LH = magnitude(task.config, task.params)
    stacks = [task.params["encoder"][f"stack{i}"]["attention"] for i in (0, 1)]
    for layer, head in np.ndindex(2, 4):
        kernels = [stacks[layer][name]["kernel"][0] for name in ("query", "key", "value")]
        parts = [kernel[:, head] for kernel in kernels] + [stacks[layer]["out"]["kernel"][0, head]]
        expected = np.linalg.norm(np.concatenate([part.ravel() for part in parts]))
        np.testing.assert_allclose(found_LH[layer, head], expected, rtol=1e-6)


def test_layers_that_share_a_block_share_its_magnitudes_and_cut_heads_have_none(make):
    task = make("albert")
    whole_LH = magnitude(task.config, task.params)
    np.testing.assert_array_equal(whole_LH[0], whole_LH[1])
    assert (whole_LH[1] != whole_LH[2]).all()

    kept = ((0, 2), (2,), (1, 3), ())
    config = dataclasses.replace(task.config, kept=kept)
    shapes = abstract_params(config, task.readout)
    sizes = iter(range(1, 1000))
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, next(sizes), np.float32), shapes)
    found_LH = magnitude(config, params)
    assert [tuple(np.flatnonzero(row)) for row in found_LH] == list(kept)
    assert found_LH[0, 2] == found_LH[1, 2]
