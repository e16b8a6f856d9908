"""Pairs of headlines as a model reads them: token numbers, and the word of each.

Headlines are encoded word by word, so that every piece has its word, in training as in analysis.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxheads.data.encode import EncodedSource
from jaxheads.data.headlines.humor import QUESTIONS, Words, shuffled_labels
from jaxheads.data.headlines.pairs import Pair, is_small_edit
from jaxheads.data.tokens import EncodedWords, Tokenizer


class EncodedPair(NamedTuple):
    """A pair with both of its sentences encoded."""

    pair: Pair
    funny: EncodedWords
    serious: EncodedWords

    @property
    def ids(self) -> dict[Words, list[int]]:
        """The tokens of each side."""
        return {self.pair.funny: self.funny.ids, self.pair.serious: self.serious.ids}

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
    """The questions of a task (`humor.QUESTIONS`) on pairs; `shuffled`: with labels of chance.

    Raises:
      ValueError: for no pair.
    """
    if not pairs:
        raise ValueError(f"{task}: expected at least one pair, got none")
    questions = list(QUESTIONS[task]([each.pair for each in pairs], seed))
    asked = [[pairs[each.pair].ids[words] for words in each.sentences] for each in questions]
    label_N = np.array([question.label for question in questions], np.int32)
    return _source(asked, shuffled_labels(label_N, seed) if shuffled else label_N, pad_id)


class MaskedWord(NamedTuple):
    """A question in which one word is masked: the question's number, and which word it is."""

    question: int
    pair: int
    side: str  # "funny" or "serious"
    edited: bool


def masked_source(
    pairs: Sequence[EncodedPair], task: str, pad_id: int, mask_id: int, *, seed: int = 0
) -> tuple[EncodedSource, list[MaskedWord]]:
    """The questions of a task with each word masked in turn: all pieces of it, one word at a time.

    The questions are those of `question_source`; in the order of these, then of their words.
    """
    asked, masked, labels = [], [], []
    for number, question in enumerate(QUESTIONS[task]([each.pair for each in pairs], seed)):
        pair = pairs[question.pair]
        for place, words in enumerate(question.sentences):
            funny = words == pair.pair.funny
            encoded, edits = (
                (pair.funny, pair.pair.funny_edits)
                if funny
                else (pair.serious, pair.pair.serious_edits)
            )
            for word in range(len(words)):
                sentences = [pair.ids[each] for each in question.sentences]
                owners = zip(encoded.ids, encoded.word_of_piece, strict=True)
                sentences[place] = [mask_id if owner == word else each for each, owner in owners]
                side = "funny" if funny else "serious"
                asked.append(sentences)
                masked.append(MaskedWord(number, question.pair, side, word in edits))
                labels.append(question.label)
    return _source(asked, np.array(labels, np.int32), pad_id), masked


def _source(
    asked: Sequence[Sequence[Sequence[int]]], label_N: Int[np.ndarray, "N"], pad_id: int
) -> EncodedSource:
    """Questions of one sentence each, or of two."""
    sequences = list(itertools.chain.from_iterable(asked))
    tokens = np.fromiter(itertools.chain.from_iterable(sequences), np.int32)
    return EncodedSource(
        tokens=tokens,
        types=np.zeros(len(tokens), np.uint8),
        starts=np.cumsum([0, *map(len, sequences)]),
        labels=label_N,
        pad_id=pad_id,
        sentences=len(asked[0]),
    )
