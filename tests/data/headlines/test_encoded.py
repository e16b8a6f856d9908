"""Pairs as a model reads them: what is kept, what is left out and counted, and the arrays."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.data.headlines.encoded import (
    EncodedPair,
    analysable,
    encode_pairs,
    masked_source,
    question_source,
)
from jaxheads.data.headlines.humor import PAIRED, SINGLE
from jaxheads.data.headlines.pairs import Pair, edited_places
from jaxheads.data.tokens import EncodedWords


def pair_of(name: str, funny: str, serious: str) -> Pair:
    sides = tuple(funny.split()), tuple(serious.split())
    return Pair(name, name, *sides, *edited_places(*sides), None, "")


PAIRS = [
    pair_of("1", "the quick fox", "the lazy fox"),
    pair_of("2", "dog", "fox"),
    pair_of("3", "the dog", "the brown dog sleeps while jumping over the friends"),
]


def test_long_pairs_are_left_out_and_counted(bpe):
    every = encode_pairs(bpe, PAIRS, 100)
    assert (len(every.pairs), every.too_long) == (3, 0)
    longest = [each.longest for each in every.pairs]
    assert longest[0] == max(len(side.ids) for side in every.pairs[0][1:])
    found = encode_pairs(bpe, PAIRS, longest[0])
    assert [each.pair.name for each in found.pairs] == ["1", "2"]
    assert found.too_long == 1
    assert encode_pairs(bpe, PAIRS, longest[2] - 1).too_long == 1
    assert encode_pairs(bpe, PAIRS, longest[2]).too_long == 0


def test_every_piece_has_its_word_and_a_repeated_word_is_two(bpe):
    (found,) = encode_pairs(bpe, [pair_of("1", "the dog the dog", "the fox the dog")], 50).pairs
    assert found.pair.funny_edits == (1,)
    assert set(found.funny.word_of_piece) == {-1, 0, 1, 2, 3}
    assert found.whole


def test_pairs_with_a_word_without_pieces_are_not_analysed_but_counted(bpe):
    good = encode_pairs(bpe, PAIRS, 100).pairs
    lost = EncodedWords([0, 5, 6, 2], [-1, 0, 2, -1])  # the word 1 has no piece
    bad = EncodedPair(PAIRS[0], lost, good[0].serious)
    assert good[0].whole
    assert not bad.whole
    found = analysable([good[1], bad, good[2], good[0]])
    assert found.pairs == (good[0],)
    assert found.places == (3,)
    assert found.dropped == 1  # the one-word pair is no small edit at all


def test_a_source_has_the_questions_in_order(bpe):
    pairs = encode_pairs(bpe, PAIRS, 100).pairs
    single, paired = (question_source(pairs, task, bpe.pad_id) for task in (SINGLE, PAIRED))
    assert single.labels.tolist() == [1, 0] * 3
    assert (single.sentences, paired.sentences) == (1, 2)
    assert sequences(single) == [side.ids for each in pairs for side in (each.funny, each.serious)]
    batch = paired.rows(np.arange(3), np.zeros(3, int), 40)
    assert batch.tokens_BT.shape == (3, 2, 40)
    for number, each in enumerate(pairs):
        first = batch.tokens_BT[number, 0][batch.real_BT[number, 0]].tolist()
        assert first == (each.funny if batch.labels[number] else each.serious).ids
    with pytest.raises(ValueError, match="humor_pair: expected at least one pair, got none"):
        question_source([], PAIRED, bpe.pad_id)


def test_each_word_is_masked_in_turn_with_all_its_pieces():
    first = EncodedPair(
        pair_of("1", "the quick fox", "the lazy fox"),
        EncodedWords([0, 10, 11, 12, 13, 2], [-1, 0, 1, 1, 2, -1]),  # "quick" has two pieces
        EncodedWords([0, 10, 14, 13, 2], [-1, 0, 1, 2, -1]),
    )
    second = EncodedPair(
        pair_of("2", "a", "b a"),
        EncodedWords([0, 15, 2], [-1, 0, -1]),
        EncodedWords([0, 16, 15, 2], [-1, 0, 1, -1]),
    )
    source, words = masked_source([first, second], SINGLE, 1, 99)
    assert sequences(source) == [
        [0, 99, 11, 12, 13, 2], [0, 10, 99, 99, 13, 2], [0, 10, 11, 12, 99, 2],
        [0, 99, 14, 13, 2], [0, 10, 99, 13, 2], [0, 10, 14, 99, 2],
        [0, 99, 2], [0, 99, 15, 2], [0, 16, 99, 2],
    ]  # fmt: skip
    assert [tuple(word) for word in words] == [
        *((0, 0, "funny", edited) for edited in (False, True, False)),
        *((1, 0, "serious", edited) for edited in (False, True, False)),
        (2, 1, "funny", False), (3, 1, "serious", True), (3, 1, "serious", False),
    ]  # fmt: skip
    assert source.labels.tolist() == [1] * 3 + [0] * 3 + [1, 0, 0]
    orders = set()
    for seed in range(4):
        source, words = masked_source([first], PAIRED, 1, 99, seed=seed)
        whole = question_source([first], PAIRED, 1, seed=seed)
        assert len(words) == 6 and {word.question for word in words} == {0}
        assert source.labels.tolist() == whole.labels.tolist() * 6
        order = [first.funny.ids, first.serious.ids][:: 1 if whole.labels[0] else -1]
        found = sequences(source)
        for number, word in enumerate(words):
            two = found[2 * number : 2 * number + 2]
            (changed,) = [place for place in (0, 1) if two[place] != order[place]]
            assert (order[changed] == first.funny.ids) == (word.side == "funny")
            assert (two[changed][2] == 99) == word.edited
        orders.add(int(whole.labels[0]))
    assert orders == {0, 1}


def sequences(source) -> list[list[int]]:
    ends = zip(source.starts, source.starts[1:])  # noqa: B905
    return [source.tokens[start:end].tolist() for start, end in ends]


def test_shuffled_labels_belong_to_the_same_sentences(bpe):
    pairs = encode_pairs(bpe, PAIRS * 20, 100).pairs
    true, shuffled = (
        question_source(pairs, SINGLE, bpe.pad_id, seed=1, shuffled=s) for s in (False, True)
    )
    assert (true.tokens == shuffled.tokens).all()
    assert sorted(true.labels) == sorted(shuffled.labels)
    assert (true.labels != shuffled.labels).any()
