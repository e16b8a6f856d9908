"""One head at a time, after Michel et al. 2019: removed alone, kept alone in its layer."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from jaxheads.records.rows import Row
from jaxheads.report.figures.panels import draw_cells, grid, write_cell
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Drawing, Section, Table, slug
from jaxheads.report.spread import INTERVAL, Form, Spread, cell, short, signed, spreads

COLORS = "cividis"
SHOWN = 8  # heads of each task in the table of the largest changes
_HEAD = re.compile(r"layer (\d+) head (\d+)")
_BATCH = re.compile(r"speed-up, batch (\d+)")
_MOST_WRITTEN = 64  # squares of a map that still have room for a number


def single_section(study: Study) -> Section | None:
    """Maps of the changes, the largest ones, and the study's summaries of them."""
    tables = (
        _largest(study),
        _table(
            study, "one head removed, summary", "summary-table",
            "Of all heads, one at a time. Significant: p below 0.01 for no change, not corrected "
            "for the number of heads; if none mattered, 1% of them would be, by chance.",
        ),
        _table(
            study, "one head kept", "kept-table",
            "All heads of a layer but one removed: change of the metric. The one that stays has "
            "the least loss on training examples, or the best metric on them (“chosen by”, as in "
            "Michel et al.), or is the best on the very examples measured (“best of all”).",
            signed,
        ),
        _table(
            study, "agreement of data sets", "data-sets-table",
            "Agreement of the changes on two data sets.",
        ),
        _table(
            study, "gradient and ablation", "ablation-table",
            "Agreement of the gradient's scores, on training examples, with what the metric loses "
            "without each head.",
        ),
        _speeds(study),
    )  # fmt: skip
    parts = (*_drawings(study), *(table for table in tables if table is not None))
    if not parts:
        return None
    lead = (
        "The change of the metric when one head alone is masked, below 0 where the head helps, "
        "and when a layer keeps a single head."
    )
    return Section("single", "One head at a time", lead, parts)


def _changes(study: Study) -> dict[tuple[str, str, str], dict[str, Spread]]:
    """By model, task and metric: the change for each head."""
    found = spreads(
        study.at("one head removed"), lambda row: (row.model, row.task, row.metric, row.method)
    )
    changes: dict[tuple[str, str, str], dict[str, Spread]] = {}
    for (model, task, metric, head), spread in found.items():
        changes.setdefault((model, task, metric), {})[head] = spread
    return changes


def _drawings(study: Study) -> Iterator[Drawing]:
    changes = _changes(study)
    for model in study.models:
        own = {task: found for (name, task, metric), found in changes.items()
               if name == model and metric == study.metric(task)}  # fmt: skip
        maps = {task: _matrix(found) for task, found in own.items()}
        maps = {task: matrix for task, matrix in maps.items() if matrix.size}
        if not maps:
            continue
        figure, axes = grid(len(maps), 2.9, 2.8)
        for axis, (task, matrix) in zip(axes, maps.items(), strict=True):
            _draw_map(axis, shown(task), matrix)
        counts = {s.number for found in own.values() for s in found.values()}
        yield Drawing(
            slug("removed", model), figure,
            f"Change of the metric of {model} when one head is removed, layer by head",
            f"{model}: change of the metric when one head alone is masked, mean over seeds "
            f"(n = {' or '.join(map(str, sorted(counts)))}). Dark: the largest loss of a map. "
            "Intervals are in the tables.",
        )  # fmt: skip


def _matrix(found: dict[str, Spread]) -> Float[np.ndarray, "L H"]:
    places = {
        (int(match[1]), int(match[2])): spread.mean
        for head, spread in found.items()
        if (match := _HEAD.fullmatch(head))
    }
    sizes = [1 + max((place[axis] for place in places), default=-1) for axis in (0, 1)]
    matrix = np.full(sizes, np.nan)
    for place, value in places.items():
        matrix[place] = value
    return matrix


def _draw_map(axis: Axes, title: str, matrix: Float[np.ndarray, "L H"]) -> None:
    low, high = float(np.nanmin(matrix)), float(np.nanmax(matrix))
    high = high if high > low else low + 1
    draw_cells(axis, matrix, low, high, COLORS)
    if matrix.size <= _MOST_WRITTEN:
        for (row, column), value in np.ndenumerate(matrix):
            if np.isfinite(value):
                share = (value - low) / (high - low)
                write_cell(axis, row, column, _points(value), share, COLORS)
    layers, heads = matrix.shape
    axis.set_xticks([n + 0.5 for n in range(heads)], [str(n) for n in range(heads)])
    axis.set_yticks([n + 0.5 for n in range(layers)], [str(n) for n in range(layers)])
    axis.set(title=title, ylabel="layer", xlabel="head (changes in points, 100 = 1)")


def _points(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:.1f}"


def _largest(study: Study) -> Table | None:
    body = []
    for (model, task, metric), found in _changes(study).items():
        ranked = sorted(found.items(), key=lambda item: -abs(item[1].mean))[:SHOWN]
        body += [
            (model, shown(task), metric, head, cell(spread, signed), _verdict(spread))
            for head, spread in ranked
        ]
    if not body:
        return None
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


def _speeds(study: Study) -> Table | None:
    """The model cut to half of its heads beside the whole one, by the examples in a batch."""
    body = []
    for row in study.at("half cut", metric="ideal speed-up"):
        found = {
            line["what"]: line["value"]
            for line in study.speeds
            if (line["model"], line["task"], line["budget"]) == (row.model, row.task, row.budget)
        }
        for what, gain in found.items():
            if match := _BATCH.fullmatch(what):
                size = int(match[1])
                rates = (
                    1000 * size / found[f"{name}, batch {size}, ms"] for name in ("whole", "cut")
                )
                values = (*map(short, rates), f"{gain:.2f}x", f"{row.value:.2f}x")
                body.append((row.model, shown(row.task), str(row.budget), str(size), *values))
    if not body:
        return None
    caption = (
        "Forward passes, examples a second, of the whole model and of the same with half of its "
        "heads cut by the gradient's order: medians of turns taken by both, the ratio within "
        "turns, and what multiply-adds allow at best."
    )
    head = ("model", "task", "heads kept", "batch", "whole", "cut", "speed-up", "ideal")
    return Table("speed-table", caption, head, tuple(body), labels=4)


def _table(study: Study, stage: str, name: str, caption: str, form: Form = short) -> Table | None:
    rows = study.at(stage)
    if not rows:
        return None
    found = spreads(rows, _key)
    body = tuple((*key, cell(spread, form)) for key, spread in found.items())
    head = ("model", "task", "what", "metric", "heads kept", "value")
    return Table(name, caption, head, body, labels=4)


def _key(row: Row) -> tuple[str, ...]:
    budget = "–" if row.budget is None else str(row.budget)
    return (row.model, shown(row.task), row.method or "–", row.metric, budget)
