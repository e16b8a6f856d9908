"""The best heads are chosen on one half and scored on the other."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.arcs import ArcRecorder, Arcs
from jaxheads.analysis.specialists import arc_sums, generalist, halves, specialists
from jaxheads.data.treebanks.dependency import DependencyTree

CHOSEN = np.arange(40) < 20


def record(fitting):
    """Forty sentences "a <- b -> c"; `fitting` says what head (0, 1) finds of "near" in each."""
    rng = np.random.default_rng(0)
    recorder = ArcRecorder(("dependent to head",))
    for number in range(40):
        tree = DependencyTree(
            tuple("abcd"), tuple("xxxx"), (2, 0, 2, 1), ("near", "r", "far", "far")
        )
        attention = rng.random((2, 2, 4, 4))
        attention[0, 1, 0] = (0, 9, 0, 0) if fitting(number) else (0, 0, 9, 0)
        attention[1, 0, 0] = (0, 0, 9, 0) if fitting(number) else (0, 9, 0, 0)
        recorder.add(tree, attention)
    return recorder.result()


def test_the_planted_head_is_chosen_and_its_score_is_that_of_the_other_half():
    hits = record(lambda number: number < 20 or number % 4 == 0)
    best = {each.relation: each for each in specialists(hits, "dependent to head", chosen_N=CHOSEN)}
    near = best["near"]
    assert (near.layer, near.head, near.chosen_accuracy) == (0, 1, 1.0)
    accuracy, gain = near.accuracy.intervals(), near.gain.intervals()
    assert accuracy.value == 0.25
    assert accuracy.low < 0.25 < accuracy.high
    assert near.signed == (1, 1.0, 20, True)
    assert gain.value == -0.75
    assert gain.high == accuracy.high - 1  # paired


def test_relations_come_by_their_number_of_arcs():
    found = specialists(record(lambda _: True), "dependent to head", chosen_N=CHOSEN)
    assert [each.relation for each in found] == ["far", "near"]
    assert found[0].unsigned == (1, 0.5, 40, False)


def test_relations_of_one_half_only_are_left_out():
    hits = record(lambda _: True)
    names = ("near", "far", "first")
    relation_A = np.where(hits.arcs.sentence_A == 0, 2, hits.arcs.relation_A)
    moved = hits._replace(arcs=hits.arcs._replace(relations=names, relation_A=relation_A))
    found = specialists(moved, "dependent to head", chosen_N=CHOSEN)
    assert [each.relation for each in found] == ["far", "near"]


def test_the_interval_is_over_sentences_not_arcs():
    sentence_A = np.repeat(np.arange(100), 10)  # all arcs of a sentence share their fate
    arcs = Arcs(("dep",), np.zeros(1000, int), sentence_A, np.ones(1000, int), 105)
    found = arc_sums(sentence_A % 2 == 0, arcs, np.ones(1000, bool)).intervals()
    assert found.value == 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 100), abs=0.02)
    none = arc_sums(sentence_A % 2 == 0, arcs, np.zeros(1000, bool)).intervals()
    assert np.isnan(none).all()


def found_by(head: tuple[int, int], chosen: bool, long: bool, word: int) -> bool:
    """Whether a head finds the arc of a word; that of the first word is punctuation's."""
    punctuation = word == 0
    return {
        (0, 0): not punctuation and (chosen or not long),
        (0, 1): long or punctuation if chosen else punctuation,
        (1, 0): not chosen or (long and not punctuation),
        (1, 1): False,
    }[head]


def record_generalists():
    """Sentences of 3 and 5 words in turn, each word hanging on the next; the first 20 choose."""
    recorder = ArcRecorder(("dependent to head",))
    for number in range(40):
        words = 5 if number % 2 else 3
        heads, relations = (*range(2, words + 1), 0), ("punct", *["dep"] * (words - 2), "root")
        attention = np.zeros((2, 2, words, words))
        for layer, head, word in np.ndindex(2, 2, words - 1):
            attention[layer, head, word, word + 1] = found_by(
                (layer, head), number < 20, words == 5, word
            )
        tree = DependencyTree(tuple("abcde"[:words]), ("X",) * words, heads, relations)
        recorder.add(tree, attention)
    return recorder.result()


@pytest.mark.parametrize(
    ("punctuation", "place", "micro", "macro", "best_of_all"),
    [  # by arcs: 40 of each half are no punctuation's, 30 of them in long sentences
        (False, (0, 0), 10 / 40, 1 / 2, 70 / 80),
        (True, (0, 1), 20 / 60, (1 / 2 + 1 / 4) / 2, 90 / 120),
    ],
)
def test_the_best_head_for_trees_is_chosen_on_one_half_and_scored_on_the_other(
    punctuation, place, micro, macro, best_of_all
):
    """Head (1, 0) is the best of the scored half, and of all sentences."""
    best = generalist(
        record_generalists(), "dependent to head", punctuation=punctuation, chosen_N=CHOSEN
    )
    assert (best.layer, best.head) == place
    assert (best.micro.ratio, best.macro.ratio) == pytest.approx((micro, macro))
    assert best.best_of_all == pytest.approx(best_of_all)


def test_halves_are_drawn_from_the_seed():
    assert halves(7).sum() == 3
    np.testing.assert_array_equal(halves(50, 1), halves(50, 1))
    assert (halves(50, 1) != halves(50, 2)).any()


def test_another_number_of_sentences_is_rejected():
    with pytest.raises(ValueError, match="chosen_N: expected 40 sentences, got 3"):
        specialists(record(lambda _: True), "dependent to head", chosen_N=np.ones(3, bool))
