"""The four maps by hand, a planted head found and a null case in which none is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from jaxheads.analysis.contrast import (
    Contrasts,
    Looked,
    accuracy_by_size,
    attention_distance,
    find_head,
    gather_pairs,
    holm,
    looked,
    place_weights,
    received,
    sign_flip_p_values,
    word_weights,
)

L, H = 2, 3
PIECES = [-1, 0, 1, 1, 2, -1]  # <s> a b ##b c </s>


def attention_of(rng, tokens: int) -> np.ndarray:
    return rng.dirichlet(np.ones(tokens), (L, H, tokens))


def drawn_pair(rng, planted: bool) -> tuple[Looked, Looked]:
    """A pair of headlines of 3 to 8 words; head (1, 2) may look at the edited word when funny."""
    words = int(rng.integers(3, 9))
    edited = int(rng.integers(words))
    sides = []
    for funny in (True, False):
        attention = attention_of(rng, words + 2)
        if planted and funny:
            attention[1, 2, :, edited + 1] += 0.5
            attention[1, 2] /= attention[1, 2].sum(-1, keepdims=True)
        weights = word_weights(received(attention), [-1, *range(words), -1])
        sides.append(looked(weights, [edited]))
    return sides[0], sides[1]


def drawn_pairs(seed: int, count: int, planted: bool) -> Contrasts:
    rng = np.random.default_rng(seed)
    return gather_pairs([drawn_pair(rng, planted) for _ in range(count)])


def test_places_are_of_words_and_special_tokens():
    weight_LHT = np.array([0.1, 0.2, 0.05, 0.15, 0.3, 0.2])[None, None]
    found = place_weights(weight_LHT, PIECES)
    expected = {"first word": 0.2, "last word": 0.3, "other words": 0.2, "special tokens": 0.15}
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected)
    found = place_weights(weight_LHT[..., :3], [0, 0, 1])
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {"first word": 0.3, "last word": 0.05}
    )


def test_a_word_gets_the_sum_of_its_pieces_and_the_mean_over_queries():
    attention = np.tile(np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1]), (L, H, 6, 1))
    attention[:, :, 0] = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]
    np.testing.assert_allclose(
        word_weights(received(attention, "first"), PIECES)[1, 1], [0.1, 0.2, 0.1]
    )
    every = word_weights(received(attention), PIECES)[0, 2]
    np.testing.assert_allclose(every, [(0.1 + 5 * 0.2) / 6, (0.2 + 5 * 0.4) / 6, (0.1 + 1) / 6])
    found = looked(word_weights(received(attention, "first"), PIECES), [1])
    np.testing.assert_allclose(found.edited_LH, 0.2)
    np.testing.assert_allclose(found.other_LH, 0.1)


def test_edited_and_other_words_are_those_of_the_published_formula():
    attention = attention_of(np.random.default_rng(0), 5)
    found = looked(word_weights(received(attention), [-1, 0, 1, 2, -1]), [1])
    edited = attention[0, 1, :, 2].mean()
    rest = (1 - attention[0, 1, :, 2] - attention[0, 1, :, 0] - attention[0, 1, :, 4]) / (5 - 2 - 1)
    assert found.edited_LH[0, 1] == pytest.approx(edited)
    assert found.other_LH[0, 1] == pytest.approx(rest.mean())


def test_a_word_without_pieces_gets_nothing_and_two_edits_are_averaged():
    attention = np.full((1, 1, 4, 4), 0.25)
    weights = word_weights(received(attention), [-1, 0, 2, -1])
    np.testing.assert_allclose(weights[0, 0], [0.25, 0.0, 0.25])
    np.testing.assert_allclose(looked(weights, [0, 1]).edited_LH, 0.125)


def test_what_does_not_fit_is_rejected():
    attention = attention_of(np.random.default_rng(0), 4)
    with pytest.raises(ValueError, match="expected weights of 5 tokens"):
        word_weights(received(attention), [-1, 0, 1, 2, -1])
    with pytest.raises(ValueError, match="words among them"):
        word_weights(received(attention), [-1, -1, -1, -1])
    with pytest.raises(ValueError, match="expected one of all, first, got 'last'"):
        received(attention, "last")
    with pytest.raises(ValueError, match="finite weights"):
        received(attention * np.nan)
    weights = word_weights(received(attention), [-1, 0, 1, -1])
    for edited in ([], [0, 1], [2], [-1]):
        with pytest.raises(ValueError, match="expected some of the words 0 to 1"):
            looked(weights, edited)
    with pytest.raises(ValueError, match="at least one pair"):
        gather_pairs([])


def test_the_four_maps_are_means_over_pairs():
    sides = [
        Looked(np.full((1, 1), value), np.full((1, 1), value / 10)) for value in (4, 3, 2, 3.0)
    ]
    found = gather_pairs([(sides[0], sides[1]), (sides[2], sides[3])])
    np.testing.assert_allclose(np.ravel(found.maps()), [3.0, 0.3, 3.0, 0.3])
    np.testing.assert_allclose(found.contrast()[:, 0, 0], [0.9, -0.9])


def test_a_planted_head_is_found_and_is_the_only_significant_one():
    validation, test = drawn_pairs(0, 40, planted=True), drawn_pairs(1, 60, planted=True)
    found = find_head(validation, test)
    assert (found.layer, found.head) == (1, 2)
    assert found.test.intervals().low > 0
    assert found.p_value == 1e-4
    assert np.argwhere(found.holm_LH < 0.05).tolist() == [[1, 2]]
    maps = test.maps()
    assert maps.edited_funny_LH[1, 2] > 2 * maps.other_funny_LH[1, 2]
    assert maps.edited_serious_LH[1, 2] < 1.5 * maps.other_serious_LH[1, 2]


def test_nothing_is_significant_where_nothing_is_planted():
    found = find_head(drawn_pairs(2, 40, planted=False), drawn_pairs(3, 60, planted=False))
    assert (found.holm_LH > 0.05).all()
    assert found.p_value > 0.05
    test = found.test.intervals()
    assert test.low < 0 < test.high


def test_the_corrected_tests_err_in_one_case_of_twenty():
    rng = np.random.default_rng(0)
    errors = sum(
        (
            holm(sign_flip_p_values(rng.normal(size=(30, L, H)), permutations=199, seed=seed))
            < 0.05
        ).any()
        for seed in range(200)
    )
    assert errors <= 18  # of 10 expected; more has a chance of 1 in 100


def test_pairs_of_one_group_count_once():
    """Each pair three times, in groups: as certain as each once; without groups, far more so."""
    once = drawn_pairs(4, 5, planted=True)
    thrice = Contrasts(*(np.repeat(side, 3, 0) for side in once))
    groups = [number for number in range(5) for _ in range(3)]
    alone, grouped, naive = (
        find_head(once, test, which)
        for test, which in ((once, None), (thrice, groups), (thrice, None))
    )
    np.testing.assert_allclose(grouped.test.intervals(), alone.test.intervals())
    np.testing.assert_allclose(grouped.holm_LH, alone.holm_LH)
    assert grouped.p_value > 1 / 40  # 32 ways to give five signs
    assert naive.p_value < 1 / 400
    narrow, wide = (found.test.intervals() for found in (naive, grouped))
    assert narrow.high - narrow.low < 0.8 * (wide.high - wide.low)


def test_p_values_are_those_of_all_sign_flips():
    value = np.random.default_rng(0).normal(0.4, 1, (8, 1, 2))
    signs = np.array(list(itertools.product([-1, 1], repeat=8)))
    exact = [
        (signs @ value[:, 0, head] >= value[:, 0, head].sum() - 1e-9).mean() for head in (0, 1)
    ]
    found = sign_flip_p_values(value, permutations=20_000)
    np.testing.assert_allclose(found[0], exact, atol=0.015)
    assert (sign_flip_p_values(np.zeros((3, 1, 2)), permutations=99) == 1).all()
    with pytest.raises(ValueError, match="expected at least 2879 to test 144 heads"):
        sign_flip_p_values(np.zeros((3, 12, 12)), permutations=999)


def test_holm_multiplies_the_least_p_value_by_the_number_of_heads():
    found = holm(np.array([[0.01, 0.04], [0.03, 0.005]]))
    np.testing.assert_allclose(found, [[0.03, 0.06], [0.06, 0.02]])
    assert (holm(np.array([[0.9, 0.8]])) == 1.0).all()


def test_the_distance_of_two_models_is_the_mean_over_rows():
    rng = np.random.default_rng(0)
    one, two = attention_of(rng, 5), attention_of(rng, 5)
    found = attention_distance(one, two)
    rows = [jensenshannon(one[1, 0, row], two[1, 0, row]) for row in range(5)]
    assert found[1, 0] == pytest.approx(np.mean(rows))
    assert not attention_distance(one, one).any()
    np.testing.assert_allclose(found, attention_distance(two, one))
    np.testing.assert_allclose(  # of many sentences at once
        attention_distance(np.stack([one, two]), np.stack([two, two])), np.stack([found, 0 * found])
    )
    with pytest.raises(ValueError, match="expected maps of one shape"):
        attention_distance(one, two[..., :4, :4])


def test_accuracy_is_split_by_the_size_of_the_edit():
    correct, size = np.array([True, False, True, True]), np.array([0.1, 0.2, 0.2, 0.5])
    found = accuracy_by_size(correct, size, [0.1, 0.2, 1.0])
    np.testing.assert_allclose(found, [[1, 2 / 3, 3 / 4], [2 / 3, 1, np.nan]])
