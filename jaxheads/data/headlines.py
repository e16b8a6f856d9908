"""Pairs of headlines as a model reads them: token numbers, and the word of each.

Headlines are encoded word by word, so that every piece has its word, in training as in analysis.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxheads.data.encode import EncodedSource
from jaxheads.data.humor import QUESTIONS, Words, shuffled_labels
from jaxheads.data.pairs import Pair, is_small_edit
from jaxheads.data.tokens import EncodedWords, Tokenizer


class EncodedPair(NamedTuple):
    """A pair with both of its sentences encoded."""

    pair: Pair
    funny: EncodedWords
    serious: EncodedWords

    @property
    def longest(self) -> int:
        """Tokens of the longer sentence, special ones too."""
        return max(len(self.funny.ids), len(self.serious.ids))

    @property
    def whole(self) -> bool:
        """Whether every word of both sentences has a piece."""
        sides = ((self.pair.funny, self.funny), (self.pair.serious, self.serious))
        return not any(encoded.dropped(words) for words, encoded in sides)


class Readable(NamedTuple):
    """The pairs that a model can read, and how many have a sentence that is too long for it."""

    pairs: tuple[EncodedPair, ...]
    too_long: int


class Analysable(NamedTuple):
    """The pairs for the analysis of heads, and where they stand among those that there are.

    `dropped` counts pairs of small edits with a word that has no piece: no head can look at it.
    """

    pairs: tuple[EncodedPair, ...]
    places: tuple[int, ...]
    dropped: int


def encode_pairs(tokenizer: Tokenizer, pairs: Sequence[Pair], most: int) -> Readable:
    """Encode pairs; those with a sentence of more than `most` tokens are left out and counted."""
    encode = functools.cache(tokenizer.encode_words)  # an original has several serious versions
    found = [EncodedPair(pair, encode(pair.funny), encode(pair.serious)) for pair in pairs]
    kept = tuple(each for each in found if each.longest <= most)
    return Readable(kept, len(found) - len(kept))


def analysable(pairs: Sequence[EncodedPair]) -> Analysable:
    """The pairs that pass the published filter (`is_small_edit`) and have all of their words."""
    small = [place for place, each in enumerate(pairs) if is_small_edit(each.pair)]
    kept = tuple(place for place in small if pairs[place].whole)
    return Analysable(tuple(pairs[place] for place in kept), kept, len(small) - len(kept))


def question_source(
    pairs: Sequence[EncodedPair], task: str, pad_id: int, *, seed: int = 0, shuffled: bool = False
) -> EncodedSource:
    """The questions of a task (`humor.QUESTIONS`) on pairs; `shuffled`: with labels of chance."""
    if not pairs:
        raise ValueError(f"{task}: expected at least one pair, got none")
    ids: dict[Words, list[int]] = {}
    for each in pairs:
        ids |= {each.pair.funny: each.funny.ids, each.pair.serious: each.serious.ids}
    questions = list(QUESTIONS[task]([each.pair for each in pairs], seed))
    sequences = [ids[words] for question in questions for words in question.sentences]
    tokens = np.fromiter(itertools.chain.from_iterable(sequences), np.int32)
    label_N = np.array([question.label for question in questions], np.int32)
    return EncodedSource(
        tokens=tokens,
        types=np.zeros(len(tokens), np.uint8),
        starts=np.cumsum([0, *map(len, sequences)]),
        labels=shuffled_labels(label_N, seed) if shuffled else label_N,
        pad_id=pad_id,
        sentences=len(questions[0].sentences),
    )
