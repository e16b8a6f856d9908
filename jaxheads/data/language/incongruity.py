"""Aligned pairs: a sentence, and the same with one noun that its place does not allow.

Pairs come in twos whose nouns change places, so that every noun is put in as often as taken out:
neither a single word nor a number of words tells which sentence is the incongruous one.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from jaxheads.data.draws import Draws
from jaxheads.data.language.grammar import check_split, draw_in_split, draw_sentence
from jaxheads.data.language.lexicon import NOUNS, kinds
from jaxheads.data.treebanks.sentences import Sentence

KIND_OF = {form: noun.kind for noun in NOUNS for form in (noun.singular, noun.plural)}


class AlignedPair(NamedTuple):
    """Two texts that differ in one word, and that word's place, counted from 0."""

    funny: str
    serious: str
    place: int


def aligned_pairs(seed: int, split: str, count: int) -> list[AlignedPair]:
    """Draw the first `count` pairs of a split.

    Raises:
      ValueError: for an unknown split, or a count below 0.
    """
    check_split(split)
    if count < 0:
        raise ValueError(f"count: expected at least 0, got {count}")
    return [aligned_pair(split, number, seed=seed) for number in range(count)]


def aligned_pair(split: str, number: int, *, seed: int = 0) -> AlignedPair:
    """Draw one pair of a split; its neighbour (2j and 2j + 1) has the two nouns the other way."""
    two = _draw_two(split, number // 2, seed)
    (one, here), (other, there) = two[::-1] if number % 2 else two
    return AlignedPair(one.replaced(here, other.words[there]), one.text, here)


Marked = tuple[Sentence, int]  # a sentence and the place of one of its words


@functools.lru_cache(2)  # neighbours are mostly asked for one after the other
def _draw_two(split: str, number: int, seed: int) -> tuple[Marked, Marked]:
    """Draw two sentences with a noun each that the other's place does not allow."""
    draws = Draws(seed, "aligned", split, number)
    while True:
        one, other = (draw_in_split(split, lambda: draw_sentence(draws)) for _ in "ab")
        places = [
            (here, there)
            for here in _selected(one)
            for there in _selected(other)
            if _strangers(one, here, other, there)
        ]
        if places:
            here, there = draws.pick(places)
            return (one, here), (other, there)


def _selected(found: Sentence) -> list[int]:
    """The places of nouns whose kind the verb or preposition restricts."""
    return [
        place
        for place, leaf in enumerate(found.leaves)
        if leaf.allows and leaf.allows != kinds("any") and leaf.form in KIND_OF
    ]


def _strangers(one: Sentence, here: int, other: Sentence, there: int) -> bool:
    """Whether neither noun may stand in the other's place, though their numbers are equal."""
    mine, theirs = one.leaves[here], other.leaves[there]
    return (
        mine.label == theirs.label
        and KIND_OF[theirs.form] not in mine.allows
        and KIND_OF[mine.form] not in theirs.allows
    )
