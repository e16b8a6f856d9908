"""Distances by hand and by scipy, trees by the recursive definition, rankings without labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from jaxheads.analysis.distances import (
    MEASURES,
    adjacent_distances,
    choices,
    contrast_of_splits,
    ensemble_distances,
    hellinger,
    jensen_shannon,
    ranked,
    sharpness_of_splits,
    skewed,
    tied_splits,
    top_down,
)

RNG = np.random.default_rng(0)


def attention_of(*shape: int) -> np.ndarray:
    """Random rows that sum to 1."""
    return RNG.dirichlet(np.full(shape[-1], 0.3), shape[:-1])


def recursive_spans(distance: np.ndarray, start: int = 0) -> list[tuple[int, int]]:
    """The published definition: split after the first greatest distance, left part first."""
    if not len(distance):
        return []
    split = int(np.argmax(distance))
    left = recursive_spans(distance[:split], start)
    right = recursive_spans(distance[split + 1 :], start + split + 1)
    return [(start, start + len(distance) + 1), *left, *right]


def chunked(*chunks: int) -> np.ndarray:
    """The attention of a head whose words look evenly at the words of their own chunk."""
    owner = np.repeat(np.arange(len(chunks)), chunks)
    same = (owner[:, None] == owner).astype(float)
    return same / same.sum(-1, keepdims=True)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_distance_is_symmetric_bounded_and_0_for_equal_rows(measure):
    rows = attention_of(2, 50, 7)
    found = MEASURES[measure](*rows)
    np.testing.assert_allclose(found, MEASURES[measure](*rows[::-1]), atol=1e-15)
    bound = {"jsd": np.sqrt(np.log(2)), "hellinger": 1.0}[measure]
    assert (found > 0).all()
    assert (found < bound).all()
    assert not MEASURES[measure](rows[0], rows[0]).any()
    apart = MEASURES[measure](np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert apart == pytest.approx(bound, abs=1e-12)


def test_distances_are_those_of_scipy_and_of_the_formula():
    one, two = attention_of(2, 6)
    assert jensen_shannon(one, two) == pytest.approx(jensenshannon(one, two), abs=1e-12)
    affinity = sum(np.sqrt(p * q) for p, q in zip(one, two, strict=True))
    assert hellinger(one, two) == pytest.approx(np.sqrt(1 - affinity), abs=1e-12)
    half = hellinger(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    assert half == pytest.approx(np.sqrt(1 - np.sqrt(0.5)))


def test_adjacent_rows_of_all_heads_are_compared_at_once():
    attention = attention_of(2, 3, 5, 5)
    for measure, function in MEASURES.items():
        found = adjacent_distances(attention, measure)
        assert found.shape == (2, 3, 4)
        one = function(attention[1, 2, 3], attention[1, 2, 4])
        assert found[1, 2, 3] == pytest.approx(float(one))
    assert adjacent_distances(attention[..., :1, :1]).shape == (2, 3, 0)
    assert adjacent_distances(attention[..., :0, :0]).shape == (2, 3, 0)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_word_without_pieces_has_distances_too(measure):
    """Its row and column are zeros: as far from its neighbours as a row can be, or uniform."""
    attention = attention_of(2, 5, 5)
    attention[:, 2], attention[:, :, 2] = 0, 0
    found = adjacent_distances(attention, measure)
    assert np.isfinite(found).all()
    uniform = {"jsd": np.full((2, 5), 0.2), "hellinger": np.zeros((2, 5))}[measure]
    np.testing.assert_allclose(found[:, 2], MEASURES[measure](uniform, attention[:, 3]))
    assert top_down(found).start.shape == (2, 4)


def test_bad_attention_and_unknown_measures_are_rejected():
    bad = attention_of(1, 1, 3, 3)
    bad[0, 0, 1, 1] = np.nan
    with pytest.raises(ValueError, match="expected finite weights of at least 0, got nan and 0"):
        adjacent_distances(bad)
    with pytest.raises(ValueError, match="got -1"):
        adjacent_distances(-np.ones((1, 1, 2, 2)))
    with pytest.raises(ValueError, match="expected one of jsd, hellinger, got 'cos'"):
        adjacent_distances(attention_of(1, 1, 3, 3), "cos")


def test_the_bias_falls_from_the_first_gap_to_nothing_at_the_last():
    found = skewed(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]]), 1.5)
    np.testing.assert_allclose(found, [[4.0, 3.5, 3.0], [3.0, 1.5, 6.0]])
    np.testing.assert_array_equal(skewed(np.array([0.4])), [0.4])
    assert skewed(np.zeros((2, 0))).shape == (2, 0)


@pytest.mark.parametrize("gaps", [0, 1, 2, 5, 9])
def test_trees_are_those_of_the_recursive_definition(gaps):
    distance = RNG.integers(0, 4, (5, 40, gaps)).astype(float)  # with many ties
    trees = top_down(distance)
    for place in np.ndindex(5, 40):
        found = sorted(zip(trees.start[place], trees.end[place], strict=True))
        assert found == sorted(recursive_spans(distance[place]))


def test_ties_are_counted_where_they_decide():
    distance = np.array([[1.0, 1.0, 0.5], [3.0, 2.0, 1.0], [0.2, 1.0, 0.2], [1.0, 1.0, 1.0]])
    trees = top_down(distance)
    assert tied_splits(distance, trees).tolist() == [1, 0, 0, 2]
    assert choices(trees).tolist() == [2, 2, 1, 2]
    nearly = np.array([1.0, 1.0 + 1e-9])
    assert tied_splits(nearly, top_down(nearly)) == 1
    assert tied_splits(nearly, top_down(nearly), tolerance=1e-12) == 0


def brute_contrast(attention: np.ndarray, spans: list[tuple[int, int, int]]) -> float:
    gains = []
    for start, split, end in spans:
        parts = [range(start, split), range(split, end)]
        inside = [(i, j) for part in parts for i in part for j in part if i != j]
        if inside:
            square = lambda i, j: float(hellinger(attention[i], attention[j])) ** 2  # noqa: E731
            across = np.mean([square(i, j) for i in parts[0] for j in parts[1]])
            gains.append(across - np.mean([square(i, j) for i, j in inside]))
    return float(np.mean(gains)) if gains else 0.0


def test_the_contrast_of_splits_is_that_of_all_pairs():
    for words in (1, 2, 3, 7):
        attention = attention_of(2, 2, words, words)
        trees = top_down(adjacent_distances(attention))
        found = contrast_of_splits(attention, trees)
        for place in np.ndindex(2, 2):
            splits = enumerate(zip(trees.start[place], trees.end[place], strict=True), 1)
            expected = brute_contrast(attention[place], [(a, gap, b) for gap, (a, b) in splits])
            assert found[place] == pytest.approx(expected, abs=1e-12)


def test_a_chunking_head_is_ranked_first_and_degenerate_heads_last():
    heads = np.stack([np.full((6, 6), 1 / 6), np.eye(6), chunked(2, 3, 1), attention_of(6, 6)])
    score = contrast_of_splits(heads, top_down(adjacent_distances(heads)))
    np.testing.assert_allclose(score[:2], 0, atol=1e-12)
    assert ranked(score[None])[0] == (0, 2)
    assert [head for _, head in ranked(score[None])[:2]] == [2, 3]


def test_the_sharpness_of_splits_is_that_of_every_span():
    distance = RNG.random((3, 40, 7))
    found = sharpness_of_splits(distance, top_down(distance))
    for place in np.ndindex(3, 40):
        shares = []
        for start, end in recursive_spans(distance[place]):
            inside = distance[place][start : end - 1]
            if len(inside) > 1:
                others = np.delete(inside, np.argmax(inside))
                shares.append(1 - others.mean() / inside.max())
        assert found[place] == pytest.approx(np.mean(shares))
    for flat in (np.zeros((1, 4)), np.ones((1, 4)), np.ones((1, 1)), np.ones((1, 0))):
        assert sharpness_of_splits(flat, top_down(flat)) == pytest.approx(0)


def test_heads_that_only_look_near_are_not_sharp():
    place = np.arange(9)
    near = np.exp(-np.abs(place - place[:, None]))
    heads = np.stack([near / near.sum(-1, keepdims=True), chunked(2, 3, 4), attention_of(9, 9)])
    distance = adjacent_distances(heads)
    score = sharpness_of_splits(distance, top_down(distance))
    assert score.argmax() == 1
    assert score.argmin() == 0
    assert contrast_of_splits(heads, top_down(distance))[0] > 0.1


def test_an_ensemble_of_k_heads_has_their_mean_distances():
    distance = RNG.random((2, 3, 4))
    found = ensemble_distances(distance, [(1, 2), (0, 0), (1, 0)])
    np.testing.assert_allclose(found[0], distance[1, 2])
    np.testing.assert_allclose(found[2], (distance[1, 2] + distance[0, 0] + distance[1, 0]) / 3)
    with pytest.raises(ValueError, match="expected different heads"):
        ensemble_distances(distance, [(0, 0), (0, 0)])
    with pytest.raises(ValueError, match="expected different heads"):
        ensemble_distances(distance, [])


def test_a_ranking_is_by_score_and_then_by_place():
    assert ranked(np.array([[0.1, 0.5], [0.5, 0.2]])) == [(0, 1), (1, 0), (1, 1), (0, 0)]
