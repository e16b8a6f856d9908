"""Pairs of sentences for a translation: two files or columns, and what a decoder reads of them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import encode_task
from jaxheads.data.lines import Reading
from jaxheads.data.loader import batches
from jaxheads.data.tasks.examples import read_examples
from jaxheads.data.tasks.task import Task
from jaxheads.data.tokens import check_fits
from jaxheads.data.vocabulary import train_tokenizer
from tests.support.translation import CONFIG

TASK = Task("translate", "en,de")
TRANSLATION = ReadoutConfig("translation")
ENGLISH = ("a dog runs", "two men sit on a long bench", "birds")
GERMAN = ("ein Hund läuft", "zwei Männer sitzen", "viele kleine Vögel fliegen")


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([*ENGLISH, *GERMAN] * 3, vocab_size=300)


def two_files(folder: Path, english=ENGLISH, german=GERMAN) -> str:
    for name, lines in (("a.en", english), ("a.de", german)):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return f"{folder / 'a.en'},{folder / 'a.de'}"


def test_two_files_columns_and_columns_of_translations_are_the_same_pairs(tmp_path):
    files = two_files(tmp_path)
    pairs = [{"en": one, "de": two} for one, two in zip(ENGLISH, GERMAN, strict=True)]
    table = tmp_path / "a.jsonl"
    table.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    nested = [{"id": 1, "translation": pair} for pair in pairs]
    for data in (files, tuple(files.split(",")), table, pairs, nested):
        found = read_examples(TASK, data)
        assert [(each.first, each.second) for each in found] == list(
            zip(ENGLISH, GERMAN, strict=True)
        )
    assert read_examples(TASK, files)[1].place == f"{tmp_path / 'a.en'}:2"


def test_the_decoder_reads_the_target_but_its_end_and_each_next_token_is_due(tmp_path, tokenizer):
    source = encode_task(tokenizer, read_examples(TASK, two_files(tmp_path)), TRANSLATION, 64)
    (batch,) = batches(source, 4, lengths=(64,))
    assert batch.tokens_BT.shape == (4, 2, 64)
    for row, number in enumerate(batch.index_B[:3]):
        one, two = (tokenizer.encode([side[number]]).ids[0] for side in (ENGLISH, GERMAN))
        read, due = two[:-1], two[1:]
        assert (one[0], one[-1], two[0], two[-1]) == (0, 2, 0, 2)
        pad = [tokenizer.pad_id]
        assert batch.tokens_BT[row, 0].tolist() == one + pad * (64 - len(one))
        assert batch.tokens_BT[row, 1].tolist() == read + pad * (64 - len(read))
        assert batch.real_BT[row].sum(1).tolist() == [len(one), len(read)]
        assert batch.labels[row].tolist() == due + [-1] * (64 - len(due))
    assert batch.weight_B.tolist() == [1, 1, 1, 0]
    assert (batch.labels[3] == -1).all()
    assert batch.real_BT[3].sum(1).tolist() == [1, 1]
    unlabelled = encode_task(tokenizer, read_examples(TASK, two_files(tmp_path)), None, 64)
    (same,) = batches(unlabelled, 4, lengths=(64,))  # for methods without a loss
    jax.tree.map(np.testing.assert_array_equal, same, batch)


def test_sides_of_different_lengths_are_one_line(tmp_path):
    data = two_files(tmp_path, german=GERMAN[:2])
    wanted = r"a\.en and .*a\.de: expected equally many lines, got 3 and 2: each line is one side"
    with pytest.raises(ValueError, match=wanted):
        read_examples(TASK, data)


@pytest.mark.parametrize("side", ["english", "german"])
def test_an_empty_line_is_named_or_left_out_and_counted(side, tmp_path, caplog):
    data = two_files(tmp_path, **{side: ("one", "  ", "three")})
    field = {"english": "en", "german": "de"}[side]
    wanted = rf"a\.en:2: {field}: expected a sentence, got an empty one; --skip broken"
    with pytest.raises(ValueError, match=wanted):
        read_examples(TASK, data)
    with caplog.at_level(logging.WARNING, "jaxheads"):
        found = read_examples(TASK, data, reading=Reading(skip=("broken",)))
    assert len(found) == 2
    assert "rows left out: 1 broken" in caplog.text


def test_bytes_that_are_no_text_name_their_file_and_line(tmp_path):
    data = two_files(tmp_path)
    (tmp_path / "a.de").write_bytes(b"eins\nzw\xffei\ndrei\n")
    with pytest.raises(ValueError, match=r"a\.de:2: expected UTF-8, got byte 0xff"):
        read_examples(TASK, data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("none.en,none.de", "none.en: no such file"),
        (("a", "b", "c"), "expected two files, .* got 3"),
    ],
)
def test_files_that_are_not_there_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_examples(TASK, data)


def test_columns_that_are_not_there_or_not_two_are_refused():
    with pytest.raises(ValueError, match="expected the fields en, de, got en, fr"):
        read_examples(TASK, [{"en": "a", "fr": "b"}])
    with pytest.raises(ValueError, match="text: expected two of the columns, got text"):
        Task("translate")


def test_a_long_sentence_is_named_by_its_place(tmp_path, tokenizer):
    examples = read_examples(TASK, two_files(tmp_path))
    with pytest.raises(ValueError, match=r"a\.en:1: expected at most 3 tokens, got .*; --long"):
        encode_task(tokenizer, examples, TRANSLATION, 3)


def test_pieces_with_characters_that_the_vocabulary_lacks_are_counted(tmp_path, caplog):
    unigram = train_tokenizer(ENGLISH * 5, vocab_size=30, kind="unigram")
    with caplog.at_level(logging.WARNING, "jaxheads"):
        found = encode_task(unigram, read_examples(TASK, two_files(tmp_path)), TRANSLATION, 64)
    count = int((found.tokens == 1).sum())
    assert count > 0
    said = f"{count} of {len(found.tokens)} pieces have characters that the vocabulary lacks"
    assert said in caplog.text


def test_a_tokenizer_with_other_ends_than_the_decoders_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"expected \[59, 0, 59\], got \[0, 2, 1\]"):
        check_fits(tokenizer, CONFIG)


def test_pairs_in_batches_of_every_length_are_all_there(tokenizer):
    pairs = [{"en": "a dog " * (1 + n % 9), "de": "ein Hund"} for n in range(20)]
    source = encode_task(tokenizer, read_examples(TASK, pairs), TRANSLATION, 64)
    found = list(batches(source, 4))
    assert {batch.tokens_BT.shape[2] for batch in found} >= {16, 32}
    assert sorted(np.concatenate([batch.index_B for batch in found]).tolist()) == list(range(20))
