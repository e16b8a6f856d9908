"""Do tasks need the same heads: matrices, tables, and pruning by another task's order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from jaxheads.records.folder import (
    OTHER_BOTH,
    OTHER_EXAMPLES,
    OTHER_SEED,
    PRETRAINING,
    TUNED,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED
from jaxheads.report.chiang2021.functional import functional_drawings, functional_table
from jaxheads.report.chiang2021.nulls import null_maps, orders_table, pairs_table
from jaxheads.report.chiang2021.places import Place, pair_at_chance, place_of
from jaxheads.report.figures.panels import draw_cells, grid, write_cell
from jaxheads.report.folder import Study
from jaxheads.report.names import shown, tasks_of
from jaxheads.report.parts import Drawing, Section, Table, section, slug
from jaxheads.report.spread import Spread, cell, largest_p, number, p_text, spread_of, spreads

COLORS = "cividis"
REPEATED = (OTHER_BOTH, OTHER_SEED, OTHER_EXAMPLES)
STATISTICS = (
    Metric.SPEARMAN, Metric.KENDALL, Metric.WITHIN_LAYERS, Metric.LOWEST, Metric.HIGHEST,
)  # fmt: skip


def coherence_section(study: Study) -> Section | None:
    """Everything about the agreement of two tasks' heads."""
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
    return section(
        "coherence", "Do tasks need the same heads", lead,
        _matrices(study), functional_drawings(study), _statistics(study), _ceilings(study),
        _reliabilities(study), functional_table(study),
        pairs_table(study), orders_table(study), null_maps(study),
    )  # fmt: skip


def reliability_of(study: Study, model: str, task: str, place: str) -> tuple[Spread, str] | None:
    """The reliability of one map of a task's scores, measured in `place`, and over what."""
    own = {"model": model, "task": task, "place": TUNED if task == PRETRAINING else place}
    for what in (OTHER_BOTH, OTHER_EXAMPLES):
        found = study.spread(Stage.RELIABILITY, **own, method=what, metric=Metric.SPEARMAN)
        if found is not None:
            return found, what
    return None


def ceiling_of(study: Study, place: Place) -> Spread | None:
    """What the Spearman correlation of two tasks' scores can be expected to reach at most."""
    return study.spread(Stage.CEILING, **place._asdict(), metric=Metric.SPEARMAN)


# -- matrices


