"""Before and after fine-tuning: four orders of pruning and training at equal numbers of heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes

from jaxheads.records.rows import Row, kind_of
from jaxheads.report.baseline import CROSS, CROSSED, TIMED, at_chance
from jaxheads.report.chiang2021.regimes_answer import RANDOM, regimes_table
from jaxheads.report.figures.panels import add_legend, draw_level, grid
from jaxheads.report.figures.style import INK, MUTED, shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Drawing, Section, Table, slug
from jaxheads.report.spread import Spread, cell, spread_of, spreads

REGIMES = {
    "prune": ("#E69F00", "s"),
    "prune, fine-tune": ("#0072B2", "o"),
    "fine-tune, prune": ("#D55E00", "v"),
    "fine-tune, prune, fine-tune": ("#009E73", "D"),
    "prune, fine-tune, fine-tune": ("#CC79A7", "P"),
}


def regimes_section(study: Study) -> Section | None:
    """A figure for each model and the tables of the regimes and of the drift of ranks."""
    tables = (regimes_table(study), _table(study), _drift(study))
    parts = (*_drawings(study), *(table for table in tables if table is not None))
    if not parts:
        return None
    lead = (
        "The same number of heads is removed at different times. “prune”: by the pre-training "
        "score, with only a readout trained on the body as it is; “prune, fine-tune”: by the same "
        "score, then fine-tuned; “fine-tune, prune”: by the task's own score, nothing trained "
        "again; “fine-tune, prune, fine-tune”: that, trained once more, which is twice the "
        "training of the others; “prune, fine-tune, fine-tune” has as much, with the heads pruned "
        "first. “random”: the same with heads chosen at random."
    )
    return Section("regimes", "Pruning before and after fine-tuning", lead, parts)


def _drawings(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        rows = [row for row in study.at(TIMED, model=model) if row.metric == study.metric(row.task)]
        budgets = sorted({row.budget for row in rows if row.budget is not None}, reverse=True)
        if not budgets:
            continue
        tasks = [task for task in study.tasks if task in {row.task for row in rows}]
        figure, axes = grid(len(budgets), max(3.3, 1.25 * len(tasks) + 0.8), 3.1)
        for axis, budget in zip(axes, budgets, strict=True):
            _draw_panel(axis, [row for row in rows if row.budget == budget], tasks)
            if len(tasks) == 1:
                _draw_whole(study, axis, model, tasks[0])
            axis.set(title=f"{budget} heads kept", ylabel=_metrics(study, tasks))
        add_legend(figure, axes, 2)
        yield Drawing(
            slug("regimes", model), figure,
            f"Metrics of {model} pruned before and after fine-tuning",
            f"{model}: marks are means, bars run from the lowest to the highest value of seeds "
            "and draws; full marks: heads chosen by score, hollow grey ones: at random. Other "
            "choices are in the table.",
        )  # fmt: skip


def _metrics(study: Study, tasks: Sequence[str]) -> str:
    return " / ".join(dict.fromkeys(study.metric(task) for task in tasks))


def _draw_panel(axis: Axes, rows: Sequence[Row], tasks: Sequence[str]) -> None:
    found = spreads(rows, lambda row: (row.task, kind_of(row.method)))
    for place, (regime, (color, marker)) in enumerate(REGIMES.items()):
        shift = 0.17 * (place - (len(REGIMES) - 1) / 2)
        for method, tint, fill, by in (
            (regime + RANDOM, MUTED, "white", -0.045),
            (regime, color, color, 0.045),
        ):
            points = [
                (task_place + shift + by, found[task, method])
                for task_place, task in enumerate(tasks)
                if (task, method) in found
            ]
            if points:
                axis.errorbar(
                    [x for x, _ in points], [s.mean for _, s in points],
                    yerr=_bars([s for _, s in points]),
                    label=method, linestyle="none", color=tint, marker=marker, markersize=5.5,
                    markerfacecolor=fill, markeredgecolor=tint, elinewidth=1.1, capsize=2,
                )  # fmt: skip
    axis.set_xticks(range(len(tasks)), [shown(task) for task in tasks], rotation=20, ha="right")
    axis.set_xlim(-0.5, len(tasks) - 0.5)
    axis.grid(visible=False, axis="x")
    for line in range(1, len(tasks)):
        axis.axvline(line - 0.5, color=INK, linewidth=0.3)


def _bars(found: Sequence[Spread]) -> list[list[float]]:
    return [[s.mean - s.low for s in found], [s.high - s.mean for s in found]]


def _draw_whole(study: Study, axis: Axes, model: str, task: str) -> None:
    whole = spread_of(study.at("whole", model=model, task=task, metric=study.metric(task)))
    if whole is not None:
        draw_level(axis, whole.mean, "all heads")


def _table(study: Study) -> Table | None:
    rows = [row for row in study.at(TIMED) if row.metric == study.metric(row.task)]
    found = spreads(rows, lambda row: (row.model, row.task, row.budget, kind_of(row.method)))
    methods = _in_order([kind_of(row.method) for row in rows])
    lines = dict.fromkeys((model, task, budget) for model, task, budget, _ in found)
    body = tuple(
        (model, shown(task), study.metric(task), "all" if budget is None else str(budget),
         *(cell(found.get((model, task, budget, method)))
           + CROSS * at_chance(study, model, task, method, budget) for method in methods),
         cell(spread_of(study.at("whole", model=model, task=task, metric=study.metric(task)))))
        for model, task, budget in lines
    )  # fmt: skip
    if not body:
        return None
    head = ("model", "task", "metric", "heads kept", *methods, "all heads")
    caption = (
        f"Before and after fine-tuning: mean (lowest to highest) over seeds and draws.{CROSSED}"
    )
    return Table("regimes-table", caption, head, body, labels=3)


def _in_order(methods: Sequence[str]) -> list[str]:
    known = [name for regime in REGIMES for name in (regime, regime + RANDOM)]
    return sorted(
        dict.fromkeys(methods),
        key=lambda name: known.index(name) if name in known else len(known),
    )


def _drift(study: Study) -> Table | None:
    found = spreads(
        study.at("drift"), lambda row: (row.model, row.task, row.method, row.metric, row.budget)
    )
    body = tuple(
        (model, shown(task), method or "–", metric, "all" if budget is None else str(budget),
         cell(spread))
        for (model, task, method, metric, budget), spread in found.items()
    )  # fmt: skip
    if not body:
        return None
    head = ("model", "task", "heads chosen by", "statistic", "heads kept", "value")
    caption = (
        "Drift: agreement of the importance before and after fine-tuning of the pruned model, "
        "mean (lowest to highest) over seeds."
    )
    return Table("drift-table", caption, head, body, labels=4)
