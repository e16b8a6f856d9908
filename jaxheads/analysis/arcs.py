"""Which heads' attention follows dependency arcs: MAX and MST of Htut et al. (2019).

arXiv 1911.12246; the directed variants are those of Voita et al. and Clark et al. (2019). Maps
between words `[L, H, T, T]` (row: from, column: to) of one sentence or of some of equal length are
read at a time; of each gold arc (`A`) and head only one bit a method is kept, from which all
accuracies are counted.

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
from jaxheads.data.treebanks.dependency import DependencyTree, strip_subtype

LEAST = 1e-30  # attention below this has its logarithm


class Arcs(NamedTuple):
    """The gold arcs of some sentences but for the roots', in order of sentence and dependent."""

    relations: tuple[str, ...]  # in order of first sight
    relation_A: Int[np.ndarray, "A"]  # numbers of `relations`
    sentence_A: Int[np.ndarray, "A"]
    offset_A: Int[np.ndarray, "A"]  # the head's place less the dependent's
    sentences: int  # also those without arcs

    def of(self, relation: str) -> Bool[np.ndarray, "A"]:
        """Which arcs have a relation.

        Raises:
          ValueError: for a relation that no arc has.
        """
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
        """Which of the chosen arcs (None: all) each head found.

        Raises:
          ValueError: for a method that was not recorded.
        """
        bits = self._bits_of(method) if chosen_A is None else self._bits_of(method)[chosen_A]
        layers, heads = self.heads
        flat = np.unpackbits(bits, axis=1, count=layers * heads)
        return flat.reshape(len(bits), layers, heads).astype(bool)

    def found_by(self, method: str, layer: int, head: int) -> Bool[np.ndarray, "A"]:
        """Which of all arcs one head found.

        Raises:
          ValueError: for a method that was not recorded.
        """
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
    """Reads some sentences at a time; what it keeps grows by bits for each gold arc."""

    def __init__(self, methods: Sequence[str] = ("max", "mst"), *, subtypes: bool = False) -> None:
        """Keep what `methods` find, by relations with or without their subtypes.

        Raises:
          ValueError: for an unknown method, or none.
        """
        unknown = [method for method in methods if method not in METHODS]
        if unknown or not methods:
            known = ", ".join(METHODS)
            raise ValueError(f"methods: expected some of {known}, got {', '.join(unknown)}")
        self._methods, self._subtypes = tuple(methods), subtypes
        self._trees: dict[int, DependencyTree] = {}
        self._sentences: list[np.ndarray] = []  # the number of each arc's sentence
        self._bits: dict[str, list[np.ndarray]] = {method: [] for method in methods}
        self._mass: dict[str, np.ndarray] = {}  # relation -> summed shares [2, L, H]
        self._on_arcs = self._total = np.zeros((0, 0))

    def add(self, tree: DependencyTree, attention: Float[np.ndarray, "L H T T"]) -> None:
        """Score all heads on one sentence.

        Raises:
          ValueError: as `add_group`.
        """
        self.add_group([len(self._trees)], [tree], attention[None])

    def add_group(
        self,
        numbers: Sequence[int],
        trees: Sequence[DependencyTree],
        attention: Float[np.ndarray, "n L H T T"],
    ) -> None:
        """Score all heads on sentences of equally many words; by number they come in the result.

        Raises:
          ValueError: for numbers that came before, and attention between another number of words or
            heads, negative or not finite.
        """
        self._check(numbers, trees, attention)
        view = _View(trees, attention.astype(np.float64))
        count = attention.shape[1] * attention.shape[2]
        for method in self._methods:
            found_ALH = METHODS[method](view)
            flat_AN = found_ALH.reshape(len(found_ALH), count)
            self._bits[method].append(np.packbits(flat_AN, axis=1))
        self._add_masses(trees, view)
        self._sentences.append(np.asarray(numbers, int)[view.sentence_A])
        self._trees.update(zip(numbers, trees, strict=True))

    def _add_masses(self, trees: Sequence[DependencyTree], view: _View) -> None:
        places = zip(view.sentence_A.tolist(), view.dependent_A.tolist(), strict=True)
        names = [_name(trees[n].relations[word], self._subtypes) for n, word in places]
        share_DALH = view.shares
        for name in dict.fromkeys(names):
            of_A = np.array([each == name for each in names])
            self._mass[name] = self._mass.get(name, 0) + share_DALH[:, of_A].sum(1)
        on_arcs, total = view.masses
        first = not self._trees
        self._on_arcs = on_arcs if first else self._on_arcs + on_arcs
        self._total = total if first else self._total + total

    def result(self) -> ArcHits:
        """What was found so far.

        Raises:
          ValueError: before the first sentence.
        """
        if not self._trees:
            raise ValueError("arcs: expected at least one sentence, got none")
        layers, heads = self._on_arcs.shape
        order_A = np.argsort(np.concatenate(self._sentences), kind="stable")
        trees = [self._trees[number] for number in sorted(self._trees)]
        arcs = gold_arcs(trees, subtypes=self._subtypes)
        count_R = np.bincount(arcs.relation_A, minlength=len(arcs.relations))
        sums = [self._mass[name] for name in arcs.relations]
        sum_RDLH = np.array(sums).reshape(-1, 2, layers, heads) / count_R[:, None, None, None]
        return ArcHits(
            arcs=arcs,
            heads=(layers, heads),
            bits={name: np.concatenate(bits)[order_A] for name, bits in self._bits.items()},
            mass={"dependent to head": sum_RDLH[:, 0], "head to dependent": sum_RDLH[:, 1]},
            gold_mass_LH=_ratio(self._on_arcs, self._total),
        )

    def _check(self, numbers, trees, attention: np.ndarray) -> None:
        if len(numbers) != len(trees) or len(trees) != len(attention):
            counts = f"{len(numbers)}, {len(trees)} and {len(attention)}"
            raise ValueError(f"expected as many numbers as trees and maps, got {counts}")
        names = [f"sentence {tree.name or n}" for n, tree in zip(numbers, trees, strict=True)]
        for number, tree, where in zip(numbers, trees, names, strict=True):
            words = len(tree.words)
            if number in self._trees:
                raise ValueError(f"{where}: expected another number than {number}, which is there")
            if attention.shape[-1] != words:
                got = attention.shape[-1]
                raise ValueError(f"{where}: expected maps of {words} words, got {got}")
        if self._trees and attention.shape[1:3] != self._on_arcs.shape:
            raise ValueError(
                f"{names[0]}: expected heads {self._on_arcs.shape}, got {attention.shape[1:3]}"
            )
        bad_NLH = np.logical_not((np.isfinite(attention) & (attention >= 0)).all((3, 4)))
        if bad_NLH.any():
            sentence, layer, head = np.argwhere(bad_NLH)[0].tolist()
            raise ValueError(
                f"{names[sentence]}: expected finite attention of at least 0, got other numbers "
                f"from {bad_NLH[sentence].sum()} heads, first layer {layer} head {head}"
            )


