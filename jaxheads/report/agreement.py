"""Is the head that knows something the important one: one table and one figure of all kinds."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from jaxheads.report.chiang2021.coherence import p_value
from jaxheads.report.claims import LEVEL, holm
from jaxheads.report.figures.panels import draw_cells, grid, write_cell
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import PRETRAINING, Study
from jaxheads.report.parts import Answer, Drawing, Folded, Section, Table, slug
from jaxheads.report.spread import Spread, cell, number, spread_of, words

STAGE, BETWEEN, RELIABILITY = "map agreement", "agreement of kinds of maps", "map reliability"
STATISTICS = ("spearman", "kendall", "spearman within layers")
COLORS_OF_SIGNS, IMPORTANCE = "RdBu", "importance"
LINES = 16  # of a figure


def agreement_section(study: Study) -> Section | None:
    """Kinds of maps against importance and each other, then all maps."""
    tables = [table for table in (_importance(study), _between(study)) if table is not None]
    if not tables:
        return None
    lead = (
        "Rank correlation over heads between what a head does (its accuracy on dependency arcs, "
        "or any other map that this study, or another one, left) and its importance to a task. "
        "The maps of a fine-tuned model are compared with importance in that same model. Few heads "
        "make wide chance: the p-values are by permutation, of single comparisons. The ceiling is "
        "what the two maps can be expected to reach at most: the root of the product of their "
        "reliabilities, each between halves of its data. Within layers: only the order of the "
        "heads of a layer counts, so that depth explains nothing."
    )
    kinds, lines = _kinds(study), sum(len(table.body) for table in tables)
    folded = Folded("agreement-all", f"All {lines} comparisons of maps", tuple(tables))
    shown_kinds = (kinds,) if kinds.body else ()
    parts = (*_squares(study), *shown_kinds, *_figures(study), folded)
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


def _p(study: Study, model: str, task: str, method: str) -> float:
    """The largest p-value of any seed."""
    found = _value(study, model, task, method, "p of spearman")
    return 1.0 if found is None else found.high


# -- the tables


def _kinds(study: Study) -> Table:
    """The maps that sum up their kind: against importance, and against each other."""
    body = []
    for model in study.models:
        first = _firsts(study, model)
        for method in first:
            for task in study.tasks:
                if _value(study, model, task, method) is not None:
                    line = _line(study, STAGE, model, task, method)
                    body.append((model, method, f"importance on {shown(task)}", *line))
        for task, method in _pairs(study, model):
            one, two = _sides(task, method)
            if {one, two} <= set(first):
                body.append((model, one, two, *_line(study, BETWEEN, model, task, method)))
    head = ("model", "map", "against", *STATISTICS, "ceiling")
    caption = (
        "Importance and the maps that sum up their kind, every two of them: mean (lowest to "
        "highest) over fine-tuning seeds, p: the largest of any seed."
    )
    return Table("kinds-table", caption, head, tuple(body), 3)


def _importance(study: Study) -> Table | None:
    """All maps against importance."""
    found = {(row.model, row.method, row.task) for row in study.at(STAGE, metric="spearman")}
    body = tuple(
        (
            model, method, shown(task), *_line(study, STAGE, model, task, method),
            cell(spread_of(study.at(RELIABILITY, model=model, method=method))),
        )
        for model in study.models
        for method in _methods(study, model)
        for task in study.tasks
        if (model, method, task) in found
    )  # fmt: skip
    head = ("model", "map", "importance on", *STATISTICS, "ceiling", "reliability")
    caption = "All maps of heads against importance, as above."
    return Table("agreement-table", caption, head, body, 3) if body else None


def _between(study: Study) -> Table | None:
    """All maps against those that sum up the other kinds."""
    body = tuple(
        (model, *_sides(task, method), *_line(study, BETWEEN, model, task, method))
        for model in study.models
        for task, method in _pairs(study, model)
    )
    head = ("model", "map", "against", *STATISTICS, "ceiling")
    caption = "Every map of a kind against the one that sums up another kind, as above."
    return Table("between-table", caption, head, body, 3) if body else None


def _firsts(study: Study, model: str) -> list[str]:
    """The map that sums up each kind: its first."""
    kinds: dict[str, str] = {}
    for row in study.at(RELIABILITY, model=model):
        kinds.setdefault(row.method.partition(": ")[0], row.method)
    return list(kinds.values())


def _pairs(study: Study, model: str) -> list[tuple[str, str]]:
    """The task and the name of every comparison of two kinds of maps."""
    rows = study.at(BETWEEN, model=model, metric="spearman")
    return list(dict.fromkeys((row.task, row.method) for row in rows))


def _sides(task: str, method: str) -> tuple[str, str]:
    """Both maps of a comparison, as they are called alone."""
    of = "" if task == PRETRAINING else f", {task}"
    one, _, two = method.partition(" ~ ")
    return one.replace(": ", f"{of}: ", 1), two.replace(": ", f"{of}: ", 1)


def _line(study: Study, stage: str, model: str, task: str, method: str) -> Iterator[str]:
    for statistic in STATISTICS:
        found = _value(study, model, task, method, statistic, stage)
        p = _value(study, model, task, method, f"p of {statistic}", stage)
        yield cell(found) + (f", p {p_value(p.high)}" if p is not None else "")
    yield cell(_value(study, model, task, method, "ceiling of spearman", stage))


# -- the figures


def _squares(study: Study) -> Iterator[Drawing]:
    """Importance on the pre-training task and the kinds of maps of the model as it is."""
    for model in study.models:
        names = [IMPORTANCE, *(name for name in _firsts(study, model) if not _is_tuned(name))]
        values = {
            frozenset((IMPORTANCE, name)): _value(study, model, PRETRAINING, name) for name in names
        }
        for task, method in _pairs(study, model):
            if task == PRETRAINING:
                pair = frozenset(_sides(task, method))
                values[pair] = _value(study, model, task, method, stage=BETWEEN)
        matrix = np.full((len(names) - 1, len(names) - 1), np.nan)
        for row, column in zip(*np.tril_indices(len(names) - 1), strict=True):
            found = values.get(frozenset((names[row + 1], names[column])))
            matrix[row, column] = np.nan if found is None else found.mean
        if np.isfinite(matrix).any():
            yield _matrix(
                slug("kinds", model), names[1:], names[:-1], matrix,
                f"Spearman correlations of importance and kinds of maps, {model}",
                f"{model}: Spearman correlation over heads between importance on masked LM and the "
                "maps that sum up their kind, all of the pre-trained model. The table has the "
                "p-values and ceilings.",
            )  # fmt: skip


def _figures(study: Study) -> Iterator[Drawing]:
    """Maps of the pre-trained model by the task of the importance; first those that sum up."""
    for model in study.models:
        tasks = [task for other, task in _columns(study) if other == model]
        first = _firsts(study, model)
        methods = [name for name in _methods(study, model) if not _is_tuned(name)]
        methods.sort(key=lambda name: name not in first)
        matrix = np.full((len(methods), len(tasks)), np.nan)
        for row, method in enumerate(methods):
            for column, task in enumerate(tasks):
                found = _value(study, model, task, method)
                matrix[row, column] = np.nan if found is None else found.mean
        shown_rows = np.flatnonzero(np.isfinite(matrix).any(1))[:LINES]
        if len(shown_rows):
            yield _matrix(
                slug("agreement", model), [methods[row] for row in shown_rows],
                [shown(task) for task in tasks], matrix[shown_rows],
                f"Spearman correlations of maps of heads with importance, {model}",
                f"{model}: Spearman correlation over heads between maps of the pre-trained model "
                "(lines) and the importance of heads to a task (columns; for tasks in fine-tuned "
                f"models, mean over seeds). {len(shown_rows)} maps, first those that sum up their "
                "kind; the tables have all, with p-values and ceilings.",
            )  # fmt: skip


def _is_tuned(method: str) -> bool:
    """Whether a map is of a fine-tuned model."""
    return "," in method.partition(":")[0]


def _matrix(
    name: str, lines: list[str], columns: list[str], matrix: np.ndarray, alt: str, caption: str
) -> Drawing:
    """Correlations as squares with their numbers."""
    room = 0.075 * max(map(len, lines)) + 0.5
    figure, (axis,) = grid(1, 1.0 * len(columns) + room, 0.3 * len(lines) + 1.2)
    figure.set_layout_engine("constrained", w_pad=0.15)  # it takes long labels for too short
    draw_cells(axis, matrix, -1.0, 1.0, COLORS_OF_SIGNS)
    axis.set_aspect("auto")
    axis.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=20, ha="right")
    axis.set_yticks(np.arange(len(lines)) + 0.5, lines)
    for (row, column), value in np.ndenumerate(matrix):
        if math.isfinite(value):
            write_cell(axis, row, column, number(value, 2), (value + 1) / 2, COLORS_OF_SIGNS)
    return Drawing(name, figure, alt, caption)
