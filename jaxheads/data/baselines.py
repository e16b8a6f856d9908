"""What can be had without a model: the floors that a score of a model is measured against."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int, Num

from jaxheads.data.tasks.task import Example

DECAY = 1e-3  # of the squared weights, beside the mean loss of an example
STEPS = 100


def bag_of_words_guesses(
    train: Sequence[Example], test: Sequence[Example], *, real: bool = False
) -> Num[np.ndarray, "N"]:
    """Guess the labels of `test` from counts of words (between spaces), by a linear model.

    Args:
        train: examples to learn from; of a pair the features are the counts of each side, their
            difference and its absolute value.
        test: examples to guess. A class that is not among those of `train` is never guessed.
        real: whether labels are real numbers (ridge regression) or classes (logistic regression).

    Returns:
        A class number or a real number for each example of `test`.

    Raises:
        ValueError: either side is empty.
    """
    if not train or not test:
        raise ValueError(f"expected examples, got {len(train)} to train on and {len(test)} to test")
    column = _columns(train)
    features_NF, test_NF = count_features(train, column), count_features(test, column)
    label_N = np.array([example.label for example in train])
    if real:
        damp = (DECAY * len(train)) ** 0.5  # the sum of squares in place of the mean
        how = {"damp": damp, "atol": 1e-8, "btol": 1e-8}
        return test_NF @ scipy.sparse.linalg.lsmr(features_NF, label_N, **how)[0]
    class_C, number_N = np.unique(label_N, return_inverse=True)
    weights_FC = _fit(features_NF, number_N, len(class_C))
    return class_C[(test_NF @ weights_FC).argmax(1)]


def bag_of_words_accuracy(train: Sequence[Example], test: Sequence[Example]) -> float:
    """Return the share of `test` that `bag_of_words_guesses` answers right."""
    guess_N = bag_of_words_guesses(train, test)
    return float(np.mean(guess_N == [example.label for example in test]))


def bag_of_words_cosine(pairs: Sequence[Example]) -> Float[np.ndarray, "N"]:
    """Return the cosine of the word counts of the two sides of each pair; 0 for an empty side."""
    sides = [[e.text for e in pairs], [e.second or "" for e in pairs]]
    one, other = (_counts(texts, _columns(pairs)) for texts in sides)
    length_N = np.sqrt((one * one).sum(1) * (other * other).sum(1))
    dot_N = (one * other).sum(1)
    return np.divide(dot_N, length_N, out=np.zeros(len(pairs)), where=length_N > 0)


def count_features(examples: Sequence[Example], column: dict[str, int]) -> Any:
    """Count the words that have a column, and add a constant: a sparse [N, features]."""
    constant = scipy.sparse.csr_array(np.ones((len(examples), 1)))
    one = _counts([example.text for example in examples], column)
    if all(example.second is None for example in examples):
        return scipy.sparse.hstack([one, constant], format="csr")
    other = _counts([example.second or "" for example in examples], column)
    sides = [one, other, one - other, abs(one - other), constant]
    return scipy.sparse.hstack(sides, format="csr")


def _counts(texts: Sequence[str], column: dict[str, int]) -> Any:
    """How often each word with a column stands in each text, sparse."""
    found = [[column[word] for word in text.split() if word in column] for text in texts]
    places, starts = list(itertools.chain.from_iterable(found)), np.cumsum([0, *map(len, found)])
    values, shape = np.ones(len(places)), (len(texts), len(column))
    counts = scipy.sparse.csr_array((values, places, starts), shape=shape)
    counts.sum_duplicates()
    return counts


def _columns(examples: Sequence[Example]) -> dict[str, int]:
    """A column for each word, in the order in which words come."""
    texts = (f"{example.text} {example.second or ''}" for example in examples)
    vocabulary = dict.fromkeys(word for text in texts for word in text.split())
    return {word: place for place, word in enumerate(vocabulary)}


def _fit(
    features_NF: Any, labels_N: Int[np.ndarray, "N"], classes: int
) -> Float[np.ndarray, "F C"]:
    """Fit multinomial logistic regression with a penalty, which is convex."""
    count, truth_NC = len(labels_N), np.eye(classes)[labels_N]
    start_FC = np.zeros_like(features_NF.T @ truth_NC)

    def loss(flat: Float[np.ndarray, "FC"]) -> tuple[float, Float[np.ndarray, "FC"]]:
        weights_FC = flat.reshape(start_FC.shape)
        logits_NC = np.asarray(features_NF @ weights_FC)
        logits_NC -= logits_NC.max(1, keepdims=True)
        log_NC = logits_NC - np.log(np.exp(logits_NC).sum(1, keepdims=True))
        slope_FC = features_NF.T @ (np.exp(log_NC) - truth_NC) / count + 2 * DECAY * weights_FC
        value = -(truth_NC * log_NC).sum() / count + DECAY * (flat**2).sum()
        return float(value), slope_FC.ravel()

    how = {"method": "L-BFGS-B", "options": {"maxiter": STEPS}}
    found = scipy.optimize.minimize(loss, start_FC.ravel(), jac=True, **how)
    return found.x.reshape(start_FC.shape)


Text = Sequence[int] | Int[np.ndarray, "tokens"]


class Guesses(NamedTuple):
    """Accuracies, from 0 to 1, of the best guess of a token from what is beside it."""

    unigram: float  # the most frequent token
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

    Raises:
      ValueError: for texts of either side without a token to predict.
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