class _View:
    """Sentences' maps without the diagonal, and what their methods share."""

    def __init__(self, trees: Sequence[DependencyTree], attention_NLHTT: np.ndarray) -> None:
        heads_NT = np.array([tree.heads for tree in trees]) - 1
        self.attention = attention_NLHTT * ~np.eye(heads_NT.shape[1], dtype=bool)
        self.sentence_A, self.dependent_A = np.nonzero(heads_NT >= 0)
        self.head_A = heads_NT[self.sentence_A, self.dependent_A]
        self.root_N = heads_NT.argmin(1)

    @functools.cached_property
    def target(self) -> np.ndarray:
        """The word to which each word attends most [N, L, H, T], -1 for none."""
        return np.where(self.attention.any(-1), self.attention.argmax(-1), -1)

    @functools.cached_property
    def source(self) -> np.ndarray:
        """The word that attends most to each word [N, L, H, T], -1 for none."""
        return np.where(self.attention.any(-2), self.attention.argmax(-2), -1)

    @functools.cached_property
    def parent(self) -> np.ndarray:
        """Each word's parent in the tree of the heaviest attention [N, L, H, T]."""
        return self._tree(self.attention)

    @functools.cached_property
    def log_parent(self) -> np.ndarray:
        """Each word's parent in the tree of the heaviest log attention [N, L, H, T]."""
        return self._tree(np.log(np.maximum(self.attention, LEAST)))

    def _tree(self, weight_NLHTT: np.ndarray) -> np.ndarray:
        sentences, layers, heads, words, _ = weight_NLHTT.shape
        root_G = np.repeat(self.root_N, layers * heads)
        flat = maximum_arborescences(weight_NLHTT.reshape(-1, words, words), root_G)
        return flat.reshape(sentences, layers, heads, words)

    def up(self, of_word: np.ndarray) -> np.ndarray:
        """Where the dependent of each gold arc is given its head [A, L, H]."""
        given_ALH = of_word[self.sentence_A, :, :, self.dependent_A]
        return given_ALH == self.head_A[:, None, None]

    def down(self, of_word: np.ndarray) -> np.ndarray:
        """Where the head of each gold arc is given its dependent [A, L, H]."""
        given_ALH = of_word[self.sentence_A, :, :, self.head_A]
        return given_ALH == self.dependent_A[:, None, None]

    def either(self, of_word: np.ndarray) -> np.ndarray:
        """Where one end of each gold arc is given the other [A, L, H]."""
        return self.up(of_word) | self.down(of_word)

    @functools.cached_property
    def on_arcs(self) -> np.ndarray:
        """Attention from dependents to heads and from heads to dependents [2, A, L, H]."""
        ends = (self.dependent_A, self.head_A), (self.head_A, self.dependent_A)
        return np.stack([self.attention[self.sentence_A, :, :, one, two] for one, two in ends])

    @property
    def shares(self) -> np.ndarray:
        """The share of a word's attention to other words on each arc [2, A, L, H]."""
        row_NLHT = self.attention.sum(-1)
        ends = (self.dependent_A, self.head_A)
        whole = np.stack([row_NLHT[self.sentence_A, :, :, end] for end in ends])
        return _ratio(self.on_arcs, whole)

    @property
    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """Attention on gold arcs in either direction, and between all words [L, H]."""
        return self.on_arcs.sum((0, 1)), self.attention.sum((0, 3, 4))


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
) -> Float[np.ndarray, "*heads"]:
    """The share of gold arcs found: UUAS of an undirected method, of one head or of all.

    Without `punctuation` the arcs of that relation are left out (Hewitt and Manning 2019). NaN
    where no arc is left.
    """
    found_A = found_A if punctuation else found_A[arcs.words_A]
    return np.asarray(found_A.mean(0)) if len(found_A) else np.full(found_A.shape[1:], np.nan)


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
