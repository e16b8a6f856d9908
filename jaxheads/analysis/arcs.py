"""Which heads' attention follows dependency arcs: MAX and MST of Htut et al. (2019).

arXiv 1911.12246; the directed variants are those of Voita et al. and Clark et al. (2019). One
sentence's word-level maps `[L, H, T, T]` are read at a time (row: from, column: to); of each gold
arc (`A`) and head only one bit a method is kept, from which all accuracies are counted.

| method | a gold arc from dependent d to head h counts where |
|---|---|
| max | d attends most to h, or h most to d |
| dependent to head | d attends most to h |
| head to dependent | h attends most to d |
| most attentive | of all words, h attends most to d (Clark's "head<-dep") |
| mst | the tree of the attention's sum has an edge between d and h |
| mst directed | that tree has the edge from h, attending, to d |
| mst log, mst log directed | the same of the sum of log attention |

A word's attention to itself never counts, and ties go to the first word; a word that attends to no
other (a row of zeros) points nowhere. The trees are given the gold root, which leaks: compare with
the heads of `analysis.offsets`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxheads.analysis.arborescences import maximum_arborescences
from jaxheads.data.dependency import DependencyTree, strip_subtype

LEAST = 1e-30  # attention below this has its logarithm


class Arcs(NamedTuple):
    """The gold arcs of some sentences but for the roots', in order of sentence and dependent."""

    relations: tuple[str, ...]  # in order of first sight
    relation_A: Int[np.ndarray, "A"]  # numbers of `relations`
    sentence_A: Int[np.ndarray, "A"]
    offset_A: Int[np.ndarray, "A"]  # the head's place less the dependent's
    sentences: int  # also those without arcs

    def of(self, relation: str) -> Bool[np.ndarray, "A"]:
        """Which arcs have a relation; ValueError for one that none has."""
        if relation not in self.relations:
            known = ", ".join(self.relations)
            raise ValueError(f"relation: expected one of {known}, got {relation!r}")
        return self.relation_A == self.relations.index(relation)

    @property
    def words_A(self) -> Bool[np.ndarray, "A"]:
        """Which arcs are no punctuation's."""
        punct = [strip_subtype(name) == "punct" for name in self.relations]
        return ~np.array(punct, bool)[self.relation_A]


class ArcHits(NamedTuple):
    """Gold arcs, and which of them each head found.

    `mass` is the tie-free companion: of each relation's arcs, the mean share of the dependent's
    attention to other words that goes to the head `[R, L, H]`, and of the head's that goes to the
    dependent. `gold_mass_LH` is the share of all attention between different words that lies on
    gold arcs, in either direction (Vig and Belinkov 2019).
    """

    arcs: Arcs
    heads: tuple[int, int]
    bits: dict[str, np.ndarray]  # method -> uint8 [A, bytes]
    mass: dict[str, Float[np.ndarray, "R L H"]]
    gold_mass_LH: Float[np.ndarray, "L H"]

    def found(
        self, method: str, chosen_A: Bool[np.ndarray, "A"] | None = None
    ) -> Bool[np.ndarray, "chosen L H"]:
        """Which of the chosen arcs (None: all) each head found; ValueError for another method."""
        bits = self._bits_of(method) if chosen_A is None else self._bits_of(method)[chosen_A]
        layers, heads = self.heads
        flat = np.unpackbits(bits, axis=1, count=layers * heads)
        return flat.reshape(len(bits), layers, heads).astype(bool)

    def found_by(self, method: str, layer: int, head: int) -> Bool[np.ndarray, "A"]:
        """Which of all arcs one head found."""
        byte, bit = divmod(layer * self.heads[1] + head, 8)
        return (self._bits_of(method)[:, byte] >> (7 - bit) & 1).astype(bool)

    def _bits_of(self, method: str) -> np.ndarray:
        if method not in self.bits:
            raise ValueError(f"method: expected one of {', '.join(self.bits)}, got {method!r}")
        return self.bits[method]


def gold_arcs(trees: Sequence[DependencyTree], *, subtypes: bool = False) -> Arcs:
    """The arcs of some sentences; `subtypes` keeps "nmod:poss" apart from "nmod"."""
    numbers: dict[str, int] = {}
    rows = []
    for sentence, tree in enumerate(trees):
        for word, head in enumerate(tree.heads, 1):
            if head:
                name = _name(tree.relations[word - 1], subtypes)
                rows.append((numbers.setdefault(name, len(numbers)), sentence, head - word))
    table = np.array(rows, int).reshape(-1, 3)
    relation_A, sentence_A, offset_A = table.T
    return Arcs(tuple(numbers), relation_A, sentence_A, offset_A, len(trees))


