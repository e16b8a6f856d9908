"""The floors: counts of words and best guesses, on cases done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.data.baselines import (
    DECAY,
    Guesses,
    bag_of_words_accuracy,
    bag_of_words_cosine,
    bag_of_words_guesses,
    count_features,
    guess_accuracies,
)
from jaxheads.data.tasks.task import Example


def example(first: str, label: int, second: str | None = None) -> Example:
    return Example(first, second, label, "")


def test_features_are_counts_of_sides_and_their_differences():
    column = {"a": 0, "b": 1}
    got = count_features([example("a a c", 0)], column)
    np.testing.assert_array_equal(got.toarray(), [[2, 0, 1]])
    got = count_features([example("a a b", 0, "b b b"), example("", 0)], column)
    np.testing.assert_array_equal(
        got.toarray(), [[2, 1, 0, 3, 2, -2, 2, 2, 1], [0, 0, 0, 0, 0, 0, 0, 0, 1]]
    )


def test_a_word_that_tells_the_label_is_found():
    rows = [example(f"{'good' if n % 2 else 'bad'} w{n % 7}", n % 2) for n in range(60)]
    assert bag_of_words_accuracy(rows[:40], rows[40:]) == 1.0
    assert bag_of_words_accuracy(rows[:40], [example("good", 0), example("good", 1)]) == 0.5


def test_three_classes_and_the_difference_of_a_pair_are_found():
    sides = [("x", "y"), ("x", "x"), ("x x", "y")]
    rows = [example(*(sides[n % 3][0], n % 3, sides[n % 3][1])) for n in range(60)]
    assert bag_of_words_accuracy(rows[:30], rows[30:]) == 1.0


def test_word_order_is_invisible():
    rows = [example("a b" if n % 2 else "b a", n % 2) for n in range(40)]
    assert bag_of_words_accuracy(rows, rows) == 0.5


def test_exclusive_or_of_two_words_is_at_chance():
    texts = [("p q", 0), ("p s", 1), ("r q", 1), ("r s", 0)]
    rows = [example(*texts[n % 4]) for n in range(80)]
    assert bag_of_words_accuracy(rows, rows) <= 0.75  # ties are rounding's
    # nothing is learned: all weights are zero to the optimiser's tolerance
    assert bag_of_words_accuracy(rows, rows) == bag_of_words_accuracy(rows, rows)


def test_real_labels_are_guessed_by_ridge_regression_as_its_normal_equations_say():
    words = ["a", "b a", "b b", "c", "a c", ""]
    rows = [example(words[n % 6], n % 6 / 2, words[n // 6]) for n in range(36)]
    column = {word: place for place, word in enumerate("abc")}
    X_NF, label_N = count_features(rows, column).toarray(), [row.label for row in rows]
    weights_F = np.linalg.solve(X_NF.T @ X_NF + 36 * DECAY * np.eye(13), X_NF.T @ label_N)
    got_N = bag_of_words_guesses(rows, rows, real=True)
    np.testing.assert_allclose(got_N, X_NF @ weights_F, atol=1e-5)


def test_classes_keep_the_numbers_that_they_have():
    rows = [example("x" if n % 2 else "y", 5 if n % 2 else 2) for n in range(20)]
    assert bag_of_words_guesses(rows, [example("x", 0), example("y", 0)]).tolist() == [5, 2]


def test_likeness_is_the_cosine_of_counts():
    pairs = [("a a b", "a b"), ("a", "b"), ("a b", "b a"), ("", "a")]
    got = bag_of_words_cosine([example(one, 0, two) for one, two in pairs])
    np.testing.assert_allclose(got, [3 / (5 * 2) ** 0.5, 0, 1, 0])


def test_examples_are_needed():
    with pytest.raises(ValueError, match="expected examples, got 0 to train on and 1 to test"):
        bag_of_words_accuracy([], [example("a", 0)])


def test_guesses_by_hand():
    train = [[9, 1, 2, 3], [9, 1, 2, 4], [9, 5, 2, 4], [9, 1, 6, 4]]
    # most frequent: 1, 2 and 4 three times each, 1 is first. left: 9->1, 1->2, 2->4, 6->4, 5->2;
    # right: before 2: 1, before 3: 2, before 4: 2, before 6: 1, before the end: 4
    test = [[9, 1, 6, 4], [9, 5, 2, 3], [9, 7, 4, 4]]
    got = guess_accuracies(train, test, unpredicted={9})
    assert got.unigram == 1 / 9  # one 1 among 1 6 4 5 2 3 7 4 4
    assert got.left == 3 / 9  # 1 | 6->4 | 5->2; after 7 and 4 the most frequent, 1
    assert got.right == 4 / 9  # 1 before 6, 4 at an end, 2 before 3, 4 at an end
    # 1: (9, 6) 1 | 6: (1, 4) 2 as first of 2 and 6 | 4: (6, end) 4 | 5: (9, 2) 1 | 2: 5 on its left
    # | 3: (2, end) 4 | 7: 9 on its left, 1 | 4: 7 is unknown, before 4: 2 | 4: at an end, 4
    assert got.both == 4 / 9


def test_the_left_neighbour_is_asked_before_the_right():
    # 1 between the start and 2 is known; 2 between 1 and 4 is not: 2 after 1, but 3 before 4;
    # 4 between 2 and the end is not, nor after 2; 2 is the first seen at an end
    got = guess_accuracies([[1, 2], [3, 4]], [[1, 2, 4]])
    assert got.both == 2 / 3


def test_guesses_are_of_what_is_predicted_only():
    rows = [np.array([0, 1, 0, 2, 0])]
    assert guess_accuracies(rows, rows, unpredicted=[0]) == Guesses(0.5, 0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="train: expected at least one token"):
        guess_accuracies([[0]], [[1]], unpredicted=[0])
    with pytest.raises(ValueError, match="test: expected at least one token"):
        guess_accuracies([[1]], [[0]], unpredicted=[0])
