"""Before and after fine-tuning: four orders of pruning and training at equal numbers of heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes

from jaxheads.records.folder import RANDOM, REGIMES, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, at_chance
from jaxheads.report.chiang2021.regimes_answer import regimes_table
from jaxheads.report.figures.panels import add_legend, draw_level, grid
from jaxheads.report.figures.style import INK, MUTED
from jaxheads.report.folder import Study
from jaxheads.report.names import called, heads_kept, shown
from jaxheads.report.parts import Drawing, Section, Table, section, slug
from jaxheads.report.spread import Spread, cell, spreads
from jaxheads.report.tables import table_of

COLORS, MARKERS = ("#E69F00", "#0072B2", "#D55E00", "#009E73", "#CC79A7"), "sovDP"


def regimes_section(study: Study) -> Section | None:
    """A figure for each model and the tables of the regimes and of the drift of ranks."""
    lead = (
        "The same number of heads is removed at different times. “prune”: by the pre-training "
        "score, with only a readout trained on the body as it is; “prune, fine-tune”: by the same "
        "score, then fine-tuned; “fine-tune, prune”: by the task's own score, nothing trained "
        "again; “fine-tune, prune, fine-tune”: that, trained once more, which is twice the "
        "training of the others; “prune, fine-tune, fine-tune” has as much, with the heads pruned "
        "first. “random”: the same with heads chosen at random."
    )
    drift = (
        "Drift: agreement of the importance before and after fine-tuning of the pruned model, "
        "mean (lowest to highest) over seeds."
    )
    lines = {"model": "model", "task": "task", "statistic": "metric", "heads kept": "budget"}
    return section(
        "regimes", "Pruning before and after fine-tuning", lead, _drawings(study),
        regimes_table(study), _table(study),
        table_of("drift-table", drift, study.at(Stage.DRIFT), lines),
    )  # fmt: skip


def _drawings(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        rows = study.main(Stage.REGIMES, model=model)
        budgets = sorted({row.budget for row in rows if row.budget is not None}, reverse=True)
        if not budgets:
            continue
        tasks = [task for task in study.tasks if task in {row.task for row in rows}]
        figure, axes = grid(len(budgets), max(3.3, 1.25 * len(tasks) + 0.8), 3.1)
        for axis, budget in zip(axes, budgets, strict=True):
            _draw_panel(axis, [row for row in rows if row.budget == budget], tasks)
            if len(tasks) == 1:
                _draw_whole(study, axis, model, tasks[0])
            metrics = " / ".join(dict.fromkeys(study.metric(task) for task in tasks))
            axis.set(title=f"{budget} heads kept", ylabel=metrics)
        add_legend(figure, axes, 2)
        yield Drawing(
            slug("regimes", model), figure,
            f"Metrics of {model} pruned before and after fine-tuning",
            f"{model}: marks are means, bars run from the lowest to the highest value of seeds "
            "and draws; full marks: heads chosen by score, hollow grey ones: at random. Other "
            "choices are in the table.",
        )  # fmt: skip


def _draw_panel(axis: Axes, rows: Sequence[Row], tasks: Sequence[str]) -> None:
    found = spreads(rows, "task", "method", "reading")
    for place, (regime, color, marker) in enumerate(zip(REGIMES, COLORS, MARKERS, strict=True)):
        shift = 0.17 * (place - (len(REGIMES) - 1) / 2)
        for reading, tint, fill, by in (
            (RANDOM, MUTED, "white", -0.045),
            ("", color, color, 0.045),
        ):
            points = [
                (task_place + shift + by, found[task, regime, reading])
                for task_place, task in enumerate(tasks)
                if (task, regime, reading) in found
            ]
            if points:
                axis.errorbar(
                    [x for x, _ in points], [s.mean for _, s in points],
                    yerr=_bars([s for _, s in points]), label=called(regime, reading),
                    linestyle="none", color=tint, marker=marker, markersize=5.5,
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
    whole = study.spread(Stage.WHOLE, model=model, task=task, metric=study.metric(task))
    if whole is not None:
        draw_level(axis, whole.mean, "all heads")


def _table(study: Study) -> Table:
    """Every regime, marked where its model is at chance."""
    rows = study.main(Stage.REGIMES)
    found = spreads(rows, "model", "task", "budget", "method", "reading")
    ways = sorted(
        dict.fromkeys((row.method, row.reading) for row in rows),
        key=lambda each: (REGIMES.index(each[0]), each[1]),
    )
    body = []
    for model, task, budget in dict.fromkeys(key[:3] for key in found):
        what = {"model": model, "task": task, "metric": study.metric(task)}
        cells = (
            cell(found.get((model, task, budget, method, reading)))
            + CROSS * at_chance(study, model, task, method=method, reading=reading, budget=budget)
            for method, reading in ways
        )
        line = (model, shown(task), study.metric(task), heads_kept(budget))
        body.append((*line, *cells, cell(study.spread(Stage.WHOLE, **what))))
    head = ("model", "task", "metric", "heads kept", *(called(*each) for each in ways), "all heads")
    caption = (
        f"Before and after fine-tuning: mean (lowest to highest) over seeds and draws.{CROSSED}"
    )
    return Table("regimes-table", caption, head, tuple(body), labels=3)
