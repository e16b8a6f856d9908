"""Aligned pairs: one noun out of place, put in as often as taken out."""

from __future__ import annotations

from collections import Counter

import pytest

from jaxheads.data.language.grammar import split_of
from jaxheads.data.language.incongruity import KIND_OF, aligned_pair, aligned_pairs
from jaxheads.data.language.lexicon import DISLIKING, DITRANSITIVE, INTRANSITIVE, LIKING, TRANSITIVE

EITHER = {
    form: verb
    for verbs in (INTRANSITIVE, TRANSITIVE, DITRANSITIVE, LIKING, DISLIKING)
    for verb in verbs
    for form in verb[:4]
}


def test_one_word_is_replaced_by_one_of_another_kind_and_equal_number():
    for funny, serious, place in aligned_pairs(0, "train", 60):
        one, other = funny.split(), serious.split()
        assert [n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b] == [place]
        assert KIND_OF[one[place]] != KIND_OF[other[place]]
        assert split_of(serious) == "train"


def test_a_noun_before_or_after_a_plain_verb_is_one_that_the_verb_does_not_take():
    checked = 0
    for funny, serious, place in aligned_pairs(3, "train", 120):
        words, right = funny.split(), serious.split()
        near = words[place - 2 : place] + words[place + 1 : place + 2]
        if place >= 2 and words[place - 2] in EITHER and words[place - 1] == "the":
            verb = EITHER[words[place - 2]]
            if verb.recipients or not verb.objects:
                continue
            assert KIND_OF[words[place]] not in verb.objects, (funny, near)
            assert KIND_OF[right[place]] in verb.objects
            checked += 1
        elif place <= 1 and words[place + 1] in EITHER:
            verb = EITHER[words[place + 1]]
            assert KIND_OF[words[place]] not in verb.subjects, (funny, near)
            assert KIND_OF[right[place]] in verb.subjects
            checked += 1
    assert checked > 25


def test_every_word_is_put_in_as_often_as_taken_out():
    pairs = aligned_pairs(1, "validation", 40)
    taken = Counter(serious.split()[place] for _, serious, place in pairs)
    put = Counter(funny.split()[place] for funny, _, place in pairs)
    assert taken == put
    words = [Counter(word for each in pairs for word in each[side].split()) for side in (0, 1)]
    assert words[0] == words[1]


def test_a_pair_is_a_function_of_seed_split_and_number():
    assert aligned_pairs(0, "test", 5)[4] == aligned_pair("test", 4)
    assert aligned_pair("test", 4, seed=1) != aligned_pair("test", 4)
    assert aligned_pairs(0, "test", 0) == []
    with pytest.raises(ValueError, match="expected a split of"):
        aligned_pairs(0, "dev", 1)
    with pytest.raises(ValueError, match="count: expected at least 0, got -1"):
        aligned_pairs(0, "test", -1)


def test_the_task_shows_one_side_of_each_pair(generated):
    for number, each in enumerate(generated("grammar_incongruity", "validation")[:20]):
        assert each.first == aligned_pair("validation", number)[each.label]
