"""Blocks and masks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxheads.data.batch import Batch
from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import batches, training_batches
from jaxheads.data.mlm import MaskedSource, _hash, encode_blocks, mask_blocks
from jaxheads.data.tokens import Tokenizer, wrap_pipeline

LENGTH = 32


def blocks_of(tokenizer: Tokenizer, texts: list[str]) -> EncodedSource:
    return encode_blocks(tokenizer, texts, LENGTH)


def rows(source: MaskedSource | EncodedSource, index: list[int], epoch: int = 0) -> Batch:
    return source.rows(np.array(index), np.full(len(index), epoch), LENGTH)


def big(tokenizer: Tokenizer, texts: list[str], **options) -> tuple[Batch, Batch]:
    """Some thousand blocks as they were and as they are masked."""
    blocks = blocks_of(tokenizer, texts * 1000)
    masked = mask_blocks(blocks, tokenizer, length=LENGTH, seed=5, **options)
    every = list(range(len(blocks.labels)))
    return rows(blocks, every), rows(masked, every)


def test_blocks_hold_every_token_in_order_with_separators_between(bpe: Tokenizer, texts: list[str]):
    blocks = blocks_of(bpe, ["", *texts, " "])
    batch = rows(blocks, list(range(len(blocks.labels))))
    inside = []
    for row, real in zip(batch.tokens_BT, batch.real_BT, strict=True):
        ids = row[real]
        assert (ids[0], ids[-1]) == (bpe.cls_id, bpe.sep_id)
        inside += ids[1:-1].tolist()
    wanted = itertools.chain(*([bpe.sep_id, *ids[1:-1]] for ids in bpe.encode([*texts, " "]).ids))
    assert inside == list(wanted)[1:]
    assert batch.real_BT[:-1].all()
    assert not batch.types_BT.any() and not batch.labels.any()


def test_the_first_blocks_are_those_of_the_whole_text_and_the_rest_is_not_read(
    bpe: Tokenizer, texts: list[str]
):
    many = [texts[number % len(texts)] for number in range(5000)]
    read = iter(many)
    some, whole = encode_blocks(bpe, read, LENGTH, limit=7), encode_blocks(bpe, many, LENGTH)
    assert len(some.labels) == 7 < len(whole.labels)
    np.testing.assert_array_equal(some.starts, whole.starts[:8])
    np.testing.assert_array_equal(some.tokens, whole.tokens[: some.starts[-1]])
    assert len(list(read)) > 4000


def test_blocks_need_room_and_text(bpe: Tokenizer):
    with pytest.raises(ValueError, match="length: expected at least 3 tokens, got 2"):
        encode_blocks(bpe, ["a"], 2)
    with pytest.raises(ValueError, match="expected at least one paragraph with text"):
        encode_blocks(bpe, ["", ""], 8)


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_what_is_predicted_can_be_put_back(kind: str, whole_words: bool, texts: list[str], request):
    tokenizer = request.getfixturevalue(kind)
    before, after = big(tokenizer, texts[:5], whole_words=whole_words)
    restored = np.array(after.tokens_BT)
    row, slot = np.nonzero(after.labels >= 0)
    place = after.where_BP[row, slot]
    original = np.asarray(before.tokens_BT)[row, place]
    np.testing.assert_array_equal(after.labels[row, slot], original)
    restored[row, place] = after.labels[row, slot]
    np.testing.assert_array_equal(restored, before.tokens_BT)
    assert before.real_BT[row, place].all()
    assert not np.isin(original, list(tokenizer.special_ids)).any()
    assert len(set(zip(row, place, strict=True))) == len(row)  # no place twice
    assert after.where_BP.shape == after.labels.shape == (len(before.labels), round(0.15 * LENGTH))
    assert (after.where_BP[after.labels < 0] == 0).all()


def test_15_percent_are_predicted_and_shown_8_to_1_to_1(bpe: Tokenizer, texts: list[str]):
    before, after = big(bpe, texts[:5])
    used = after.labels >= 0
    special = np.isin(before.tokens_BT, list(bpe.special_ids))
    maskable = (before.real_BT & ~special).sum(1)
    np.testing.assert_array_equal(used.sum(1), np.clip(np.round(0.15 * maskable), 1, None))
    row, slot = np.nonzero(used)
    shown = after.tokens_BT[row, after.where_BP[row, slot]]
    hidden = shown == bpe.mask_id
    kept = shown == after.labels[row, slot]
    share = 1 / (bpe.vocab_size - len(bpe.special_ids))  # a random token may be the same one
    count = len(row)
    assert count > 10_000
    for found, wanted in ((hidden, 0.8), (kept, 0.1 + 0.1 * share), (~hidden & ~kept, 0.1)):
        spread = np.sqrt(wanted * (1 - wanted) / count)
        assert abs(found.mean() - wanted) < 5 * spread
    random = shown[~hidden & ~kept]
    assert not np.isin(random, list(bpe.special_ids)).any()
    assert len(np.unique(random)) > 0.9 * (bpe.vocab_size - 5)


def test_every_place_is_predicted_equally_often(bpe: Tokenizer):
    blocks = encode_blocks(bpe, ["abcdefghij" * 4000], LENGTH)  # no special token inside
    masked = mask_blocks(blocks, bpe, length=LENGTH, seed=2)
    after = rows(masked, list(range(len(blocks.labels) - 1)))
    count = np.bincount(after.where_BP[after.labels >= 0], minlength=LENGTH)
    assert count[0] == count[-1] == 0
    expected = count.sum() / (LENGTH - 2)
    chi_square = ((count[1:-1] - expected) ** 2 / expected).sum()
    assert chi_square < 29 + 5 * np.sqrt(2 * 29)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_whole_words_are_predicted_whole(kind: str, texts: list[str], request):
    tokenizer = request.getfixturevalue(kind)
    before, after = big(tokenizer, texts[:5], whole_words=True)
    opens = tokenizer.starts_word_V
    word_BT = np.cumsum(opens[before.tokens_BT], 1)
    size = round(0.15 * LENGTH)
    for row in range(len(before.tokens_BT)):
        places = after.where_BP[row][after.labels[row] >= 0]
        chosen = np.isin(np.arange(LENGTH), places)
        special = np.isin(before.tokens_BT[row], list(tokenizer.special_ids))
        inside = before.real_BT[row] & ~special
        words = np.unique(word_BT[row][places])
        whole = inside & np.isin(word_BT[row], words)
        if (whole != chosen).any():  # no word fits into the slots: a part of one is taken
            numbers = word_BT[row][inside]
            assert len(words) == 1 and np.unique(numbers, return_counts=True)[1].min() >= size
    assert 0.08 < (after.labels >= 0).sum() / before.real_BT.sum() <= 0.16


def test_masks_depend_on_seed_epoch_and_block_and_on_nothing_else(bpe: Tokenizer, texts: list[str]):
    blocks = blocks_of(bpe, texts)
    first, second = (mask_blocks(blocks, bpe, length=LENGTH, seed=seed) for seed in (1, 2))
    whole = rows(first, [0, 1, 2, 3])
    part = rows(first, [3, 1])
    for name in ("tokens_BT", "labels", "where_BP"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[[3, 1]])
    for other in (rows(second, [0, 1, 2, 3]), rows(first, [0, 1, 2, 3], epoch=1)):
        assert (np.asarray(other.where_BP) != whole.where_BP).any()
    same = rows(mask_blocks(blocks_of(bpe, [texts[0]] * 50), bpe, length=LENGTH, seed=1), [0, 1, 2])
    assert len({tuple(row) for row in np.asarray(same.where_BP).tolist()}) > 1


def test_fixed_masks_are_the_same_in_every_epoch(bpe: Tokenizer, texts: list[str]):
    fixed = mask_blocks(blocks_of(bpe, texts), bpe, length=LENGTH, seed=1, fixed=True)
    moving = mask_blocks(blocks_of(bpe, texts), bpe, length=LENGTH, seed=1)
    for name in ("tokens_BT", "labels", "where_BP"):
        now, later = (getattr(rows(fixed, [0, 1, 2], epoch), name) for epoch in (0, 7))
        np.testing.assert_array_equal(now, later)
        np.testing.assert_array_equal(now, getattr(rows(moving, [0, 1, 2], 0), name))


def test_the_hash_is_splitmix64():
    # the generator's first outputs from state 1234567, as published at Rosetta Code
    found = _hash(np.arange(5), 1234567)
    assert found.tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_the_masks_are_pinned(bpe: Tokenizer, texts: list[str]):
    masked = mask_blocks(blocks_of(bpe, texts), bpe, length=LENGTH, seed=0)
    assert np.asarray(rows(masked, [0, 1]).where_BP).tolist() == [
        [1, 9, 17, 23, 0],
        [8, 10, 11, 25, 0],
    ]


def test_the_loader_takes_masked_blocks_like_any_source(bpe: Tokenizer, texts: list[str]):
    masked = mask_blocks(blocks_of(bpe, texts), bpe, length=LENGTH, seed=0)
    count = len(masked.lengths)
    every = list(batches(masked, 4))
    assert {batch.tokens_BT.shape for batch in every} == {(4, LENGTH)}
    padding = every[-1].index_B < 0
    assert padding.sum() == -count % 4 and padding.any()
    assert (every[-1].labels[padding] == -1).all()
    assert (every[-1].tokens_BT[padding][:, 0] == bpe.cls_id).all()
    stream = training_batches(masked, count, seed=0)
    one, two = (next(stream) for _ in range(2))
    at = [batch.index_B.tolist().index(0) for batch in (one, two)]
    assert one.where_BP[at[0]].tolist() != two.where_BP[at[1]].tolist()


@given(st.integers(1, 12), st.floats(0.01, 0.99), st.booleans())
def test_blocks_of_any_size_and_rate_have_at_least_one_slot(
    bpe: Tokenizer, words: int, rate: float, whole: bool
):
    blocks = encode_blocks(bpe, ["fox " * words], 12)
    masked = mask_blocks(blocks, bpe, length=12, seed=0, rate=rate, whole_words=whole)
    index = np.arange(len(blocks.labels))
    for length in (12, 16):
        batch = masked.rows(index, index * 0, length)
        assert batch.where_BP.shape == batch.labels.shape == (len(index), max(1, round(12 * rate)))
        assert ((batch.labels >= 0).sum(1) >= 1).all()
        assert (batch.where_BP < length).all()


def test_a_block_of_special_tokens_alone_has_nothing_to_predict(bpe: Tokenizer):
    masked = mask_blocks(encode_blocks(bpe, ["<unk><unk>"], 8), bpe, length=8, seed=0)
    batch = masked.rows(np.array([0]), np.array([0]), 8)
    assert (batch.labels == -1).all()
    assert batch.tokens_BT[0].tolist() == [0, 3, 3, 2, 1, 1, 1, 1]


def test_what_cannot_be_masked_is_rejected(bpe: Tokenizer, texts: list[str]):
    blocks = blocks_of(bpe, texts)
    with pytest.raises(ValueError, match="rate: expected a share between 0 and 1, got 1"):
        mask_blocks(blocks, bpe, length=LENGTH, seed=0, rate=1.0)
    with pytest.raises(ValueError, match="length: expected at least 32 tokens, got 16"):
        mask_blocks(blocks, bpe, length=16, seed=0)
    names = {role: name for role, name in bpe.names.items() if role != "mask_token"}
    other = wrap_pipeline(bpe.pipeline, names, "here")
    maskless = type(other)(**{**vars(other), "mask_id": None})
    with pytest.raises(ValueError, match="has no mask token"):
        mask_blocks(blocks, maskless, length=LENGTH, seed=0)
