"""Masked language modelling: paragraphs to blocks of tokens, and which of them are predicted.

BERT's recipe: 15% of the tokens are predicted; of these 80% are shown as the mask token, 10% as a
random token and 10% as they are. Which ones is a hash of (seed, epoch, block, place): the same for
any batch size, order, number of processes and numpy release, with nothing to store or resume.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from jaxheads.data.batch import Batch
from jaxheads.data.encode import EncodedSource, RaggedWriter
from jaxheads.data.tokens import Encoded, Tokenizer

CHUNK = 256  # paragraphs encoded at a time
SHOWN_AS_MASK, SHOWN_AS_RANDOM = 0.8, 0.1


def encode_blocks(
    tokenizer: Tokenizer, texts: Iterable[str], length: int, *, limit: int | None = None
) -> EncodedSource:
    """Pack paragraphs into blocks of `length` tokens: cls, text, sep, text, ..., sep.

    Nothing is lost or padded but in the last block, which may be shorter (RoBERTa's FULL-SENTENCES
    packing; paragraphs go on in the next block). Labels are zeros. With a limit only the first
    blocks are made, and no more text is read than they need, but for a chunk.

    Raises:
      ValueError: for a length below 3, or no text.
    """
    room = length - 2
    if room < 1:
        raise ValueError(f"length: expected at least 3 tokens, got {length}")
    writer = RaggedWriter(None)
    count = 0
    for block in itertools.islice(_blocks(_stream(tokenizer, texts), room), limit):
        ids = [tokenizer.cls_id, *block, tokenizer.sep_id]
        writer.write(Encoded([ids], [[0] * len(ids)]))
        count += 1
    if not count:
        raise ValueError("expected at least one paragraph with text, got none")
    tokens, types, starts, _ = writer.close()
    return EncodedSource(tokens, types, starts, np.zeros(count, np.int32), tokenizer.pad_id)


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedSource:
    """Blocks of tokens of which some are predicted: other ones in each epoch, unless `fixed`.

    Every row has `predictions` slots; those that a row does not need have label -1. `fixed` gives a
    block the same masks in every epoch, as scoring and evaluation need it.
    """

    blocks: EncodedSource
    length: int  # padded length, the same for every block
    seed: int
    rate: float
    predictions: int  # P
    mask_id: int
    ordinary_V: Int[np.ndarray, "ordinary"]  # tokens that are not special
    special_V: Bool[np.ndarray, "V"]
    opens_V: Bool[np.ndarray, "V"] | None  # which tokens open a word; None: mask single tokens
    fixed: bool

    @property
    def lengths(self) -> Int[np.ndarray, "N"]:
        """How many tokens each block has once padded: all of them the same."""
        return self._lengths

    @functools.cached_property
    def _lengths(self) -> Int[np.ndarray, "N"]:
        return np.full(len(self.blocks.labels), self.length)

    def first(self, count: int | None) -> MaskedSource:
        """The first `count` blocks; all of them without it."""
        return dataclasses.replace(self, blocks=self.blocks.first(count))

    def rows(
        self, index_B: Int[np.ndarray, "B"], epoch_B: Int[np.ndarray, "B"], length: int
    ) -> Batch:
        """Return the blocks `index_B` as they are shown in `epoch_B`, and what is hidden there."""
        batch = self.blocks.rows(index_B, epoch_B, length)
        tokens_BT = np.asarray(batch.tokens_BT)
        maskable_BT = np.asarray(batch.real_BT) & ~self.special_V[tokens_BT]
        maskable_BT &= np.asarray(batch.weight_B)[:, None] > 0
        bits_B = _hash(np.zeros_like(index_B) if self.fixed else epoch_B, self.seed)
        bits_B = _hash(index_B, bits_B)
        choose_BT, show_BT, which_BT = (
            _uniform(_hash(np.arange(length), _hash(stream, bits_B)[:, None]))
            for stream in range(3)
        )
        if self.opens_V is not None:
            choose_BT = _one_draw_a_word(choose_BT, self.opens_V[tokens_BT])
        where_BP, used_BP = self._choose(choose_BT, maskable_BT)
        taken = np.take_along_axis(tokens_BT, where_BP, 1)
        show, which = (np.take_along_axis(draw, where_BP, 1) for draw in (show_BT, which_BT))
        other = self.ordinary_V[(which * len(self.ordinary_V)).astype(np.int64)]
        shown = np.where(show < SHOWN_AS_MASK + SHOWN_AS_RANDOM, other, taken)
        shown = np.where(show < SHOWN_AS_MASK, self.mask_id, shown)
        masked_BT = tokens_BT.copy()
        row, slot = np.nonzero(used_BP)
        masked_BT[row, where_BP[row, slot]] = shown[row, slot]
        return batch._replace(
            tokens_BT=masked_BT,
            labels=np.where(used_BP, taken, -1).astype(np.int32),
            where_BP=np.where(used_BP, where_BP, 0).astype(np.int32),
        )

    def _choose(
        self, choose_BT: Float[np.ndarray, "B T"], maskable_BT: Bool[np.ndarray, "B T"]
    ) -> tuple[Int[np.ndarray, "B P"], Bool[np.ndarray, "B P"]]:
        """Take `rate` of the maskable tokens, at least 1, at most P; whole words where asked.

        Returns positions, ascending, and which slots are used.
        """
        length = choose_BT.shape[1]
        slots = min(self.predictions, length)
        many_B = maskable_BT.sum(1)
        wanted_B = np.clip(np.round(self.rate * many_B).astype(int), 1, slots)
        wanted_B = np.minimum(wanted_B, many_B)
        draw_BT = np.where(maskable_BT, choose_BT, 2.0)
        order_BT = np.argsort(draw_BT, 1, kind="stable")
        if self.opens_V is None:
            taken_BT = np.arange(length) < wanted_B[:, None]
        else:
            taken_BT = _take_words(np.take_along_axis(draw_BT, order_BT, 1), wanted_B)
        where_BP = np.sort(np.where(taken_BT, order_BT, length), 1)[:, :slots]
        used_BP = where_BP < length
        spare = ((0, 0), (0, self.predictions - slots))
        return np.pad(np.where(used_BP, where_BP, 0), spare), np.pad(used_BP, spare)


def mask_blocks(
    blocks: EncodedSource,
    tokenizer: Tokenizer,
    *,
    length: int,
    seed: int,
    rate: float = 0.15,
    whole_words: bool = False,
    fixed: bool = False,
) -> MaskedSource:
    """Make a masked LM source of blocks, with `P = rate * length` slots a row.

    A word, where `whole_words` are masked, is what stands between spaces (BERT's own tokenizer also
    parts punctuation off). Special tokens are never predicted, nor drawn as random ones.

    Raises:
      ValueError: for a tokenizer without a mask token, a rate outside (0, 1), or blocks longer than
        `length`.
    """
    if tokenizer.mask_id is None:
        raise ValueError("the tokenizer has no mask token, which masked LM needs")
    if not 0 < rate < 1:
        raise ValueError(f"rate: expected a share between 0 and 1, got {rate}")
    if length < blocks.lengths.max():
        raise ValueError(f"length: expected at least {blocks.lengths.max()} tokens, got {length}")
    special_V = np.zeros(tokenizer.vocab_size, bool)
    special_V[list(tokenizer.special_ids)] = True
    return MaskedSource(
        blocks=blocks,
        length=length,
        seed=seed,
        rate=rate,
        predictions=max(1, round(rate * length)),
        mask_id=tokenizer.mask_id,
        ordinary_V=np.flatnonzero(~special_V),
        special_V=special_V,
        opens_V=tokenizer.starts_word_V if whole_words else None,
        fixed=fixed,
    )


def _stream(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[int]:
    """Yield the tokens of all texts in a row, a separator between them."""
    rest = iter(texts)
    first = True
    while chunk := list(itertools.islice(rest, CHUNK)):
        for ids in tokenizer.encode(chunk).ids:
            if len(ids) > 2:
                yield from ids[1:-1] if first else [tokenizer.sep_id, *ids[1:-1]]
                first = False


def _blocks(stream: Iterator[int], size: int) -> Iterator[list[int]]:
    while block := list(itertools.islice(stream, size)):
        yield block


def _one_draw_a_word(
    draw_BT: Float[np.ndarray, "B T"], opens_BT: Bool[np.ndarray, "B T"]
) -> Float[np.ndarray, "B T"]:
    """Give every token of a word the draw of its first."""
    place = np.arange(draw_BT.shape[1])
    first_BT = np.maximum.accumulate(np.where(opens_BT, place, 0), 1)
    return np.take_along_axis(draw_BT, first_BT, 1)


def _take_words(
    draw_BT: Float[np.ndarray, "B T"], wanted_B: Int[np.ndarray, "B"]
) -> Bool[np.ndarray, "B T"]:
    """Take words in the order of their draws, passing over each that exceeds the number wanted.

    `draw_BT` is sorted; a word's tokens have the same draw, and what cannot be taken has 2. Where
    no word fits, the first is taken in part. This is the rule of BERT's create_pretraining_data.
    """
    count, length = draw_BT.shape
    opens_BT = np.diff(draw_BT, axis=1, prepend=-1.0) != 0
    word_BT = np.cumsum(opens_BT, 1) - 1
    size_BW = np.zeros((count, length), int)
    np.add.at(size_BW, (np.arange(count)[:, None], word_BT), draw_BT < 2)
    fits_BW = np.zeros((count, length), bool)
    left_B = wanted_B.copy()
    for word in range(length):
        fits_BW[:, word] = size_BW[:, word] <= left_B
        left_B -= np.where(fits_BW[:, word], size_BW[:, word], 0)
    taken_BT = np.take_along_axis(fits_BW, word_BT, 1) & (draw_BT < 2)
    first_BT = np.arange(length) < wanted_B[:, None]
    return np.where(taken_BT.any(1, keepdims=True), taken_BT, first_BT)


def _hash(values: np.ndarray | int, key: np.ndarray | int) -> UInt64[np.ndarray, "*shape"]:
    """Mix numbers into a key: the finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        bits = np.asarray(values).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = bits + np.asarray(key).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))


def _uniform(bits: UInt64[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """53 bits to numbers in [0, 1)."""
    return (bits >> np.uint64(11)) * 2.0**-53
