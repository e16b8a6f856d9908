"""Is the head that knows something the important one: one table and one figure of all kinds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxheads.records.folder import PRETRAINING, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import MARK, at_chance
from jaxheads.report.claims import LEVEL, holm, out_of
from jaxheads.report.figures.panels import draw_cells, grid, write_cell
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Answer, Drawing, Folded, Section, Table, section, slug
from jaxheads.report.spread import Spread, cell, largest_p, number, p_text, spread_of

STATISTICS = (Metric.SPEARMAN, Metric.KENDALL, Metric.WITHIN_LAYERS)
COLORS_OF_SIGNS, IMPORTANCE = "RdBu", "importance"
LINES = 16  # of a figure


class Map(NamedTuple):
    """A map by the fields of rows: its kind, its name, what its model was fine-tuned on."""

    method: str
    reading: str
    other_task: str = ""

    def __str__(self) -> str:
        kind = f"{self.method}, {self.other_task}" if self.other_task else self.method
        return f"{kind}: {self.reading}"


class Compared(NamedTuple):
    """A map beside another, or beside the importance of a task (None), in all seeds."""

    model: str
    task: str
    one: Map
    two: Map | None
    rows: list[Row]

    def rows_of(self, metric: str) -> list[Row]:
        """The rows of one statistic."""
        return [row for row in self.rows if row.metric == metric]

    @property
    def spearman(self) -> Spread | None:
        """Over the seeds."""
        return spread_of(self.rows_of(Metric.SPEARMAN))

    @property
    def against(self) -> str:
        """What the map is beside."""
        return f"importance on {shown(self.task)}" if self.two is None else str(self.two)

    @property
    def cells(self) -> Iterator[str]:
        """The statistics with their p-values, and the ceiling."""
        for metric in STATISTICS:
            rows = self.rows_of(metric)
            p = largest_p(rows)
            yield cell(spread_of(rows)) + (f", p {p_text(p)}" if p is not None else "")
        yield cell(spread_of(self.rows_of(Metric.CEILING)))


def agreement_section(study: Study) -> Section | None:
    """Kinds of maps against importance and each other, then all maps."""
    importance, between = _importance(study), _between(study)
    lead = (
        "Rank correlation over heads between what a head does (its accuracy on dependency arcs, "
        "or any other map that this study, or another one, left) and its importance to a task. "
        "The maps of a fine-tuned model are compared with importance in that same model. Few heads "
        "make wide chance: the p-values are by permutation, of single comparisons. The ceiling is "
        "what the two maps can be expected to reach at most: the root of the product of their "
        "reliabilities, each between halves of its data. Within layers: only the order of the "
        "heads of a layer counts, so that depth explains nothing."
    )
    tables = tuple(table for table in _tables(study, importance, between) if table.body)
    count = sum(len(table.body) for table in tables)
    folded = Folded("agreement-all", f"All {count} comparisons of maps", tables)
    return section(
        "agreement", "Is the head that knows it the important one", lead,
        *(_squares(study, importance, between), _kinds(study, importance, between)),
        *(_figures(study, importance), folded if tables else None),
    )  # fmt: skip


def agreement_answer(study: Study) -> Answer | None:
    """How often maps go with importance, after a correction for all of a model and task."""
    groups: dict[tuple[str, str], list[float]] = {}
    left = 0
    for each in _importance(study):
        if each.spearman is None:
            continue
        if at_chance(study, each.model, each.task):
            left += 1
            continue
        p, same = largest_p(each.rows_of(Metric.SPEARMAN)), each.spearman.low * each.spearman.high
        own = 1.0 if p is None or not same > 0 else p
        groups.setdefault((each.model, each.task), []).append(own)
    if not groups and not left:
        return None
    clear = sum(p < LEVEL for values in groups.values() for p in holm(values))
    summary = (
        f"In {out_of(clear, sum(map(len, groups.values())))} comparisons a map of heads agrees or "
        "disagrees with the importance of heads to a task beyond chance, in every seed alike "
        "(Spearman over heads, permutation test, Holm's correction within a model and task)."
        + f" Not counted: {left} of models {MARK}."
        * (left > 0)
    )
    return Answer("Are the heads that know something the important ones?", summary)


# -- what was compared


def _importance(study: Study) -> list[Compared]:
    """All maps with the importance of each task."""
    found: dict[tuple[str, str, Map], list[Row]] = {}
    for row in study.at(Stage.MAP_AGREEMENT):
        key = (row.model, row.task, Map(row.method, row.reading, row.other_task))
        found.setdefault(key, []).append(row)
    order = {one: place for place, one in enumerate(dict.fromkeys(key[2] for key in found))}
    every = [Compared(model, task, one, None, rows) for (model, task, one), rows in found.items()]
    return sorted(
        every,
        key=lambda e: (study.models.index(e.model), order[e.one], study.tasks.index(e.task)),
    )


def _between(study: Study) -> list[Compared]:
    """All maps with those that sum up the other kinds."""
    found: dict[tuple[str, str, Map, Map], list[Row]] = {}
    for row in study.at(Stage.BETWEEN_MAPS):
        of = "" if row.task == PRETRAINING else row.task
        one, two = Map(row.method, row.reading, of), Map(row.other_method, row.other_reading, of)
        found.setdefault((row.model, row.task, one, two), []).append(row)
    return [Compared(*key, rows) for key, rows in found.items()]


def _firsts(study: Study, model: str) -> list[Map]:
    """The map that sums up each kind: its first."""
    kinds: dict[tuple[str, str], Map] = {}
    for row in study.at(Stage.MAP_RELIABILITY, model=model):
        own = Map(row.method, row.reading, row.other_task)
        kinds.setdefault((row.method, row.other_task), own)
    return list(kinds.values())


# -- the tables


def _kinds(study: Study, importance: Sequence[Compared], between: Sequence[Compared]) -> Table:
    """The maps that sum up their kind: against importance, and against each other."""
    body = []
    for model in study.models:
        first = _firsts(study, model)
        own = [each for each in importance if each.model == model and each.spearman is not None]
        own = [each for one in first for each in own if each.one == one]
        own += [e for e in between if e.model == model and {e.one, e.two} <= set(first)]
        body += [(model, str(each.one), each.against, *each.cells) for each in own]
    head = ("model", "map", "against", *STATISTICS, "ceiling")
    caption = (
        "Importance and the maps that sum up their kind, every two of them: mean (lowest to "
        "highest) over fine-tuning seeds, p: the largest of any seed."
    )
    return Table("kinds-table", caption, head, tuple(body), 3)


def _tables(
    study: Study, importance: Sequence[Compared], between: Sequence[Compared]
) -> Iterator[Table]:
    """All maps against importance, and against those that sum up the other kinds."""

    def reliability(each: Compared) -> str:
        where = {"model": each.model, **each.one._asdict()}
        return cell(study.spread(Stage.MAP_RELIABILITY, **where))

    head = ("model", "map", "importance on", *STATISTICS, "ceiling", "reliability")
    body = tuple(
        (each.model, str(each.one), shown(each.task), *each.cells, reliability(each))
        for each in importance
    )
    caption = "All maps of heads against importance, as above."
    yield Table("agreement-table", caption, head, body, 3)
    body = tuple((each.model, str(each.one), each.against, *each.cells) for each in between)
    head = ("model", "map", "against", *STATISTICS, "ceiling")
    caption = "Every map of a kind against the one that sums up another kind, as above."
    yield Table("between-table", caption, head, body, 3)


# -- the figures


def _squares(
    study: Study, importance: Sequence[Compared], between: Sequence[Compared]
) -> Iterator[Drawing]:
    """Importance on the pre-training task and the kinds of maps of the model as it is."""
    for model in study.models:
        names = [IMPORTANCE, *(str(one) for one in _firsts(study, model) if not one.other_task)]
        own = [each for each in (*importance, *between) if each.model == model]
        own = [each for each in own if each.task == PRETRAINING]
        values = {
            frozenset((str(each.one), str(each.two or IMPORTANCE))): each.spearman for each in own
        }
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


def _figures(study: Study, importance: Sequence[Compared]) -> Iterator[Drawing]:
    """Maps of the pre-trained model by the task of the importance; first those that sum up."""
    for model in study.models:
        own = [each for each in importance if each.model == model]
        first = _firsts(study, model)
        maps = dict.fromkeys(each.one for each in own if not each.one.other_task)
        lines = sorted(maps, key=lambda one: one not in first)
        tasks = [task for task in study.tasks if task in {each.task for each in own}]
        matrix = np.full((len(lines), len(tasks)), np.nan)
        for each in own:
            if each.one in maps and each.spearman is not None:
                matrix[lines.index(each.one), tasks.index(each.task)] = each.spearman.mean
        shown_rows = np.flatnonzero(np.isfinite(matrix).any(1))[:LINES]
        if len(shown_rows):
            yield _matrix(
                slug("agreement", model), [str(lines[row]) for row in shown_rows],
                [shown(task) for task in tasks], matrix[shown_rows],
                f"Spearman correlations of maps of heads with importance, {model}",
                f"{model}: Spearman correlation over heads between maps of the pre-trained model "
                "(lines) and the importance of heads to a task (columns; for tasks in fine-tuned "
                f"models, mean over seeds). {len(shown_rows)} maps, first those that sum up their "
                "kind; the tables have all, with p-values and ceilings.",
            )  # fmt: skip


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
