"""Tables made from rows: a line for what names rows, a cell for each group of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from jaxheads.records.rows import Row
from jaxheads.report.claims import said_of
from jaxheads.report.folder import Study
from jaxheads.report.names import difference, heads_kept, shown
from jaxheads.report.parts import Table
from jaxheads.report.spread import Form, cell, ends, number, signed, spread_of

Label = str | Callable[[Row], str]  # a field of rows, or what makes a text of a row
_TEXTS: dict[str, Callable[..., str]] = {
    "task": shown, "other_task": shown, "method": shown, "budget": heads_kept,
}  # fmt: skip


def text_of(row: Row, label: Label) -> str:
    """What stands in a line or above a column for a row."""
    if callable(label):
        return label(row)
    return _TEXTS.get(label, str)(getattr(row, label)) or "–"


def table_of(
    name: str,
    caption: str,
    rows: Iterable[Row],
    lines: Mapping[str, Label],
    columns: Mapping[str, Form] | Iterable[str] | str = "value",
    *,
    by: Label | None = None,
    form: Form = number,
    more: Mapping[str, Callable[[Row], str]] | None = None,
) -> Table:
    """A table whose lines and columns are those that rows have, in their order.

    Args:
      name, caption: of the table.
      rows: what it is made of; the rows of a cell are taken together (`spread_of`).
      lines: the titles of the columns that name a line, and what stands in them.
      columns: the titles of the columns of numbers; without `by` that of the only one. A mapping
        also has their forms, where they differ.
      by: tells the column of a row; with no `columns`, all that come.
      form: of the numbers.
      more: the titles of further columns, which are made from the first row of a line.
    """
    found: dict[tuple[str, ...], dict[str, list[Row]]] = {}
    for row in rows:
        line = tuple(text_of(row, label) for label in lines.values())
        column = text_of(row, by) if by else str(columns)
        found.setdefault(line, {}).setdefault(column, []).append(row)
    if by and columns == "value":
        columns = dict.fromkeys(column for cells in found.values() for column in cells)
    titles = (columns,) if isinstance(columns, str) else tuple(columns)
    forms = columns if isinstance(columns, Mapping) else {}
    body = []
    for line, cells in found.items():
        first = next(iter(cells.values()))[0]
        values = (cell(spread_of(cells.get(t, ())), forms.get(t) or form) for t in titles)
        body.append((*line, *values, *(make(first) for make in (more or {}).values())))
    return Table(name, caption, (*lines, *titles, *(more or {})), tuple(body), len(lines))


def difference_table(
    study: Study,
    name: str,
    caption: str,
    rows: Iterable[Row],
    named: Callable[[Row], str] = difference,
    said: Callable[[Study, Row], str] = said_of,
) -> Table:
    """Differences one by one, each with its interval and what it allows to say."""
    lines = {"model": "model", "task": "task", "difference": named, "metric": "metric"}
    body = tuple(
        (
            *(text_of(row, label) for label in lines.values()), heads_kept(row.budget),
            signed(row.value), ends(row) or "none", said(study, row),
        )
        for row in rows
    )  # fmt: skip
    head = (*lines, "heads kept", "value", "95% interval", "says")
    return Table(name, caption, head, body, labels=4)
