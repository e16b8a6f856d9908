"""Trees drawn over a sentence: gold brackets above the words, a head's brackets below them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxheads.report.figures.style import MUTED
from jaxheads.report.folder import BracketTree, Study
from jaxheads.report.parts import Drawing, slug
from jaxheads.report.spread import number

LETTER, GAP, STEP = 0.085, 0.22, 0.24  # inches: a letter, between words, between brackets
SHARED, ALONE = "#0072B2", "#D55E00"  # of both trees: thick and solid; of one: thin and dashed


def example_drawings(study: Study) -> Iterator[Drawing]:
    """A drawing for each sentence that the study kept."""
    for place, tree in enumerate(study.trees):
        yield Drawing(
            slug("brackets", tree.model, str(place)), _figure(tree),
            f"Gold brackets and those of {tree.head} of {tree.model} over: {' '.join(tree.words)}",
            f"{tree.model}, {tree.head}, {tree.reading}: gold constituents above the words, the "
            f"head's below, F1 {number(tree.f1)}. Thick solid brackets are in both trees, thin "
            "dashed ones in one. The first sentences of 6 to 14 words of the test section, chosen "
            "before any score was known.",
        )  # fmt: skip


def _figure(tree: BracketTree) -> Figure:
    widths = [max(len(word), 2) * LETTER for word in tree.words]
    starts = [sum(widths[:n]) + n * GAP for n in range(len(widths))]
    gold = _with_labels(tree)
    found = dict.fromkeys(tree.found, "")
    above, below = _heights(gold), _heights(found)
    size = (starts[-1] + widths[-1] + 0.4, 0.5 + STEP * (max(above.values()) + max(below.values())))
    figure = Figure(figsize=(max(size[0], 4.2), size[1]), layout="constrained")
    axis = figure.subplots()
    for word, start, width in zip(tree.words, starts, widths, strict=True):
        axis.text(start + width / 2, 0, word, ha="center", va="center", fontsize=8.5)
    ends = [start + width for start, width in zip(starts, widths, strict=True)]
    for spans, heights, side in ((gold, above, 1), (found, below, -1)):
        for (start, end), label in spans.items():
            shared = (start, end) in gold and (start, end) in found
            place = (starts[start], ends[end - 1], side * (0.06 + STEP * heights[start, end]))
            _bracket(axis, place, label, side, shared)
    axis.set_xlim(-0.1, ends[-1] + 0.1)
    axis.set_ylim(-0.3 - STEP * max(below.values()), 0.45 + STEP * max(above.values()))
    axis.axis("off")
    return figure


def _with_labels(tree: BracketTree) -> dict[tuple[int, int], str]:
    """Each gold span once, with the labels of a unary chain."""
    labels: dict[tuple[int, int], list[str]] = {}
    for label, start, end in tree.gold:
        labels.setdefault((start, end), []).append(label)
    return {span: "–".join(own) for span, own in labels.items()}


def _heights(spans: Sequence[tuple[int, int]] | dict[tuple[int, int], str]):
    """How many brackets stand between each one and the words, itself counted."""
    heights: dict[tuple[int, int], int] = {}
    for start, end in sorted(spans, key=lambda span: span[1] - span[0]):
        inside = [h for (a, b), h in heights.items() if start <= a and b <= end]
        heights[start, end] = 1 + max(inside, default=0)
    return heights


def _bracket(axis: Axes, place: tuple[float, float, float], label: str, side: int, shared: bool):
    left, right, height = place
    foot = height - side * 0.09
    axis.plot(
        [left, left, right, right], [foot, height, height, foot],
        color=SHARED if shared else ALONE, linewidth=1.9 if shared else 0.9,
        linestyle="-" if shared else (0, (4, 2)), solid_joinstyle="miter",
    )  # fmt: skip
    if label:
        axis.text(
            (left + right) / 2, height + 0.03, label, ha="center", va="bottom", fontsize=6.5,
            color=MUTED, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        )  # fmt: skip
