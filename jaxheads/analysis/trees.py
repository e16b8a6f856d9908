"""Trees of all heads over a treebank: attention in, counts of every reading out, in one pass.

A reading is a distance with a bias. Of each there are the trees of the heads, of the layers (the
mean of their heads' distances: the "average" measures of Kim et al. 2020), and of ensembles of the
first K heads of a ranking. Sentences of equally many words go through numpy together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxheads.analysis.distances import (
    WITHOUT_LABELS,
    adjacent_distances,
    ensemble_distances,
    skewed,
    top_down,
)
from jaxheads.analysis.spans import SpanCounts, join, match_group
from jaxheads.data.treebanks.constituency import Span

WEIGHTS = 2**16  # of attention that go through numpy together: what a core keeps near it

Groups = Iterable[tuple[Int[np.ndarray, "_"], Float[np.ndarray, "_ L H _ _"]]]
Ranking = Sequence[tuple[int, int]]  # heads as (layer, head), the best first


class Reading(NamedTuple):
    """How attention becomes distances: a measure of `distances.MEASURES`, and a right-skew bias."""

    measure: str
    bias: float = 0.0

    @property
    def name(self) -> str:
        """As records have it: "jsd", "jsd, bias 1.5"."""
        return self.measure + (f", bias {self.bias:g}" if self.bias else "")


class TreeCounts(NamedTuple):
    """What the trees of one reading share with the gold trees, the sentences in their order."""

    heads: SpanCounts  # L H
    layers: SpanCounts  # L
    ensembles: Mapping[str, SpanCounts]  # K, by the ranking's name
    unlabelled: Mapping[str, Float[np.ndarray, "L H"]]  # means of `distances.WITHOUT_LABELS`


def tree_counts(
    groups: Groups,
    spans: Sequence[Sequence[Span]],
    readings: Sequence[Reading],
    *,
    rankings: Mapping[str, Mapping[str, Ranking]] | None = None,
    unlabelled: bool = False,
) -> dict[str, TreeCounts]:
    """The counts of every reading, by its name.

    Args:
      groups: numbers of sentences of equally many words (at least two) with their attention between
        words, as `inference.attention_maps.attention_maps` yields it; every sentence of `spans`
        once.
      rankings: of heads, for ensembles, by the reading's name and their own (None: no ensembles).
      unlabelled: whether to say how heads rank without labels.

    Raises:
      ValueError: for attention that is negative or not finite, and for no sentence.
    """
    ensembles = {reading.name: {} for reading in readings} | dict(rankings or {})
    made = {reading.name: _Counter(ensembles[reading.name], unlabelled) for reading in readings}
    order: list[np.ndarray] = []
    for index_n, attention in _small(groups):
        order.append(index_n)
        own = [spans[number] for number in index_n]
        distance = {name: adjacent_distances(attention, name) for name in _measures(readings)}
        for reading in readings:
            biased = skewed(distance[reading.measure], reading.bias)
            made[reading.name].add(biased, attention, own)
    if not order:
        raise ValueError("trees: expected at least one sentence, got none")
    place = np.argsort(np.concatenate(order))
    return {name: counter.counted(place) for name, counter in made.items()}


def _measures(readings: Sequence[Reading]) -> list[str]:
    return list(dict.fromkeys(reading.measure for reading in readings))


def _small(groups: Groups) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Groups of at most about `WEIGHTS` weights, of one sentence at least."""
    for index_n, attention in groups:
        size = max(1, WEIGHTS // max(1, attention[0].size))
        for start in range(0, len(index_n), size):
            yield index_n[start : start + size], attention[start : start + size]


class _Counter:
    """What one reading's trees share with gold trees, group by group."""

    def __init__(self, rankings: Mapping[str, Ranking], unlabelled: bool) -> None:
        self.rankings = rankings
        self.heads: list[SpanCounts] = []
        self.layers: list[SpanCounts] = []
        self.ensembles: dict[str, list[SpanCounts]] = {name: [] for name in rankings}
        self.unlabelled: dict[str, list[np.ndarray]] = (
            {name: [] for name in WITHOUT_LABELS} if unlabelled else {}
        )

    def add(self, distance: np.ndarray, attention: np.ndarray, spans: list) -> None:
        """Count some sentences of equally many words."""
        self.heads.append(match_group(distance, spans))
        self.layers.append(match_group(distance.mean(2), spans))
        for name, ranking in self.rankings.items():
            self.ensembles[name].append(match_group(ensemble_distances(distance, ranking), spans))
        for name, found in self.unlabelled.items():
            found.append(WITHOUT_LABELS[name](attention, distance, top_down(distance)))

    def counted(self, place: np.ndarray) -> TreeCounts:
        """All of it, the sentences in the order of their places."""
        return TreeCounts(
            join(self.heads).rows(place),
            join(self.layers).rows(place),
            {name: join(found).rows(place) for name, found in self.ensembles.items()},
            {name: np.concatenate(found).mean(0) for name, found in self.unlabelled.items()},
        )
