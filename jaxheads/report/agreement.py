"""Is the head that knows something the important one: one table and one figure for all kinds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from jaxheads.report.coherence import p_value
from jaxheads.report.folder import Study
from jaxheads.report.looks import shown
from jaxheads.report.panels import draw_cells, grid, write_cell
from jaxheads.report.parts import Answer, Drawing, Section, Table, slug
from jaxheads.report.spread import Spread, cell, number, spread_of, words

STAGE, BETWEEN, REPEATED = "map agreement", "agreement of kinds of maps", "map repeated"
STATISTICS = ("spearman", "kendall", "spearman within layers")
COLORS_OF_SIGNS = "RdBu"
LINES = 16  # of a figure
LEVEL = 0.05


def agreement_section(study: Study) -> Section | None:
    """All maps of heads against importance, and kinds of maps against each other."""
    tables = (_table(study, STAGE), _table(study, BETWEEN))
    parts = (*_figures(study), *(table for table in tables if table is not None))
    if not parts:
        return None
    lead = (
        "Rank correlation over heads between what a head does (its accuracy on dependency arcs, "
        "or any other map that the study left) and its importance to a task. The maps of a "
        "fine-tuned model are compared with importance in that same model. Few heads make wide "
        "chance: the p-values are by permutation, of single comparisons. The ceiling is what the "
        "two maps could reach at most, given how each repeats between halves of its data. Within "
        "layers: only the order of the heads of a layer counts, so that depth explains nothing."
    )
    return Section("agreement", "Is the head that knows it the important one", lead, parts)


def agreement_answer(study: Study) -> Answer | None:
    """For each model, what agrees with importance, after a correction for all comparisons."""
    points = []
    clear = total = 0
    for model, task in _columns(study):
        found = {
            method: (spread, _p(study, model, task, method))
            for method in _methods(study, model)
            if (spread := _value(study, model, task, method)) is not None
        }
        corrected = holm([p for _, p in found.values()])
        sure = [name for name, p in zip(found, corrected, strict=True) if p <= LEVEL]
        clear, total = clear + len(sure), total + len(found)
        best = sorted(sure, key=lambda name: -abs(found[name][0].mean))[:4]
        said = "; ".join(f"{name} {words(found[name][0])}" for name in best)
        points.append(f"{model}, importance on {shown(task)}: {said or 'no map agrees clearly'}.")
    if not total:
        return None
    summary = (
        f"{clear} of {total} maps of heads agree or disagree with importance beyond chance "
        "(Spearman over heads, permutation test, Holm's correction within a model and task)."
    )
    return Answer("Are the heads that know something the important ones?", summary, tuple(points))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's corrected p-values, in the order given."""
    order = np.argsort(p_values, kind="stable")
    corrected, so_far = [1.0] * len(p_values), 0.0
    for place, index in enumerate(order.tolist()):
        so_far = max(so_far, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = so_far
    return corrected


def _columns(study: Study) -> list[tuple[str, str]]:
    """Every model with every task whose importance was compared, in order."""
    found = {(row.model, row.task) for row in study.at(STAGE)}
    return [(m, t) for m in study.models for t in study.tasks if (m, t) in found]


def _methods(study: Study, model: str) -> list[str]:
    return list(dict.fromkeys(row.method for row in study.at(STAGE, model=model)))


def _value(
    study: Study, model: str, task: str, method: str, metric: str = "spearman", stage: str = STAGE
) -> Spread | None:
    what = {"model": model, "task": task, "method": method, "metric": metric}
    return spread_of(study.at(stage, **what))


def _p(study: Study, model: str, task: str, method: str, metric: str = "spearman") -> float:
    """The largest p-value of any seed."""
    found = _value(study, model, task, method, f"p of {metric}")
    return 1.0 if found is None else found.high


# -- the table


def _table(study: Study, stage: str) -> Table | None:
    rows = study.at(stage, metric="spearman")
    lines = sorted(
        {(row.model, row.method, row.task) for row in rows},
        key=lambda line: (study.models.index(line[0]), *_places(study, line)),
    )
    body = tuple(
        (model, method, shown(task), *_line(study, stage, model, task, method))
        for model, method, task in lines
    )
    name = "agreement-table" if stage == STAGE else "kinds-table"
    second = "importance on" if stage == STAGE else "model of"
    caption = (
        "Maps of heads against importance: mean (lowest to highest) over fine-tuning seeds, p: the "
        "largest of any seed."
        if stage == STAGE
        else "The maps that sum up their kind, against each other, as above."
    )
    head = ("model", "map", second, *STATISTICS, "ceiling", "map repeated")
    return Table(name, caption, head, body, 3) if body else None


def _places(study: Study, line: tuple[str, str, str]) -> tuple[int, int]:
    methods = [row.method for row in study.rows if row.stage in (STAGE, BETWEEN)]
    return methods.index(line[1]), study.tasks.index(line[2])


def _line(study: Study, stage: str, model: str, task: str, method: str) -> Iterator[str]:
    for statistic in STATISTICS:
        found = _value(study, model, task, method, statistic, stage)
        p = _value(study, model, task, method, f"p of {statistic}", stage)
        yield cell(found) + (f", p {p_value(p.high)}" if p is not None else "")
    yield cell(_value(study, model, task, method, "ceiling of spearman", stage))
    yield cell(spread_of(study.at(REPEATED, model=model, method=method)))


# -- the figure


def _figures(study: Study) -> Iterator[Drawing]:
    """Maps of the pre-trained model, and of each fine-tuned one, by task."""
    for model in study.models:
        tasks = [task for other, task in _columns(study) if other == model]
        methods = [name for name in _methods(study, model) if "," not in name.partition(":")[0]]
        matrix = np.full((len(methods), len(tasks)), np.nan)
        for row, method in enumerate(methods):
            for column, task in enumerate(tasks):
                found = _value(study, model, task, method)
                matrix[row, column] = np.nan if found is None else found.mean
        shown_rows = np.flatnonzero(np.isfinite(matrix).any(1))[:LINES]
        if len(shown_rows):
            yield _drawing(model, [methods[row] for row in shown_rows], tasks, matrix[shown_rows])


def _drawing(model: str, methods: list[str], tasks: list[str], matrix: np.ndarray) -> Drawing:
    figure, (axis,) = grid(1, 1.0 * len(tasks) + 3.0, 0.3 * len(methods) + 1.2)
    draw_cells(axis, matrix, -1.0, 1.0, COLORS_OF_SIGNS)
    axis.set_aspect("auto")
    axis.set_xticks(
        np.arange(len(tasks)) + 0.5, [shown(task) for task in tasks], rotation=20, ha="right"
    )
    axis.set_yticks(np.arange(len(methods)) + 0.5, methods)
    for (row, column), value in np.ndenumerate(matrix):
        if math.isfinite(value):
            write_cell(axis, row, column, number(value)[:-1], (value + 1) / 2, COLORS_OF_SIGNS)
    return Drawing(
        slug("agreement", model), figure,
        f"Spearman correlations of maps of heads with importance, {model}",
        f"{model}: Spearman correlation over heads between maps of the pre-trained model (lines) "
        "and the importance of heads to a task (columns; for tasks in fine-tuned models, mean over "
        f"seeds). The first {len(methods)} maps; the table has all, with p-values and ceilings.",
    )  # fmt: skip
