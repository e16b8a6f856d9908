"""Functional coherence: what another task's order of pruning is worth, as a figure and a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, at_chance
from jaxheads.report.figures.panels import add_legend, bands_are, draw_level, draw_line, grid
from jaxheads.report.figures.style import line_styles, shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Drawing, Table, slug
from jaxheads.report.spread import Spread, cell, spreads

STAGE = "functional coherence"
LOWEST, HIGHEST = -1.0, 2.0  # of the axis: a ratio has no bounds where its denominator is small


def functional_drawings(study: Study) -> Iterator[Drawing]:
    """A figure for each model, with a panel for each task that is measured."""
    for model in study.models:
        found = _found(study, model)
        measured = [task for task in study.tasks if any(_second(pair) == task for pair, _ in found)]
        if not measured:
            continue
        first = list(dict.fromkeys(_first(pair) for pair, _ in found))
        orders = [task for task in study.tasks if task in first]
        orders += [null for null in first if null not in orders]
        figure, axes = grid(len(measured))
        for axis, task in zip(axes, measured, strict=True):
            _draw_panel(axis, found, task, orders)
        add_legend(figure, axes)
        yield Drawing(
            slug("functional", model), figure,
            f"Functional coherence of {model} on {', '.join(map(shown, measured))}",
            f"{model}: a task (panel) pruned by the order of another (line). 1: as good as the "
            "task's own order; 0: no better than random orders; no mark where the own order is no "
            f"better than random. {_sentence(bands_are(list(found.values())))}"
            f"{_cut_off(found.values())}",
        )  # fmt: skip


def functional_table(study: Study) -> Table | None:
    """Every order, task and number of heads."""
    rows = study.at(STAGE)
    found = spreads(rows, lambda row: (row.model, row.task, row.metric, row.budget or 0))
    budgets = sorted({budget for *_, budget in found}, reverse=True)
    lines = dict.fromkeys((model, task, metric) for model, task, metric, _ in found)
    body = tuple(
        (
            model, shown(task) + CROSS * at_chance(study, model, _second(task)), metric,
            *(cell(found.get((model, task, metric, budget))) for budget in budgets),
        )
        for model, task, metric in lines
    )  # fmt: skip
    if not body:
        return None
    caption = (
        "Functional coherence: the first task's order prunes, the second task is measured. 1: as "
        "good as the second task's own order; 0: no better than random orders; a dash: undefined, "
        "because the own order is no better than random. Mean, [95% interval] or (range)."
        f"{CROSSED}"
    )
    head = ("model", "tasks", "metric", *(f"{budget} heads kept" for budget in budgets))
    return Table("functional-table", caption, head, body, labels=3)


def _found(study: Study, model: str) -> dict[tuple[str, int], Spread]:
    """By pair of tasks and heads kept, in the metric of the task that is measured."""
    rows: list[Row] = [
        row for row in study.at(STAGE, model=model) if row.metric == study.metric(_second(row.task))
    ]
    return spreads(rows, lambda row: (row.task, row.budget or 0))


def _draw_panel(
    axis: Axes, found: Mapping[tuple[str, int], Spread], task: str, orders: list[str]
) -> None:
    for order, style in line_styles([f"order of {shown(order)}" for order in orders]).items():
        pair = {f"order of {shown(one)}": f"{one}~{task}" for one in orders}[order]
        points = {float(budget): s for (name, budget), s in found.items() if name == pair}
        if points:
            draw_line(axis, order, style, points)
    draw_level(axis, 1.0, "own order")
    draw_level(axis, 0.0, "random orders")
    ends = list(
        chain.from_iterable((s.low, s.high) for (p, _), s in found.items() if _second(p) == task)
    )
    axis.set_ylim(max(LOWEST, min([-0.1, *ends])), min(HIGHEST, max([1.2, *ends])))
    axis.set(title=shown(task), xlabel="heads kept", ylabel=STAGE)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.invert_xaxis()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _cut_off(found) -> str:
    beyond = any(s.low < LOWEST or s.high > HIGHEST for s in found)
    said = f" Values below {LOWEST:g} or above {HIGHEST:g} are cut off; the table has them."
    return said.replace("-", "−") if beyond else ""


def _first(pair: str) -> str:
    return pair.partition("~")[0]


def _second(pair: str) -> str:
    return pair.partition("~")[2]
