"""What can be had without a model: the floors that a score of a model is measured against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.sparse import csr_array

from jaxheads.data.glue import Example

DECAY = 1e-3  # of the squared weights, beside the mean loss of an example
STEPS = 100


def bag_of_words_accuracy(train: Sequence[Example], test: Sequence[Example]) -> float:
    """Return the test accuracy of logistic regression on counts of words (between spaces).

    Of a pair: the counts of each side, their difference and its absolute value. A label that is not
    among those of `train` is never guessed.
    """
    if not train or not test:
        raise ValueError(f"expected examples, got {len(train)} to train on and {len(test)} to test")
    vocabulary = {word: None for example in train for word in _words(example)}
    column = {word: place for place, word in enumerate(vocabulary)}
    classes = sorted({example.label for example in train})
    labels_N = np.array([classes.index(example.label) for example in train])
    features_NF = count_features(train, column)
    weights_FC = _fit(csr_array(features_NF), labels_N, features_NF.shape[1], len(classes))
    best_N = (count_features(test, column) @ weights_FC).argmax(1)
    right = [classes[best] == example.label for best, example in zip(best_N, test, strict=True)]
    return float(np.mean(right))


def count_features(
    examples: Sequence[Example], column: dict[str, int]
) -> Float[np.ndarray, "N features"]:
    """Count the words that have a column, and add a constant; see `bag_of_words_accuracy`."""
    one, other = (np.zeros((len(examples), len(column))) for _ in range(2))
    for row, example in enumerate(examples):
        for side, text in ((one, example.first), (other, example.second or "")):
            for word in text.split():
                if word in column:
                    side[row, column[word]] += 1
    constant = np.ones((len(examples), 1))
    if all(example.second is None for example in examples):
        return np.concatenate([one, constant], axis=1)
    return np.concatenate([one, other, one - other, abs(one - other), constant], axis=1)


def _words(example: Example) -> list[str]:
    return f"{example.first} {example.second or ''}".split()


def _fit(
    features_NF: csr_array, labels_N: Int[np.ndarray, "N"], width: int, classes: int
) -> Float[np.ndarray, "F C"]:
    """Fit multinomial logistic regression with a penalty, which is convex."""
    count = len(labels_N)
    truth_NC = np.eye(classes)[labels_N]

    def loss(flat: Float[np.ndarray, "FC"]) -> tuple[float, Float[np.ndarray, "FC"]]:
        weights_FC = flat.reshape(width, classes)
        logits_NC = np.asarray(features_NF @ weights_FC)
        logits_NC -= logits_NC.max(1, keepdims=True)
        log_NC = logits_NC - np.log(np.exp(logits_NC).sum(1, keepdims=True))
        slope_FC = features_NF.T @ (np.exp(log_NC) - truth_NC) / count + 2 * DECAY * weights_FC
        value = -(truth_NC * log_NC).sum() / count + DECAY * (flat**2).sum()
        return float(value), slope_FC.ravel()

    start = np.zeros(width * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return found.x.reshape(width, classes)


Text = Sequence[int] | Int[np.ndarray, "tokens"]


class Guesses(NamedTuple):
    """Accuracies, from 0 to 1, of the best guess of a token from what is beside it."""

    unigram: float  # the commonest token
    left: float  # ... after the token on its left
    right: float  # ... before the token on its right
    both: float  # ... between both


def guess_accuracies(
    train: Iterable[Text],
    test: Iterable[Text],
    *,
    unpredicted: Collection[int] = (),
) -> Guesses:
    """Return how many tokens of `test` the n-gram counts of `train` guess, over all its places.

    `unpredicted` tokens, the special ones, are neighbours but never guessed or counted. A masked LM
    may see a neighbour masked, where these guesses always see it: they are a generous floor. What
    was never seen in training is guessed from less: both sides, the left, the right, nothing; and
    the right neighbour alone falls back to nothing. Ties go to the token seen first.
    """
    skipped = frozenset(unpredicted)
    counts: list[dict[Hashable, Counter[int]]] = [{} for _ in ORDER]
    for token, contexts in _places(train, skipped):
        for table, context in zip(counts, contexts, strict=True):
            table.setdefault(context, Counter())[token] += 1
    best = [
        {context: counter.most_common(1)[0][0] for context, counter in table.items()}
        for table in counts
    ]
    if not best[0]:
        raise ValueError("train: expected at least one token to predict, got none")
    right, total = [0] * len(ORDER), 0
    for token, contexts in _places(test, skipped):
        total += 1
        for number, order in enumerate(ORDER):
            guess = next(best[n][contexts[n]] for n in order if contexts[n] in best[n])
            right[number] += guess == token
    if not total:
        raise ValueError("test: expected at least one token to predict, got none")
    return Guesses(*(count / total for count in right))


ORDER = ((0,), (1, 0), (2, 0), (3, 1, 2, 0))  # which tables a guess asks, the first that knows


def _places(
    texts: Iterable[Text], skipped: frozenset[int]
) -> Iterable[tuple[int, tuple[Hashable, ...]]]:
    """Yield each predicted token with its contexts: none, left, right, both; -1 is an end."""
    for text in texts:
        row = [-1, *(int(token) for token in text), -1]
        for left, token, right in zip(row, row[1:], row[2:], strict=False):
            if token not in skipped:
                yield token, ((), left, right, (left, right))
