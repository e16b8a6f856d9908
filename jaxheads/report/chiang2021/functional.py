"""Functional coherence: what another task's order of pruning is worth, as a figure and a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matplotlib.axes import Axes

from jaxheads.records.folder import OWN, PRETRAINING, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, MARK, at_chance
from jaxheads.report.claims import NONE, out_of
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
from jaxheads.report.parts import Answer, Drawing, Table, slug
from jaxheads.report.spread import INTERVAL, Spread, kept, spread_of, spreads
from jaxheads.report.tables import table_of

LOWEST, HIGHEST = -1.0, 2.0  # of the axis: a ratio has no bounds where its denominator is small


def functional_answer(study: Study) -> Answer | None:
    """What the pre-training task's order is worth on tasks, nearest half of the heads."""
    rows = study.main(Stage.FUNCTIONAL, method=OWN, reading="", other_task=PRETRAINING)
    places = dict.fromkeys((row.model, row.task) for row in rows)
    if not places:
        return None
    able = [place for place in places if not at_chance(study, *place)]
    several = [place for place in able if _seeds(study, *place) > 1]
    found = [_at_half(study, [r for r in rows if (r.model, r.task) == own]) for own in several]
    known = [spread for spread in found if spread is not None]
    better = sum(spread.kind == INTERVAL and spread.low > 0 for spread in known)
    worse = sum(spread.kind == INTERVAL and spread.high < 1 for spread in known)
    said = NONE
    if known:
        said = (
            "At the budget nearest to half of the heads the order of masked LM is better than "
            f"random orders in {out_of(better, len(known))} models and tasks, and worse than the "
            f"task's own order in {out_of(worse, len(known))}: the 95% interval of functional "
            "coherence over seeds, random draws and examples lies above 0, or below 1 (not "
            "corrected for their number)."
        )
    reasons = {
        "whose own order is no better than random": len(several) - len(known),
        "of one model, which says nothing of another training": len(able) - len(several),
        f"of models {MARK}": len(places) - len(able),
    }
    left = "; ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    question = "Can tasks be pruned by the order of the pre-training task?"
    return Answer(question, said + f" Not counted: {left}." * bool(left))


def _seeds(study: Study, model: str, task: str) -> int:
    return len({row.seed for row in study.at(Stage.WHOLE, model=model, task=task)})


def _at_half(study: Study, rows: list[Row]) -> Spread | None:
    """At the number of heads nearest to half; None where the own order is no better than random."""
    half = (study.heads(rows[0].model) or 0) / 2
    budget = min((row.budget or 0 for row in rows), key=lambda budget: abs(budget - half))
    return spread_of(row for row in rows if row.budget == budget)


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
