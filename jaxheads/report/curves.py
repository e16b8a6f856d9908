"""Pruning curves: the metric of a task against the number of heads kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxheads.records.rows import Row, kind_of
from jaxheads.report.figures.panels import add_legend, bands_are, draw_level, draw_line, grid
from jaxheads.report.figures.style import line_styles, shown
from jaxheads.report.folder import Study
from jaxheads.report.overview import BAG
from jaxheads.report.parts import Drawing, slug
from jaxheads.report.spread import Spread, spread_of, spreads

LABEL_HEIGHT = 0.06  # of a panel: labels of levels nearer than this would cover each other
BASELINES = ("gradient", "random")  # stand in every figure that they have to be compared with

GROUPS = {
    "orders": "orders of pruning",
    "units": "ways of making one score from the effects on examples",
    "tasks": "orders that come from another task",
    "tied": "orders in which a head leaves all layers that share it at once",
}


def curve_drawings(study: Study) -> Iterator[Drawing]:
    """A figure for each model and group of orders, with a panel for each task."""
    for model in study.models:
        rows = [
            row for row in study.at("masked", model=model) if row.metric == study.metric(row.task)
        ]
        kinds = list(dict.fromkeys(kind_of(row.method) for row in rows))
        for group, words in GROUPS.items():
            own = [kind for kind in kinds if _group(kind) == group]
            if own:
                base = [kind for kind in kinds if kind in BASELINES and kind not in own]
                yield _drawing(study, model, rows, base + own, group, words)


def _group(kind: str) -> str:
    if kind.endswith(" tied"):
        return "tied"
    if kind.startswith("order of "):
        return "tasks"
    return "units" if kind.startswith("gradient/") else "orders"


def _drawing(
    study: Study, model: str, rows: Sequence[Row], kinds: list[str], group: str, words: str
) -> Drawing:
    wanted = [row for row in rows if kind_of(row.method) in kinds]
    tasks = [task for task in study.tasks if task in {row.task for row in wanted}]
    figure, axes = grid(len(tasks))
    seen: list[Spread] = []
    for axis, task in zip(axes, tasks, strict=True):
        seen += _draw_panel(axis, [row for row in wanted if row.task == task], kinds)
        draw_levels(axis, study, model, task)
        axis.set(title=shown(task), xlabel="heads kept", ylabel=study.metric(task))
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.invert_xaxis()
    add_legend(figure, axes)
    caption = (
        f"{model}, {words}: from all heads (left) to none (right), nothing trained again. Lines "
        f"are means, {bands_are(seen, 'values (seeds and random draws)')}."
    )
    alt = f"Pruning curves of {model}, {words}, on {', '.join(map(shown, tasks))}"
    return Drawing(slug("curves", model, group), figure, alt, caption)


def draw_levels(axis: Axes, study: Study, model: str, task: str, *, whole: bool = False) -> None:
    """The majority-class baseline and a bag of words, as lines; with `whole` all heads too."""
    metric = study.metric(task)
    levels = {"all heads": ("whole", metric)} if whole else {}
    levels |= {"majority-class baseline": ("floor", metric), BAG: ("floor", BAG)}
    found = {
        label: level.mean
        for label, (stage, name) in levels.items()
        if (level := spread_of(study.at(stage, model=model, task=task, metric=name))) is not None
    }
    near = LABEL_HEIGHT * float(np.ptp(axis.get_ylim()))
    for label, height in found.items():
        crowded = any(0 < other - height < near for other in found.values())
        draw_level(axis, height, label, below=crowded)


def _draw_panel(axis: Axes, rows: Sequence[Row], kinds: list[str]) -> list[Spread]:
    found = spreads(rows, lambda row: (kind_of(row.method), row.budget or 0))
    for kind, style in line_styles(kinds).items():
        points = {float(budget): s for (name, budget), s in found.items() if name == kind}
        if points:
            draw_line(axis, _label(kind), style, points)
    return list(found.values())


def _label(kind: str) -> str:
    before, order, task = kind.partition("order of ")
    return f"{before}{order}{shown(task)}" if order else kind
