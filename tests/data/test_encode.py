"""Examples to arrays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import EncodedSource, encode_task
from jaxheads.data.loader import own_part
from jaxheads.data.tasks.examples import read_examples, stream_examples
from jaxheads.data.tasks.task import Example, Examples, Task
from jaxheads.data.tokens import Tokenizer, load_tokenizer


def pairs(count: int) -> list[Example]:
    return [Example("fox " * (i % 5), "the dog", i % 3, f"here:{i + 1}") for i in range(count)]


PAIR = ReadoutConfig("pair", ("a", "b", "c"))


def encode(tokenizer: Tokenizer, examples, readout: ReadoutConfig | None = None, **how):
    """Examples of a task of three classes, at most 32 tokens each."""
    task = Task("classify", ("one", "other"), labels=PAIR.labels)
    return encode_task(tokenizer, Examples(task, examples), readout, 32, **how)


def rows(source: EncodedSource, *index: int, length: int = 32):
    index_B = np.array(index)
    return source.rows(index_B, np.zeros_like(index_B), length)


def test_rows_are_the_tokenizers_ids_padded(unigram: Tokenizer):
    examples = pairs(7)
    source = encode(unigram, examples)
    ids, types = unigram.encode([e.first for e in examples], [e.second or "" for e in examples])
    batch = rows(source, 3, 0)
    assert batch.tokens_BT.shape == batch.real_BT.shape == batch.types_BT.shape == (2, 32)
    for row, index in enumerate((3, 0)):
        count = len(ids[index])
        assert batch.tokens_BT[row].tolist() == ids[index] + [unigram.pad_id] * (32 - count)
        assert batch.types_BT[row].tolist() == types[index] + [0] * (32 - count)
        assert batch.real_BT[row].tolist() == [True] * count + [False] * (32 - count)
        assert source.lengths[index] == count
    assert batch.labels.tolist() == [0, 0] and batch.index_B.tolist() == [3, 0]
    assert batch.weight_B.tolist() == [1, 1]
    kinds = [np.asarray(array).dtype.name for array in batch[:6]]
    assert kinds == ["int32", "bool", "int32", "int32", "float32", "int32"]


def test_a_padding_row_has_weight_0_and_one_real_token(unigram: Tokenizer):
    batch = rows(encode(unigram, pairs(3)), 2, -1)
    assert batch.weight_B.tolist() == [1, 0] and batch.index_B.tolist() == [2, -1]
    assert batch.labels.tolist() == [2, 0]
    assert batch.real_BT[1].tolist() == [True] + [False] * 31
    assert batch.tokens_BT[1].tolist() == [unigram.cls_id] + [unigram.pad_id] * 31


def test_padding_tokens_have_type_0_whatever_the_first_token_has():
    whole = {"starts": np.array([0, 2]), "labels": np.zeros(1, np.int32), "pad_id": 9}
    source = EncodedSource(np.array([5, 6], np.int32), np.ones(2, np.uint8), **whole)
    batch = rows(source, 0, length=4)
    assert batch.types_BT.tolist() == [[1, 1, 0, 0]]
    assert batch.tokens_BT.tolist() == [[5, 6, 9, 9]]
    with pytest.raises(ValueError, match="expected at most 1 tokens, got 2"):
        rows(source, 0, length=1)


def test_scores_stay_real_and_classes_whole(unigram: Tokenizer):
    scores = [Example("a", "b", value, "here") for value in (0.25, 5.0)]
    found = encode_task(unigram, Examples(Task("regress", labels=("score",)), scores), None, 32)
    assert found.labels.tolist() == [0.25, 5.0]
    assert found.labels.dtype == np.float32
    assert encode(unigram, pairs(2)).labels.dtype == np.int32


def test_classes_are_the_readouts_by_name(unigram: Tokenizer):
    readout = ReadoutConfig("classification", ("C", "a", "b"))
    assert encode(unigram, pairs(3), readout).labels.tolist() == [1, 2, 0]
    for labels, task in ((("a", "b", "d"), Task("classify", ("x", "y"), labels=PAIR.labels)),):
        with pytest.raises(ValueError, match="expected the labels of the model, a, b, d, got a, b"):
            other = ReadoutConfig("classification", labels)
            encode_task(unigram, Examples(task, pairs(3)), other, 32)


def test_sentences_apart_make_two_rows_of_their_own(unigram: Tokenizer):
    examples = pairs(5)
    source = encode(unigram, examples, PAIR)
    batch = rows(source, 4, 1, -1, length=16)
    assert batch.tokens_BT.shape == (3, 2, 16) and batch.labels.shape == (3,)
    for row, index in enumerate((4, 1)):
        for side, text in enumerate((examples[index].first, examples[index].second or "")):
            (ids,) = unigram.encode([text]).ids
            assert batch.tokens_BT[row, side][: len(ids)].tolist() == ids
            assert batch.real_BT[row, side].sum() == len(ids)
    assert not batch.types_BT.any()
    assert batch.real_BT[2].sum(-1).tolist() == [1, 1]
    longest = max(len(unigram.encode([text]).ids[0]) for text in ("fox " * 4, "the dog"))
    assert source.lengths[4] == longest


def test_a_line_that_is_too_long_is_named_or_cut_if_asked(unigram: Tokenizer):
    long = Example("fox " * 10_000, "dog", 1, "file.jsonl:7")
    with pytest.raises(ValueError, match=r"^file\.jsonl:7: expected at most 32 tokens, got \d{5};"):
        encode(unigram, [*pairs(3), long])
    source = encode(unigram, [*pairs(3), long], long="truncate")
    assert source.lengths[3] == 32
    with pytest.raises(ValueError, match=r"^file\.jsonl:7: .*; file\.jsonl:7: .*; --long truncate"):
        both = long._replace(second=long.first)
        encode(unigram, [*pairs(3), both, *pairs(3)], PAIR)


def test_many_long_lines_are_five_in_the_error(unigram: Tokenizer):
    with pytest.raises(ValueError, match="here:2: ") as caught:
        encode_task(unigram, Examples(Task("classify", labels=PAIR.labels), pairs(12)), None, 4)
    assert str(caught.value).count("here:") == 5


def test_singles_and_pairs_are_not_mixed_up(bpe: Tokenizer):
    single = Example("a", None, 0, "here:1")
    alone = Examples(Task("classify", labels=PAIR.labels), [single])
    with pytest.raises(ValueError, match="task classify: expected a classification readout"):
        encode_task(bpe, alone, PAIR, 32)
    with pytest.raises(ValueError, match="expected pairs or single sentences, got both"):
        encode(bpe, [single, *pairs(1)])
    with pytest.raises(ValueError, match="expected at least one example, got none"):
        encode(bpe, [])
    with pytest.raises(ValueError, match="long: expected 'error' or 'truncate'"):
        encode_task.__wrapped__(bpe, alone, None, 32, long="cut")


def test_arrays_on_disk_are_those_in_memory(unigram: Tokenizer, tmp_path: Path):
    examples = pairs(2500)  # more than two chunks
    there = encode(unigram, iter(examples), scratch=tmp_path / "scratch")
    here = encode(unigram, examples)
    assert isinstance(there.tokens, np.memmap) and isinstance(there.types, np.memmap)
    for name in ("tokens", "types", "starts", "labels"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    for one, other in zip(rows(there, 5, 2499, -1)[:6], rows(here, 5, 2499, -1)[:6], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("siamese", [False, True])
def test_a_share_has_the_rows_of_its_process_and_no_others(unigram, tmp_path, siamese, on_disk):
    examples, whole = pairs(2100), encode(unigram, pairs(2100), PAIR if siamese else None)
    total = 0
    for process in range(3):
        scratch = tmp_path / str(process) if on_disk else None
        source = encode(
            unigram,
            iter(examples),
            PAIR if siamese else None,
            share=(process, 3),
            group=2,
            scratch=scratch,
        )
        own = np.flatnonzero(own_part(np.arange(2100), (process, 3), 2))
        for one, two in zip(rows(source, *own[-9:], -1), rows(whole, *own[-9:], -1), strict=True):
            np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(source.labels, whole.labels)
        np.testing.assert_array_equal(source.lengths[own], whole.lengths[own])
        told = dataclasses.replace(source, longest=31)
        assert (np.delete(told.lengths, own) == 31).all() and source.longest == whole.longest
        other = 2 if process == 0 else 0
        with pytest.raises(
            ValueError, match=rf"expected examples of this process, got \[{other}\]"
        ):
            rows(source, own[0], other)
        total += len(source.tokens)
    assert total == len(whole.tokens)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_process_without_an_example_has_padding_rows(unigram, tmp_path, on_disk):
    scratch = tmp_path if on_disk else None
    source = encode(unigram, pairs(2), share=(2, 3), scratch=scratch)
    batch = rows(source, -1, -1)
    assert source.longest == 0 and batch.weight_B.tolist() == [0, 0]
    assert batch.real_BT.sum() == 2


def test_encoding_shows_nothing_where_stderr_is_no_terminal(unigram: Tokenizer, capfd):
    encode(unigram, pairs(3))
    assert capfd.readouterr() == ("", "")


def test_real_pairs_have_types_and_fit(shared_data: Path):
    tokenizer = load_tokenizer(shared_data / "tokenizers" / "albert-base.spiece.model")
    path = shared_data / "glue/rte/validation.jsonl"
    source = encode_task(tokenizer, stream_examples("rte", path), None, 512)
    assert len(source.labels) == 1384
    batch = rows(source, 0, length=512)
    count = int(batch.real_BT.sum())
    second = int(batch.types_BT.sum())
    assert 0 < second < count
    assert batch.types_BT[0].tolist() == [0] * (count - second) + [1] * second + [0] * (512 - count)
    with pytest.raises(ValueError, match=r"validation\.jsonl:\d+: expected at most 64 tokens, got"):
        encode_task(tokenizer, read_examples("rte", path), None, 64)
