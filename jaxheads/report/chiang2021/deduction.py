"""The acceptable deduction: what the pre-training task may lose before a task notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import mean

from matplotlib.axes import Axes

from jaxheads.records.folder import OWN, PRETRAINING, Metric, Stage
from jaxheads.report.chiang2021.acceptable import acceptable_table
from jaxheads.report.figures.panels import add_legend, bands_are, draw_level, draw_line, grid
from jaxheads.report.figures.style import INK, LineStyle, line_styles
from jaxheads.report.folder import Study
from jaxheads.report.names import shown, way
from jaxheads.report.parts import Drawing, Section, section, slug
from jaxheads.report.spread import INTERVAL, Spread, by_seed, percent, range_of, spreads
from jaxheads.report.tables import table_of

LEAST = "least of all tasks"


def deduction_section(study: Study) -> Section | None:
    """The parametric plot of each model, the acceptable deductions, and what fine-tuning gave."""
    lead = (
        "The pre-trained model is pruned by its own score, its loss on the pre-training task is "
        "measured before any further training, and then it is fine-tuned on a task. The "
        "acceptable deduction at 5% is the largest relative increase of the pre-training loss, "
        "among the cuts tried, up to which the task's metric, the mean over seeds, is at least 95% "
        "of the whole model's."
    )
    lost = (
        "What pruning costs the pre-training task before fine-tuning, relative to all heads, with "
        "[95% intervals over blocks of text]; of the one pre-trained model."
    )
    trained = "Pruned, then fine-tuned: mean (lowest to highest) over seeds and draws."
    where = {"model": "model", "task": "task", "heads chosen by": way}
    return section(
        "deduction", "The acceptable deduction", lead, _drawings(study), acceptable_table(study),
        table_of(
            "lost-table", lost, study.at(Stage.DEDUCTION),
            {"model": "model", "order": way, "heads kept": "budget"}, by="metric", form=percent,
        ),
        table_of(
            "trained-table", trained, study.main(Stage.PRUNED_FIRST),
            where | {"heads kept": "budget", "metric": "metric"}, "after fine-tuning",
        ),
    )  # fmt: skip


def retained(study: Study, model: str, task: str) -> dict[int, Spread]:
    """By heads kept: the task's mean metric after pruning and fine-tuning, over the whole model's.

    Both are means over the same seeds, as in A(eps); the range is that of the seeds' own shares.
    """
    where = {"model": model, "task": task, "metric": study.metric(task)}
    whole = by_seed(study.at(Stage.WHOLE, **where))
    rows = study.at(Stage.PRUNED_FIRST, **where, method=OWN, reading="")
    found = {}
    for budget in sorted({row.budget for row in rows if row.budget is not None}, reverse=True):
        pruned = by_seed(row for row in rows if row.budget == budget)
        seeds = [seed for seed in pruned if whole.get(seed, 0.0) > 0]
        if seeds:
            shares = range_of([pruned[seed] / whole[seed] for seed in seeds])
            top, bottom = (mean(side[seed] for seed in seeds) for side in (pruned, whole))
            found[budget] = shares._replace(mean=top / bottom)
    return found


def increases(study: Study, model: str) -> dict[int, Spread]:
    """By heads kept: the relative increase of the pre-training loss before any fine-tuning."""
    what = {"model": model, "task": PRETRAINING, "metric": Metric.LOSS_INCREASE}
    rows = study.at(Stage.DEDUCTION, **what, method=OWN, reading="")
    return spreads((row for row in rows if row.budget is not None), "budget")


def _drawings(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        lost = increases(study, model)
        curves = {task: retained(study, model, task) for task in study.downstream}
        curves = {task: found for task, found in curves.items() if found.keys() & lost.keys()}
        if not curves:
            continue
        figure, axes = grid(1, 6.0, 3.6)
        seen = _draw_plot(axes[0], lost, curves)
        add_legend(figure, axes, 3)
        yield Drawing(
            slug("deduction", model), figure,
            f"Acceptable deduction of {model}: what tasks retain against what masked LM lost",
            f"{model}: share of the whole model's metric that a task keeps after pruning and "
            "fine-tuning, against what the pruning cost the pre-training task before it. Each "
            f"point is one number of heads kept, with the loss's own 95% interval over blocks of "
            f"text where there is one; {bands_are(seen)}. The thick line is the lowest mean of all "
            "tasks.",
        )  # fmt: skip


def _draw_plot(
    axis: Axes, lost: Mapping[int, Spread], curves: Mapping[str, Mapping[int, Spread]]
) -> list[Spread]:
    start = {0.0: range_of([1.0])}
    least: dict[float, Spread] = dict(start)
    for task, style in line_styles(curves).items():
        points = {lost[b].mean: s for b, s in curves[task].items() if b in lost}
        draw_line(axis, shown(task), style, {**start, **points})
        for budget, share in curves[task].items():
            if budget in lost and lost[budget].kind == INTERVAL:
                ends = [lost[budget].low, lost[budget].high]
                axis.plot(ends, [share.mean] * 2, color=style.color, linewidth=0.8)
    for budget, increase in lost.items():
        kept = [found[budget].mean for found in curves.values() if budget in found]
        if len(kept) == len(curves):
            least[increase.mean] = range_of([min(kept)])
    if len(curves) > 1:
        draw_line(axis, LEAST, LineStyle(INK, "", "-"), least, alpha=0.35, zorder=1)
        axis.lines[-1].set_linewidth(5)
    for share in (0.99, 0.95):
        draw_level(axis, share, percent(share))
    axis.set(
        xlabel="relative increase of the masked-LM loss before fine-tuning",
        ylabel="share of the whole\nmodel's metric kept",
    )
    axis.xaxis.set_major_formatter(lambda value, _: percent(value))
    axis.yaxis.set_major_formatter(lambda value, _: percent(value))
    return [spread for found in curves.values() for spread in found.values()]
