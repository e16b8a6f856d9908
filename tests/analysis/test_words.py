"""Attention between words: rows made distributions."""

from __future__ import annotations

import numpy as np

from jaxheads.analysis.words import renormalised


def test_rows_sum_to_one_and_a_row_of_zeros_stays_one():
    attention = np.random.default_rng(0).random((4, 3, 5))
    attention[:, 1] = 0
    found = renormalised(attention)
    np.testing.assert_allclose(found[:, [0, 2]].sum(-1), 1)
    np.testing.assert_allclose(found[:, 0], attention[:, 0] / attention[:, 0].sum(-1)[:, None])
    assert not found[:, 1].any()
