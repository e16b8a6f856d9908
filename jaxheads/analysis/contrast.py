"""Heads that look at the edited word of a funny headline, after Peyrard et al. (2021).

A sentence comes as the attention of all heads over its tokens, special tokens included and padding
not, with the word of each token (`EncodedWords.word_of_piece`; -1: special). A word gets the sum of
its pieces' weights; the published code takes the word's number for a token's, which is wrong as
soon as a word has two pieces. A corpus is streamed: each sentence leaves a few numbers a head.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxheads.analysis.distances import check_attention, jensen_shannon
from jaxheads.analysis.sums import Sums, group_sums, grouped

# -- one sentence


class Looked(NamedTuple):
    """The mean attention that a word gets: an edited one, or one of the others."""

    edited_LH: Float[np.ndarray, "L H"]
    other_LH: Float[np.ndarray, "L H"]


def received(
    attention: Float[np.ndarray, "*sentences T T"], queries: str = "all"
) -> Float[np.ndarray, "*sentences T"]:
    """The attention that each token gets, the mean over the query rows.

    `queries` are "all" tokens, special ones too, or the "first" token alone.

    Raises:
      ValueError: for unknown queries, and weights that are negative or not finite.
    """
    rows = {"all": slice(None), "first": slice(1)}
    if queries not in rows:
        raise ValueError(f"queries: expected one of {', '.join(rows)}, got {queries!r}")
    check_attention(attention)
    return attention[..., rows[queries], :].mean(-2, dtype=np.float64)


def word_weights(
    weight_LHT: Float[np.ndarray, "L H T"], word_of_piece: Sequence[int]
) -> Float[np.ndarray, "L H N"]:
    """What each of N words gets: the sum over its pieces; 0 without a piece.

    Raises:
      ValueError: for weights of another length, and where there is no word.
    """
    owner_T = np.asarray(word_of_piece)
    if weight_LHT.shape[2:] != owner_T.shape or not (owner_T >= 0).any():
        raise ValueError(
            f"attention: expected weights of {len(owner_T)} tokens, words among them, "
            f"got {weight_LHT.shape[2:]}"
        )
    return weight_LHT @ (owner_T[:, None] == np.arange(owner_T.max() + 1))


def looked(weight_LHN: Float[np.ndarray, "L H N"], edited: Collection[int]) -> Looked:
    """The mean weight of the edited words, and of the other words.

    Raises:
      ValueError: unless some words are edited and others not.
    """
    words = weight_LHN.shape[-1]
    is_edited_N = np.isin(np.arange(words), list(edited))
    if is_edited_N.all() or is_edited_N.sum() != len(set(edited)) or not edited:
        raise ValueError(f"edited: expected some of the words 0 to {words - 1}, got {list(edited)}")
    return Looked(weight_LHN[..., is_edited_N].mean(-1), weight_LHN[..., ~is_edited_N].mean(-1))


PLACES = ("first word", "last word", "other words", "special tokens")


def place_weights(
    weight_LHT: Float[np.ndarray, "L H T"], word_of_piece: Sequence[int]
) -> dict[str, Float[np.ndarray, "L H"]]:
    """What the first word gets, the last, another one and a special token, each on average.

    After the paper's Fig. 3, where places are those of pieces. The word of a sentence of one word
    is its first and its last; without words in between, or special tokens, these are not named.
    """
    weight_LHN = word_weights(weight_LHT, word_of_piece)
    special_LHS = weight_LHT[..., np.asarray(word_of_piece) < 0]
    parts = (weight_LHN[..., :1], weight_LHN[..., -1:], weight_LHN[..., 1:-1], special_LHS)
    named = zip(PLACES, parts, strict=True)
    return {name: part.mean(-1) for name, part in named if part.shape[-1]}


# -- the four maps and the contrast


class FourMaps(NamedTuple):
    """Mean attention over pairs (maps a to d of the paper). The contrast is (a - b) - (c - d)."""

    edited_funny_LH: Float[np.ndarray, "L H"]
    other_funny_LH: Float[np.ndarray, "L H"]
    edited_serious_LH: Float[np.ndarray, "L H"]
    other_serious_LH: Float[np.ndarray, "L H"]


class Contrasts(NamedTuple):
    """The four numbers of each of X pairs and each head."""

    edited_funny: Float[np.ndarray, "X L H"]
    other_funny: Float[np.ndarray, "X L H"]
    edited_serious: Float[np.ndarray, "X L H"]
    other_serious: Float[np.ndarray, "X L H"]

    def maps(self) -> FourMaps:
        """The means over pairs."""
        return FourMaps(*(side.mean(0) for side in self))

    def contrast(self) -> Float[np.ndarray, "X L H"]:
        """How much more the edited word gets than others when funny, than when serious."""
        funny = self.edited_funny - self.other_funny
        return funny - (self.edited_serious - self.other_serious)


def gather_pairs(pairs: Sequence[tuple[Looked, Looked]]) -> Contrasts:
    """Put the (funny, serious) sides of pairs together.

    Raises:
      ValueError: for no pair.
    """
    if not pairs:
        raise ValueError("contrast: expected at least one pair, got none")
    return Contrasts(*(np.stack(side) for side in zip(*((*a, *b) for a, b in pairs), strict=True)))


# -- tests


def sign_flip_p_values(
    value_XLH: Float[np.ndarray, "X L H"], *, permutations: int = 9999, seed: int = 0
) -> Float[np.ndarray, "L H"]:
    """One-sided p-values that the mean is above 0, by flipping the signs of whole pairs.

    If it does not matter which side of a pair is funny, a contrast is as likely as its negative.
    Pairs that share a headline are to be summed first (`group_sums`) and flip together. The same
    flips for all heads; the observed signs are counted among them.

    Raises:
      ValueError: where the least p-value, corrected for so many heads, could not reach 0.05.
    """
    pairs, heads = len(value_XLH), value_XLH[0].size
    if (permutations + 1) * 0.05 < heads:
        raise ValueError(
            f"permutations: expected at least {20 * heads - 1} to test {heads} heads at 0.05, "
            f"got {permutations}"
        )
    flat_XN = value_XLH.reshape(pairs, heads)
    rng = np.random.default_rng(seed)
    least = flat_XN.sum(0) - 1e-12 * np.abs(flat_XN).sum(0)  # equal but for rounding
    as_far_N = np.ones(heads)
    for start in range(0, permutations, 1000):
        count = min(1000, permutations - start)
        signs = rng.integers(0, 2, (count, pairs)) * 2.0 - 1
        as_far_N += (signs @ flat_XN >= least).sum(0)
    return (as_far_N / (permutations + 1)).reshape(value_XLH.shape[1:])


def holm(p_value_LH: Float[np.ndarray, "L H"]) -> Float[np.ndarray, "L H"]:
    """P-values corrected for testing all heads (Holm 1979): below alpha, rejected at alpha."""
    flat = p_value_LH.ravel()
    order = np.argsort(flat, kind="stable")
    stepped = np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1))
    corrected = np.empty_like(flat)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.reshape(p_value_LH.shape)


class FoundHead(NamedTuple):
    """The head of the greatest contrast on validation, and its contrast on the test pairs.

    `p_value` is for this head alone, which the test pairs had no part in choosing; `holm_LH` are
    those of all heads on the test pairs, corrected.
    """

    layer: int
    head: int
    validation: float
    test: Sums
    p_value: float
    holm_LH: Float[np.ndarray, "L H"]


def choose_head(validation: Contrasts) -> tuple[int, int]:
    """The (layer, head) of the greatest mean contrast, the first of equals."""
    chosen_LH = validation.contrast().mean(0)
    layer, head = np.unravel_index(int(chosen_LH.argmax()), chosen_LH.shape)
    return int(layer), int(head)


def find_head(
    validation: Contrasts,
    test: Contrasts,
    groups: Sequence[Hashable] | None = None,
    *,
    permutations: int = 9999,
    seed: int = 0,
) -> FoundHead:
    """Choose the head on validation pairs and score it on test pairs.

    `groups` are those of the test pairs: signs flip by whole groups, and sums are by group. None:
    every pair is its own.
    """
    layer, head = choose_head(validation)
    value_XLH = test.contrast()
    groups = range(len(value_XLH)) if groups is None else groups
    tested = grouped(value_XLH[:, layer, head], groups)
    sum_GLH, _ = group_sums(value_XLH, groups)
    p_value_LH = sign_flip_p_values(sum_GLH, permutations=permutations, seed=seed)
    score = float(validation.contrast()[:, layer, head].mean())
    p_value = float(p_value_LH[layer, head])
    return FoundHead(layer, head, score, tested, p_value, holm(p_value_LH))


# -- two models, and sizes of edits


def attention_distance(
    one: Float[np.ndarray, "*sentences T T"], two: Float[np.ndarray, "*_ _ _"]
) -> Float[np.ndarray, "*sentences"]:
    """How far two maps lie apart: the mean Jensen-Shannon distance (a root) over query rows.

    Of two models on one sentence, or of one model on two sentences of equally many tokens. Means
    over sentences, then over a layer's heads, give the published curves.

    Raises:
      ValueError: for maps of different shapes, and weights that are negative or not finite.
    """
    if one.shape != two.shape:
        raise ValueError(f"attention: expected maps of one shape, got {one.shape} and {two.shape}")
    check_attention(one)
    check_attention(two)
    return jensen_shannon(one, two).mean(-1)


def accuracy_by_size(
    correct_X: Bool[np.ndarray, "X"], size_X: Float[np.ndarray, "X"], limits: Sequence[float]
) -> Float[np.ndarray, "2 Y"]:
    """The accuracy on edits of at most each limit, and on greater ones; NaN where there are none.

    The paper says that it shows the latter, its code computes the former.
    """
    small_YX = np.asarray(limits, float)[:, None] >= size_X
    groups = np.stack([small_YX, ~small_YX])
    total = groups.sum(-1)
    return np.where(total > 0, (groups & correct_X).sum(-1) / np.maximum(total, 1), np.nan)
