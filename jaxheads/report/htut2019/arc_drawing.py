"""Arcs over a sentence: the gold tree above the words, what a head makes of it below.

An arc of the head that is gold is drawn solid and thick, another one dashed and thin, so that print
and any eye can tell them apart; the gold arcs that it misses are thin above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Arc

from jaxheads.report.figures.style import INK, MUTED

RIGHT, WRONG = "#0072B2", "#D55E00"
HEIGHT = 0.55  # of an arc, for each word that it spans
LEGEND = (
    "Above the words the gold tree with its relations; below, the pairs of words that the head "
    "joins, whatever the direction: solid and thick where gold, dashed and thin where not."
)


class ArcSentence(NamedTuple):
    """Words, gold arcs (dependent, head, relation) and the pairs of words that a head joins."""

    words: tuple[str, ...]
    gold: tuple[tuple[int, int, str], ...]
    made: tuple[tuple[int, int], ...]

    @property
    def right(self) -> set[tuple[int, int]]:
        """The pairs of the head that are gold arcs."""
        gold = {(min(one, two), max(one, two)) for one, two, _ in self.gold}
        return gold & {(min(pair), max(pair)) for pair in self.made}


def places(words: Sequence[str]) -> list[float]:
    """The middle of each word on a line, in letters."""
    middles, end = [], 0.0
    for word in words:
        size = max(len(word), 3) + 2.0
        middles.append(end + size / 2)
        end += size
    return middles


def draw_sentence(axis: Axes, sentence: ArcSentence, title: str) -> None:
    """One sentence on a panel of its own."""
    middle, right = places(sentence.words), sentence.right
    for place, word in zip(middle, sentence.words, strict=True):
        axis.text(place, 0, word, ha="center", va="center", fontsize=8.5, color=INK)
    highest = 1.0
    for one, two, relation in sentence.gold:
        pair = (min(one, two), max(one, two))
        style = {"color": INK, "linewidth": 1.5 if pair in right else 0.7}
        height = _arc(axis, middle, pair, 1, style)
        highest = max(highest, height)
        axis.text(
            (middle[one] + middle[two]) / 2, height + 0.62, relation, ha="center", va="bottom",
            fontsize=6.5, color=MUTED,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
        )  # fmt: skip
    lowest = 1.0
    for pair in sentence.made:
        good = (min(pair), max(pair)) in right
        style = {"color": RIGHT if good else WRONG, "linewidth": 2.2 if good else 1.0}
        style["linestyle"] = "-" if good else (0, (4, 2))
        lowest = max(lowest, _arc(axis, middle, (min(pair), max(pair)), -1, style))
    axis.set_xlim(0, middle[-1] + max(len(sentence.words[-1]), 3) / 2 + 1)
    axis.set_ylim(-lowest - 0.8, highest + 1.2)
    axis.set_axis_off()
    axis.set_title(title, loc="left")


def _arc(
    axis: Axes, middle: Sequence[float], pair: tuple[int, int], side: int, style: dict
) -> float:
    """Half an ellipse between two words; return how high it is."""
    left, right = (middle[word] for word in pair)
    height = HEIGHT * (pair[1] - pair[0]) + 0.5
    angles = (0, 180) if side > 0 else (180, 360)
    axis.add_patch(
        Arc(
            ((left + right) / 2, 0.6 * side), right - left - 0.4, 2 * height,
            theta1=angles[0], theta2=angles[1], **style,
        )
    )  # fmt: skip
    return height
