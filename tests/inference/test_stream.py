from __future__ import annotations

import weakref

import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.data.batch import Batch
from jaxheads.inference.stream import stream
from jaxheads.parallel.mesh import make_mesh


def make_batch(start: int, rows: int = 4, real: int = 4, length: int = 3) -> Batch:
    tokens = np.full((rows, length), start)
    index = np.where(np.arange(rows) < real, start + np.arange(rows), -1)
    weight = (np.arange(rows) < real).astype(np.float32)
    return Batch(tokens, tokens >= 0, tokens, np.zeros(rows, int), weight, index)


def double(batch):
    return {"twice": 2.0 * jnp.asarray(batch.index_B)[:, None, None]}


def test_rows_come_with_their_numbers_and_without_padding():
    found = list(stream(double, [make_batch(0), make_batch(4, real=2)]))
    assert [list(index_b) for index_b, _ in found] == [[0, 1, 2, 3], [4, 5]]
    for index_b, rows in found:
        np.testing.assert_array_equal(rows["twice"][:, 0, 0], 2 * index_b)
        assert isinstance(rows["twice"], np.ndarray)


def test_rows_that_devices_need_are_added_and_taken_away_again():
    found = list(stream(double, [make_batch(0, rows=3, real=3)], mesh=make_mesh(8)))
    np.testing.assert_array_equal(found[0][0], [0, 1, 2])
    np.testing.assert_array_equal(found[0][1]["twice"][:, 0, 0], [0, 2, 4])


def test_a_step_is_fetched_after_the_next_one_was_started():
    events = []

    def step(batch):
        events.append(f"start {batch.index_B[0]}")
        return double(batch)

    for index_b, _ in stream(step, (make_batch(4 * i) for i in range(3))):
        events.append(f"fetched {index_b[0]}")
    assert events == ["start 0", "start 4", "fetched 0", "start 8", "fetched 4", "fetched 8"]


def test_no_more_than_a_few_batches_live_at_a_time():
    made: list[weakref.ref] = []

    class Tokens(np.ndarray):
        """An array that can be watched."""

    def batches():
        for number in range(12):
            tokens = np.zeros((4, 3), np.int32).view(Tokens)
            made.append(weakref.ref(tokens))
            yield make_batch(4 * number)._replace(tokens_BT=tokens)

    most = 0
    for _ in stream(double, batches()):
        most = max(most, sum(tokens() is not None for tokens in made))
    assert 0 < most <= 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_rejected_by_its_examples_number(bad):
    def step(batch):
        return {"a": jnp.zeros((4, 1)), "b": jnp.array([0.0, bad, 0.0, bad])}

    with pytest.raises(ValueError, match="example 5: expected a finite loss"):
        list(stream(step, [make_batch(4)]))
    padded = stream(lambda batch: jnp.array([1.0, bad, bad, bad]), [make_batch(4, real=1)])
    np.testing.assert_array_equal(next(padded)[1], [1.0])


def test_a_weight_other_than_zero_or_one_is_rejected():
    batch = make_batch(0)._replace(weight_B=np.full(4, 0.5, np.float32))
    with pytest.raises(ValueError, match=r"weight_B: expected 0 or 1, got 0\.5"):
        list(stream(double, [batch]))


def test_nothing_is_printed_without_a_terminal(capfd):
    list(stream(double, [make_batch(0)], total=4))
    assert capfd.readouterr() == ("", "")
