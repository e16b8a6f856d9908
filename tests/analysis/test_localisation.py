"""Words that heads point at, beside rules that see no attention: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.contrast import received
from jaxheads.analysis.localisation import (
    COMMON,
    FINAL,
    RANDOM,
    Located,
    head_hits,
    most_edited_place,
    positions,
    predicted_words,
    rule_hits,
)

PIECES = [-1, 0, 1, 1, 2, -1]  # <s> a b ##b c </s>


def test_the_predicted_word_may_be_a_special_token_only_if_these_count():
    attention = np.full((1, 2, 6, 6), 0.1)
    attention[0, 0, :, 0] = 0.5  # <s> beats the word of two pieces
    attention[0, 1, :, 5] = 0.15  # </s> does not
    assert predicted_words(received(attention), PIECES).tolist() == [[1, 1]]
    assert predicted_words(received(attention), PIECES, specials=True).tolist() == [[-1, 1]]
    attention[0, 1, 0, 4] = 0.9
    assert predicted_words(received(attention, "first"), PIECES).tolist() == [[1, 2]]


def test_localisation_is_split_by_the_position_of_the_edit():
    heads = [np.array([[3, 0]]), np.array([[1, 1]]), np.array([[-1, 2]])]
    headlines = [
        Located(4, (3,), heads[0]),
        Located(5, (1,), heads[1]),
        Located(3, (0, 2), heads[2]),
    ]
    hit_XLH, rules, own = head_hits(headlines), rule_hits(headlines, -1), positions(headlines)
    assert hit_XLH[own["all"]].mean(0) == pytest.approx(np.array([[2 / 3, 2 / 3]]))
    assert rules[RANDOM].mean() == pytest.approx((1 / 4 + 1 / 5 + 2 / 3) / 3)
    assert rules[FINAL].mean() == rules[COMMON].mean() == pytest.approx(2 / 3)
    assert (own["final"].sum(), own["not final"].sum()) == (2, 1)
    assert hit_XLH[own["not final"]].mean(0).tolist() == [[1.0, 1.0]]
    assert rule_hits(headlines, 1)[COMMON].mean() == pytest.approx(1 / 3)
    assert not rule_hits(headlines, 4)[COMMON].any()
    with pytest.raises(ValueError, match="expected a prediction for each"):
        head_hits([Located(3, (0,))])


def test_the_most_edited_place_counts_from_either_end():
    assert most_edited_place([Located(4, (3,)), Located(6, (5,)), Located(5, (3,))]) == -1
    assert most_edited_place([Located(4, (1,)), Located(6, (1,)), Located(5, (4,))]) == 1
    with pytest.raises(ValueError, match="at least one"):
        most_edited_place([])


def test_rules_and_heads_are_known_headline_by_headline():
    headlines = [
        Located(4, (3,), np.array([[3, -1]])),
        Located(5, (0, 1), np.array([[1, 4]])),
    ]
    found = rule_hits(headlines, -1)
    assert {name: value.tolist() for name, value in found.items()} == {
        RANDOM: [0.25, 0.4], FINAL: [1.0, 0.0], COMMON: [1.0, 0.0],
    }  # fmt: skip
    assert rule_hits(headlines, 0)[COMMON].tolist() == [0.0, 1.0]
    assert head_hits(headlines).tolist() == [[[True, False]], [[True, False]]]
    assert {name: own.tolist() for name, own in positions(headlines).items()} == {
        "all": [True, True], "final": [True, False], "not final": [False, True],
    }  # fmt: skip
