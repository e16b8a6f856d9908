"""Sentences with their gold structure: constituents and dependencies."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple


class Node(NamedTuple):
    """A word or a constituent. `relation` is to the head of the parent; one child is its "head".

    `other` is the form that a finite verb would have in the other number, `allows` the kinds of
    noun that may stand here.
    """

    label: str  # "NP", or of a word its part of speech, "NN"
    relation: str
    children: tuple[Node, ...] = ()
    form: str = ""
    lemma: str = ""
    features: str = "_"
    other: str = ""
    allows: frozenset[str] = frozenset()


class Structure(NamedTuple):
    """What is read off a tree: see `Sentence`."""

    heads: tuple[int, ...]
    relations: tuple[str, ...]
    spans: tuple[tuple[str, int, int], ...]


@dataclasses.dataclass(frozen=True)
class Sentence:
    """Words with parts of speech (Penn Treebank), heads and relations (Universal Dependencies).

    `heads` are 1-based, 0 the root. `spans` are (label, start, end) of all constituents, the
    outermost first; the words are `words[start:end]`. All is read off the tree, whose children name
    their relations, when it is first asked for: most sentences are drawn for their text alone.
    """

    tree: Node

    @functools.cached_property
    def leaves(self) -> tuple[Node, ...]:
        """The words of the tree."""
        found: list[Node] = []
        _gather(self.tree, found)
        return tuple(found)

    @functools.cached_property
    def words(self) -> tuple[str, ...]:
        """The forms, lower case, the last of them a full stop."""
        return tuple(leaf.form for leaf in self.leaves)

    @property
    def tags(self) -> tuple[str, ...]:
        """The parts of speech of the Penn Treebank."""
        return tuple(leaf.label for leaf in self.leaves)

    @functools.cached_property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(self.words)

    @property
    def heads(self) -> tuple[int, ...]:
        """The number of each word's head."""
        return self._structure.heads

    @property
    def relations(self) -> tuple[str, ...]:
        """The relation of each word to its head."""
        return self._structure.relations

    @property
    def spans(self) -> tuple[tuple[str, int, int], ...]:
        """The constituents."""
        return self._structure.spans

    def replaced(self, place: int, form: str) -> str:
        """The text with another word at a place, counted from 0."""
        return " ".join((*self.words[:place], form, *self.words[place + 1 :]))

    @functools.cached_property
    def _structure(self) -> Structure:
        return _structure_of(self.tree)


def _gather(node: Node, leaves: list[Node]) -> None:
    if not node.children:
        leaves.append(node)
    for child in node.children:
        _gather(child, leaves)


def _structure_of(tree: Node) -> Structure:
    heads: list[int] = []
    relations: list[str] = []
    spans: list[tuple[str, int, int]] = []

    def visit(node: Node) -> int:
        """Return the place of the head word of a node, from 0."""
        if not node.children:
            heads.append(-1)
            relations.append("")
            return len(heads) - 1
        slot, start = len(spans), len(heads)
        spans.append((node.label, start, start))
        places = [visit(child) for child in node.children]
        spans[slot] = (node.label, start, len(heads))
        (top,) = (
            place
            for place, child in zip(places, node.children, strict=True)
            if child.relation == "head"
        )
        for order, (place, child) in enumerate(zip(places, node.children, strict=True)):
            if child.relation != "head":  # a conjunction belongs to the conjunct after it
                above = places[order + 1] if child.relation == "cc" else top
                heads[place], relations[place] = above + 1, child.relation
        return top

    root = visit(tree)
    heads[root], relations[root] = 0, "root"
    return Structure(tuple(heads), tuple(relations), tuple(spans))
