"""What agreement of tasks, and an order of pruning, is more than: magnitude and the other nulls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, pair_at_chance
from jaxheads.report.claims import LEVEL, NONE, clear_in, counted, said_of
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Answer, Folded, Table
from jaxheads.report.spread import cell, number, signed, spread_of, spreads, words

GIVEN, LESS = "spearman given ", "spearman less "
EXCESS, CONTRAST = "more than nulls", "contrast with nulls"


class Beyond(NamedTuple):
    """Whether an agreement is more than a null, with the number that says so."""

    null: str
    clear: bool
    cell: str
    detail: str

    @property
    def verdict(self) -> str:
        """In a few words."""
        return f"{'' if self.clear else 'not shown to be '}more than {self.null}"

    @property
    def words(self) -> str:
        """The same with its number."""
        return f"{self.verdict} ({self.detail})"


def beyond(study: Study, model: str, pair: str, place: str) -> list[Beyond]:
    """A pair's agreement against every null that was measured beside it.

    Magnitude and output norm are held constant: clear where the partial correlation is above 0 in
    every seed, each by permutation. Of shuffled labels and an untrained readout, which are measured
    with noise as importance is, the agreement is subtracted: clear where the 95% interval over
    seeds lies above 0.
    """
    where = {"model": model, "task": pair, "method": place}
    held = [row for row in study.at("coherence", **where) if row.metric.startswith(GIVEN)]
    found = [_given(study, where, name) for name in dict.fromkeys(row.metric for row in held)]
    return found + [_less(row) for row in study.at(EXCESS, **where)]


def _given(study: Study, where: dict[str, str], name: str) -> Beyond:
    null = shown(name.removeprefix(GIVEN))
    rows, p = study.at("coherence", **where, metric=name), 1.0
    tested = spread_of(study.at("coherence", **where, metric=f"p of {name}"))
    spread = spread_of(rows)
    if tested is not None:
        p = tested.high
    if spread is None:
        return Beyond(null, False, "–", "which is the very order of one side")
    clear = p < LEVEL and all(row.value > 0 for row in rows)
    said = f"Spearman given it {words(spread)}, largest p {p:.3f}"
    return Beyond(null, clear, f"{cell(spread)}, p {p:.3f}", said)


def _less(row: Row) -> Beyond:
    null = shown(row.metric.removeprefix(LESS))
    spread = spread_of([row])
    if spread is None or not spread.has_bounds:
        value = signed(row.value)
        return Beyond(null, False, value, f"by {value}, one seed, no interval")
    clear = spread.low > 0
    return Beyond(null, clear, cell(spread, signed), f"by {words(spread, signed, 'seeds')}")


# -- the section's tables


def null_tables(study: Study) -> Iterator[Table | Folded]:
    """Each pair against its nulls, the orders against those of nulls, and all correlations."""
    tables = (_pairs(study), _orders(study), _all(study))
    for table in tables:
        if table is not None:
            yield table


def _pairs(study: Study) -> Table | None:
    found = spreads(
        study.at("coherence", metric="spearman"), lambda row: (row.model, row.task, row.method)
    )
    measured = {key: beyond(study, *key) for key in found}
    nulls = list(dict.fromkeys(each.null for said in measured.values() for each in said))
    if not nulls:
        return None
    body = []
    for (model, pair, place), said in measured.items():
        cells = {each.null: each.cell for each in said}
        clear = [each.null for each in said if each.clear]
        crossed = CROSS * pair_at_chance(study, model, pair, place)
        more = "–" if crossed else ", ".join(clear) or "none of them"
        body.append(
            (
                model, shown(pair), f"{place}{crossed}", cell(found[model, pair, place]),
                *(cells.get(null, "–") for null in nulls), more,
            )
        )  # fmt: skip
    caption = (
        "Agreement of two tasks against maps that know nothing of labels. Magnitude (the norm of a "
        "head's weights) and output norm (the mean length of what a head adds) are held constant: "
        "partial Spearman correlation, mean (lowest to highest) over seeds, p: the largest "
        "permutation p-value of any seed. Of shuffled labels (the same training on permuted "
        "labels) and an untrained readout the Spearman correlation less the null's own with the "
        "other task (of the side whose null agrees more, 0 if neither does), [95% interval] over "
        "seeds. “More than” a null: above 0 with p below 0.05 in every seed, or an interval above "
        "0; single tests, not corrected for their number. What is not shown may still be there: "
        "few heads and few seeds show little. A head may also matter because it writes much."
        f"{CROSSED}"
    )
    head = ("model", "tasks", "measured in", "spearman", *nulls, "is more than")
    return Table("nulls-table", caption, head, tuple(body), 3)


def _orders(study: Study) -> Table | None:
    body = tuple(
        (
            row.model, shown(row.task), _named(row.method), row.metric, str(row.budget),
            cell(spread_of([row]), signed), _said(study, row),
        )
        for row in study.at(CONTRAST)
    )  # fmt: skip
    if not body:
        return None
    caption = (
        "Orders of pruning against the orders of nulls, at one number of heads kept: difference of "
        "the metric with its 95% interval."
    )
    head = ("model", "task", "difference", "metric", "heads kept", "value", "says")
    return Table("null-orders-table", caption, head, body, 4)


def _all(study: Study) -> Folded | None:
    """Every null of one task beside the importance of another, or of its own."""
    rows = study.at("null")
    found = spreads(rows, lambda row: (row.model, row.task, row.method, row.metric))
    lines = dict.fromkeys((model, task, method) for model, task, method, _ in found)
    statistics = list(dict.fromkeys(row.metric for row in rows))
    body = tuple(
        (
            model, *(shown(part) for part in pair.split("~")), *_null_and_place(method),
            *(cell(found.get((model, pair, method, name))) for name in statistics),
        )
        for model, pair, method in lines
    )  # fmt: skip
    if not body:
        return None
    head = ("model", "null of", "importance on", "null", "measured in", *statistics)
    caption = "Agreement of nulls with importance: mean (lowest to highest) over seeds."
    table = Table("null-agreement-table", caption, head, body, 5)
    return Folded("null-agreement", f"Nulls beside importance, {len(body)} lines", (table,))


def _null_and_place(method: str) -> tuple[str, str]:
    null, _, place = method.partition(", ")
    return shown(null), place or "fine-tuned"


def _named(difference: str, minus: str = " − ") -> str:
    """An order less another, as readers call them."""
    return minus.join(
        f"{before}{order}{shown(task)}"
        for part in difference.split(" - ")
        for before, order, task in [part.partition("order of ")]
    )


def _said(study: Study, row: Row) -> str:
    return said_of(study, dataclasses.replace(row, method=_named(row.method, " - ")))


# -- answers


def orders_answer(study: Study) -> Answer | None:
    """Is the task's own order worth more than the orders of nulls."""
    rows = [row for row in study.at(CONTRAST) if row.method.startswith("gradient - ")]
    if not rows:
        return None
    several, left_out = counted(study, rows)
    summary = NONE
    if several:
        nulls = dict.fromkeys(row.method.partition(" - order of ")[2] for row in several)
        counts = (
            f"that of {shown(null)} in "
            f"{clear_in([row for row in several if row.method.endswith(f' of {null}')])}"
            for null in nulls
        )
        summary = f"At half of the heads the score's order keeps more than {', '.join(counts)}."
    points = tuple(
        f"{row.model}, {shown(row.task)}, {row.budget} heads kept: {_named(row.method)} "
        f"{cell(spread_of([row]), signed)} {row.metric}: {_said(study, row)}."
        for row in rows
    )
    question = "Is the score's order worth more than orders without labels?"
    return Answer(question, summary + left_out, points)


def against_nulls(study: Study, model: str, task: str, order: str) -> str:
    """How another task's order does beside the orders of nulls; "" where it was not compared."""
    said = [
        f"{_named(row.method)} {number(row.value)} {row.metric}, {_said(study, row)}"
        for row in study.at(CONTRAST, model=model, task=task)
        if row.method.startswith(f"order of {order} - ")
    ]
    return f"; {'; '.join(said)}" if said else ""
