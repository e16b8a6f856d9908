"""Whose tokenizer a directory's files make: by the files, not by the model beside them."""

from __future__ import annotations

import fnmatch
import io
import json
import logging
import shutil
from pathlib import Path

import pytest
import sentencepiece

from jaxheads.cli.prune import TokenizerFiles
from jaxheads.data.pipelines import TOKENIZER_FILES
from jaxheads.data.tokens import Tokenizer, load_tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "fox", "##es", "Fox", "Paris", "in"]


def directory(root: Path, model_type: str | None, files: dict[str, object]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    if model_type:
        files = {"config.json": {"model_type": model_type}, **files}
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (root / name).write_text(text, encoding="utf-8")
    return root


def wordpiece(*words: str) -> str:
    return "\n".join([*SPECIAL, *words]) + "\n"


def bpe_files(bpe: Tokenizer) -> dict[str, object]:
    model = json.loads(bpe.pipeline.to_str())["model"]
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    return {"vocab.json": model["vocab"], "merges.txt": f"#version: 0.2\n{merges}\n"}


@pytest.mark.parametrize("model_type", ["bert", "albert", "roberta", "electra", "camembert", None])
def test_a_vocab_txt_is_wordpiece_whatever_the_model(model_type: str | None, tmp_path: Path):
    source = directory(tmp_path, model_type, {"vocab.txt": wordpiece("the", "fox", "##es", "in")})
    tokenizer = load_tokenizer(source)
    assert tokenizer.encode(["The foxes"], ["in"]).ids == [[2, 5, 6, 7, 3, 8, 3]]
    assert tokenizer.vocab_size == 9


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta", "roberta", "albert"])
def test_a_vocab_json_with_merges_is_byte_level_bpe_whatever_the_model(
    model_type: str, bpe: Tokenizer, tmp_path: Path
):
    found = load_tokenizer(directory(tmp_path, model_type, bpe_files(bpe)))
    assert found.encode(["the quick fox"], ["a"]) == bpe.encode(["the quick fox"], ["a"])


def test_a_class_that_reads_none_of_the_files_is_rejected_with_what_is_missing(tmp_path: Path):
    for name in ("AlbertTokenizer", "RobertaTokenizer"):
        said = {"tokenizer_class": name}
        files = {"vocab.txt": wordpiece(*WORDS), "tokenizer_config.json": said}
        with pytest.raises(ValueError, match=r"the 11 pieces of vocab.txt, got one of 5") as caught:
            load_tokenizer(directory(tmp_path, "bert", files))
        assert "\n" not in str(caught.value)


def sentencepieces() -> bytes:
    lines = ["le chat dort sur la table", "un chien mange la pomme", "the cat sleeps"] * 20
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=26, minloglevel=2
    )
    return model.getvalue()


@pytest.mark.parametrize(
    ("model_type", "first", "cls", "sep"),
    [("camembert", 4, 5, 6), ("xlm-roberta", 1, 0, 2), (None, 1, 0, 2)],
)
def test_sentencepieces_of_fairseq_are_numbered_behind_its_special_tokens(
    model_type: str | None, first: int, cls: int, sep: int, tmp_path: Path
):
    content = sentencepieces()
    source = directory(tmp_path, model_type, {})
    (source / "sentencepiece.bpe.model").write_bytes(content)
    model = sentencepiece.SentencePieceProcessor(model_proto=content)
    tokenizer = load_tokenizer(source)
    one, two = ([each + first for each in model.encode(text)] for text in ("le chat", "un chien"))
    assert tokenizer.encode(["le chat"], ["un chien"]).ids == [[cls, *one, sep, sep, *two, sep]]
    assert (tokenizer.pad_id, tokenizer.pair_types) == (1, 1)
    (source / "sentencepiece.bpe.model").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="not a sentencepiece model"):
        load_tokenizer(source)


@pytest.mark.parametrize(
    "files",
    [
        {"bpe.codes": "t h 3\n", "tokenizer_config.json": {"tokenizer_class": "BertweetTokenizer"}},
        {"bpe.codes": "t h 3\n"},
        {
            "tokenizer_config.json": {
                "tokenizer_class": "BertJapaneseTokenizer",
                "word_tokenizer_type": "basic",
                "subword_tokenizer_type": "wordpiece",
            }
        },
    ],
)
def test_a_tokenizer_that_exists_in_python_alone_is_one_line(files: dict, tmp_path: Path):
    vocabulary = "\n".join(f"{word} 1" for word in WORDS) + "\n"  # as fairseq counts its own
    source = directory(tmp_path, "roberta", {"vocab.txt": vocabulary, **files})
    with pytest.raises(ValueError, match=r"in Python alone: expected a tokenizer.json") as caught:
        load_tokenizer(source)
    assert "\n" not in str(caught.value)


