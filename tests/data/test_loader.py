"""The order of batches, and who yields which."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxheads.data.batch import Batch
from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import batches, training_batches

BUCKETS = (4, 8, 16)


def make_source(count: int) -> EncodedSource:
    """Example `i` consists of 1 to 16 tokens `i + 1`."""
    lengths = np.random.default_rng(count).integers(1, 17, count)
    return EncodedSource(
        tokens=np.repeat(np.arange(1, count + 1), lengths).astype(np.int32),
        types=np.zeros(lengths.sum(), np.uint8),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.arange(count, dtype=np.int32),
        pad_id=0,
    )


class Layout(NamedTuple):
    """One way to read a source."""

    count: int
    rows: int
    processes: int
    group: int
    window: int


LAYOUTS = st.builds(
    Layout,
    st.integers(1, 60),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 7),
    st.integers(0, 3),
)


def everyone(layout: Layout) -> list[list[Batch]]:
    """The batches of each process."""
    source = make_source(layout.count)
    return [
        list(
            batches(
                source,
                layout.rows * layout.processes,
                share=(process, layout.processes),
                group=layout.group,
                window=layout.window,
                lengths=BUCKETS,
            )
        )
        for process in range(layout.processes)
    ]


@given(LAYOUTS)
def test_every_example_comes_once_from_its_own_process(layout: Layout):
    seen = []
    for process, own in enumerate(everyone(layout)):
        index = np.concatenate([batch.index_B for batch in own])
        real = index[index >= 0]
        assert ((real // layout.group) % layout.processes == process).all()
        seen += real.tolist()
        weight = np.concatenate([batch.weight_B for batch in own])
        np.testing.assert_array_equal(weight, index >= 0)
    assert sorted(seen) == list(range(layout.count))


@given(LAYOUTS)
def test_all_processes_yield_equally_many_batches_of_equal_shapes(layout: Layout):
    shapes = [[batch.tokens_BT.shape for batch in own] for own in everyone(layout)]
    assert all(each == shapes[0] for each in shapes)
    assert {shape[0] for shape in shapes[0]} == {layout.rows}
    assert {shape[1] for shape in shapes[0]} <= set(BUCKETS)
    if layout.processes > 1:
        assert len(set(shapes[0])) == 1


@given(LAYOUTS)
def test_groups_stay_whole_and_in_one_batch_where_they_fit(layout: Layout):
    for own in everyone(layout):
        index = np.concatenate([batch.index_B for batch in own])
        real = index[index >= 0]
        group = real // layout.group
        assert (np.diff(np.flatnonzero(np.diff(group, prepend=-1, append=-1))) > 0).all()
        assert len(np.unique(group)) == (np.diff(group) != 0).sum() + (len(group) > 0)
        assert all((np.diff(real[group == each]) == 1).all() for each in np.unique(group))
        if layout.rows % layout.group == 0:
            for batch in own:
                inside = batch.index_B[batch.index_B >= 0] // layout.group
                others = real[~np.isin(real, batch.index_B)] // layout.group
                assert not np.isin(inside, others).any()


@given(LAYOUTS)
def test_rows_hold_their_example_and_padding_rows_come_last(layout: Layout):
    source = make_source(layout.count)
    for own in everyone(layout):
        index = np.concatenate([batch.index_B for batch in own])
        assert (np.diff((index < 0).astype(int)) >= 0).all()
        for batch in own:
            for row, example in enumerate(batch.index_B):
                if example >= 0:
                    tokens = batch.tokens_BT[row][batch.real_BT[row]]
                    assert tokens.tolist() == [example + 1] * source.lengths[example]


def test_one_process_gets_the_shortest_padding_that_fits():
    source = make_source(40)
    for batch in batches(source, 4, lengths=BUCKETS):
        longest = source.lengths[batch.index_B].max()
        assert batch.tokens_BT.shape[1] == min(each for each in BUCKETS if each >= longest)


def test_sorting_saves_padding_and_no_window_keeps_the_order_of_the_file():
    source = make_source(200)
    plain = list(batches(source, 8, lengths=BUCKETS, window=0))
    order = np.concatenate([batch.index_B for batch in plain])
    assert order.tolist() == list(range(200))
    tokens = sum(batch.tokens_BT.size for batch in batches(source, 8, lengths=BUCKETS))
    assert tokens < 0.8 * sum(batch.tokens_BT.size for batch in plain)


def test_groups_are_sorted_by_their_longest_example():
    lengths = np.array([1, 16, 2, 3, 9, 9])  # in groups of two: 16, 3, 9
    source = EncodedSource(
        tokens=np.zeros(lengths.sum(), np.int32),
        types=np.zeros(lengths.sum(), np.uint8),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.zeros(6, np.int32),
        pad_id=0,
    )
    order = [batch.index_B.tolist() for batch in batches(source, 2, group=2, lengths=BUCKETS)]
    assert order == [[2, 3], [4, 5], [0, 1]]


@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 5), st.integers(0, 4))
def test_each_epoch_of_training_has_every_example_once(
    count: int, size: int, seed: int, window: int
):
    source = make_source(count)
    stream = training_batches(source, size, seed=seed, lengths=BUCKETS, window=window)
    steps = -(-3 * count // size)
    index = np.concatenate([batch.index_B for batch in itertools.islice(stream, steps)])
    for epoch in range(3):
        assert sorted(index[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(seed: int) -> list[int]:
        stream = training_batches(make_source(50), 50, seed=seed, lengths=BUCKETS)
        return [tuple(next(stream).index_B.tolist()) for _ in range(2)]

    assert len({*order(0), *order(1)}) == 4
    assert order(0) == order(0)


def test_windows_of_training_save_padding_and_keep_lengths_in_no_order():
    source = make_source(640)

    def lengths(window: int) -> list[int]:
        stream = training_batches(source, 8, seed=0, lengths=BUCKETS, window=window)
        return [batch.tokens_BT.shape[1] for batch in itertools.islice(stream, 80)]

    plain, alike = lengths(0), lengths(16)
    assert sum(alike) < 0.75 * sum(plain)
    for start in range(0, 80, 16):
        part = alike[start : start + 16]
        assert part != sorted(part)


def test_the_shuffle_is_pinned():
    stream = training_batches(make_source(8), 8, seed=3, lengths=BUCKETS)
    # np.argsort of np.random.Philox(np.random.SeedSequence([3, epoch])).random_raw(8)
    assert [next(stream).index_B.tolist() for _ in range(2)] == [
        [0, 1, 2, 7, 5, 6, 4, 3],
        [5, 6, 3, 7, 0, 1, 2, 4],
    ]


@pytest.mark.parametrize("window", [0, 2])
def test_training_resumes_at_any_step(window: int):
    source, how = make_source(23), {"seed": 1, "lengths": BUCKETS, "window": window}
    whole = list(itertools.islice(training_batches(source, 5, **how), 12))
    for start in (0, 4, 11):
        stream = training_batches(source, 5, start_step=start, **how)
        for one, other in zip(stream, whole[start:], strict=False):
            for mine, theirs in zip(one[:6], other[:6], strict=True):
                np.testing.assert_array_equal(mine, theirs)


def test_processes_slice_the_same_global_batch():
    source = make_source(23)
    whole = training_batches(source, 6, seed=1, lengths=BUCKETS)
    parts = [
        training_batches(source, 6, seed=1, share=(process, 3), lengths=BUCKETS)
        for process in range(3)
    ]
    for batch, *own in itertools.islice(zip(whole, *parts, strict=True), 8):
        for name in ("tokens_BT", "index_B", "real_BT", "labels"):
            joined = np.concatenate([getattr(part, name) for part in own])
            np.testing.assert_array_equal(joined, getattr(batch, name))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 0}, "batch_size: expected a multiple of 1, got 0"),
        ({"batch_size": 5, "share": (0, 2)}, "batch_size: expected a multiple of 2, got 5"),
        ({"share": (2, 2)}, "share: expected 0 <= process < processes, got 2, 2"),
        ({"share": (0, 0)}, "share: expected 0 <= process < processes, got 0, 0"),
        ({"lengths": (4, 8)}, r"lengths: expected one of at least 16 tokens, got \[4, 8\]"),
        ({"group": 0}, "expected group at least 1"),
        ({"window": -1}, "window at least 0, got 1, -1"),
    ],
)
def test_what_cannot_be_batched_is_rejected(options: dict, said: str):
    with pytest.raises(ValueError, match=said):
        next(batches(make_source(60), **{"batch_size": 4, "lengths": BUCKETS, **options}))


def test_an_empty_source_and_a_negative_step_are_rejected():
    with pytest.raises(ValueError, match="source: expected at least one example, got none"):
        next(batches(make_source(0), 4))
    with pytest.raises(ValueError, match="start_step: expected at least 0, got -1"):
        next(training_batches(make_source(3), 4, seed=0, start_step=-1))
