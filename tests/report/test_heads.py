"""One map over heads as a figure."""

from __future__ import annotations

import numpy as np
import pytest

import jaxheads as jh

SCORE_LH = np.arange(6.0).reshape(2, 3)


def test_a_map_has_a_row_a_layer_and_a_colour_bar():
    axis, bar = jh.plot_heads(SCORE_LH, label="accuracy lost").axes
    (cells,) = axis.collections
    np.testing.assert_array_equal(np.asarray(cells.get_array()).reshape(2, 3), SCORE_LH)
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["0", "1", "2"]
    assert axis.get_ylim() == (2, 0)  # layer 0 on top
    assert bar.get_ylabel() == "accuracy lost"
    assert bar.get_ylim() == (0, 5)


def test_heads_that_are_not_kept_are_crossed_out(tmp_path):
    mask_LH = SCORE_LH > 0
    figure = jh.plot_heads(SCORE_LH, mask_LH)
    lines = figure.axes[0].lines
    assert len(lines) == 2  # a cross
    assert all(line.get_xydata().max() < 1 for line in lines)  # on layer 0, head 0
    figure.savefig(tmp_path / "heads.png")
    assert figure._repr_png_().startswith(b"\x89PNG")  # in a notebook without pyplot


def test_arrays_of_another_shape_are_rejected():
    with pytest.raises(ValueError, match=r"expected numbers \[L, H\], got shape \[3\]"):
        jh.plot_heads(SCORE_LH[0])
    with pytest.raises(ValueError, match=r"a mask of booleans \[2, 3\], got float64 \[2, 3\]"):
        jh.plot_heads(SCORE_LH, SCORE_LH)
