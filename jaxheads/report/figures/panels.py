"""What all figures share: a grid of panels with one legend, lines with bands, cells with text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxheads.report.figures.style import MUTED, LineStyle, line_styles
from jaxheads.report.spread import INTERVAL, RANGE, Spread, cell, short

COLUMNS, COLUMN = 3, 1.6  # panels in a row; inches of a legend's column
LABEL_HEIGHT = 0.06  # of a panel: labels of levels nearer than this would cover each other
POINT, SQUARE = "tip-point", "tip-square"  # texts that only the page shows


class Picture(Figure):
    """A figure that a notebook shows, also one that knows nothing of pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def grid(
    count: int, width: float = 3.3, height: float = 2.7, *, columns: int = COLUMNS
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels, so many in a row; sizes in inches of one panel."""
    columns = min(count, columns)
    lines = -(-count // columns)
    figure = Picture(
        figsize=(max(width * columns, 4.2), height * lines + 0.5), layout="constrained"
    )
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def add_legend(figure: Figure, axes: Sequence[Axes], columns: int = 4) -> None:
    """One legend below all panels, with each name once, in as many columns as there is room for."""
    columns = max(1, min(columns, int(figure.get_figwidth() / COLUMN)))
    handles: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns)


def tip(axis: Axes, x: float | int, y: float | int, words: str, *, kind: str = POINT) -> None:
    """What a browser says where the pointer rests on a point, or on a square (its first corner)."""
    figure = axis.get_figure(root=True)
    assert figure is not None, "an axis stands in a figure"
    figure.text(x, y, words, gid=kind, visible=False, transform=axis.transData)


def draw_line(
    axis: Axes, label: str, style: LineStyle, points: Mapping[float | int, Spread], **more: Any
) -> None:
    """Means over x with a band between their bounds."""
    places = sorted(points)
    found = [points[x] for x in places]
    axis.plot(
        places, [s.mean for s in found], label=label, color=style.color, marker=style.marker,
        linestyle=style.line, markersize=4.2, linewidth=1.5, **more,
    )  # fmt: skip
    for x in places:
        tip(axis, x, points[x].mean, f"{label}: {cell(points[x])}")
    if any(s.has_bounds for s in found):
        axis.fill_between(
            places, [s.low for s in found], [s.high for s in found],
            color=style.color, alpha=0.15, linewidth=0,
        )  # fmt: skip


def draw_lines(
    axis: Axes, found: Mapping[tuple[str, float | int], Spread], names: Iterable[str] | None = None
) -> list[Spread]:
    """A line for each name, by name and x; `names`: of all panels, so that styles are the same."""
    for name, style in line_styles(names or dict.fromkeys(name for name, _ in found)).items():
        points = {x: spread for (own, x), spread in found.items() if own == name}
        if points:
            draw_line(axis, name, style, points)
    return list(found.values())


def name_heads_axis(axis: Axes, title: str, metric: str) -> None:
    """A panel of a metric by heads kept, from all of them to none."""
    axis.set(title=title, xlabel="heads kept", ylabel=metric)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.invert_xaxis()


def draw_level(axis: Axes, height: float, label: str, *, below: bool = False) -> None:
    """A thin dotted line across the panel, with its name on it, or below it."""
    axis.axhline(height, color="black", linewidth=0.8, linestyle=(0, (1, 3)))
    axis.annotate(
        label, (0.02, height), xycoords=("axes fraction", "data"), textcoords="offset points",
        xytext=(0, -1.5 if below else 1.5), va="top" if below else "bottom",
        fontsize=7, color=MUTED,
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4}, zorder=1.5,
    )  # fmt: skip


def draw_several(axis: Axes, levels: Mapping[str, float]) -> None:
    """Levels by their names, which stand below lines that have another one just above them."""
    near = LABEL_HEIGHT * float(np.ptp(axis.get_ylim()))
    for label, height in levels.items():
        crowded = any(0 < other - height < near for other in levels.values())
        draw_level(axis, height, label, below=crowded)


def draw_cells(
    axis: Axes, values: Float[np.ndarray, "rows columns"], low: float, high: float, colors: str
) -> Any:
    """A matrix as squares, its first line on top; NaN stays white."""
    axis.grid(False)
    mesh = axis.pcolormesh(
        np.ma.masked_invalid(values), vmin=low, vmax=high, cmap=colors, edgecolors="white",
        linewidth=0.8,
    )  # fmt: skip
    for row, column in np.argwhere(np.isfinite(values)).tolist():
        tip(axis, column, row, short(float(values[row, column])), kind=SQUARE)
    axis.invert_yaxis()
    axis.set_aspect("equal")
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    return mesh


def write_cell(axis: Axes, row: int, column: int, text: str, share: float, colors: str) -> None:
    """A number on a square, dark on light and light on dark; `share` is its place in the map."""
    red, green, blue, _ = mpl.colormaps[colors](min(max(share, 0.0), 1.0))
    dark = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.18
    axis.text(
        column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7.5,
        color="white" if dark else "black",
    )  # fmt: skip


def bands_are(found: Sequence[Spread], of: str = "seeds") -> str:
    """What the bands around lines are, for a caption."""
    kinds = {spread.kind for spread in found}
    most = max((spread.number for spread in found), default=0)
    said = []
    if RANGE in kinds:
        said.append(f"bands run from the lowest to the highest of up to {most} {of}")
    if INTERVAL in kinds:
        said.append(
            "bands are 95% intervals" + (" where the study computed them" * (RANGE in kinds))
        )
    return "; ".join(said) or "no bands: there is one value for each point"
