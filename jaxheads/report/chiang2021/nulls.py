"""What agreement of tasks, and an order of pruning, is more than: magnitude and the other nulls."""

from __future__ import annotations

from typing import NamedTuple

from jaxheads.records.folder import Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED
from jaxheads.report.chiang2021.places import Place, pair_at_chance, place_of
from jaxheads.report.claims import LEVEL
from jaxheads.report.folder import Study
from jaxheads.report.names import shown, tasks_of
from jaxheads.report.parts import Folded, Table
from jaxheads.report.spread import cell, largest_p, signed, spread_of
from jaxheads.report.tables import difference_table, table_of


class Beyond(NamedTuple):
    """Whether an agreement is more than a null, with the number that says so."""

    null: str
    clear: bool
    cell: str

    @property
    def verdict(self) -> str:
        """In a few words."""
        return f"{'' if self.clear else 'not shown to be '}more than {self.null}"


def beyond(study: Study, place: Place) -> list[Beyond]:
    """A pair's agreement against every null that was measured beside it.

    Magnitude and output norm are held constant: clear where the partial correlation is above 0 in
    every seed, each by permutation. Of shuffled labels and an untrained readout, which are measured
    with noise as importance is, the agreement is subtracted: clear where the 95% interval over
    seeds lies above 0.
    """
    held: dict[str, list[Row]] = {}
    for row in study.at(Stage.GIVEN_NULL, **place._asdict()):
        held.setdefault(row.method, []).append(row)
    less = study.at(Stage.BEYOND_NULL, **place._asdict())
    return [_given(shown(null), rows) for null, rows in held.items()] + [_less(row) for row in less]


def _given(null: str, rows: list[Row]) -> Beyond:
    spread, p = spread_of(rows), largest_p(rows)
    if spread is None or p is None:
        return Beyond(null, False, "–")  # it is the very order of one side
    clear = p < LEVEL and all(row.value > 0 for row in rows)
    return Beyond(null, clear, f"{cell(spread)}, p {p:.3f}")


def _less(row: Row) -> Beyond:
    null, spread = shown(row.method), spread_of([row])
    if spread is None or not spread.has_bounds:
        return Beyond(null, False, signed(row.value))
    return Beyond(null, spread.low > 0, cell(spread, signed))


# -- the section's tables


def pairs_table(study: Study) -> Table:
    """Each pair against its nulls."""
    rows = study.at(Stage.COHERENCE, metric=Metric.SPEARMAN)
    measured = {place: beyond(study, place) for place in dict.fromkeys(map(place_of, rows))}
    nulls = list(dict.fromkeys(each.null for said in measured.values() for each in said))
    body = []
    for place, said in measured.items() if nulls else ():
        own = [row for row in rows if place_of(row) == place]
        cells = {each.null: each.cell for each in said}
        crossed = CROSS * pair_at_chance(study, place)
        more = ", ".join(each.null for each in said if each.clear) or "none of them"
        body.append(
            (
                place.model, tasks_of(own[0]), f"{place.place}{crossed}", cell(spread_of(own)),
                *(cells.get(null, "–") for null in nulls), "–" if crossed else more,
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
    head = ("model", "tasks", "measured in", Metric.SPEARMAN, *nulls, "is more than")
    return Table("nulls-table", caption, head, tuple(body), 3)


def orders_table(study: Study) -> Table:
    """The orders of tasks against those of nulls."""
    caption = (
        "Orders of pruning against the orders of nulls, at one number of heads kept: difference of "
        "the metric with its 95% interval."
    )
    rows = study.at(Stage.NULL_CONTRAST)
    return difference_table(study, "null-orders-table", caption, rows)


def null_maps(study: Study) -> Folded | None:
    """Every null of one task beside the importance of another, or of its own."""
    lines = {
        "model": "model", "null of": "task", "importance on": "other_task", "null": "method",
        "measured in": "place",
    }  # fmt: skip
    caption = "Agreement of nulls with importance: mean (lowest to highest) over seeds."
    rows = study.at(Stage.NULL)
    table = table_of("null-agreement-table", caption, rows, lines, by="metric")
    summary = f"Nulls beside importance, {len(table.body)} lines"
    return Folded("null-agreement", summary, (table,)) if table.body else None
