"""Marian's tokenizers: two sentencepiece models and one table of numbers."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import encode_task
from jaxheads.data.tasks.examples import read_examples
from jaxheads.data.tasks.task import Task
from jaxheads.data.tokens import load_tokenizer

ENGLISH = ["the cat sat on the mat", "a dog ran far away", "no cat ran", "the dog sat on a mat"]
GERMAN = ["die Katze saß auf der Matte", "ein Hund lief weit fort", "keine Katze lief", "der Hund"]
HARD = [
    "The cat, a dog – ran!",
    ">>deu<< the cat  sat",
    "",
    "日本 cat",
    "ﬁn ½ the\tcat",
    "a >>b<< c",
]


def train(texts: list[str], kind: str) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 20), model_writer=model, model_type=kind, vocab_size=50,
        hard_vocab_limit=kind != "unigram", minloglevel=2, num_threads=1,
    )  # fmt: skip
    return model.getvalue()


def write_marian(folder: Path, kind: str = "unigram") -> Path:
    """Files in Marian's layout: numbers in an order of their own, and one piece left out."""
    models = [train(texts, kind) for texts in (ENGLISH, GERMAN)]
    pieces = [">>deu<<"]
    for name, model in zip(("source.spm", "target.spm"), models, strict=True):
        (folder / name).write_bytes(model)
        side = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces += [side.id_to_piece(number) for number in range(3, side.get_piece_size())]
    pieces = sorted({*pieces} - {"o"}, reverse=True)
    order = ["</s>", "<unk>", *pieces, "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: n for n, piece in enumerate(order)}))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "MarianTokenizer"}')
    return folder


def test_each_side_is_cut_by_its_own_model_and_numbered_by_the_one_table(tmp_path):
    tokenizer = load_tokenizer(write_marian(tmp_path))
    numbers = json.loads((tmp_path / "vocab.json").read_text())
    source, target = tokenizer.encode_pairs(["no cat"], ["keine Katze"]).ids
    sides = [
        sentencepiece.SentencePieceProcessor(model_proto=(tmp_path / name).read_bytes())
        for name in ("source.spm", "target.spm")
    ]
    pieces = sides[0].encode("no cat", out_type=str)
    assert source == [*(numbers.get(p, 1) for p in pieces), 0]
    assert 1 in source  # what the table lacks
    pieces = sides[1].encode("keine Katze", out_type=str)
    assert target == [numbers["<pad>"], *(numbers[piece] for piece in pieces), 0]
    assert tokenizer.decode([*target[1:], numbers["<pad>"]]) == "keine Katze"
    last = len(numbers) - 1
    assert (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id) == (last, 0, last)
    short = tokenizer.encode_pairs(["no cat ran"], ["keine Katze"], 3).ids
    assert [ids[-1] for ids in short] == [0, 0]
    assert [len(ids) for ids in short] == [3, 3]


def test_a_pair_is_read_as_a_translator_reads_it(tmp_path):
    tokenizer = load_tokenizer(write_marian(tmp_path))
    pairs = [{"en": en, "de": de} for en, de in zip(ENGLISH, GERMAN, strict=True)]
    source = encode_task(
        tokenizer,
        read_examples(Task("translate", "en,de"), pairs),
        ReadoutConfig("translation"),
        40,
    )
    batch = source.rows(np.arange(4), np.zeros(4, int), 40)
    ids = tokenizer.encode_pairs(ENGLISH, GERMAN).ids
    for row in range(4):
        real = np.asarray(batch.real_BT[row])
        assert batch.tokens_BT[row, 0][real[0]].tolist() == ids[2 * row]
        assert batch.tokens_BT[row, 1][real[1]].tolist() == ids[2 * row + 1][:-1]
        assert batch.labels[row][real[1]].tolist() == ids[2 * row + 1][1:]


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_numbers_and_texts_are_those_of_transformers_there_and_back(tmp_path, kind):
    transformers = pytest.importorskip("transformers")
    ours = load_tokenizer(write_marian(tmp_path, kind))
    ours.save(tmp_path / "again")
    for folder in (tmp_path, tmp_path / "again"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = transformers.MarianTokenizer.from_pretrained(str(folder))
        sources, targets = [*ENGLISH, *HARD], [*GERMAN, *HARD]
        found = theirs(sources, text_target=targets)
        ids = load_tokenizer(folder).encode_pairs(sources, targets).ids
        assert ids[::2] == found["input_ids"]
        assert [each[1:] for each in ids[1::2]] == found["labels"]
        for each in ids[1::2]:
            assert ours.decode(each) == theirs.decode(each, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocab.json", "{", "vocab.json: not JSON"),
        ("vocab.json", '["a"]', "vocab.json: expected a number for each piece"),
        ("vocab.json", '{"a": 0, "b": 0}', "vocab.json: expected another number from 0 for each"),
        ("vocab.json", '{"a": 0, "</s>": 1}', "expected <pad>, <unk> among the pieces"),
        ("source.spm", "no model", "source.spm: not a sentencepiece model"),
        ("target_vocab.json", "{}", "expected one vocab.json for both sides"),
    ],
)
def test_damaged_files_are_one_line(tmp_path, name, content, message):
    (write_marian(tmp_path) / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_tokenizer(tmp_path)


def test_other_texts_than_pairs_are_refused(tmp_path):
    tokenizer = load_tokenizer(write_marian(tmp_path))
    with pytest.raises(ValueError, match="expected pairs to translate, got other texts"):
        tokenizer.encode(["a cat"])
    with pytest.raises(ValueError, match="max_length: expected at least 3 tokens, got 2"):
        tokenizer.encode_pairs(["a"], ["b"], 2)
