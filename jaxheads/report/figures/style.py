"""The style of figures: one for all; for each line a colour, a marker and a dash that differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

INK, MUTED = "#1a1a1a", "#595959"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "jaxheads", "svg.fonttype": "path", "font.family": "DejaVu Sans",
    "font.size": 9, "axes.titlesize": 9.5, "axes.titleweight": "bold", "axes.labelsize": 8.5,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8.5,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "xtick.color": MUTED, "ytick.color": MUTED,
    "text.color": INK, "axes.grid": True, "grid.color": "#e4e4e4", "grid.linewidth": 0.6,
    "axes.axisbelow": True, "text.parse_math": False,  # words are words, with any $ in them
    "figure.facecolor": "white", "savefig.facecolor": "white",
}  # fmt: skip


class LineStyle(NamedTuple):
    """Colour, marker and line all differ, so that print and any eye can tell lines apart."""

    color: str  # of the palette of Okabe and Ito, its yellow darkened, and a grey
    marker: str
    line: str | tuple[int, tuple[int, ...]]


FIXED: dict[str, LineStyle] = {
    "gradient": LineStyle("#0072B2", "o", "-"),
    "random": LineStyle(MUTED, "^", ":"),
    "reversed": LineStyle("#D55E00", "v", "-."),
}
_DASHES = ("--", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (6, 2, 1, 2)), (0, (8, 2)))
SPARE = tuple(
    LineStyle(color, marker, line)
    for (color, marker), line in zip(
        zip(
            ("#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#8C6D00"),
            ("s", "D", "P", "X", "h", "<"),
            strict=True,
        ),
        _DASHES,
        strict=True,
    )
)


def line_styles(names: Iterable[str]) -> dict[str, LineStyle]:
    """A style for each name; the well-known orders have the same one in every figure."""
    spare = itertools.cycle(SPARE)
    return {name: FIXED[name] if name in FIXED else next(spare) for name in names}
