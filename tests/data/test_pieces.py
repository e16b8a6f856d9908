"""Units of a model's input: words with all their pieces, or pieces alone."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.data.pieces import piece_weights, pieces_of_words, single_pieces
from jaxheads.data.tokens import EncodedWords

ENCODED = EncodedWords([0, 11, 12, 13, 2], [-1, 0, 1, 1, -1])


@pytest.mark.parametrize(
    ("queries", "keys", "expected"),
    [
        ("mean", "sum", ([0, 1, 1 / 3, 1 / 3, 1 / 3, 0], [0, 1, 1, 1, 1, 0])),
        ("first", "last", ([0, 1, 1, 0, 0, 0], [0, 1, 0, 0, 1, 0])),
        ("last", "first", ([0, 1, 0, 0, 1, 0], [0, 1, 1, 0, 0, 0])),
    ],
)
def test_pieces_count_by_their_place_in_the_unit(queries, keys, expected):
    found = piece_weights(np.array([-1, 0, 1, 1, 1, -1]), queries, keys)
    np.testing.assert_allclose(found, expected)


def test_special_tokens_are_dropped_kept_or_never_seen():
    dropped, kept, absent = (
        pieces_of_words(ENCODED, 2, special=special) for special in ("dropped", "kept", "absent")
    )
    assert (dropped.ids.tolist(), dropped.unit_T.tolist()) == (ENCODED.ids, ENCODED.word_of_piece)
    assert (kept.ids.tolist(), kept.unit_T.tolist()) == (ENCODED.ids, [0, 1, 2, 2, 3])
    assert (absent.ids.tolist(), absent.unit_T.tolist()) == ([11, 12, 13], [0, 1, 1])
    assert [each.units for each in (dropped, kept, absent)] == [2, 4, 2]


def test_a_special_token_amid_the_words_keeps_its_place():
    encoded = EncodedWords(list(range(7)), [-1, 0, -1, 1, 1, -1, -1])
    found = pieces_of_words(encoded, 2, special="kept")
    assert (found.unit_T.tolist(), found.units) == ([0, 1, 2, 3, 3, 4, 5], 6)


@pytest.mark.parametrize(
    ("word_of_piece", "special", "problem"),
    [
        ([-1, 0, 1, 2, -1], "dropped", "expected words from -1 to 1, got"),
        ([-1, 0, 0, 0, -1], "kept", "got none of \\[1\\]"),
    ],
)
def test_words_that_do_not_fit_the_pieces_are_rejected(word_of_piece, special, problem):
    with pytest.raises(ValueError, match=problem):
        pieces_of_words(EncodedWords([0, 5, 6, 7, 2], word_of_piece), 2, special=special)


def test_single_pieces_are_units_of_their_own():
    found = single_pieces([5, 6, 7])
    assert (found.ids.tolist(), found.unit_T.tolist(), found.units) == ([5, 6, 7], [0, 1, 2], 3)


def test_nothing_to_read_is_rejected():
    with pytest.raises(ValueError, match="special: expected one of dropped, kept, absent, got 'x'"):
        pieces_of_words(ENCODED, 2, special="x")
    with pytest.raises(ValueError, match="expected at least one piece, got none"):
        pieces_of_words(EncodedWords([0, 2], [-1, -1]), 1, special="absent")
    with pytest.raises(ValueError, match="expected at least one piece, got none"):
        single_pieces([])