def _name(relation: str, subtypes: bool) -> str:
    return relation if subtypes else strip_subtype(relation)


class ArcRecorder:
    """Reads one sentence at a time; what it keeps grows by bits for each gold arc."""

    def __init__(self, methods: Sequence[str] = ("max", "mst"), *, subtypes: bool = False) -> None:
        """ValueError for unknown methods."""
        unknown = [method for method in methods if method not in METHODS]
        if unknown or not methods:
            known = ", ".join(METHODS)
            raise ValueError(f"methods: expected some of {known}, got {', '.join(unknown)}")
        self._methods, self._subtypes = tuple(methods), subtypes
        self._trees: list[DependencyTree] = []
        self._bits: dict[str, list[np.ndarray]] = {method: [] for method in methods}
        self._mass: dict[str, np.ndarray] = {}  # relation -> summed shares [2, L, H]
        self._on_arcs = self._total = np.zeros((0, 0))

    def add(self, tree: DependencyTree, attention: Float[np.ndarray, "L H T T"]) -> None:
        """Score all heads on one sentence.

        ValueError for attention between another number of words or heads, negative or not finite.
        """
        self._check(tree, attention)
        view = _View(tree, attention.astype(np.float64))
        for method in self._methods:
            found_ALH = np.moveaxis(METHODS[method](view), -1, 0)
            flat_AN = found_ALH.reshape(len(found_ALH), attention.shape[0] * attention.shape[1])
            self._bits[method].append(np.packbits(flat_AN, axis=1))
        share_DALH = view.shares
        for arc, word in enumerate(view.dependent_A):
            name = _name(tree.relations[word], self._subtypes)
            self._mass[name] = self._mass.get(name, 0) + share_DALH[:, arc]
        on_arcs, total = view.masses
        first = not self._trees
        self._on_arcs = on_arcs if first else self._on_arcs + on_arcs
        self._total = total if first else self._total + total
        self._trees.append(tree)

    def result(self) -> ArcHits:
        """What was found so far; ValueError before the first sentence."""
        if not self._trees:
            raise ValueError("arcs: expected at least one sentence, got none")
        layers, heads = self._on_arcs.shape
        arcs = gold_arcs(self._trees, subtypes=self._subtypes)
        count_R = np.bincount(arcs.relation_A, minlength=len(arcs.relations))
        sums = [self._mass[name] for name in arcs.relations]
        sum_RDLH = np.array(sums).reshape(-1, 2, layers, heads) / count_R[:, None, None, None]
        return ArcHits(
            arcs=arcs,
            heads=(layers, heads),
            bits={method: np.concatenate(bits) for method, bits in self._bits.items()},
            mass={"dependent to head": sum_RDLH[:, 0], "head to dependent": sum_RDLH[:, 1]},
            gold_mass_LH=_ratio(self._on_arcs, self._total),
        )

    def _check(self, tree: DependencyTree, attention: np.ndarray) -> None:
        where, words = f"sentence {tree.name or len(self._trees)}", len(tree.words)
        if attention.shape[-1] != words:
            raise ValueError(f"{where}: expected maps of {words} words, got {attention.shape[-1]}")
        if self._trees and attention.shape[:2] != self._on_arcs.shape:
            raise ValueError(
                f"{where}: expected heads {self._on_arcs.shape}, got {attention.shape[:2]}"
            )
        bad_LH = ~(np.isfinite(attention) & (attention >= 0)).all((2, 3))
        if bad_LH.any():
            layer, head = np.argwhere(bad_LH)[0].tolist()
            raise ValueError(
                f"{where}: expected finite attention of at least 0, got other numbers from "
                f"{bad_LH.sum()} heads, first layer {layer} head {head}"
            )


