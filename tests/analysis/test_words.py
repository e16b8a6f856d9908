"""Attention between words: a map written by hand, a plain double loop, and sums of rows."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.words import attention_of_words, renormalised
from jaxheads.data.pieces import units

WORD_OF_PIECE = [-1, 0, 1, 1, -1]  # <s> a b ##b </s>
HAND = np.array(
    [
        [0.2, 0.2, 0.2, 0.2, 0.2],
        [0.1, 0.2, 0.3, 0.1, 0.3],
        [0.0, 0.4, 0.2, 0.4, 0.0],
        [0.2, 0.2, 0.1, 0.1, 0.4],
        [0.6, 0.1, 0.1, 0.1, 0.1],
    ]
)


def random_attention(*shape, seed=0):
    drawn = np.random.default_rng(seed).random((*shape, shape[-1]))
    return drawn / drawn.sum(-1, keepdims=True)


def test_attention_is_summed_over_to_and_averaged_over_from():
    found = attention_of_words(HAND, WORD_OF_PIECE, 2)
    np.testing.assert_allclose(found, [[0.2, 0.4], [0.3, (0.6 + 0.2) / 2]])


def test_special_tokens_can_be_kept_in_their_places():
    found = attention_of_words(HAND, WORD_OF_PIECE, 2, keep_special=True)
    expected = [
        [0.2, 0.2, 0.4, 0.2],
        [0.1, 0.2, 0.4, 0.3],
        [0.1, 0.3, 0.4, 0.2],
        [0.6, 0.1, 0.2, 0.1],
    ]
    np.testing.assert_allclose(found, expected)
    assert units(WORD_OF_PIECE, 2, keep_special=True).word_of_unit.tolist() == [-1, 0, 1, -1]


@pytest.mark.parametrize(("piece", "expected"), [("first", [1, 2]), ("last", [1, 3])])
def test_one_piece_can_stand_for_its_word(piece, expected):
    found = attention_of_words(HAND, WORD_OF_PIECE, 2, queries=piece, keys=piece)
    np.testing.assert_allclose(found, HAND[np.ix_(expected, expected)])


def test_rows_and_columns_are_chosen_apart():
    found = attention_of_words(HAND, WORD_OF_PIECE, 2, queries="first")
    np.testing.assert_allclose(found, [[0.2, 0.4], [0.4, 0.6]])
    found = attention_of_words(HAND, WORD_OF_PIECE, 2, keys="last")
    np.testing.assert_allclose(found, [[0.2, 0.1], [0.3, 0.25]])


def test_all_heads_at_once_equal_loops_over_words():
    attention = random_attention(3, 2, 9)
    word_of_piece = [-1, 0, 0, 1, 2, 2, 2, 3, -1]
    found = attention_of_words(attention, word_of_piece, 4)
    for head in np.ndindex(3, 2):
        for row in range(4):
            for column in range(4):
                pieces = [
                    sum(attention[head][t, s] for s in range(9) if word_of_piece[s] == column)
                    for t in range(9)
                    if word_of_piece[t] == row
                ]
                assert found[head][row, column] == pytest.approx(sum(pieces) / len(pieces))


def test_rows_sum_to_one_with_special_tokens_and_to_the_rest_without():
    attention = random_attention(4, 6)
    kept = attention_of_words(attention, [-1, 0, 0, 1, 2, -1], 3, keep_special=True)
    np.testing.assert_allclose(kept.sum(-1), 1)
    dropped = attention_of_words(attention, [-1, 0, 0, 1, 2, -1], 3)
    np.testing.assert_allclose(dropped.sum(-1), 1 - kept[:, 1:-1, [0, -1]].sum(-1))
    np.testing.assert_allclose(renormalised(dropped).sum(-1), 1)


def test_one_piece_a_word_changes_nothing():
    attention = random_attention(2, 5)
    np.testing.assert_array_equal(attention_of_words(attention, range(5), 5), attention)


def test_a_word_without_pieces_attends_to_nothing():
    found = attention_of_words(random_attention(2, 4), [-1, 0, 2, -1], 3)
    assert not found[:, 1].any()
    assert not found[:, :, 1].any()
    assert (renormalised(found)[:, 1] == 0).all()


def test_a_special_token_amid_the_words_keeps_its_place():
    found = units([-1, 0, -1, 1, 1, -1, -1], 2, keep_special=True)
    assert found.unit_of_piece.tolist() == [0, 1, 2, 3, 3, 4, 5]
    assert found.word_of_unit.tolist() == [-1, 0, -1, 1, -1, -1]


def test_half_precision_is_summed_in_single():
    attention = random_attention(2, 40).astype(np.float16)
    found = attention_of_words(attention, [0] * 40, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0, 0], attention.astype(float).sum(-1).mean(-1), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"queries": "sum"}, "queries: expected one of mean, first, last, got 'sum'"),
        ({"keys": "mean"}, "keys: expected one of sum, first, last, got 'mean'"),
        ({"word_of_piece": [0, 1]}, "expected the words of 5 pieces, got 2"),
        ({"word_of_piece": [-1, 0, 1, 2, -1]}, "expected words from -1 to 1, got"),
        ({"word_of_piece": [-1, 0, 0, 0, -1], "keep_special": True}, "got none of \\[1\\]"),
    ],
)
def test_what_does_not_fit_is_refused(options, problem):
    with pytest.raises(ValueError, match=problem):
        attention_of_words(HAND, **{"word_of_piece": WORD_OF_PIECE, "words": 2} | options)
