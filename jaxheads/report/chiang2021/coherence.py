"""Do tasks need the same heads: matrices, tables, and pruning by another task's order."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, pair_at_chance
from jaxheads.report.chiang2021.functional import functional_drawings, functional_table
from jaxheads.report.chiang2021.nulls import null_tables
from jaxheads.report.figures.panels import draw_cells, grid, write_cell
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import PRETRAINING, Study
from jaxheads.report.parts import Drawing, Section, Table, slug
from jaxheads.report.spread import Spread, cell, number, spread_of, spreads

COLORS = "cividis"
TUNED = "fine-tuned"  # the place of measuring that rows of reliability do not name
REPEATED = ("other examples and seed", "other seed", "other examples")
STATISTICS = (
    "spearman", "kendall", "spearman within layers", "overlap of lowest 50%",
    "overlap of highest 20%",
)  # fmt: skip


def coherence_section(study: Study) -> Section | None:
    """Everything about the agreement of two tasks' heads."""
    tables = (_statistics(study), _ceilings(study), _reliabilities(study), functional_table(study))
    drawings = (*_matrices(study), *functional_drawings(study))
    parts = (*drawings, *(table for table in tables if table is not None), *null_tables(study))
    if not parts:
        return None
    lead = (
        "Rank agreement of head scores on two tasks, and what pruning one task by the other's "
        "order costs. Importance on a task is measured twice: in models fine-tuned on it, and in "
        "the pre-trained encoder under a readout trained alone (“linear probe”, encoder frozen), "
        "which tells a change by the task from a change by fine-tuning. Two maps can agree no "
        "better than each repeats: the ceiling of a correlation is the root of the product of "
        "both reliabilities. The reliability of a map is what the same task gives once more, with "
        "other examples and, where several were trained, another fine-tuning seed. The "
        "pre-trained model is one: its map repeats over examples alone, and another pre-training "
        "is not in it. Large heads matter to any loss, so that agreement may be of size alone: "
        "the nulls say what maps that know nothing of labels reach."
    )
    return Section("coherence", "Do tasks need the same heads", lead, parts)


def reliability_of(study: Study, model: str, task: str, place: str) -> tuple[Spread, str] | None:
    """The reliability of one map of a task's scores, measured in `place`, and over what."""
    suffix = "" if place == TUNED or task == PRETRAINING else f", {place}"
    for what in (REPEATED[0], REPEATED[2]):
        rows = study.at("reliability", model=model, task=task, method=f"{what}{suffix}")
        found = spread_of(row for row in rows if row.metric == "spearman")
        if found is not None:
            return found, what
    return None


def ceiling_of(study: Study, model: str, pair: str, place: str) -> Spread | None:
    """What the Spearman correlation of two tasks' scores can be expected to reach at most."""
    return spread_of(study.at("ceiling", model=model, task=pair, metric="spearman", method=place))


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
            f"({_counts(rows)}); panels: where the importance was measured. Diagonal: the "
            "reliability of a task's own map. Bounds, ceilings and what is at chance are in the "
            "tables below.",
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
        found = reliability_of(study, model, task, where)
        if found is not None:
            matrix[place, place] = found[0].mean
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
    body = _body(study)
    if not body:
        return None
    caption = (
        "Agreement of two tasks' scores: mean (lowest to highest) over seeds; p: the largest "
        "permutation p-value of any seed; chance: the overlap that random scores have."
        f"{CROSSED}"
    )
    return Table(
        "coherence-table", caption, ("model", "tasks", "measured in", *STATISTICS), body, 3
    )


def _ceilings(study: Study) -> Table | None:
    """Each correlation beside its ceiling."""
    found = spreads(
        study.at("coherence", metric="spearman"), lambda row: (row.model, row.task, row.method)
    )
    body = tuple(
        (
            model, shown(pair), marked(study, model, pair, place), cell(spread), cell(ceiling),
            cell(spread.scaled(1 / ceiling.mean)) if ceiling.mean > 0 else "–",
        )
        for (model, pair, place), spread in found.items()
        if (ceiling := ceiling_of(study, model, pair, place)) is not None
    )  # fmt: skip
    if not body:
        return None
    caption = (
        "Spearman correlations and their ceilings, the root of the product of the two maps' "
        "reliabilities: mean (lowest to highest) over seeds. Both are estimates, so that a "
        "correlation may lie above its ceiling. “Disattenuated” is no measured correlation: it is "
        "the correlation over its ceiling, what maps without noise would be expected to have."
        f"{CROSSED}"
    )
    head = ("model", "tasks", "measured in", "spearman", "ceiling", "disattenuated")
    return Table("ceiling-table", caption, head, body, 3)


def _reliabilities(study: Study) -> Table | None:
    """How each task's map repeats."""
    found = spreads(
        study.at("reliability"), lambda row: (row.model, row.task, row.method, row.metric)
    )
    places: dict[tuple[str, str, str], None] = {}
    for model, task, method, _ in found:
        places[model, task, method.partition(", ")[2]] = None

    def shares(model: str, task: str, place: str) -> Iterator[str]:
        suffix = f", {place}" if place else ""
        for what in REPEATED:
            yield cell(found.get((model, task, f"{what}{suffix}", "spearman")))
        for statistic in STATISTICS[1:]:
            yield cell(found.get((model, task, f"{REPEATED[1]}{suffix}", statistic)))

    body = tuple(
        (model, shown(task), place or TUNED, *shares(model, task, place))
        for model, task, place in places
    )
    if not body:
        return None
    caption = (
        "Reliability of one map of scores: its Spearman correlation with the map that as many "
        "other examples in a model of another fine-tuning seed would give; in parts, with another "
        "seed on the same examples (mean, lowest to highest, over pairs of seeds), and with other "
        "examples in the same model (from random halves, by the formula of Spearman and Brown). "
        "Then the other statistics between seeds on the same examples. A dash: not measured."
    )
    head = ("model", "task", "measured in", *REPEATED, *STATISTICS[1:])
    return Table("reliability-table", caption, head, body, 3)


def _body(study: Study) -> tuple[tuple[str, ...], ...]:
    """A line for every model, pair and place, with a cell for every statistic."""
    rows = study.at("coherence")
    found = spreads(rows, lambda row: (row.model, row.task, row.method, row.metric))
    lines = dict.fromkeys((model, task, method) for model, task, method, _ in found)
    return tuple(
        (line[0], shown(line[1]), marked(study, *line), *_line(found, line)) for line in lines
    )


def marked(study: Study, model: str, pair: str, place: str) -> str:
    """Where importance was measured, marked where a model there is at chance."""
    return place + CROSS * pair_at_chance(study, model, pair, place)


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
