"""Pruning curves: the metric of a task against the number of heads kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes

from jaxheads.records.folder import NULLS, OWN, RANDOM, TIED, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.figures.panels import (
    add_legend,
    bands_are,
    draw_lines,
    draw_several,
    grid,
    name_heads_axis,
)
from jaxheads.report.folder import Study
from jaxheads.report.names import shown, way
from jaxheads.report.parts import Drawing, slug
from jaxheads.report.spread import kept, spreads

BASELINES = (OWN, RANDOM)  # stand in every figure that they have to be compared with

GROUPS = {
    "orders": "orders of pruning",
    "units": "ways of making one score from the effects on examples",
    "tasks": "orders that come from another task",
    "tied": "orders in which a head leaves all layers that share it at once",
}


def curve_drawings(study: Study) -> Iterator[Drawing]:
    """A figure for each model and group of orders, with a panel for each task."""
    for model in study.models:
        rows = study.main(Stage.MASKED, model=model)
        groups = {way(row): _group(row) for row in rows}
        for group, words in GROUPS.items():
            own = [name for name, its in groups.items() if its == group]
            base = [name for name in groups if name in BASELINES and name not in own]
            if own:
                caption = f"{model}, {words}: from all heads (left) to none (right), nothing"
                alt = f"Pruning curves of {model}, {words}"
                chosen = [row for row in rows if way(row) in (*base, *own)]
                yield orders_drawing(
                    study, slug("curves", model, group), chosen, f"{caption} trained again.", alt
                )


def _group(row: Row) -> str:
    if row.reading == TIED:
        return "tied"
    if row.other_task or row.method in NULLS:
        return "tasks"
    return "units" if row.reading else "orders"


def orders_drawing(
    study: Study, name: str, rows: Sequence[Row], caption: str, alt: str, columns: int = 4
) -> Drawing:
    """A metric by heads kept, a panel for each task and a line for each way to choose heads."""
    ways = dict.fromkeys(way(row) for row in rows)
    tasks = [task for task in study.tasks if task in {row.task for row in rows}]
    figure, axes = grid(len(tasks))
    seen = []
    for axis, task in zip(axes, tasks, strict=True):
        found = spreads((row for row in rows if row.task == task), way, kept)
        seen += draw_lines(axis, found, ways)
        draw_levels(axis, study, rows[0].model, task)
        name_heads_axis(axis, shown(task), study.metric(task))
    add_legend(figure, axes, columns)
    bands = bands_are(seen, "values (seeds and random draws)")
    alt = f"{alt}, on {', '.join(map(shown, tasks))}"
    return Drawing(name, figure, alt, f"{caption} Lines are means, {bands}.")


def draw_levels(axis: Axes, study: Study, model: str, task: str, *, whole: bool = False) -> None:
    """The majority-class baseline and a bag of words, as lines; with `whole` all heads too."""
    metric, bag = study.metric(task), Metric.BAG_OF_WORDS
    levels = {"all heads": (Stage.WHOLE, metric)} if whole else {}
    levels |= {"majority-class baseline": (Stage.FLOOR, metric), bag: (Stage.FLOOR, bag)}
    found = {
        label: level.mean
        for label, (stage, name) in levels.items()
        if (level := study.spread(stage, model=model, task=task, metric=name)) is not None
    }
    draw_several(axis, found)
