"""Trees over a treebank in one pass, against one sentence and one head at a time."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.distances import (
    adjacent_distances,
    contrast_of_splits,
    ensemble_distances,
    ranked,
    sharpness_of_splits,
    skewed,
    top_down,
)
from jaxheads.analysis.spans import gather, match_spans, sentence_f1
from jaxheads.analysis.trees import Reading, tree_counts
from jaxheads.data.language.grammar import sentence
from jaxheads.data.treebanks.constituency import parse_of

READINGS = (Reading("jsd"), Reading("jsd", 1.5), Reading("hellinger"))
PARSES = [parse_of(sentence("train", number)) for number in range(24)]
SPANS = [parse.spans for parse in PARSES]


@pytest.fixture(scope="module")
def attention() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.dirichlet(np.ones(n), (2, 3, n)) for n in map(len, (p.words for p in PARSES))]


@pytest.fixture(scope="module")
def groups(attention):
    """Sentences of equally many words together, the long ones first."""
    words = np.array([each.shape[-1] for each in attention])
    return [
        (np.flatnonzero(words == size), np.stack([a for a in attention if a.shape[-1] == size]))
        for size in sorted(set(words), reverse=True)
    ]


def test_a_pass_counts_what_one_sentence_at_a_time_counts(attention, groups):
    ranking = [(1, 2), (0, 0), (1, 0)]
    found = tree_counts(
        groups,
        SPANS,
        READINGS,
        rankings={each.name: {"mine": ranking} for each in READINGS},
        unlabelled=True,
    )
    assert list(found) == ["jsd", "jsd, bias 1.5", "hellinger"]
    for reading in READINGS:
        own = found[reading.name]
        distances = [
            skewed(adjacent_distances(map_LHNN, reading.measure), reading.bias)
            for map_LHNN in attention
        ]
        pairs = list(zip(distances, SPANS, strict=True))
        heads = gather(match_spans(distance, spans) for distance, spans in pairs)
        layers = gather(match_spans(distance.mean(1), spans) for distance, spans in pairs)
        ensembles = gather(
            match_spans(ensemble_distances(distance, ranking), spans) for distance, spans in pairs
        )
        for one, other in ((own.heads, heads), (own.layers, layers)):
            assert all(map(np.array_equal, one, other))
        assert all(map(np.array_equal, own.ensembles["mine"], ensembles))
        contrast = np.mean(
            [
                contrast_of_splits(map_LHNN, top_down(distance))
                for map_LHNN, distance in zip(attention, distances, strict=True)
            ],
            axis=0,
        )
        np.testing.assert_allclose(own.unlabelled["contrast"], contrast, atol=1e-12)
        sharpness = [sharpness_of_splits(distance, top_down(distance)) for distance in distances]
        np.testing.assert_allclose(own.unlabelled["sharpness"], np.mean(sharpness, axis=0))


def test_groups_may_be_cut_anywhere(groups):
    single = [
        (index[i : i + 1], maps[i : i + 1]) for index, maps in groups for i in range(len(index))
    ]
    one, other = (tree_counts(each, SPANS, READINGS[:1])["jsd"] for each in (groups, single))
    assert all(map(np.array_equal, one.heads, other.heads))
    assert one.ensembles == one.unlabelled == {}


def test_a_planted_chunking_head_comes_first_without_labels_and_leads_the_ensemble():
    random, maps = np.random.default_rng(1), []
    for parse in PARSES:
        words = len(parse.words)
        one = random.dirichlet(np.ones(words), (2, 3, words))
        one[0, 1] = np.eye(words)
        for _, start, end in parse.spans:  # a word looks at the constituents around it
            one[0, 1, start:end, start:end] += 1.0
        one[0, 1] /= one[0, 1].sum(-1, keepdims=True)
        maps.append(one)
    groups = [(np.array([number]), each[None]) for number, each in enumerate(maps)]
    found = tree_counts(groups, SPANS, READINGS[:1], unlabelled=True)["jsd"]
    ranking = ranked(found.unlabelled["sharpness"])
    assert ranking[0] == (0, 1)
    again = tree_counts(groups, SPANS, READINGS[:1], rankings={"jsd": {"": ranking}})["jsd"]
    f1_K = sentence_f1(again.ensembles[""])
    assert f1_K.shape == (6,)
    assert f1_K[0] == pytest.approx(sentence_f1(found.heads)[0, 1])
    assert f1_K[0] > f1_K[-1]


def test_bad_attention_and_no_sentences_are_rejected(groups):
    index, maps = groups[0]
    with pytest.raises(ValueError, match="expected finite weights of at least 0, got nan"):
        tree_counts([(index, maps * np.nan)], SPANS, READINGS)
    with pytest.raises(ValueError, match="expected at least one sentence, got none"):
        tree_counts([], SPANS, READINGS)
