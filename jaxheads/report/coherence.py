"""Do tasks need the same heads: matrices, tables, and pruning by another task's order."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from jaxheads.records import Row
from jaxheads.report.folder import PRETRAINING, Study
from jaxheads.report.functional import functional_drawings, functional_table
from jaxheads.report.looks import shown
from jaxheads.report.panels import draw_cells, grid, write_cell
from jaxheads.report.parts import Drawing, Section, Table, slug
from jaxheads.report.spread import Spread, cell, number, spread_of, spreads

COLORS = "cividis"
TUNED = "fine-tuned"  # the place of measuring that rows of ceilings do not name
STATISTICS = (
    "spearman", "kendall", "spearman within layers", "overlap of lowest 50%",
    "overlap of highest 20%",
)  # fmt: skip


def coherence_section(study: Study) -> Section | None:
    """Everything about the agreement of two tasks' heads."""
    tables = (_statistics(study), _ceilings(study), functional_table(study))
    drawings = (*_matrices(study), *functional_drawings(study))
    parts = (*drawings, *(table for table in tables if table is not None))
    if not parts:
        return None
    lead = (
        "Rank agreement of head scores on two tasks, and what pruning one task by the other's "
        "order costs. Importance on a task is measured twice: in models fine-tuned on it, and in "
        "the pre-trained body under a readout trained alone (“frozen body”), which tells a change "
        "by the task from a change by fine-tuning. Agreement can only be read against its "
        "ceiling: how well the same task agrees with itself, between halves of the examples or "
        "between fine-tuning seeds."
    )
    return Section("coherence", "Do tasks need the same heads", lead, parts)


def ceiling_of(study: Study, model: str, task: str, place: str) -> Spread | None:
    """The Spearman correlation of a task's scores with themselves, measured in `place`.

    Between fine-tuning seeds; where there are none, as in pre-training, between halves of examples.
    """
    places = [f", {place}"] * (place != TUNED and task != PRETRAINING) or [""]
    for method in (f"{between}{suffix}" for suffix in places for between in ("seeds", "halves")):
        rows = study.at("ceiling", model=model, task=task, metric="spearman", method=method)
        found = spread_of(rows)
        if found is not None:
            return found
    return None


# -- matrices


def _matrices(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        rows = study.at("coherence", model=model, metric="spearman")
        rows = [row for row in rows if math.isfinite(row.value)]
        places = list(dict.fromkeys(row.method for row in rows))
        if not places:
            continue
        named = {part for row in rows for part in row.task.split("~")}
        tasks = [task for task in study.tasks if task in named]
        tasks += sorted(named - set(tasks))
        side = max(2.4, 0.62 * len(tasks) + 1.2)
        figure, axes = grid(len(places), side, side)
        matrices = [
            _matrix(study, model, place, [row for row in rows if row.method == place], tasks)
            for place in places
        ]
        low = min(0.0, math.floor(10 * np.nanmin(matrices)) / 10)
        for axis, place, matrix in zip(axes, places, matrices, strict=True):
            _draw_matrix(axis, matrix, low, [shown(task) for task in tasks])
            axis.set_title(place)
        yield Drawing(
            slug("coherence", model), figure,
            f"Spearman correlations of head scores between tasks, {model}",
            f"{model}: Spearman correlation of head scores between tasks, mean over seeds "
            f"({_counts(rows)}); panels: where the importance was measured. Diagonal: the ceiling, "
            "between fine-tuning seeds of the same task, for masked LM between halves of its "
            "examples. Bounds are in the table below.",
        )  # fmt: skip


def _counts(rows: list[Row]) -> str:
    found = {spread.number for spread in spreads(rows, lambda row: (row.task, row.method)).values()}
    return "n = " + " or ".join(str(count) for count in sorted(found))


def _matrix(
    study: Study, model: str, where: str, rows: list[Row], tasks: list[str]
) -> Float[np.ndarray, "tasks tasks"]:
    matrix = np.full((len(tasks), len(tasks)), np.nan)
    for pair, spread in spreads(rows, lambda row: row.task).items():
        one, two = (tasks.index(task) for task in pair.split("~"))
        matrix[one, two] = matrix[two, one] = spread.mean
    for place, task in enumerate(tasks):
        ceiling = ceiling_of(study, model, task, where)
        if ceiling is not None:
            matrix[place, place] = ceiling.mean
    return matrix


def _draw_matrix(
    axis: Axes, matrix: Float[np.ndarray, "tasks tasks"], low: float, names: list[str]
) -> None:
    draw_cells(axis, matrix, low, 1.0, COLORS)
    ticks = np.arange(len(names)) + 0.5
    axis.set_xticks(ticks, names, rotation=40, ha="right")
    axis.set_yticks(ticks, names)
    for (row, column), value in np.ndenumerate(matrix):
        if math.isfinite(value):
            share = (value - low) / (1.0 - low)
            write_cell(axis, row, column, number(value, 2), share, COLORS)


# -- tables


def _statistics(study: Study) -> Table | None:
    body = _body(study, "coherence")
    if not body:
        return None
    caption = (
        "Agreement of two tasks' scores: mean (lowest to highest) over seeds; p: the largest "
        "permutation p-value of any seed; chance: the overlap that random scores have."
    )
    return Table(
        "coherence-table", caption, ("model", "tasks", "measured in", *STATISTICS), body, 3
    )


def _ceilings(study: Study) -> Table | None:
    body = _body(study, "ceiling")
    if not body:
        return None
    caption = (
        "Ceilings: agreement of a task with itself, between random halves of the examples "
        "(“halves”: the split-half reliability of the score) and between pairs of fine-tuning "
        "seeds (“seeds”). Mean (lowest to highest)."
    )
    return Table("ceiling-table", caption, ("model", "task", "between", *STATISTICS), body, 3)


def _body(study: Study, stage: str) -> tuple[tuple[str, ...], ...]:
    """A line for every model, task and method of a stage, with a cell for every statistic."""
    found = spreads(study.at(stage), lambda row: (row.model, row.task, row.method, row.metric))
    lines = dict.fromkeys((model, task, method) for model, task, method, _ in found)
    return tuple(
        (model, shown(task), method, *_line(found, (model, task, method)))
        for model, task, method in lines
    )


def _line(
    found: dict[tuple[str, str, str, str], Spread], line: tuple[str, str, str]
) -> Iterator[str]:
    for statistic in STATISTICS:
        own, p, chance = (
            found.get(key)
            for key in ((*line, f"{prefix}{statistic}") for prefix in ("", "p of ", "chance of "))
        )
        said = [cell(own)]
        said += [f"p {p_value(p.high)}"] if p is not None else []
        said += [f"chance {number(chance.mean)}"] if chance is not None else []
        yield ", ".join(said)


def p_value(p: float) -> str:
    """A p-value, from below 0.001 on as a bound."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"