def _matrices(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        rows = study.at(Stage.COHERENCE, model=model, metric=Metric.SPEARMAN)
        rows = [row for row in rows if math.isfinite(row.value)]
        places = list(dict.fromkeys(row.place for row in rows))
        if not places:
            continue
        named = {task for row in rows for task in (row.task, row.other_task)}
        tasks = [task for task in study.tasks if task in named]
        tasks += sorted(named - set(tasks))
        side = max(2.4, 0.62 * len(tasks) + 1.2)
        figure, axes = grid(len(places), side, side)
        matrices = [_matrix(study, place, rows, tasks) for place in places]
        low = min(0.0, math.floor(10 * np.nanmin(matrices)) / 10)
        for axis, place, matrix in zip(axes, places, matrices, strict=True):
            _draw_matrix(axis, matrix, low, [shown(task) for task in tasks])
            axis.set_title(place)
        counts = {s.number for s in spreads(rows, "task", "other_task", "place").values()}
        yield Drawing(
            slug("coherence", model), figure,
            f"Spearman correlations of head scores between tasks, {model}",
            f"{model}: Spearman correlation of head scores between tasks, mean over seeds "
            f"(n = {' or '.join(map(str, sorted(counts)))}); panels: where the importance was "
            "measured. Diagonal: the reliability of a task's own map. Bounds, ceilings and what is "
            "at chance are in the tables below.",
        )  # fmt: skip


def _matrix(
    study: Study, place: str, rows: Sequence[Row], tasks: list[str]
) -> Float[np.ndarray, "tasks tasks"]:
    matrix = np.full((len(tasks), len(tasks)), np.nan)
    own = (row for row in rows if row.place == place)
    for pair, spread in spreads(own, "task", "other_task").items():
        one, two = map(tasks.index, pair)
        matrix[one, two] = matrix[two, one] = spread.mean
    for number_of, task in enumerate(tasks):
        found = reliability_of(study, rows[0].model, task, place)
        if found is not None:
            matrix[number_of, number_of] = found[0].mean
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


def _line(study: Study, row: Row) -> tuple[str, str, str]:
    """What names a pair, marked where a model there is at chance."""
    return row.model, tasks_of(row), row.place + CROSS * pair_at_chance(study, place_of(row))


def _statistics(study: Study) -> Table:
    found: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for row in study.at(Stage.COHERENCE):
        found.setdefault(_line(study, row), {}).setdefault(row.metric, []).append(row)
    body = tuple(
        (*line, *(_statistic(own.get(name, [])) for name in STATISTICS))
        for line, own in found.items()
    )
    caption = (
        "Agreement of two tasks' scores: mean (lowest to highest) over seeds; p: the largest "
        "permutation p-value of any seed; chance: the overlap that random scores have."
        f"{CROSSED}"
    )
    head = ("model", "tasks", "measured in", *STATISTICS)
    return Table("coherence-table", caption, head, body, 3)


def _statistic(rows: Sequence[Row]) -> str:
    p, chance = largest_p(rows), next((r.chance for r in rows if r.chance is not None), None)
    said = [cell(spread_of(rows))]
    said += [f"p {p_text(p)}"] if p is not None else []
    said += [f"chance {number(chance)}"] if chance is not None else []
    return ", ".join(said)


def _ceilings(study: Study) -> Table:
    """Each correlation beside its ceiling."""
    groups: dict[Place, list[Row]] = {}
    for row in study.at(Stage.COHERENCE, metric=Metric.SPEARMAN):
        groups.setdefault(place_of(row), []).append(row)
    body = []
    for place, rows in groups.items():
        found, ceiling = spread_of(rows), ceiling_of(study, place)
        if found is not None and ceiling is not None:
            ratio = found.scaled(1 / ceiling.mean) if ceiling.mean > 0 else None
            body.append((*_line(study, rows[0]), cell(found), cell(ceiling), cell(ratio)))
    caption = (
        "Spearman correlations and their ceilings, the root of the product of the two maps' "
        "reliabilities: mean (lowest to highest) over seeds. Both are estimates, so that a "
        "correlation may lie above its ceiling. “Disattenuated” is no measured correlation: it is "
        "the correlation over its ceiling, what maps without noise would be expected to have."
        f"{CROSSED}"
    )
    head = ("model", "tasks", "measured in", Metric.SPEARMAN, Stage.CEILING, "disattenuated")
    return Table("ceiling-table", caption, head, tuple(body), 3)


def _reliabilities(study: Study) -> Table:
    """How each task's map repeats."""
    rows = study.at(Stage.RELIABILITY)
    found = spreads(rows, "model", "task", "place", "method", "metric")
    columns = [(what, Metric.SPEARMAN) for what in REPEATED]
    columns += [(OTHER_SEED, statistic) for statistic in STATISTICS[1:]]
    body = tuple(
        (line[0], shown(line[1]), line[2], *(cell(found.get((*line, *each))) for each in columns))
        for line in dict.fromkeys((row.model, row.task, row.place) for row in rows)
    )
    caption = (
        "Reliability of one map of scores: its Spearman correlation with the map that as many "
        "other examples in a model of another fine-tuning seed would give; in parts, with another "
        "seed on the same examples (mean, lowest to highest, over pairs of seeds), and with other "
        "examples in the same model (from random halves, by the formula of Spearman and Brown). "
        "Then the other statistics between seeds on the same examples. A dash: not measured."
    )
    head = ("model", "task", "measured in", *REPEATED, *STATISTICS[1:])
    return Table("reliability-table", caption, head, body, 3)
