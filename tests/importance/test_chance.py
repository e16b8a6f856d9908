from __future__ import annotations

import numpy as np

from jaxheads.importance.chance import chance


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
