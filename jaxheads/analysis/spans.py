"""How well trees from attention match gold trees: F1, label recalls, and heads chosen by them.

The scores are those of Kim et al. (2020), equal to Kim, Dyer & Rush (2019). `*heads` is `L H` for
heads, `L` for layers, `K` for ensembles, and N words have M = N - 1 distances (see `distances`).
A corpus is streamed: each sentence leaves a few counts for each head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxheads.analysis.distances import choices, tied_splits, top_down
from jaxheads.analysis.sums import Sums
from jaxheads.data.treebanks.constituency import Span

LABELS = ("SBAR", "NP", "VP", "PP", "ADJP", "ADVP")  # whose recalls are reported
TINY = 1e-8  # added to the denominators of the published F1

# -- baselines


def baseline_distances(
    words: int, spans: Sequence[Span], rng: np.random.Generator
) -> dict[str, Float[np.ndarray, "M"]]:
    """Distances of trees that need no attention, by name; "oracle" is the best binary tree.

    "equal" is the fair null of heads with a bias to the right: it equals "right". The oracle is
    the gold tree, its constituents of many parts split to the right.
    """
    gaps = max(words - 1, 0)
    gap = np.arange(gaps)
    inside = [(gap >= start) & (gap + 1 < end) for _, start, end in spans]
    return {
        "left": gap.astype(float),
        "right": -gap.astype(float),
        "balanced": np.array(_balanced(words, 0), float),
        "balanced, longer left": np.array(_balanced(words, 1), float),
        "random": rng.random(gaps),
        "equal": np.zeros(gaps),
        "oracle": -np.sum(inside, axis=0, dtype=float) if inside else np.zeros(gaps),
    }


def _balanced(words: int, extra: int) -> list[float]:
    """Minus the depth of each gap, where the left part has (words + extra) // 2 words."""
    if words < 2:
        return []
    left = (words + extra) // 2
    parts = (_balanced(left, extra), _balanced(words - left, extra))
    deeper = [[depth - 1 for depth in part] for part in parts]
    return [*deeper[0], 0.0, *deeper[1]]


# -- the match of one sentence's trees and gold spans, and of a corpus


class SpanCounts(NamedTuple):
    """What was found of each sentence; the scores below are functions of these counts alone.

    A sentence's own arrays lack the axis X of sentences.
    """

    words: Int[np.ndarray, "X"]
    gold: Int[np.ndarray, "X"]  # different gold spans but the outermost (a unary chain leaves one)
    hits: Int[np.ndarray, "X *heads"]  # predicted spans, but the whole sentence, that are gold
    labelled: Int[np.ndarray, "X R"]  # gold constituents of each label of `LABELS`
    found: Int[np.ndarray, "X R *heads"]  # ... that were predicted
    tied: Int[np.ndarray, "X *heads"]
    choices: Int[np.ndarray, "X *heads"]

    def pick(self, *head: int) -> SpanCounts:
        """The counts of one head, without its axes."""
        place = (slice(None), *head)
        return self._replace(
            hits=self.hits[place],
            found=self.found[(slice(None), *place)],
            tied=self.tied[place],
            choices=self.choices[place],
        )

    def rows(self, chosen: Int[np.ndarray, "Y"] | Bool[np.ndarray, "X"]) -> SpanCounts:
        """The counts of some sentences, in this order."""
        return SpanCounts(*(array[chosen] for array in self))


def match_spans(distance: Float[np.ndarray, "*heads M"], spans: Sequence[Span]) -> SpanCounts:
    """Count what the trees of one sentence's M + 1 words share with its gold spans.

    Without the axis X. A sentence without two words has no distance and no spans; the scores skip
    it.
    """
    return SpanCounts(*(array[0] for array in match_group(distance[None], [spans])))


def match_group(
    distance: Float[np.ndarray, "X *heads M"], spans: Sequence[Sequence[Span]]
) -> SpanCounts:
    """The counts of sentences of equally many words, each with its gold spans, outermost first."""
    gaps = distance.shape[-1]
    trees = top_down(distance)
    table = np.zeros((1 + len(LABELS), len(spans), gaps + 2, gaps + 2), np.int32)
    gold = np.zeros(len(spans), np.int32)
    for row, own in enumerate(spans):
        inside = {span[1:] for span in own} - {(0, gaps + 1)}
        gold[row] = len({span[1:] for span in own[1:]})
        for start, end in inside:
            table[0, row, start, end] = 1
        for label, start, end in own:
            if label in LABELS:
                table[1 + LABELS.index(label), row, start, end] += 1
    row = np.arange(len(spans)).reshape(-1, *[1] * (distance.ndim - 1))
    found = table[:, row, trees.start, trees.end].sum(-1)
    return SpanCounts(
        words=np.full(len(spans), gaps + 1),
        gold=gold,
        hits=found[0],
        labelled=table[1:].sum((2, 3)).T,
        found=np.moveaxis(found[1:], 0, 1),
        tied=tied_splits(distance, trees),
        choices=choices(trees),
    )


