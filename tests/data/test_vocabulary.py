"""Trained tokenizers: the same every time, on any machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxheads.data.tokens import Tokenizer, load_tokenizer
from jaxheads.data.vocabulary import train_tokenizer
from tests.support.paths import ROOT

TRAIN = """
import sys
from jaxheads.data.vocabulary import train_tokenizer
texts = open(sys.argv[1], encoding="utf-8").read().split("\\n")
for kind, size in (("bpe", 300), ("unigram", 60)):
    pieces = train_tokenizer(texts, vocab_size=size, kind=kind).pipeline
    print([pieces.id_to_token(token) for token in range(pieces.get_vocab_size())])
    print(pieces.to_str())
"""


def test_special_tokens_have_their_familys_numbers(bpe: Tokenizer, unigram: Tokenizer):
    named = [bpe.pipeline.id_to_token(token) for token in range(5)]
    assert named == ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    named = [unigram.pipeline.id_to_token(token) for token in range(5)]
    assert named == ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    assert bpe.special_ids == unigram.special_ids == {0, 1, 2, 3, 4}
    assert bpe.vocab_size == 300
    assert unigram.vocab_size <= 60


def test_every_byte_is_a_token_of_bpe_so_that_nothing_is_unknown(bpe: Tokenizer):
    text = "日本 ¿\x00\U0001f600?"
    (ids,) = bpe.encode([text]).ids
    assert 3 not in ids
    assert bpe.pipeline.decode(ids) == text


def test_unigram_ignores_case_accents_and_the_style_of_quotes(unigram: Tokenizer):
    plain, fancy = unigram.encode(['the "fox"', "Thé ``FOX''"]).ids
    assert plain == fancy


@pytest.mark.parametrize("threads", ["false", "true"])
def test_training_gives_the_same_pieces_in_every_process(
    bpe: Tokenizer, unigram: Tokenizer, texts: list[str], tmp_path: Path, threads: str
):
    (tmp_path / "texts").write_text("\n".join(texts), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path / "texts")],
        env=os.environ | {"TOKENIZERS_PARALLELISM": threads, "PYTHONPATH": "."},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    for tokenizer, pieces, whole in ((bpe, *said[:2]), (unigram, *said[2:])):
        count = tokenizer.pipeline.get_vocab_size()
        assert pieces == str([tokenizer.pipeline.id_to_token(token) for token in range(count)])
        assert whole == tokenizer.pipeline.to_str()


def test_the_trained_pieces_are_pinned(bpe: Tokenizer):
    learnt = [bpe.pipeline.id_to_token(token) for token in range(261, 275)]
    assert " ".join(learnt) == "Ġf do he nd the Ġdo Ġdog le ox Ġa Ġfox ck ep end"


def test_special_tokens_in_the_text_are_not_learnt_from():
    for kind, size in (("bpe", 300), ("unigram", 40)):
        plain = ["the fox   and the dog "] * 5
        marked = ["the fox <unk> and the dog "] * 5
        one, other = (train_tokenizer(each, vocab_size=size, kind=kind) for each in (plain, marked))
        assert one.pipeline.get_vocab() == other.pipeline.get_vocab()


def test_a_long_paragraph_is_learnt_from_like_others():
    long = " ".join(["zebra", "and", "fox"] * 2000)  # sentencepiece leaves out over 4192 bytes
    pieces = train_tokenizer([long, "a fox"], vocab_size=30, kind="unigram").pipeline
    assert "z" in "".join(pieces.get_vocab())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vocab_size": 260, "kind": "bpe"}, "vocab_size: expected at least 261"),
        ({"vocab_size": 6, "kind": "unigram"}, "cannot train 6 pieces on this text"),
    ],
)
def test_too_small_vocabularies_are_rejected(texts: list[str], options: dict, said: str):
    with pytest.raises(ValueError, match=said) as caught:
        train_tokenizer(texts, **options)
    assert "\n" not in str(caught.value)


def test_text_without_words_is_rejected_or_yields_bytes():
    assert train_tokenizer(["", " "], vocab_size=300, kind="bpe").vocab_size == 261
    with pytest.raises(ValueError, match="cannot train 50 pieces"):
        train_tokenizer(["", " "], vocab_size=50, kind="unigram")


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_tokenizer_trained_on_real_text_is_pinned_and_reloads(
    shared_data: Path, tmp_path: Path, kind: str
):
    lines = (shared_data / "text/validation.txt").read_text(encoding="utf-8").split("\n")[:400]
    tokenizer = train_tokenizer(lines, vocab_size=1000, kind=kind)
    assert tokenizer.vocab_size == 1000
    tokenizer.save(tmp_path)
    ids = tokenizer.encode(lines).ids
    assert load_tokenizer(tmp_path).encode(lines).ids == ids
    assert hashlib.sha256(str(ids).encode()).hexdigest()[:12] == DIGESTS[kind]


DIGESTS = {"bpe": "b44a73c47ed1", "unigram": "4f9525b493bd"}


def test_the_unigrams_of_a_small_language_are_whole_words():
    """Each word differs from the others, so that sentencepiece alone proposes none of them."""
    words = [a + b for a in ("kra", "spo", "ludi", "mefa") for b in ("nte", "wisk", "bo")]
    texts = [f"{one} {two} {three}" for one in words for two in words for three in words[:2]]
    tokenizer = train_tokenizer(texts, vocab_size=200, kind="unigram")
    assert tokenizer.vocab_size < 200
    assert all(len(ids) == 2 + 3 for ids in tokenizer.encode(texts).ids)
    again = train_tokenizer(texts, vocab_size=200, kind="unigram")
    assert again.encode(texts).ids == tokenizer.encode(texts).ids
