"""Text to token numbers and back to words: the one place that knows a tokenizer library.

A directory's `tokenizer.json` is read as it stands. The files of older checkpoints (`vocab.txt`,
`vocab.json` with `merges.txt`, `spiece.model`) go through transformers' AutoTokenizer once. What
transformers 5 changed without a word cannot happen here, because only the pipeline itself is kept:

- token types always come with a pair (AutoTokenizer no longer returns ALBERT's);
- words given one by one get RoBERTa's leading space, and the result is checked;
- the pipeline of `tokenizer.json` is not rebuilt from a class's defaults;
- ALBERT's punctuation is not cut out of words before `spiece.model` sees it ("U.S." became
  "▁u . ▁ s ." instead of "▁u . s ."; a quarter of everyday sentences changed).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tokenizers
from jaxtyping import Bool

from jaxheads.config import EncoderConfig
from jaxheads.data import pipelines
from jaxheads.data.pipelines import TOKENIZER_FILES
from jaxheads.data.translation.sides import NAMES, Sides, has_sides, read_sides
from jaxheads.storage import hub
from jaxheads.storage.files import write_atomically

LOG = logging.getLogger("jaxheads")
# what checkpoints call their special tokens, where the files do not say
USUAL_NAMES = {
    "cls_token": ("<s>", "[CLS]"),
    "sep_token": ("</s>", "[SEP]"),
    "pad_token": ("<pad>", "[PAD]"),
    "unk_token": ("<unk>", "[UNK]"),
    "mask_token": ("<mask>", "[MASK]"),
}


class Encoded(NamedTuple):
    """Token numbers and token types (0 and 1: first and second sentence) of each text."""

    ids: list[list[int]]
    types: list[list[int]]


class EncodedWords(NamedTuple):
    """Token numbers of one sentence, and for each the index of its word (-1: special token)."""

    ids: list[int]
    word_of_piece: list[int]

    def dropped(self, words: Sequence[str]) -> list[int]:
        """Return the indices of the words that have no piece at all (`""`, control characters)."""
        return sorted(set(range(len(words))) - set(self.word_of_piece))


@dataclasses.dataclass(frozen=True, eq=False)
class Tokenizer:
    """A tokenizer pipeline and the numbers of its special tokens."""

    pipeline: tokenizers.Tokenizer
    names: dict[str, str]  # "cls_token": "<s>"; cls, sep and pad are always there
    vocab_size: int  # one more than the largest token number
    pair_types: int  # how many token types a pair of sentences has: 2, or RoBERTa's 1
    cls_id: int
    sep_id: int
    pad_id: int
    mask_id: int | None
    special_ids: frozenset[int]  # everything that masked LM must leave alone
    sides: Sides | None = None  # of a translation: what cuts text, in the place of the pipeline

    def encode(
        self,
        texts: Sequence[str],
        seconds: Sequence[str] | None = None,
        max_length: int | None = None,
    ) -> Encoded:
        """Encode sentences, or pairs of sentences, with their special tokens.

        Nothing is cut unless `max_length` is given; then the longer sentence of a pair loses its
        end first, as the `longest_first` rule of the GLUE scripts.

        Raises:
          ValueError: for what is no text, a `max_length` without room for a token of each
            sentence, or a tokenizer that has a side for sources and one for targets.
        """
        if self.sides is not None:
            raise ValueError(f"{self.sides.where}: expected pairs to translate, got other texts")
        _check_texts(texts if seconds is None else [*texts, *seconds])
        inputs = texts if seconds is None else list(zip(texts, seconds, strict=True))
        if max_length is not None:
            pair = seconds is not None
            least = self.pipeline.num_special_tokens_to_add(pair) + 1 + pair
            if max_length < least:
                raise ValueError(f"max_length: expected at least {least} tokens, got {max_length}")
            self.pipeline.enable_truncation(max_length, strategy="longest_first")
        try:
            found = self.pipeline.encode_batch(list(inputs))
        finally:
            self.pipeline.no_truncation()
        return Encoded([each.ids for each in found], [each.type_ids for each in found])

    def encode_pairs(
        self, sources: Sequence[str], targets: Sequence[str], max_length: int | None = None
    ) -> Encoded:
        """Encode each source and its target in turn, as two sentences.

        Raises:
          ValueError: as `encode`.
        """
        texts = [text for pair in zip(sources, targets, strict=True) for text in pair]
        if self.sides is None:
            return self.encode(texts, None, max_length)
        _check_texts(texts)
        ids = self.sides.encode(sources, targets, max_length)
        return Encoded(ids, [[0] * len(each) for each in ids])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token numbers, without special tokens."""
        if self.sides is not None:
            return self.sides.decode(ids)
        return self.pipeline.decode(ids, skip_special_tokens=True)

    def encode_words(self, words: Sequence[str]) -> EncodedWords:
        """Encode a sentence given word by word, each word as it would be after a space.

        Raises:
          ValueError: for what is no text, or a word whose first piece lacks the mark of a word's
            start.
        """
        _check_texts(words)
        found = self._word_pipeline.encode(list(words), is_pretokenized=True)
        of_piece = [-1 if word is None else word for word in found.word_ids]
        starts = self.starts_word_V
        for place, (token, word) in enumerate(zip(found.ids, of_piece, strict=True)):
            opens = word >= 0 and (place == 0 or of_piece[place - 1] != word)
            if opens and not starts[token]:
                raise ValueError(
                    f"word {word}, {words[word]!r}: expected a first piece with the mark of a "
                    f"word's start, got {found.tokens[place]!r}"
                )
        return EncodedWords(found.ids, of_piece)

    @functools.cached_property
    def starts_word_V(self) -> Bool[np.ndarray, "V"]:
        """Which tokens open a word: their piece has the space before it, or they were added.

        Raises:
          ValueError: for a tokenizer whose pieces do not tell where words start.
        """
        mark = pipelines.word_mark(json.loads(self.pipeline.to_str()))
        starts = np.zeros(self.vocab_size, bool)
        for piece, token in self.pipeline.get_vocab().items():
            starts[token] = piece.startswith(mark.text) == mark.opens
        starts[list(self.special_ids | self.pipeline.get_added_tokens_decoder().keys())] = True
        return starts

    @functools.cached_property
    def _word_pipeline(self) -> tokenizers.Tokenizer:
        """The pipeline for words given one by one: a space is put before each, the first too."""
        spec = json.loads(self.pipeline.to_str())
        for step in pipelines.steps_of(spec["pre_tokenizer"]):
            if step["type"] == "ByteLevel":
                step["add_prefix_space"] = True
            if step["type"] == "Metaspace":
                step["prepend_scheme"] = "always"
        return tokenizers.Tokenizer.from_str(json.dumps(spec))

    def save(self, directory: str | Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, which transformers opens too.

        The class named in the latter makes transformers 4 and 5 take the pipeline as it is. Sides
        are written as they were read.
        """
        if self.sides is not None:
            self.sides.save(Path(directory))
            return
        inputs = ["input_ids", "token_type_ids", "attention_mask"]
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": inputs if self.pair_types > 1 else [inputs[0], inputs[2]],
            **self.names,
        }
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        with write_atomically(directory / "tokenizer.json") as draft:
            draft.write_text(self.pipeline.to_str(), encoding="utf-8")
        with write_atomically(directory / "tokenizer_config.json") as draft:
            draft.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_tokenizer(source: str | Path) -> Tokenizer:
    """Load a tokenizer from a directory, a `tokenizer.json`, a `spiece.model`, or the Hub by name.

    Local sources need no network.

    Raises:
      ValueError: for missing or damaged files, and within 2 s for a name that the Hub does not
        know, or that cannot be looked up.
    """
    path = Path(source).expanduser()
    if path.is_file() and path.suffix in (".json", ".model"):
        return wrap_pipeline(pipelines.read_file(path), {}, str(path))
    if path.is_file():
        raise ValueError(f"{source}: expected a tokenizer.json or spiece.model, got {path.name}")
    directory = hub.fetch_model_dir(source, TOKENIZER_FILES)
    if not (directory / "tokenizer.json").is_file() and has_sides(directory):
        sides = read_sides(directory)
        found = wrap_pipeline(sides.pipeline(), NAMES, str(directory), 1)
        return dataclasses.replace(found, sides=sides)
    names, separators = _read_names(directory), pipelines.separators_of(directory)
    pipeline = pipelines.read_pipeline(directory)
    return wrap_pipeline(pipeline, names, str(directory), separators)


def wrap_pipeline(
    pipeline: tokenizers.Tokenizer, names: dict[str, str], where: str, separators: int | None = None
) -> Tokenizer:
    """Check a pipeline and find its special tokens; `names` are those that its files give.

    A pipeline that adds none itself gets them as its class does, with so many `separators` between
    two sentences.

    Raises:
      ValueError: for special tokens that are missing, or do not stand around every text.
    """
    pipeline.no_padding()  # some published files (all-MiniLM) pad and cut by themselves
    pipeline.no_truncation()
    vocab = pipeline.get_vocab()
    names = {role: name for role in USUAL_NAMES if (name := _name_of(role, vocab, names, where))}
    missing = [role for role in ("cls_token", "sep_token", "pad_token") if role not in names]
    if missing:
        raise ValueError(f"{where}: the tokenizer has no {', '.join(missing)}")
    if separators and not pipeline.num_special_tokens_to_add(is_pair=False):
        cls, sep = names["cls_token"], names["sep_token"]
        pipelines.add_special_tokens(pipeline, separators, cls, sep)
    pair = pipeline.encode("a", "b")
    if not pair.tokens or (pair.tokens[0], pair.tokens[-1]) != (
        names["cls_token"],
        names["sep_token"],
    ):
        raise ValueError(
            f"{where}: expected every text between {names['cls_token']} and {names['sep_token']}, "
            f"got {' '.join(pair.tokens)!r}; tokenizer.json needs a post_processor that adds them, "
            "or tokenizer_config.json a tokenizer_class that does (RobertaTokenizer)"
        )
    added = pipeline.get_added_tokens_decoder().items()
    special = {token for token, each in added if each.special}
    _warn_of_case(pipeline, vocab.keys() - {each.content for _, each in added}, where)
    return Tokenizer(
        pipeline=pipeline,
        names=names,
        vocab_size=max(vocab.values()) + 1,
        pair_types=max(pair.type_ids) + 1,
        cls_id=vocab[names["cls_token"]],
        sep_id=vocab[names["sep_token"]],
        pad_id=vocab[names["pad_token"]],
        mask_id=vocab[names["mask_token"]] if "mask_token" in names else None,
        special_ids=frozenset(special | {vocab[name] for name in names.values()}),
    )


def _warn_of_case(pipeline: tokenizers.Tokenizer, pieces: Collection[str], where: str) -> None:
    lowers = pipeline.normalizer is not None and pipeline.normalizer.normalize_str("A") == "a"
    if lowers and (share := pipelines.share_of_capitals(pieces)) > pipelines.CAPITALS:
        said = (
            "%s: text is lower-cased, but %.0f%% of the pieces have capitals, which nothing reaches"
        )
        LOG.warning(said, where, 100 * share)


def max_tokens(config: EncoderConfig) -> int:
    """How many tokens an encoder can read: its positions, less those that no token has.

    The tokenizer's own `model_max_length` is not asked: v5 files often lack it or hold 1e30.
    """
    return config.max_positions - config.first_position


def check_fits(tokenizer: Tokenizer, config: EncoderConfig) -> None:
    """Check that a tokenizer can belong to an encoder.

    Raises:
      ValueError: names every mismatch.
    """
    problems = []
    if tokenizer.vocab_size > config.vocab_size:
        problems.append(
            f"vocab_size: expected at most {config.vocab_size}, got {tokenizer.vocab_size}"
        )
    if config.positions_after_pad and tokenizer.pad_id != config.pad_token_id:
        problems.append(f"pad token: expected {config.pad_token_id}, got {tokenizer.pad_id}")
    ends = (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id)
    due = (config.start_token_id, config.eos_token_id, config.pad_token_id)
    if config.decoder_layers and ends != due:
        problems.append(f"start, end and padding: expected {list(due)}, got {list(ends)}")
    types = config.type_vocab_size
    if types > 1 and tokenizer.pair_types > types:  # an encoder of one type or none asks for none
        problems.append(f"token types of a pair: expected {types}, got {tokenizer.pair_types}")
    if problems:
        raise ValueError("the tokenizer does not fit the encoder: " + "; ".join(problems))


def _check_texts(texts: Sequence[str]) -> None:
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"text {index}: expected a string, got {type(text).__name__}")
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            raise ValueError(f"text {index}: a lone surrogate is no text, got {text!r:.60}")


def _read_names(directory: Path) -> dict[str, str]:
    """The special tokens that a directory's files name; `tokenizer_config.json` goes first."""
    names: dict[str, str] = {}
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        path = directory / file
        try:
            entries = json.loads(path.read_bytes()) if path.is_file() else {}
        except ValueError as error:
            raise ValueError(f"{path}: not JSON: {error}") from error
        if not isinstance(entries, dict):
            raise ValueError(f"{path}: expected a JSON object, got {type(entries).__name__}")
        for role in USUAL_NAMES.keys() & entries.keys():
            value = entries[role]
            value = value.get("content") if isinstance(value, dict) else value
            if not isinstance(value, str | None):
                raise ValueError(f"{path}: {role}: expected a token, got {value!r}")
            names |= {role: value} if value else {}
    return names


def _name_of(role: str, vocab: dict[str, int], names: dict[str, str], where: str) -> str | None:
    """The special token that plays a role, if the vocabulary has it; the usual one by default."""
    if role in names and names[role] not in vocab:
        raise ValueError(f"{where}: {role}: expected a token, got {names[role]!r}, which is none")
    wanted = (names[role],) if role in names else USUAL_NAMES[role]
    return next((name for name in wanted if name in vocab), None)


def check_length(config: EncoderConfig, length: int) -> int:
    """`length`, or the most tokens that the encoder reads, if that is less."""
    return min(length, max_tokens(config))