def gather(rows: Iterable[SpanCounts]) -> SpanCounts:
    """Put the counts of single sentences together.

    Raises:
      ValueError: for no sentence.
    """
    return join(SpanCounts(*(array[None] for array in row)) for row in rows)


def join(groups: Iterable[SpanCounts]) -> SpanCounts:
    """Put the counts of groups together, one after the other.

    Raises:
      ValueError: for no group.
    """
    groups = list(groups)
    if not groups:
        raise ValueError("spans: expected at least one sentence, got none")
    return SpanCounts(
        *(np.concatenate(arrays).astype(np.int32) for arrays in zip(*groups, strict=True))
    )


def f1_by_sentence(counts: SpanCounts) -> Float[np.ndarray, "Y *heads"]:
    """F1 of each sentence that counts: of at least two words.

    As published, one span of the whole sentence is left out on both sides; without other gold spans
    recall is 1, and precision 1 only for two words.
    """
    counts = counts.rows(counts.words > 1)
    shape = (-1, *[1] * (counts.hits.ndim - 1))
    predicted, gold = (side.reshape(shape) for side in (counts.words - 2, counts.gold))
    precision = counts.hits / (predicted + TINY)
    recall = counts.hits / (gold + TINY)
    recall = np.where(gold == 0, 1.0, recall)
    precision = np.where(gold == 0, predicted == 0, precision)
    return 2 * precision * recall / (precision + recall + TINY)


def by_sentence(counts: SpanCounts) -> Sums:
    """S-F1: F1 of each sentence that counts."""
    f1 = f1_by_sentence(counts)
    return Sums(f1, np.ones(len(f1)))


def by_span(counts: SpanCounts) -> Sums:
    """C-F1: F1 of the spans of all sentences together."""
    counts = counts.rows(counts.words > 1)
    return Sums(2.0 * counts.hits, (counts.words - 2 + counts.gold).astype(float))


def by_label(counts: SpanCounts, label: str) -> Sums:
    """The recall of a label's constituents, the whole sentence included.

    Raises:
      ValueError: for a label that is not in `LABELS`.
    """
    if label not in LABELS:
        raise ValueError(f"label: expected one of {', '.join(LABELS)}, got {label!r}")
    row = LABELS.index(label)
    return Sums(counts.found[:, row].astype(float), counts.labelled[:, row].astype(float))


def sentence_f1(counts: SpanCounts) -> Float[np.ndarray, "*heads"]:
    """The mean of the sentences' F1: the figure that papers call S-F1. NaN without sentences."""
    return by_sentence(counts).ratio


def label_recall(counts: SpanCounts, label: str) -> Float[np.ndarray, "*heads"]:
    """The share of a label's constituents that were predicted.

    NaN for a label that does not occur.

    Raises:
      ValueError: for a label that is not in `LABELS`.
    """
    return by_label(counts, label).ratio


def tied_share(counts: SpanCounts) -> Float[np.ndarray, "*heads"]:
    """The share of tied splits among those with a choice. NaN where there was none."""
    total = counts.choices.sum(0)
    return np.where(total > 0, counts.tied.sum(0) / np.maximum(total, 1), np.nan)


COLUMNS: dict[str, Callable[[SpanCounts], Sums]] = {
    "sentence F1": by_sentence,
    "corpus F1": by_span,
    **{label: lambda counts, label=label: by_label(counts, label) for label in LABELS},
}


# -- heads chosen on one section and scored on another


class BestHead(NamedTuple):
    """The best head of one section, its score there, and what it scores on another section."""

    head: tuple[int, ...]
    tuned: float
    tested: Sums


def choose_heads(tune: SpanCounts, test: SpanCounts) -> dict[str, BestHead]:
    """The best head of each column on `tune`, scored on `test`.

    Of equal heads the first is chosen; a column that either section does not define is left out.
    """
    found = {}
    for name, column in COLUMNS.items():
        score, there = column(tune).ratio, column(test)
        if np.isnan(score).all() or not there.bottom_X.sum():
            continue
        place = np.unravel_index(int(np.nanargmax(score)), score.shape)
        head = tuple(map(int, place))
        found[name] = BestHead(head, float(score[head]), there.pick(*head))
    return found
