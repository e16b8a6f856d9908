"""How many heads of each kind are kept: of an encoder-decoder's three kinds of attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxheads.records.folder import Stage
from jaxheads.records.rows import Row
from jaxheads.report.figures.panels import (
    add_legend,
    bands_are,
    draw_lines,
    grid,
    name_heads_axis,
)
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Drawing, Table, slug
from jaxheads.report.spread import Spread, kept, short, spreads
from jaxheads.report.tables import table_of


def _rows_of_kinds(study: Study) -> list[Row]:
    """How many heads of each kind are kept, of models that have several kinds."""
    rows = study.at(Stage.KINDS)
    models = {row.model for row in rows if row.metric != "encoder"}
    return [row for row in rows if row.model in models]


def kinds_drawings(study: Study, groups: Sequence[list[str]]) -> Iterator[Drawing]:
    """A panel for each kind, and figures for each group of methods."""
    rows = _rows_of_kinds(study)
    for model, task in dict.fromkeys((row.model, row.task) for row in rows):
        own = [row for row in rows if (row.model, row.task) == (model, task)]
        for number, methods in enumerate(groups, start=1):
            yield _drawing(own, methods, slug("kinds", model, task, str(number)))


def _drawing(rows: list[Row], methods: list[str], name: str) -> Drawing:
    kinds = list(dict.fromkeys(row.metric for row in rows))
    figure, axes = grid(len(kinds))
    seen: list[Spread] = []
    for axis, kind in zip(axes, kinds, strict=True):
        own = (row for row in rows if row.metric == kind and row.method in methods)
        seen += draw_lines(axis, spreads(own, "method", kept), methods)
        name_heads_axis(axis, kind, "heads of this kind kept")
    add_legend(figure, axes)
    where = f"{rows[0].model}, {shown(rows[0].task)}"
    caption = (
        f"{where}: how many heads of each kind are kept, against the heads kept of all kinds, "
        f"means over seeds and draws; {bands_are(seen, 'values (seeds and random draws)')}."
    )
    alt = f"Heads of each kind kept by {', '.join(methods)}: {where}"
    return Drawing(name, figure, alt, caption)


def kinds_table(study: Study) -> Table:
    """The same in numbers."""
    caption = (
        "How many heads of each kind are kept at each budget, means over seeds and draws: of the "
        "encoder, of the decoder's attention to itself, and of that to the source (cross)."
    )
    lines = {"model": "model", "task": "task", "method": "method", "heads kept": "budget"}
    rows = _rows_of_kinds(study)
    return table_of("comparison-kinds", caption, rows, lines, by="metric", form=short)
