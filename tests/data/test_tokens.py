"""Tokenizers: what comes out, what survives a round trip, and what is rejected."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from jaxheads.config import EncoderConfig
from jaxheads.data.tokens import (
    Tokenizer,
    check_fits,
    load_tokenizer,
    max_tokens,
    wrap_pipeline,
)
from jaxheads.models.checkpoint.families import encoder_config

WORDPIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "fox", "##es", "u", ".", "s"]


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """A directory with the `vocab.txt` of an older BERT checkpoint."""
    directory = tmp_path / "bert"
    directory.mkdir()
    (directory / "vocab.txt").write_text("\n".join(WORDPIECES) + "\n")
    (directory / "config.json").write_text('{"model_type": "bert"}')
    return directory


def sizes(**changes) -> EncoderConfig:
    usual = {
        "family": "roberta",
        "vocab_size": 300,
        "hidden_size": 8,
        "num_layers": 1,
        "num_heads": 2,
    }
    more = {"intermediate_size": 8, "max_positions": 40, "type_vocab_size": 1, "pad_token_id": 1}
    return encoder_config(**{**usual, **more, **changes})


def test_roberta_puts_two_separators_between_a_pair_and_knows_one_type(bpe: Tokenizer):
    ids, types = bpe.encode(["fox"], ["dog"])
    assert (bpe.cls_id, bpe.pad_id, bpe.sep_id, bpe.mask_id) == (0, 1, 2, 4)
    alone = [bpe.encode([text]).ids[0][1:-1] for text in ("fox", "dog")]
    assert ids[0] == [0, *alone[0], 2, 2, *alone[1], 2]
    assert set(types[0]) == {0}
    assert bpe.pair_types == 1


def test_albert_pairs_always_have_their_types(unigram: Tokenizer):
    ids, types = unigram.encode(["fox"], ["dog"])
    first, second = (unigram.encode([text]).ids[0] for text in ("fox", "dog"))
    assert ids[0] == first + second[1:]
    assert types[0] == [0] * len(first) + [1] * (len(second) - 1)
    assert unigram.pair_types == 2


def test_nothing_is_cut_unless_asked_and_then_the_longer_sentence_first(bpe: Tokenizer):
    long = "the quick brown fox jumps over the lazy dog " * 200
    assert len(bpe.encode([long]).ids[0]) > 1000
    ids = bpe.encode([long], ["lazy dog"], max_length=20).ids[0]
    assert len(ids) == 20
    assert ids[-2:] == bpe.encode(["x"], ["lazy dog"]).ids[0][-2:]
    ids = bpe.encode(["lazy dog"], [long], max_length=20).ids[0]
    assert ids[:2] == bpe.encode(["lazy dog"]).ids[0][:2] and len(ids) == 20
    assert ids[-1] == ids[ids.index(bpe.sep_id)] == bpe.sep_id
    assert len(bpe.encode([long]).ids[0]) > 1000  # nor is anything cut afterwards
    with pytest.raises(ValueError, match="expected at least 6 tokens, got 5"):
        bpe.encode(["a"], ["b"], max_length=5)


def test_words_given_one_by_one_are_tokenised_as_in_running_text(
    bpe: Tokenizer, unigram: Tokenizer
):
    words = ["the", "quick", "foxes", "jump"]
    for tokenizer in (bpe, unigram):
        ids, of_piece = tokenizer.encode_words(words)
        assert ids == tokenizer.encode([" " + " ".join(words)]).ids[0]
        assert (of_piece[0], of_piece[-1]) == (-1, -1)
        assert sorted(set(of_piece[1:-1])) == [0, 1, 2, 3]
        assert of_piece[1:-1] == sorted(of_piece[1:-1])


def test_a_word_without_a_piece_is_reported(unigram: Tokenizer):
    words = ["the", "", "fox"]
    encoded = unigram.encode_words(words)
    assert encoded.dropped(words) == [1]
    assert set(encoded.word_of_piece) == {-1, 0, 2}


def test_a_word_that_lacks_the_mark_of_a_start_is_rejected(bpe: Tokenizer):
    spec = json.loads(bpe.pipeline.to_str())
    spaces = {"type": "Split", "pattern": {"String": "Ġ"}, "behavior": "Removed", "invert": False}
    steps = [spec["pre_tokenizer"], spaces]  # takes the mark away again
    spec["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    tokenizer = wrap_pipeline(tokenizers.Tokenizer.from_str(json.dumps(spec)), {}, "here")
    with pytest.raises(ValueError, match="word 0, 'dog': expected a first piece with the mark"):
        tokenizer.encode_words(["dog", "fox"])


def test_padding_and_truncation_baked_into_a_file_are_undone(bpe: Tokenizer, tmp_path: Path):
    pipeline = tokenizers.Tokenizer.from_str(bpe.pipeline.to_str())
    pipeline.enable_truncation(4)
    pipeline.enable_padding(length=4)
    pipeline.save(str(tmp_path / "tokenizer.json"))
    found = load_tokenizer(tmp_path)
    for text in ("the quick brown fox jumps", "a"):
        assert found.encode([text]) == bpe.encode([text])


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_saved_tokenizer_comes_back_the_same(kind: str, tmp_path: Path, request):
    tokenizer = request.getfixturevalue(kind)
    tokenizer.save(tmp_path / "saved")
    texts = ["The fox <mask> jumps.", "Ein Füchslein [MASK]  springt!", "\u2028 日本"]
    for source in (tmp_path / "saved", tmp_path / "saved" / "tokenizer.json"):
        found = load_tokenizer(source)
        assert found.encode(texts, texts[::-1]) == tokenizer.encode(texts, texts[::-1])
        same = ("names", "vocab_size", "pair_types", "special_ids", "pad_id", "mask_id")
        assert all(getattr(found, name) == getattr(tokenizer, name) for name in same)


def test_special_tokens_of_any_name_survive(unigram: Tokenizer, tmp_path: Path):
    unigram.save(tmp_path / "odd")
    for file in (tmp_path / "odd").iterdir():
        file.write_text(file.read_text("utf-8").replace("[MASK]", "<hole>"), "utf-8")
    odd = load_tokenizer(tmp_path / "odd")
    assert (odd.names["mask_token"], odd.mask_id) == ("<hole>", unigram.mask_id)
    odd.save(tmp_path / "again")
    assert load_tokenizer(tmp_path / "again").names == odd.names


@pytest.mark.parametrize(("kind", "model"), [("bpe", "roberta"), ("unigram", "albert")])
def test_transformers_opens_a_saved_tokenizer_and_agrees(
    kind: str, model: str, tmp_path: Path, request
):
    from transformers import AutoTokenizer

    tokenizer = request.getfixturevalue(kind)
    tokenizer.save(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model}))
    theirs = AutoTokenizer.from_pretrained(str(tmp_path))("well-known U.S. foxes", "a Dog.")
    ids, types = tokenizer.encode(["well-known U.S. foxes"], ["a Dog."])
    assert theirs["input_ids"] == ids[0]
    assert theirs.get("token_type_ids", types[0]) == types[0]
    assert ("token_type_ids" in theirs) == (model == "albert")


def test_transformers_does_not_rebuild_a_saved_pipeline_from_its_classs_defaults(
    bpe: Tokenizer, tmp_path: Path
):
    from transformers import AutoTokenizer

    pipeline = tokenizers.Tokenizer.from_str(bpe.pipeline.to_str())
    pipeline.normalizer = tokenizers.normalizers.Lowercase()  # as RobertaTokenizer never has it
    wrap_pipeline(pipeline, {}, "here").save(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    (ids,) = bpe.encode(["the fox"]).ids
    assert AutoTokenizer.from_pretrained(str(tmp_path))("The FOX")["input_ids"] == ids
    assert load_tokenizer(tmp_path).encode(["The FOX"]).ids == [ids]


def test_an_older_bert_vocabulary_is_read(bert: Path):
    tokenizer = load_tokenizer(bert)
    ids, types = tokenizer.encode(["The foxes"], ["U.S."])
    assert ids[0] == [2, 5, 6, 7, 3, 8, 9, 10, 9, 3]
    assert types[0] == [0] * 5 + [1] * 5
    ids, of_piece = tokenizer.encode_words(["the", "foxes", "U.S."])
    assert of_piece == [-1, 0, 1, 1, 2, 2, 2, 2, -1]
    assert [tokenizer.starts_word_V[token] for token in (5, 6, 7)] == [True, True, False]


def test_an_older_roberta_vocabulary_is_read(bpe: Tokenizer, tmp_path: Path):
    model = json.loads(bpe.pipeline.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + merges + "\n", encoding="utf-8")
    found = load_tokenizer(tmp_path)
    assert found.encode(["the foxes' friends"], ["a"]) == bpe.encode(["the foxes' friends"], ["a"])


def test_the_positions_that_roberta_never_uses_are_not_counted():
    assert max_tokens(sizes(max_positions=514)) == 512
    assert max_tokens(sizes(family="bert", max_positions=512)) == 512


def test_a_tokenizer_of_another_model_is_rejected_with_every_reason(
    bpe: Tokenizer, unigram: Tokenizer
):
    check_fits(bpe, sizes())
    with pytest.raises(ValueError, match="vocab_size: expected at most 7") as caught:
        check_fits(unigram, sizes(vocab_size=7))
    assert "pad token: expected 1, got 0" in str(caught.value)
    three = dataclasses.replace(unigram, pair_types=3)
    with pytest.raises(ValueError, match="token types of a pair: expected 2, got 3"):
        check_fits(three, sizes(family="bert", type_vocab_size=2))


def test_a_tokenizer_of_one_type_fits_an_encoder_of_two_and_the_other_way_round(
    bpe: Tokenizer, unigram: Tokenizer
):
    check_fits(bpe, sizes(type_vocab_size=2))
    check_fits(bpe, sizes(family="bert", type_vocab_size=2))
    check_fits(unigram, sizes(family="bert", type_vocab_size=1))
    check_fits(unigram, sizes(family="distilbert", type_vocab_size=0))


@given(st.binary(max_size=300))
def test_random_bytes_are_no_tokenizer_and_say_so_in_one_line(tmp_path_factory, content: bytes):
    folder = tmp_path_factory.mktemp("random")
    for name in ("tokenizer.json", "spiece.model"):
        (folder / name).write_bytes(content)
        with pytest.raises(ValueError, match=name) as caught:
            load_tokenizer(folder / name)
        assert "\n" not in str(caught.value)


def test_a_damaged_sentencepiece_model_is_called_that(tmp_path: Path):
    (tmp_path / "a.model").write_bytes(b"damaged" * 9)
    with pytest.raises(ValueError, match=r"a\.model: not a sentencepiece model"):
        load_tokenizer(tmp_path / "a.model")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no tokenizer: expected tokenizer.json, "),
        ({"vocab.json": "{}"}, "no tokenizer: expected tokenizer.json, "),
        ({"vocab.txt": "a", "config.json": "{"}, "config.json: not JSON"),
        ({"tokenizer.json": "{}"}, "tokenizer.json: not a tokenizer"),
        ({"special_tokens_map.json": "{"}, "special_tokens_map.json: not JSON"),
        ({"tokenizer_config.json": "[1]"}, "expected a JSON object, got list"),
        ({"tokenizer_config.json": '{"pad_token": 3}'}, "pad_token: expected a token, got 3"),
    ],
)
def test_a_directory_without_a_whole_tokenizer_is_rejected(tmp_path: Path, files: dict, said: str):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said):
        load_tokenizer(tmp_path)


def test_special_tokens_must_be_there_and_be_used(bpe: Tokenizer, tmp_path: Path):
    bare = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1}, []))
    with pytest.raises(ValueError, match="the tokenizer has no cls_token, sep_token, pad_token"):
        wrap_pipeline(bare, {}, "here")
    spec = json.loads(bpe.pipeline.to_str())
    spec["post_processor"] = None
    plain = tokenizers.Tokenizer.from_str(json.dumps(spec))
    with pytest.raises(ValueError, match="expected every text between <s> and </s>, got 'a b'"):
        wrap_pipeline(plain, {}, "here")
    with pytest.raises(ValueError, match="mask_token: expected a token, got '<blank>'"):
        wrap_pipeline(bpe.pipeline, {"mask_token": "<blank>"}, "here")


@pytest.mark.parametrize("texts", [["a", None], ["a", 3], ["\ud800"]])
def test_what_is_no_text_is_rejected(bpe: Tokenizer, texts: list):
    from jaxtyping import TypeCheckError

    with pytest.raises((ValueError, TypeCheckError)):
        bpe.encode(texts)


def test_the_real_roberta_tokenizer_gives_its_published_ids(shared_data: Path):
    tokenizer = load_tokenizer(shared_data / "tokenizers" / "roberta-base.tokenizer.json")
    # transformers' documentation of RobertaTokenizer
    assert tokenizer.encode(["Hello world", " Hello world"]).ids == [
        [0, 31414, 232, 2],
        [0, 20920, 232, 2],
    ]
    special = (tokenizer.vocab_size, tokenizer.mask_id, tokenizer.special_ids)
    assert special == (50265, 50264, {0, 1, 2, 3, 50264})
    words = ["the", "quick", "fox", ",", "don't", "jump", "."]
    ids, of_piece = tokenizer.encode_words(words)
    assert ids == tokenizer.encode([" " + " ".join(words)]).ids[0]
    assert [tokenizer.pipeline.id_to_token(token) for token in ids[1:4]] == [
        "Ġthe",
        "Ġquick",
        "Ġfox",
    ]
    assert of_piece == [-1, 0, 1, 2, 3, 4, 4, 5, 6, -1]
    assert not tokenizer.starts_word_V[627] and tokenizer.starts_word_V[5]  # "the", "Ġthe"


def test_the_real_roberta_tokenizer_agrees_with_transformers(shared_data: Path, tmp_path: Path):
    from transformers import AutoTokenizer

    data = (shared_data / "tokenizers" / "roberta-base.tokenizer.json").read_bytes()
    (tmp_path / "tokenizer.json").write_bytes(data)
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    theirs = AutoTokenizer.from_pretrained(str(tmp_path))
    texts = [
        json.loads(line)["sentence1"]
        for line in (shared_data / "glue/rte/validation.jsonl").read_text("utf-8").splitlines()
    ]
    assert (
        load_tokenizer(tmp_path).encode(texts, texts[::-1]).ids
        == (theirs(texts, texts[::-1])["input_ids"])
    )


def test_the_real_albert_model_agrees_with_sentencepiece_itself(shared_data: Path):
    import sentencepiece

    path = shared_data / "tokenizers" / "albert-base.spiece.model"
    tokenizer = load_tokenizer(path)
    pieces = sentencepiece.SentencePieceProcessor(str(path))

    def reference(text: str) -> list[int]:
        text = text.replace("``", '"').replace("''", '"')
        letters = unicodedata.normalize("NFKD", text)
        plain = "".join(each for each in letters if not unicodedata.combining(each)).lower()
        return pieces.encode(" ".join(plain.split()))

    texts = ["A well-known man; £5.00 in U.S. dollars (x-y).", "Café naïve 10,000 ``people''"]
    for file in ("glue/rte/validation.jsonl", "sick/validation.jsonl"):
        for line in (shared_data / file).read_text("utf-8").splitlines():
            texts += [value for value in json.loads(line).values() if isinstance(value, str)]
    found = tokenizer.encode(texts).ids
    assert [ids[1:-1] for ids in found] == [reference(text) for text in texts]
    assert {(ids[0], ids[-1]) for ids in found} == {(2, 3)}


def test_the_real_albert_model_gives_golden_ids_and_types(shared_data: Path):
    tokenizer = load_tokenizer(shared_data / "tokenizers" / "albert-base.spiece.model")
    ids, types = tokenizer.encode(["the quick fox"], ["jumps"])
    assert ids == [[2, 14, 2231, 2385, 3, 17659, 3]]
    assert types == [[0, 0, 0, 0, 0, 1, 1]]
    assert (tokenizer.pad_id, tokenizer.mask_id, tokenizer.vocab_size) == (0, 4, 30000)
    assert tokenizer.special_ids == {0, 1, 2, 3, 4}  # no punctuation among them
    ids, of_piece = tokenizer.encode_words(["The", "fox", "(", "jumps", ")"])
    assert ids == tokenizer.encode(["the fox ( jumps )"]).ids[0]
    assert of_piece == [-1, 0, 1, 2, 2, 3, 4, 4, -1]
