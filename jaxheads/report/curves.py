"""The figure of pruning curves, from a study's rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxheads.files import write_atomically
from jaxheads.records import Row
from jaxheads.report.spread import Spread, kind_of, spreads

KINDS = ("png", "svg")
STYLE: dict[Any, Any] = {"svg.hashsalt": "jaxheads", "font.size": 9, "axes.spines.top": False}
STYLE |= {"axes.spines.right": False, "legend.frameon": False}


class Look(NamedTuple):
    """Colour, marker and line all differ, so that print and any eye can tell kinds apart."""

    color: str  # of the palette of Okabe and Ito
    marker: str
    line: str


LOOKS: dict[str, Look] = {
    "gradient": Look("#0072B2", "o", "-"),
    "gradient of the other task": Look("#E69F00", "s", "--"),
    "random": Look("#595959", "^", ":"),
    "reversed gradient": Look("#D55E00", "v", "-."),
}
OTHER_LOOKS = (Look("#009E73", "D", "-"), Look("#CC79A7", "P", "--"), Look("#56B4E9", "X", "-."))


def draw_curves(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write `curves.png` and `curves.svg`; the same rows give the same bytes."""
    paths = [folder / f"curves.{kind}" for kind in KINDS]
    with mpl.rc_context(STYLE):
        figure = curves_figure(rows)
        for path in paths:
            with write_atomically(path) as draft:
                dated = {"Date": None} if path.suffix == ".svg" else {}
                figure.savefig(draft, dpi=150, metadata=dated, bbox_inches="tight")
    return paths


def curves_figure(rows: Sequence[Row]) -> Figure:
    """A panel for each task and metric: the metric against heads kept, by order of pruning.

    Lines are means, bands go from the lowest to the highest value over seeds and draws. Large
    hollow markers with bars: heads removed before fine-tuning. ValueError without any curve.
    """
    masked = [row for row in rows if row.stage == "masked" and row.metric != "loss"]
    panels = list(dict.fromkeys((row.task, row.metric) for row in masked))
    if not panels:
        raise ValueError("curves: expected rows of the stage 'masked', got none")
    figure = Figure(figsize=(4.4 * len(panels), 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    looks = _looks(masked)
    for place, (task, metric) in enumerate(panels):
        own = [row for row in rows if (row.task, row.metric) == (task, metric)]
        _draw_panel(axes[place], own, looks)
        axes[place].set(title=task, xlabel="heads kept", ylabel=metric)
    handles = {label: h for ax in axes for h, label in zip(*ax.get_legend_handles_labels())}  # noqa: B905
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    return figure


def _looks(rows: Sequence[Row]) -> dict[str, Look]:
    kinds = list(dict.fromkeys(kind_of(row.method) for row in rows))
    spare = iter(OTHER_LOOKS * len(kinds))
    return {kind: LOOKS[kind] if kind in LOOKS else next(spare) for kind in kinds}


def _draw_panel(axis: Axes, rows: Sequence[Row], looks: dict[str, Look]) -> None:
    stages = {stage: [row for row in rows if row.stage == stage] for stage in _STAGES}
    curves = spreads(stages["masked"], lambda row: (kind_of(row.method), row.budget or 0))
    for kind, look in looks.items():
        points = sorted((budget, s) for (name, budget), s in curves.items() if name == kind)
        if points:
            _draw_curve(axis, kind, look, points)
    trained = spreads(
        stages["pruned, then fine-tuned"], lambda row: (kind_of(row.method), row.budget or 0)
    )
    for (kind, budget), spread in trained.items():
        _draw_trained(axis, f"{kind}, then fine-tuned", looks[kind], budget, spread)
    for spread in spreads(stages["floor"], lambda row: row.metric).values():
        axis.axhline(spread.mean, color="black", linewidth=0.8, linestyle=(0, (1, 3)))
        axis.annotate(
            "commonest label", (0.01, spread.mean), xycoords=("axes fraction", "data"),
            va="bottom", fontsize=7,
        )  # fmt: skip
    axis.invert_xaxis()


_STAGES = ("masked", "pruned, then fine-tuned", "floor")


def _draw_curve(axis: Axes, kind: str, look: Look, points: list[tuple[int, Spread]]) -> None:
    budgets = [budget for budget, _ in points]
    axis.plot(
        budgets, [s.mean for _, s in points], label=kind,
        color=look.color, marker=look.marker, linestyle=look.line, markersize=4, linewidth=1.4,
    )  # fmt: skip
    low, high = [s.low for _, s in points], [s.high for _, s in points]
    axis.fill_between(budgets, low, high, color=look.color, alpha=0.15, linewidth=0)


def _draw_trained(axis: Axes, label: str, look: Look, budget: int, spread: Spread) -> None:
    axis.errorbar(
        [budget], [spread.mean],
        yerr=[[spread.mean - spread.low], [spread.high - spread.mean]],
        label=label, color=look.color, marker=look.marker, linestyle="none",
        markersize=9, markerfacecolor="none", markeredgewidth=1.6, capsize=3,
    )  # fmt: skip
