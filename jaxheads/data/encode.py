"""Examples of a task to token numbers in flat arrays, in memory or on disk."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import tqdm
from jaxtyping import Bool, Int, Num, UInt8

from jaxheads.config import ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.data.loader import own_part
from jaxheads.data.tasks.examples import SHOWN
from jaxheads.data.tasks.labels import check_readout, class_numbers
from jaxheads.data.tasks.task import Example, Examples
from jaxheads.data.tokens import Encoded, Tokenizer

LOG = logging.getLogger("jaxheads")
CHUNK = 1024  # examples encoded at a time


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedSource:
    """Encoded examples, one after the other in flat arrays, which may lie on disk (`np.memmap`).

    Sequence `s` is `tokens[starts[s]:starts[s + 1]]`. An example is `sentences` sequences in a row:
    1, or 2 for the pair readout, whose batches are `[B, 2, T]`. So are those of a translation: the
    decoder reads the second sentence without its end, and at each token the next one is due.

    Of words that are tagged, `tags` has a label at the first piece of each word and -1 elsewhere.
    Of examples that another process holds there are no tokens here (`encode_task(share=...)`):
    `longest` stands for their length.
    """

    tokens: Int[np.ndarray, "tokens"]
    types: UInt8[np.ndarray, "tokens"]
    starts: Int[np.ndarray, "sequences_and_1"]
    labels: Num[np.ndarray, "N *C"]  # int32 classes, or 0 and 1 for each; float32 scores
    pad_id: int
    sentences: int = 1
    longest: int = 0
    tags: Int[np.ndarray, "tokens"] | None = None
    translates: bool = False

    @property
    def lengths(self) -> Int[np.ndarray, "N"]:
        """How many tokens each example has; of a siamese pair, its longer sentence."""
        return self._lengths

    @functools.cached_property
    def _lengths(self) -> Int[np.ndarray, "N"]:
        own_N = np.diff(self.starts).reshape(-1, self.sentences).max(1)
        return np.where(own_N == 0, self.longest, own_N)

    def first(self, count: int | None) -> EncodedSource:
        """The first `count` examples; all of them without it."""
        if count is None or count >= len(self.labels):
            return self
        starts = self.starts[: count * self.sentences + 1]
        return dataclasses.replace(self, starts=starts, labels=self.labels[:count])

    def rows(
        self, index_B: Int[np.ndarray, "B"], epoch_B: Int[np.ndarray, "B"], length: int
    ) -> Batch:
        """Return the examples `index_B`, the same in every epoch; -1 makes a padding row.

        A padding row has label 0 (-1, of words) and one real token, the first of all.

        Raises:
          ValueError: for an example of another process, or one of more than `length` tokens.
        """
        del epoch_B
        shown = index_B >= 0
        sequence = np.maximum(index_B, 0)[:, None] * self.sentences + np.arange(self.sentences)
        begin = np.where(shown[:, None], self.starts[sequence], 0)
        count = np.where(shown[:, None], self.starts[sequence + 1] - begin, 1)
        if not count.all():
            raise ValueError(f"expected examples of this process, got {index_B[~count.all(1)]}")
        if count.max() > length:
            raise ValueError(f"expected at most {length} tokens, got {count.max()}")
        place = np.arange(length)
        real = place < count[..., None]
        where = np.where(real, begin[..., None] + place, 0)
        tokens = np.where(real, self.tokens[where], self.pad_id)
        types = np.where(real, self.types[where], 0)
        labels = self.labels[np.maximum(index_B, 0)]
        labels[~shown] = 0
        if self.tags is not None:
            labels = np.where(real[:, 0] & shown[:, None], self.tags[where[:, 0]], -1)
        if self.translates:
            read = place < count[:, 1:] - 1
            labels = np.where(read, np.roll(tokens[:, 1], -1, axis=1), -1).astype(np.int32)
            tokens[:, 1] = np.where(read, tokens[:, 1], self.pad_id)
            real[:, 1] = read | (place == 0)
        shape = (len(index_B), *((self.sentences,) if self.sentences > 1 else ()), length)
        return Batch(
            tokens_BT=tokens.reshape(shape).astype(np.int32),
            real_BT=real.reshape(shape),
            types_BT=types.reshape(shape).astype(np.int32),
            labels=labels,
            weight_B=shown.astype(np.float32),
            index_B=index_B.astype(np.int32),
        )


def encode_task(
    tokenizer: Tokenizer,
    examples: Examples,
    readout: ReadoutConfig | None,
    max_length: int,
    *,
    long: Literal["error", "truncate"] = "error",
    scratch: str | Path | None = None,
    share: tuple[int, int] = (0, 1),
    group: int = 1,
) -> EncodedSource:
    """Encode a task's examples as a model takes them, with the numbers that it has for classes.

    Args:
      readout: the model's, whose labels are matched by name with the task's; of a pair readout each
        sentence is encoded by itself. None: sentences of a pair together, and the task's numbers.
      max_length: most tokens of an example, which is cut there with `long="truncate"`.
      scratch: a directory where the tokens lie on disk; with `stream_examples` memory then grows by
        12 to 20 bytes an example and no more. A progress bar shows where stderr is a terminal.
      share, group: as of `loader.batches`: only the examples of that process are encoded; it must
        be told (`longest`) how long the others' are.

    Raises:
      ValueError: for a readout that cannot do the task, or has other labels; for an example of more
        than `max_length` tokens, named by its place, unless `long="truncate"`; for pairs among
        single sentences, and no example.
    """
    if long not in ("error", "truncate"):
        raise ValueError(f"long: expected 'error' or 'truncate', got {long!r}")
    if readout is not None:
        check_readout(examples.task, readout, found=examples.found)
    cut = max_length if long == "truncate" else None
    translates = examples.task.kind == "translate"
    siamese = translates or (readout is not None and readout.kind == "pair")
    encode = functools.partial(_encode_chunk, tokenizer, cut=cut, siamese=siamese)
    if tagged := examples.task.kind == "tag":
        encode = WordEncoder(tokenizer, cut, _numbers(examples, readout))
    writer, labels, problems = RaggedWriter(scratch, tagged=tagged), [], []
    with _progress(examples) as bar:
        for place, chunk in enumerate(_chunks(examples)):
            own_N = own_part(place * CHUNK + np.arange(len(chunk)), share, group)
            own = list(itertools.compress(chunk, own_N))
            encoded = encode(own) if own else Tagged([], [], [])
            problems += _too_long(encoded, own, max_length)
            if len(problems) >= SHOWN:
                break
            writer.write(encoded, np.repeat(own_N, 1 + siamese))
            labels.append(_label_array(examples, readout, chunk))
            bar.update(len(chunk))
    if problems:
        raise ValueError("; ".join((*problems[:SHOWN], "--long truncate cuts them")))
    if not labels:
        raise ValueError("expected at least one example, got none")
    tokens, types, starts, tags = writer.close()
    found = EncodedSource(
        tokens, types, starts, np.concatenate(labels), tokenizer.pad_id, 1 + siamese, tags=tags,
        translates=translates,
    )  # fmt: skip
    _warn_of_left_out(encode, found, tokenizer)
    return dataclasses.replace(found, longest=int(found.lengths.max()))


def _progress(examples: Examples) -> tqdm.tqdm:
    total = len(examples) if isinstance(examples.rows, Sized) else None
    quiet = not sys.stderr.isatty()
    return tqdm.tqdm(total=total, desc="encoding", unit=" examples", disable=quiet)


def _numbers(examples: Examples, readout: ReadoutConfig | None) -> Int[np.ndarray, "C"]:
    """The readout's number of each of the task's classes."""
    if readout is None:
        return np.arange(len(examples.task.labels), dtype=np.int32)
    return np.asarray(class_numbers(examples.task, readout, found=examples.found), np.int32)


def _label_array(
    examples: Examples, readout: ReadoutConfig | None, chunk: Sequence[Example]
) -> Num[np.ndarray, "N *C"]:
    """The labels of some examples, as the readout numbers the classes."""
    labels, kind = [example.label for example in chunk], examples.task.kind
    if kind == "regress":
        return np.asarray(labels, np.float32)
    if kind == "tag" or not examples.task.labels:
        return np.zeros(len(chunk), np.int32)
    number_C = _numbers(examples, readout)
    if kind == "classify":
        return number_C[np.asarray(labels)]
    width = len(number_C) if readout is None else len(readout.labels)
    several_NC = np.zeros((len(chunk), width), np.int32)
    for row, label in enumerate(labels):
        several_NC[row, number_C[list(label or ())]] = 1
    return several_NC


class Tagged(NamedTuple):
    """Token numbers and types of sentences, and the label of the word that each token opens."""

    ids: list[list[int]]
    types: list[list[int]]
    tags: list[list[int]]


class WordEncoder:
    """Encodes sentences word by word, and counts the words that get no label.

    Those are cut with the end of a long sentence, or have no piece, as control characters.
    """

    def __init__(
        self, tokenizer: Tokenizer, cut: int | None, number_C: Int[np.ndarray, "C"]
    ) -> None:
        self.tokenizer, self.cut, self.number_C = tokenizer, cut, number_C
        self.words = self.left_out = 0

    def __call__(self, chunk: Sequence[Example]) -> Tagged:
        """Encode some sentences."""
        found = Tagged([], [], [])
        for example in chunk:
            ids, tags = self._encode(example)
            found.ids.append(ids)
            found.types.append([0] * len(ids))
            found.tags.append(tags)
        return found

    def _encode(self, example: Example) -> tuple[list[int], list[int]]:
        try:
            ids, of_piece = self.tokenizer.encode_words(example.first)
        except ValueError as error:
            raise ValueError(f"{example.place}: {error}") from error
        if self.cut is not None and len(ids) > self.cut:
            ids, of_piece = [*ids[: self.cut - 1], ids[-1]], [*of_piece[: self.cut - 1], -1]
        tags, before = [], -1
        for word in of_piece:
            opens = word >= 0 and word != before
            tags.append(int(self.number_C[example.label[word]]) if opens and example.label else -1)
            self.left_out -= opens
            before = word
        self.words, self.left_out = (n + len(example.first) for n in (self.words, self.left_out))
        return ids, tags


def _warn_of_left_out(encode: object, found: EncodedSource, tokenizer: Tokenizer) -> None:
    if isinstance(encode, WordEncoder) and encode.left_out:
        LOG.warning("%d of %d words were cut or have no piece", encode.left_out, encode.words)
    unknown = tokenizer.pipeline.token_to_id(tokenizer.names.get("unk_token", ""))
    if found.translates and (count := int((found.tokens == unknown).sum())):
        said = "%d of %d pieces have characters that the vocabulary lacks"
        LOG.warning(said, count, len(found.tokens))


class RaggedWriter:
    """Collects sequences of token numbers, types and maybe tags, in memory or in files."""

    def __init__(self, scratch: str | Path | None, *, tagged: bool = False) -> None:
        names = [("tokens", np.int32), ("types", np.uint8), ("tags", np.int32)][: 2 + tagged]
        self.kinds = [np.dtype(kind) for _, kind in names]
        self.parts: list[list[np.ndarray]] = [[] for _ in self.kinds]
        self.counts: list[np.ndarray] = [np.zeros(1, np.int64)]
        self.files: list[Path] = []
        if scratch is not None:
            Path(scratch).mkdir(parents=True, exist_ok=True)
            self.files = [Path(scratch, f"{name}.{np.dtype(kind)}") for name, kind in names]
            for file in self.files:
                file.write_bytes(b"")

    def write(
        self, encoded: Encoded | Tagged, here: Bool[np.ndarray, "sequences"] | None = None
    ) -> None:
        """Append sequences; with `here` room without tokens for those that are not."""
        counts = np.asarray([len(ids) for ids in encoded.ids], np.int64)
        if here is not None:
            every = np.zeros(len(here), np.int64)
            every[here] = counts
            counts = every
        self.counts.append(counts)
        for place, (kind, lists) in enumerate(zip(self.kinds, encoded, strict=False)):
            array = np.fromiter(itertools.chain.from_iterable(lists), kind)
            if not self.files:
                self.parts[place].append(array)
                continue
            with self.files[place].open("ab") as end:
                array.tofile(end)

    def close(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Return all tokens, all types, where each sequence starts, the end included, and tags."""
        starts = np.cumsum(np.concatenate(self.counts))
        if not starts[-1]:  # a process without examples, which makes padding rows all the same
            found = [np.zeros(1, kind) for kind in self.kinds]
        elif self.files:
            kinds = zip(self.files, self.kinds, strict=True)
            found = [np.memmap(file, kind, "r") for file, kind in kinds]
        else:
            found = [np.concatenate(parts) for parts in self.parts]
        return found[0], found[1], starts, found[2] if len(found) > 2 else None


def _encode_chunk(
    tokenizer: Tokenizer, chunk: list[Example], *, cut: int | None, siamese: bool
) -> Encoded:
    """Encode some examples: one sequence each, or two in a row each."""
    firsts, seconds = [example.text for example in chunk], [example.second for example in chunk]
    texts = [text for text in seconds if text is not None]
    if texts and len(texts) < len(chunk):
        raise ValueError("expected pairs or single sentences, got both")
    if siamese:
        return tokenizer.encode_pairs(firsts, texts, cut)
    return tokenizer.encode(firsts, texts or None, cut)


def _too_long(encoded: Encoded | Tagged, chunk: list[Example], max_length: int) -> list[str]:
    each = len(encoded.ids) // max(len(chunk), 1)
    return [
        f"{chunk[index // each].place}: expected at most {max_length} tokens, got {len(ids)}"
        for index, ids in enumerate(encoded.ids)
        if len(ids) > max_length
    ]


def _chunks(examples: Iterable[Example]) -> Iterator[list[Example]]:
    rest = iter(examples)
    while chunk := list(itertools.islice(rest, CHUNK)):
        yield chunk
