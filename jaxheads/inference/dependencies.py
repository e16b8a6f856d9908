"""Dependency trees beside a model's attention: what it can read, and the arcs that heads find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float

from jaxheads.analysis.arcs import ArcHits, ArcRecorder, relation_accuracies
from jaxheads.analysis.heat_map import HeadMaps
from jaxheads.analysis.words import renormalised
from jaxheads.data.pieces import Pieces, pieces_of_words
from jaxheads.data.tokens import Tokenizer, max_tokens
from jaxheads.data.treebanks.dependency import DependencyTree, read_conllu
from jaxheads.inference.attention_maps import Maps, fitting, model_maps
from jaxheads.models.model import Model

KINDS = ("read", "of one word", "with words without pieces", "too long")  # of sentences
SHARES = ("max", "mst", "dependent to head", "head to dependent")  # methods of `analysis.arcs`


class Sentences(NamedTuple):
    """The sentences of a treebank that a model can read, and how many there are of each kind."""

    trees: list[DependencyTree]
    pieces: list[Pieces]
    counts: dict[str, int]


def readable(
    tokenizer: Tokenizer, trees: Sequence[DependencyTree], most: int, special: str
) -> Sentences:
    """Encode what can be compared with a tree.

    Left out, and counted, are sentences of one word (they have no arc), those with a word of which
    the tokenizer leaves nothing, and those of more than `most` tokens.

    Raises:
      ValueError: where none stays.
    """
    counts: dict[str, int] = dict.fromkeys(KINDS, 0)
    kept: list[tuple[DependencyTree, Pieces]] = []
    for tree in trees:
        encoded = tokenizer.encode_words(tree.words)
        if len(tree.words) < 2:
            counts["of one word"] += 1
        elif encoded.dropped(tree.words):
            counts["with words without pieces"] += 1
        else:
            kept.append((tree, pieces_of_words(encoded, len(tree.words), special=special)))
    fits, long = fitting([pieces for _, pieces in kept], most)
    counts |= {"read": len(fits), "too long": len(long)}
    if not fits:
        raise ValueError(f"treebank: expected sentences that the model can read, got {counts}")
    return Sentences([kept[n][0] for n in fits], [kept[n][1] for n in fits], counts)


def word_maps(
    model: Model,
    pieces: Sequence[Pieces],
    *,
    queries: str = "mean",
    keys: str = "sum",
    renormalise: bool = False,
    mesh: Mesh | None = None,
) -> Iterator[Maps]:
    """Attention between the words of sentences, all heads; rows of sum 1 where renormalised."""
    for index_N, attention in model_maps(model, pieces, queries=queries, keys=keys, mesh=mesh):
        yield Maps(index_N, renormalised(attention) if renormalise else attention)


def arc_hits(
    trees: Sequence[DependencyTree],
    groups: Iterable[tuple[np.ndarray, np.ndarray]],
    methods: Sequence[str],
    *,
    subtypes: bool = False,
) -> ArcHits:
    """Read the maps of all sentences once, a group in memory at a time."""
    recorder = ArcRecorder(methods, subtypes=subtypes)
    for index_N, attention in groups:
        numbers = index_N.tolist()
        recorder.add_group(numbers, [trees[number] for number in numbers], attention)
    return recorder.result()


def shares_of(
    hits: ArcHits, methods: Iterable[str], chosen_A: Bool[np.ndarray, "A"] | None = None
) -> Iterator[tuple[str, Float[np.ndarray, "L H"]]]:
    """The share of (chosen) arcs that each head finds.

    By method, without punctuation; then by relation (MAX), the most frequent one first.
    """
    arcs = hits.arcs
    counted_A = arcs.words_A if chosen_A is None else arcs.words_A & chosen_A
    yield from ((name, hits.found(name, counted_A).mean(0)) for name in methods)
    every_RLH = relation_accuracies(hits, "max", chosen_A)
    order = np.argsort(-np.bincount(arcs.relation_A, minlength=len(arcs.relations)), kind="stable")
    yield from ((arcs.relations[number], every_RLH[number]) for number in order)


def named_shares(hits: ArcHits) -> HeadMaps:
    """The maps that `dependency_maps` returns, of arcs that were found already."""
    shares = shares_of(hits, SHARES)
    return HeadMaps((name.replace(" ", "_"), share_LH) for name, share_LH in shares)


def dependency_maps(
    model: Model,
    tokenizer: Tokenizer,
    treebank: str | Path | Sequence[DependencyTree],
    *,
    sentences: int | None = None,
    subtypes: bool = False,
    mesh: Mesh | None = None,
) -> HeadMaps:
    """The share of a treebank's arcs that each head finds, by Htut et al.'s MAX and MST (2019).

    The model sees its special tokens, which have no rows; a word attends by the mean of its pieces
    and is attended to by their sum. Sentences that it cannot read are left out.

    Args:
      model: an encoder with any readout, or none.
      tokenizer: that of the model.
      treebank: a CoNLL-U file, or its trees.
      sentences: the first so many; None: all.
      subtypes: whether "nmod:poss" is a relation apart from "nmod".
      mesh: devices that share the sentences.

    Returns:
      A dict of arrays `[L, H]` of shares, without punctuation: "max", "mst", "dependent_to_head"
      and "head_to_dependent"; and of MAX for each relation by its name, the most frequent first.

    Raises:
      ValueError: for a file that is no treebank, and where no sentence can be read.
    """
    trees = read_conllu(treebank) if isinstance(treebank, str | Path) else treebank
    found = readable(tokenizer, trees[:sentences], max_tokens(model.config), "dropped")
    maps = word_maps(model, found.pieces, mesh=mesh)
    return named_shares(arc_hits(found.trees, maps, SHARES, subtypes=subtypes))
