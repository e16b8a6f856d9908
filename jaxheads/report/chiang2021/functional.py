"""Functional coherence: what another task's order of pruning is worth, as a figure and a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matplotlib.axes import Axes

from jaxheads.records.folder import Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, at_chance
from jaxheads.report.figures.panels import (
    add_legend,
    bands_are,
    draw_level,
    draw_lines,
    grid,
    name_heads_axis,
)
from jaxheads.report.folder import Study
from jaxheads.report.names import shown, way
from jaxheads.report.parts import Drawing, Table, slug
from jaxheads.report.spread import Spread, kept, spreads
from jaxheads.report.tables import table_of

LOWEST, HIGHEST = -1.0, 2.0  # of the axis: a ratio has no bounds where its denominator is small


def functional_drawings(study: Study) -> Iterator[Drawing]:
    """A figure for each model, with a panel for each task that is measured."""
    for model in study.models:
        rows = study.main(Stage.FUNCTIONAL, model=model)
        found = {
            task: spreads((row for row in rows if row.task == task), way, kept)
            for task in study.tasks
        }
        found = {task: own for task, own in found.items() if own}
        if not found:
            continue
        figure, axes = grid(len(found))
        orders = dict.fromkeys(way(row) for row in rows)
        for axis, (task, own) in zip(axes, found.items(), strict=True):
            draw_lines(axis, own, orders)
            _set_axis(axis, task, own.values())
        add_legend(figure, axes)
        every = [spread for own in found.values() for spread in own.values()]
        bands = bands_are(every)
        yield Drawing(
            slug("functional", model), figure,
            f"Functional coherence of {model} on {', '.join(map(shown, found))}",
            f"{model}: a task (panel) pruned by the order of another (line). 1: as good as the "
            "task's own order; 0: no better than random orders; no mark where the own order is no "
            f"better than random. {bands[:1].upper()}{bands[1:]}.{_cut_off(every)}",
        )  # fmt: skip


def functional_table(study: Study) -> Table:
    """Every order, task and number of heads."""
    caption = (
        "Functional coherence: another order prunes, the task is measured. 1: as good as the "
        "task's own order; 0: no better than random orders; a dash: undefined, because the own "
        f"order is no better than random. Mean, [95% interval] or (range).{CROSSED}"
    )

    def task(row: Row) -> str:
        return shown(row.task) + CROSS * at_chance(study, row.model, row.task)

    rows = study.at(Stage.FUNCTIONAL)
    budgets = sorted({row.budget or 0 for row in rows}, reverse=True)
    return table_of(
        "functional-table", caption, rows,
        {"model": "model", "order": way, "task": task, "metric": "metric"},
        [f"{budget} heads kept" for budget in budgets],
        by=lambda row: f"{row.budget} heads kept",
    )  # fmt: skip


def _set_axis(axis: Axes, task: str, found: Iterable[Spread]) -> None:
    draw_level(axis, 1.0, "own order")
    draw_level(axis, 0.0, "random orders")
    ends = [end for spread in found for end in (spread.low, spread.high)]
    axis.set_ylim(max(LOWEST, min([-0.1, *ends])), min(HIGHEST, max([1.2, *ends])))
    name_heads_axis(axis, shown(task), Stage.FUNCTIONAL)


def _cut_off(found: Iterable[Spread]) -> str:
    beyond = any(s.low < LOWEST or s.high > HIGHEST for s in found)
    said = f" Values below {LOWEST:g} or above {HIGHEST:g} are cut off; the table has them."
    return said.replace("-", "−") if beyond else ""
