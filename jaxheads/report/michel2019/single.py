"""One head at a time, after Michel et al. 2019: removed alone, kept alone in its layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from jaxheads.records.folder import (
    BEST_OF_ALL,
    BY_METRIC,
    BYTES,
    CUT,
    SPEED_UP,
    WHOLE,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.baseline import MARK, at_chance
from jaxheads.report.figures.panels import draw_cells, grid, write_cell
from jaxheads.report.folder import Study
from jaxheads.report.names import head_of, shown
from jaxheads.report.parts import Drawing, Section, Table, section, slug
from jaxheads.report.spread import INTERVAL, Form, Spread, cell, short, signed, spreads
from jaxheads.report.tables import table_of

COLORS = "cividis"
SHOWN = 8  # heads of each task in the table of the largest changes
_MOST_WRITTEN = 64  # squares of a map that still have room for a number

Place = tuple[int, int]


def single_section(study: Study) -> Section | None:
    """Maps of the changes, the largest ones, and the study's summaries of them."""
    lead = (
        "The change of the metric when one head alone is masked, below 0 where the head helps, "
        "and when a layer keeps a single head."
    )
    summaries: dict[str, tuple[str, str, Form]] = {
        Stage.REMOVED_SUMMARY: (
            "summary-table", "Of all heads, one at a time. Significant: p below 0.01 for no "
            "change, not corrected for the number of heads; if none mattered, 1% of them would "
            "be, by chance.", short,
        ),
        Stage.ALONE: (
            "kept-table", "All heads of a layer but one removed: change of the metric. The one "
            "that stays has the least loss on training examples, or the best metric on them "
            f"(“{BY_METRIC}”, as in Michel et al.), or is the best on the very examples measured "
            f"(“{BEST_OF_ALL}”).", signed,
        ),
        Stage.OTHER_DATA: (
            "data-sets-table", "Agreement of the changes on two data sets.", short,
        ),
        Stage.ABLATION: (
            "ablation-table", "Agreement of the gradient's scores, on training examples, with what "
            "the metric loses without each head.", short,
        ),
    }  # fmt: skip
    lines = {"model": "model", "task": "task", "what": _what, "metric": "metric"}
    tables = (
        table_of(name, caption, study.at(stage), lines, form=form)
        for stage, (name, caption, form) in summaries.items()
    )
    return section(
        "single", "One head at a time", lead,
        _drawings(study), _largest(study), tables, _speeds(study),
    )  # fmt: skip


def _what(row: Row) -> str:
    return ", ".join(filter(None, (head_of(row), row.method))) or "–"


def _changes(study: Study) -> dict[tuple[str, str, str], dict[Place, Spread]]:
    """By model, task and metric: the change for each head."""
    changes: dict[tuple[str, str, str], dict[Place, Spread]] = {}
    found = spreads(study.at(Stage.REMOVED), "model", "task", "metric", "layer", "head")
    for (*line, layer, head), spread in found.items():
        changes.setdefault((*line,), {})[layer, head] = spread
    return changes


def _drawings(study: Study) -> Iterator[Drawing]:
    changes = _changes(study)
    for model in study.models:
        own = {task: found for (name, task, metric), found in changes.items()
               if name == model and metric == study.metric(task)}  # fmt: skip
        if not own:
            continue
        figure, axes = grid(len(own), 2.9, 2.8)
        for axis, (task, found) in zip(axes, own.items(), strict=True):
            _draw_map(axis, shown(task), _matrix(found))
        counts = {s.number for found in own.values() for s in found.values()}
        yield Drawing(
            slug("removed", model), figure,
            f"Change of the metric of {model} when one head is removed, layer by head",
            f"{model}: change of the metric when one head alone is masked, mean over seeds "
            f"(n = {' or '.join(map(str, sorted(counts)))}). Dark: the largest loss of a map. "
            "Intervals are in the tables.",
        )  # fmt: skip


def _matrix(found: Mapping[Place, Spread]) -> Float[np.ndarray, "L H"]:
    matrix = np.full(np.array([*found]).max(0) + 1, np.nan)
    for place, spread in found.items():
        matrix[place] = spread.mean
    return matrix


def _draw_map(axis: Axes, title: str, matrix: Float[np.ndarray, "L H"]) -> None:
    low, high = float(np.nanmin(matrix)), float(np.nanmax(matrix))
    high = high if high > low else low + 1
    draw_cells(axis, matrix, low, high, COLORS)
    if matrix.size <= _MOST_WRITTEN:
        for (row, column), value in np.ndenumerate(matrix):
            if np.isfinite(value):
                share, text = (value - low) / (high - low), f"{round(100 * value, 1) + 0.0:.1f}"
                write_cell(axis, row, column, text, share, COLORS)
    layers, heads = matrix.shape
    axis.set_xticks([n + 0.5 for n in range(heads)], [str(n) for n in range(heads)])
    axis.set_yticks([n + 0.5 for n in range(layers)], [str(n) for n in range(layers)])
    axis.set(title=title, ylabel="layer", xlabel="head (changes in points, 100 = 1)")


def _largest(study: Study) -> Table:
    body = []
    for (model, task, metric), found in _changes(study).items():
        ranked = sorted(found.items(), key=lambda item: -abs(item[1].mean))[:SHOWN]
        idle = at_chance(study, model, task)
        body += [
            (model, shown(task), metric, f"layer {layer} head {head}", cell(spread, signed),
             f"the whole model is {MARK}: no claim" if idle else _verdict(spread))
            for (layer, head), spread in ranked
        ]  # fmt: skip
    caption = (
        f"The {SHOWN} largest changes of each task when one head is removed: mean, [95% interval] "
        "over examples and several seeds where one was computed, (lowest to highest) of seeds "
        "elsewhere. Of many heads some leave out 0 by chance: nothing is corrected for their "
        "number."
    )
    head = ("model", "task", "metric", "head", "change", "says")
    return Table("removed-table", caption, head, tuple(body), labels=4)


def _verdict(spread: Spread) -> str:
    if spread.kind != INTERVAL:
        return "no interval, no claim"
    if spread.holds(0.0):
        return "not distinguishable"
    one = " in this one model" * (spread.number == 1)
    return f"the head {'helps' if spread.mean < 0 else 'hurts'}{one}"


def _speeds(study: Study) -> Table:
    """The model cut to half of its heads beside the whole one, by the examples in a batch."""
    body = []
    for row in study.at(Stage.HALF_CUT, metric=Metric.IDEAL_SPEEDUP):
        place = {"model": row.model, "task": row.task, "budget": row.budget}
        found = {
            (line["what"], line["batch"]): line["value"]
            for line in study.speeds
            if place.items() <= line.items() and line["unit"] != BYTES
        }
        for (what, size), gain in found.items():
            if what == SPEED_UP:
                rates = (short(1000 * size / found[name, size]) for name in (WHOLE, CUT))
                line = (row.model, shown(row.task), str(row.budget), str(size))
                body.append((*line, *rates, f"{gain:.2f}x", f"{row.value:.2f}x"))
    caption = (
        "Forward passes, examples a second, of the whole model and of the same with half of its "
        "heads cut by the gradient's order: medians of turns taken by both, the ratio within "
        "turns, and what multiply-adds allow at best."
    )
    head = ("model", "task", "heads kept", "batch", WHOLE, CUT, SPEED_UP, "ideal")
    return Table("speed-table", caption, head, tuple(body), labels=4)