def test_a_vocabulary_with_capitals_is_not_lower_cased_unless_a_file_says_so(
    tmp_path: Path, caplog
):
    source = directory(tmp_path, "bert", {"vocab.txt": wordpiece(*WORDS)})
    assert load_tokenizer(source).encode(["the Fox in Paris"]).ids == [[2, 5, 8, 10, 9, 3]]
    assert "vocab.txt has capitals, so text is not lower-cased" in caplog.text
    caplog.clear()
    directory(tmp_path, None, {"tokenizer_config.json": {"do_lower_case": True}})
    assert load_tokenizer(source).encode(["the Fox in Paris"]).ids == [[2, 5, 6, 10, 1, 3]]
    assert "text is lower-cased, but 33% of the pieces have capitals" in caplog.text
    caplog.clear()
    directory(tmp_path, None, {"tokenizer_config.json": {"do_lower_case": False}})
    assert load_tokenizer(source).encode(["the Fox in Paris"]).ids == [[2, 5, 8, 10, 9, 3]]
    lower = directory(tmp_path / "lower", "bert", {"vocab.txt": wordpiece("the", "fox")})
    assert load_tokenizer(lower).encode(["The Fox"]).ids == [[2, 5, 6, 3]]
    assert not caplog.records


CLASSES = {
    "RobertaTokenizer": (2, {0}),
    "XLMRobertaTokenizerFast": (2, {0}),
    "BertTokenizerFast": (1, {0, 1}),
    "ElectraTokenizer": (1, {0, 1}),
}


def without_post_processor(bpe: Tokenizer, root: Path, said: dict, model_type: str) -> Path:
    source = directory(root, model_type, {"tokenizer_config.json": said})
    spec = json.loads(bpe.pipeline.to_str())
    spec["post_processor"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
    spec["post_processor"]["use_regex"] = True
    (source / "tokenizer.json").write_text(json.dumps(spec))
    return source


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_pipeline_without_special_tokens_gets_those_of_its_class(
    name: str, bpe: Tokenizer, tmp_path: Path
):
    separators, types = CLASSES[name]
    source = without_post_processor(bpe, tmp_path, {"tokenizer_class": name}, "roberta")
    ids, found = load_tokenizer(source).encode(["the fox"], ["a dog"])
    one, two = (bpe.encode([text]).ids[0][1:-1] for text in ("the fox", "a dog"))
    assert ids == [[0, *one, *[2] * separators, *two, 2]]
    assert set(found[0]) == types
    assert load_tokenizer(source).encode(["the fox"]).ids == [[0, *one, 2]]


def test_transformers_adds_the_same_special_tokens(bpe: Tokenizer, tmp_path: Path):
    from transformers import AutoTokenizer

    said = {"tokenizer_class": "RobertaTokenizer"}
    source = without_post_processor(bpe, tmp_path, said, "roberta")
    theirs = AutoTokenizer.from_pretrained(str(source))("the fox", "a dog")["input_ids"]
    assert load_tokenizer(source).encode(["the fox"], ["a dog"]).ids == [theirs]


def test_without_a_class_the_model_says_how_and_a_class_of_its_own_is_rejected(
    bpe: Tokenizer, tmp_path: Path
):
    source = without_post_processor(bpe, tmp_path, {}, "roberta")
    assert load_tokenizer(source).encode(["a"]).ids == bpe.encode(["a"]).ids
    said = {"tokenizer_class": "PreTrainedTokenizerFast"}
    source = without_post_processor(bpe, tmp_path, said, "roberta")
    with pytest.raises(ValueError, match=r"tokenizer.json needs a post_processor that adds them"):
        load_tokenizer(source)


def kinds_of_directories(bpe: Tokenizer, root: Path) -> list[Path]:
    added = {"<user>": 11, "<url>": 12}
    wordpieces = {"vocab.txt": wordpiece(*WORDS), "added_tokens.json": added}
    said = {"tokenizer_config.json": {"do_lower_case": False}}
    found = [
        directory(root / "wordpiece", "bert", {**wordpieces, **said}),
        directory(root / "bpe", "roberta", bpe_files(bpe)),
        directory(root / "pieces", "camembert", {}),
    ]
    (root / "pieces" / "sentencepiece.bpe.model").write_bytes(sentencepieces())
    bpe.save(directory(root / "whole", "roberta", {}))
    return [*found, root / "whole"]


def test_a_copy_of_a_tokenizers_files_by_name_or_by_directory_tokenises_alike(
    bpe: Tokenizer, tmp_path: Path, monkeypatch
):
    text = "the Fox <user> in Paris mange <url> le chat"
    for source in kinds_of_directories(bpe, tmp_path):
        expected = load_tokenizer(source)
        fetched, copied = tmp_path / f"{source.name}-fetched", tmp_path / f"{source.name}-copied"
        fetched.mkdir()
        for path in source.iterdir():  # as a download from the Hub picks them
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in TOKENIZER_FILES):
                shutil.copy(path, fetched)
        copied.mkdir()
        TokenizerFiles(str(source)).save(copied)
        shutil.copy(source / "config.json", copied)
        for other in (fetched, copied):
            found = load_tokenizer(other)
            assert found.encode([text]) == expected.encode([text])
            assert found.pipeline.to_str() == expected.pipeline.to_str()
    ids = load_tokenizer(tmp_path / "wordpiece").encode(["the <user>"]).ids
    assert ids == [[2, 5, 11, 3]]


def test_what_is_said_of_tokenizers_is_said_once(tmp_path: Path, caplog):
    caplog.set_level(logging.INFO, logger="jaxheads")
    load_tokenizer(directory(tmp_path, "bert", {"vocab.txt": wordpiece(*WORDS)}))
    assert len(caplog.records) == 1
    with pytest.raises(ValueError, match=r"vocab.json: not a vocabulary") as caught:
        files = {"vocab.json": "{", "merges.txt": ""}
        load_tokenizer(directory(tmp_path / "damaged", "roberta", files))
    assert "\n" not in str(caught.value)
