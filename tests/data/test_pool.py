"""Several tasks in one source: every part of a batch is of one task, drawn nearly equally often."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import SamplingSource, training_batches
from jaxheads.data.pool import Pool, copies


def task(first: int, examples: int, sentences: int = 1) -> EncodedSource:
    """Examples of 2 and 3 tokens in turn, whose first token is their number from `first` on."""
    lengths = np.where(np.arange(examples * sentences) % 2, 3, 2)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.full(starts[-1], 9, np.int32)
    tokens[starts[:-1]] = first + np.arange(examples * sentences)
    types = np.zeros(len(tokens), np.uint8)
    return EncodedSource(tokens, types, starts, np.ones(examples, np.int32), 1, sentences)


POOL = Pool((task(100, 40), task(1000, 400)), (7, 4), parts=3)


def drawn(steps: int, **how):
    found = training_batches(POOL, 12, seed=0, lengths=(4,), **how)
    return [next(found) for _ in range(steps)]


def test_a_row_is_its_tasks_example_and_its_label_the_tasks():
    batch = POOL.rows(np.array([0, 39, 40, 439, -1]), np.zeros(5, int), 4)
    assert batch.tokens_BT[:4, 0].tolist() == [100, 139, 1000, 1399]
    assert batch.labels.tolist() == [7, 7, 4, 4, 7]
    assert batch.index_B.tolist() == [0, 39, 40, 439, -1]
    assert batch.weight_B.tolist() == [1, 1, 1, 1, 0]
    assert batch.real_BT.sum(1).tolist() == [2, 3, 2, 3, 1]


def test_tasks_of_one_label_of_several_and_of_words_stand_side_by_side():
    one, several, words = task(100, 4), task(200, 4), task(300, 4)
    several = dataclasses.replace(several, labels=np.ones((4, 3), np.int32))
    words = dataclasses.replace(words, tags=np.full(len(words.tokens), 5))
    batch = Pool((one, several, words), (7, 4, 2)).rows(np.array([0, 5, 10]), np.zeros(3, int), 4)
    assert batch.tokens_BT[:, 0].tolist() == [100, 201, 302]
    assert batch.labels.tolist() == [7, 4, 2]


def test_each_part_is_of_one_task_and_has_no_example_twice():
    assert isinstance(POOL, SamplingSource)
    for batch in drawn(20):
        for part in range(3):
            assert len(set(batch.labels[part::3].tolist())) == 1
            assert len(set(batch.index_B[part::3].tolist())) == 4


def test_tasks_come_as_often_as_their_copies_in_the_pool():
    assert [copies(n) for n in (1, 40, 400, 393_000)] == [1, 2, 3, 13]  # MNLI: 13 of 54
    labels = np.array([batch.labels[:3] for batch in drawn(200)]).ravel()
    # 600 draws: the standard error of the share 0.6 is 0.02
    assert (labels == 4).mean() == pytest.approx(3 / 5, abs=0.08)


def test_a_later_step_is_the_same_wherever_one_starts():
    late = next(training_batches(POOL, 12, seed=0, lengths=(4,), start_step=7))
    np.testing.assert_array_equal(late.index_B, drawn(8)[7].index_B)
    other = next(training_batches(POOL, 12, seed=1, lengths=(4,)))
    assert other.index_B.tolist() != drawn(1)[0].index_B.tolist()


def test_what_cannot_be_pooled_is_rejected():
    with pytest.raises(ValueError, match="expected tasks of equally many sequences, got 1, 2"):
        Pool((task(0, 4), task(0, 4, sentences=2)), (0, 1))
    with pytest.raises(ValueError, match="got no tasks"):
        Pool((), ())
    with pytest.raises(ValueError, match="a label for each of 1 tasks, got 2"):
        Pool((task(0, 4),), (0, 1))
    with pytest.raises(ValueError, match="batch_size: expected a multiple of 3, got 4"):
        POOL.draw(0, 4, seed=0)
