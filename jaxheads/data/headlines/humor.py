"""What is asked of pairs of headlines, and what can be answered without a model.

After Peyrard et al. (2021): of one sentence, is it funny (their 1S); of the two sentences of a pair
side by side, is the first the funny one (their PS).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxheads.data.draws import Draws
from jaxheads.data.headlines.pairs import Pair

Words = tuple[str, ...]


class Question(NamedTuple):
    """One sentence or two; the label is 1 where it, or the first of them, is the funny one."""

    sentences: tuple[Words, ...]
    label: int
    pair: int  # the number of its pair

    @property
    def texts(self) -> tuple[str, ...]:
        """The sentences as text."""
        return tuple(" ".join(words) for words in self.sentences)


def single_questions(pairs: Sequence[Pair], seed: int = 0) -> Iterator[Question]:
    """Yield two questions for each pair, its funny sentence first; `seed` changes nothing."""
    del seed
    for number, pair in enumerate(pairs):
        yield Question((pair.funny,), 1, number)
        yield Question((pair.serious,), 0, number)


def paired_questions(pairs: Sequence[Pair], seed: int = 0) -> Iterator[Question]:
    """Yield one question for each pair; a coin of the seed and the pair's name puts one first."""
    for number, pair in enumerate(pairs):
        label = Draws(seed, "order of pair", pair.name).below(2)
        sides = (pair.funny, pair.serious)
        yield Question(sides if label else sides[::-1], label, number)


SINGLE, PAIRED = "humor_single", "humor_pair"  # tasks
QUESTIONS: dict[str, Callable[..., Iterator[Question]]] = {
    SINGLE: single_questions,
    PAIRED: paired_questions,
}


def shuffled_labels(label_N: Int[np.ndarray, "N"], seed: int) -> Int[np.ndarray, "N"]:
    """The labels in an order of chance: a control that keeps sentences and shares of labels."""
    return np.random.default_rng([seed, 20_210_817]).permutation(label_N)


# -- without a model


def longer_is_funny(pairs: Sequence[Pair]) -> float:
    """The accuracy of taking the sentence of more words for the funny one; ties count half."""
    return float(np.mean([(np.sign(len(p.funny) - len(p.serious)) + 1) / 2 for p in pairs]))


class NaiveBayes(NamedTuple):
    """Log odds that a word is of a funny sentence: unigrams, one added to each count."""

    log_odds: dict[str, float]  # a word that is not in it says nothing

    def score(self, words: Words) -> float:
        """The sum over words: above 0 is funny, for both kinds are equally frequent."""
        return sum(self.log_odds.get(word, 0.0) for word in words)


def fit_naive_bayes(pairs: Sequence[Pair]) -> NaiveBayes:
    """Count the words of both sides."""
    funny, serious = (
        Counter(word for pair in pairs for word in side(pair))
        for side in (lambda pair: pair.funny, lambda pair: pair.serious)
    )
    words = funny.keys() | serious.keys()
    sizes = [sum(count.values()) + len(words) for count in (funny, serious)]
    return NaiveBayes(
        {
            word: math.log((funny[word] + 1) / sizes[0]) - math.log((serious[word] + 1) / sizes[1])
            for word in words
        }
    )


def naive_bayes_accuracies(train: Sequence[Pair], test: Sequence[Pair]) -> dict[str, float]:
    """The accuracy of naive Bayes in both tasks, by their names; ties count half."""
    model = fit_naive_bayes(train)
    funny_N, serious_N = (
        np.array([model.score(side(pair)) for pair in test])
        for side in (lambda pair: pair.funny, lambda pair: pair.serious)
    )
    return {
        SINGLE: _share_above(np.concatenate([funny_N, -serious_N])),
        PAIRED: _share_above(funny_N - serious_N),
    }


def _share_above(value_N: np.ndarray) -> float:
    return float(np.mean((np.sign(value_N) + 1) / 2))
