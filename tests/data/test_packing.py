"""Packed batches: which examples share a row, and what stands in it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import training_batches
from jaxheads.data.packing import (
    PLACES,
    example_batches,
    pack,
    packed_batches,
    packed_training_batches,
    row_length,
)


def source_of(lengths, sentences: int = 1) -> EncodedSource:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.arange(1, starts[-1] + 1, dtype=np.int32)
    labels = np.arange(len(lengths) // sentences, dtype=np.int32)
    return EncodedSource(tokens, (tokens % 2).astype(np.uint8), starts, labels, 0, sentences)


LENGTHS = np.random.default_rng(0).integers(3, 40, 100)


def test_every_example_comes_once_with_its_own_tokens_types_and_label():
    source, seen = source_of(LENGTHS), []
    shapes = set()
    for batch in packed_batches(source, 16):
        places = batch.start_RS.shape[1]
        shapes.add((batch.tokens_BT.shape, places))
        for number, index in enumerate(batch.index_B):
            if index < 0:
                assert batch.weight_B[number] == 0
                continue
            row, place = divmod(number, places)
            own = batch.slot_RT[row] == place
            span = slice(source.starts[index], source.starts[index + 1])
            assert batch.tokens_BT[row][own].tolist() == source.tokens[span].tolist()
            assert batch.types_BT[row][own].tolist() == source.types[span].tolist()
            assert batch.start_RS[row, place] == np.flatnonzero(own)[0]
            assert batch.labels[number] == index and batch.weight_B[number] == 1
            seen.append(int(index))
        assert (batch.real_BT == (batch.slot_RT >= 0)).all()
        assert not batch.tokens_BT[~batch.real_BT].any()
    assert sorted(seen) == list(range(100))
    assert len(shapes) == 1  # one program


def test_the_last_batch_is_about_as_full_as_the_others():
    found = list(packed_batches(source_of(LENGTHS[:50]), 40))  # 1.25 batches
    assert [(batch.weight_B > 0).sum() > 20 for batch in found] == [True, True]
    rows = sum(len(batch.tokens_BT) for batch in found)
    assert rows - len(pack(LENGTHS[:50], found[0].tokens_BT.shape[1]).rows) <= 1


def test_little_is_padding_and_no_row_is_too_full():
    length = row_length(LENGTHS, int(LENGTHS.max()))
    found = pack(LENGTHS, length)
    assert sorted(number for row in found.rows for number in row) == list(range(100))
    assert all(LENGTHS[row].sum() <= length and len(row) <= PLACES for row in found.rows)
    assert len(found.rows) * length < 1.05 * LENGTHS.sum()
    assert length % 8 == 0 and length >= LENGTHS.max()


def test_two_processes_share_the_examples(monkeypatch):
    """Both yield equally many batches of one shape; what they agree on is told to them here."""
    from jaxheads.data import packing

    source, told = source_of(LENGTHS), []
    monkeypatch.setattr(packing, "broadcast_int", lambda own: 48)
    monkeypatch.setattr(
        packing, "gather_processes", lambda own: told.append(own) or np.array([own, [9, 8]])
    )
    parts = [list(packed_batches(source, 16, share=(n, 2), group=4, devices=2)) for n in (0, 1)]
    assert [len(part) for part in parts] == [9, 9]
    assert {batch.tokens_BT.shape for part in parts for batch in part} == {
        parts[0][0].tokens_BT.shape
    }
    assert parts[0][0].tokens_BT.shape[0] % 2 == 0
    numbers = [sorted(int(n) for batch in part for n in batch.index_B if n >= 0) for part in parts]
    assert numbers[0] == [n for n in range(100) if n // 4 % 2 == 0]
    assert numbers[1] == [n for n in range(100) if n // 4 % 2 == 1]


def test_what_cannot_share_rows_is_padded_or_rejected():
    pairs = source_of(LENGTHS, sentences=2)
    (first, *_) = example_batches(pairs, 8, "pair", None)
    assert first.slot_RT is None and first.tokens_BT.shape[:2] == (8, 2)
    with pytest.raises(ValueError, match="expected examples of one sequence each"):
        next(packed_batches(pairs, 8))
    with pytest.raises(ValueError, match="expected examples and a batch size"):
        next(packed_batches(source_of(np.zeros(0, int)), 8))


def numbers(batch) -> list[int]:
    return sorted(int(number) for number in batch.index_B if number >= 0)


def test_training_sees_the_examples_of_each_step_in_few_shapes():
    source, how = source_of(LENGTHS), {"seed": 3}
    packed = list(itertools.islice(packed_training_batches(source, 32, **how), 12))
    padded = itertools.islice(training_batches(source, 32, **how), 12)
    assert [numbers(batch) for batch in packed] == [numbers(batch) for batch in padded]
    assert all(batch.weight_B.sum() == 32 for batch in packed)
    assert len({batch.tokens_BT.shape for batch in packed}) <= 3
    late = next(packed_training_batches(source, 32, start_step=7, **how))
    assert (late.tokens_BT == packed[7].tokens_BT).all()


def test_processes_train_on_slices_of_one_batch_in_rows_for_their_devices():
    source, how = source_of(LENGTHS), {"seed": 3, "devices": 2}
    parts = [packed_training_batches(source, 32, share=(n, 2), **how) for n in (0, 1)]
    whole = packed_training_batches(source, 32, seed=3)
    for one, two, both in itertools.islice(zip(*parts, whole, strict=True), 6):
        assert one.tokens_BT.shape == two.tokens_BT.shape and len(one.tokens_BT) % 2 == 0
        assert sorted(numbers(one) + numbers(two)) == numbers(both)
    with pytest.raises(ValueError, match="expected a multiple of 2, got 31"):
        next(packed_training_batches(source, 31, seed=0, share=(0, 2)))
