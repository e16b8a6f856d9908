"""Baselines of position: arcs counted by hand, and maps that see no word."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.arcs import Arcs
from jaxheads.analysis.offsets import CONTENTLESS, chain, contentless_attention, offset_baseline

OFFSETS = np.array([1, 1, -1, -1, -1, 2, -2, -2])
ARCS = Arcs(("dep",), np.zeros(8, int), np.zeros(8, int), OFFSETS, 1)


def test_the_most_frequent_offset_is_taken():
    every = ARCS.of("dep")
    assert offset_baseline(ARCS, every, signed=True) == (-1, 3 / 8, 8, True)
    assert offset_baseline(ARCS, every, signed=False) == (1, 5 / 8, 8, False)
    np.testing.assert_array_equal(chain(ARCS), np.abs(OFFSETS) == 1)


def test_the_offset_is_chosen_on_other_arcs_than_it_is_scored_on():
    last = np.arange(8) >= 5
    assert offset_baseline(ARCS, ~last, last, signed=True) == (-2, 0.0, 5, True)
    assert offset_baseline(ARCS, last, ~last, signed=False) == (1, 0.0, 3, False)


def test_of_equally_common_offsets_the_nearer_left_one_is_taken():
    tied = np.isin(np.arange(8), [0, 2, 5])
    assert offset_baseline(ARCS, tied, signed=True).offset == -1


def test_nothing_to_choose_on_or_to_score_is_no_accuracy():
    none = np.zeros(8, bool)
    assert np.isnan(offset_baseline(ARCS, none, ~none, signed=True).accuracy)
    assert offset_baseline(ARCS, ~none, none, signed=True)[:2] == (0, 0.0)


@pytest.mark.parametrize("words", [1, 2, 3, 12])
def test_contentless_heads_look_where_their_names_say(words):
    maps = dict(zip(CONTENTLESS, contentless_attention(words)[0], strict=True))
    for name, shift in {"next": 1, "previous": -1, "after next": 2, "before previous": -2}.items():
        np.testing.assert_allclose(maps[name].sum(1), float(words > 1))
        for place in range(words):
            if 0 <= place + shift < words:
                assert maps[name][place].argmax() == place + shift
    for found in maps.values():
        assert not found.diagonal().any()
    np.testing.assert_array_equal(maps["near"], maps["near"].T)


def test_random_heads_follow_their_seed():
    one, same, other = (contentless_attention(5, seed)[0, -1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