class _View:
    """One sentence's maps without the diagonal, and what its methods share."""

    def __init__(self, tree: DependencyTree, attention_LHTT: np.ndarray) -> None:
        heads = np.array(tree.heads) - 1
        self.attention = attention_LHTT * ~np.eye(len(heads), dtype=bool)
        self.dependent_A = np.flatnonzero(heads >= 0)
        self.head_A = heads[self.dependent_A]
        self.root = int(np.flatnonzero(heads < 0)[0])

    @functools.cached_property
    def target(self) -> np.ndarray:
        """The word to which each word attends most [L, H, T], -1 for none."""
        return np.where(self.attention.any(-1), self.attention.argmax(-1), -1)

    @functools.cached_property
    def source(self) -> np.ndarray:
        """The word that attends most to each word [L, H, T], -1 for none."""
        return np.where(self.attention.any(-2), self.attention.argmax(-2), -1)

    @functools.cached_property
    def parent(self) -> np.ndarray:
        """Each word's parent in the tree of the heaviest attention [L, H, T]."""
        return self._tree(self.attention)

    @functools.cached_property
    def log_parent(self) -> np.ndarray:
        """Each word's parent in the tree of the heaviest log attention [L, H, T]."""
        return self._tree(np.log(np.maximum(self.attention, LEAST)))

    def _tree(self, weight_LHTT: np.ndarray) -> np.ndarray:
        *heads, words, _ = weight_LHTT.shape
        flat = maximum_arborescences(weight_LHTT.reshape(-1, words, words), self.root)
        return flat.reshape(*heads, words)

    def up(self, of_word: np.ndarray) -> np.ndarray:
        """Where the dependent of each gold arc is given its head [L, H, A]."""
        return of_word[..., self.dependent_A] == self.head_A

    def down(self, of_word: np.ndarray) -> np.ndarray:
        """Where the head of each gold arc is given its dependent [L, H, A]."""
        return of_word[..., self.head_A] == self.dependent_A

    def either(self, of_word: np.ndarray) -> np.ndarray:
        """Where one end of each gold arc is given the other [L, H, A]."""
        return self.up(of_word) | self.down(of_word)

    @property
    def shares(self) -> np.ndarray:
        """The share of the attention to other words on each arc [2, A, L, H], up and down."""
        share = _ratio(self.attention, self.attention.sum(-1, keepdims=True))
        both = share[..., self.dependent_A, self.head_A], share[..., self.head_A, self.dependent_A]
        return np.moveaxis(np.stack(both), -1, 1)

    @property
    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """Attention on gold arcs in either direction, and between all words [L, H]."""
        up = self.attention[..., self.dependent_A, self.head_A]
        down = self.attention[..., self.head_A, self.dependent_A]
        return (up + down).sum(-1), self.attention.sum((-1, -2))


METHODS: dict[str, Callable[[_View], np.ndarray]] = {
    "max": lambda view: view.either(view.target),
    "dependent to head": lambda view: view.up(view.target),
    "head to dependent": lambda view: view.down(view.target),
    "most attentive": lambda view: view.up(view.source),
    "mst": lambda view: view.either(view.parent),
    "mst directed": lambda view: view.up(view.parent),
    "mst log": lambda view: view.either(view.log_parent),
    "mst log directed": lambda view: view.up(view.log_parent),
}


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.where(whole > 0, whole, 1)


def attachment(
    found_A: Bool[np.ndarray, "A *heads"],
    arcs: Arcs,
    *,
    punctuation: bool = True,
    macro: bool = False,
) -> Float[np.ndarray, "*heads"]:
    """The share of gold arcs found: UUAS of an undirected method, of one head or of all.

    Without `punctuation` the arcs of that relation are left out (Hewitt and Manning 2019); `macro`
    is the mean over sentences that have arcs left. NaN where no arc is left.
    """
    chosen_A = np.ones(len(arcs.relation_A), bool) if punctuation else arcs.words_A
    found_A, sentence_A = found_A[chosen_A], arcs.sentence_A[chosen_A]
    if not len(sentence_A):
        return np.full(found_A.shape[1:], np.nan)
    if not macro:
        return np.asarray(found_A.mean(0))
    count_N = np.bincount(sentence_A, minlength=arcs.sentences)
    weight_A = 1 / count_N[sentence_A] / (count_N > 0).sum()
    return np.asarray(np.tensordot(weight_A, found_A.astype(float), axes=1))


def relation_accuracies(
    hits: ArcHits, method: str, chosen_A: Bool[np.ndarray, "A"] | None = None
) -> Float[np.ndarray, "R L H"]:
    """Each head's share found of each relation's (chosen) arcs; NaN where there is none."""
    relation_A = hits.arcs.relation_A if chosen_A is None else hits.arcs.relation_A[chosen_A]
    found_A = hits.found(method, chosen_A)
    number_R = range(len(hits.arcs.relations))
    count_R = np.bincount(relation_A, minlength=len(number_R))[:, None, None]
    sum_RLH = np.array([found_A[relation_A == number].sum(0) for number in number_R])
    sum_RLH = sum_RLH.reshape(-1, *hits.heads).astype(float)
    return np.where(count_R > 0, sum_RLH / np.maximum(count_R, 1), np.nan)
