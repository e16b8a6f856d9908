"""Tables of a study of constituents: best heads beside baselines, rankings, changes, masking."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jaxheads.records.rows import Row, kind_of
from jaxheads.report.chiang2021.prunability import measures_table
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.luo2021.rows import (
    AREA,
    BEST,
    BY_KIND,
    CHANGE,
    CHANGED,
    COLUMNS,
    CONTRAST,
    F1,
    HALVES,
    MARGIN,
    NULLS,
    TUNED,
    null_spread,
    of_reading,
    spoken,
    trained_on,
)
from jaxheads.report.parts import Table
from jaxheads.report.spread import cell, number, signed, spread_of, spreads

NAMES = ("S-F1", "C-F1", *COLUMNS[2:])


def head_tables(study: Study) -> Iterator[Table]:
    """The best heads beside their baselines, by how much, and which heads they are."""
    yield from _present(_best_table(study), _margin_table(study), _chosen_table(study))


def ranking_tables(study: Study) -> Iterator[Table]:
    """How well scores without labels rank heads."""
    yield from _present(_rankings_table(study))


def change_tables(study: Study) -> Iterator[Table]:
    """What fine-tuning changes, by task and by kind of task."""
    yield from _present(_change_table(study), _kinds_table(study))


def masking_tables(study: Study) -> Iterator[Table]:
    """How many heads can go in every order, and what is tested at half of the heads."""
    more = (
        " Orders by the S-F1 of the fine-tuned model's heads, as in the figures: “best” masks the "
        "best at constituents first. At 95%: the most heads masked such that the metric keeps 95% "
        "of the whole model's there and before; area: the mean share of the metric kept."
    )
    areas = measures_table(study, AREA, "constituency-areas", more)
    yield from _present(areas, _contrast_table(study))


def treebank_tables(study: Study) -> Iterator[Table]:
    """What was counted."""
    yield from _present(_treebank_table(study))


def _present(*made: Table | None) -> Iterator[Table]:
    yield from (table for table in made if table is not None)


# -- heads


def _best_table(study: Study) -> Table | None:
    body = tuple(
        line
        for model in study.models
        for lines in (_null_lines, _random_lines, _best_lines)
        for line in lines(study, model)
    )
    head = ("model", "trained on", "reading or tree", "what", "S-F1 on tune", *NAMES)
    caption = (
        "Each column's best head, chosen for it on the tune section and scored on the test section "
        "(square brackets: 95% over sentences, and over several seeds or draws too; round ones: "
        "lowest to highest of draws). “S-F1 on tune” is what the head of the next column has on "
        "the section that chose it. “attention, ...” are heads that see no word. Best heads are "
        "chosen among many: compare with random weights."
    )
    return Table("constituency-best", caption, head, body, labels=4) if body else None


def _null_lines(study: Study, model: str) -> Iterator[tuple[str, ...]]:
    for null in dict.fromkeys(kind_of(row.method) for row in study.at(NULLS, model=model)):
        cells = (cell(null_spread(study, model, null, column)) for column in COLUMNS)
        yield model, "–", null, "baseline", "–", *cells


def _random_lines(study: Study, model: str) -> Iterator[tuple[str, ...]]:
    rows = study.at("random weights", model=model)
    for what in dict.fromkeys(row.method for row in rows):
        reading, _, which = what.partition(": ")
        own = [row for row in rows if row.method == what]
        yield model, "random weights", reading, which, "–", *_cells(own)


def _best_lines(study: Study, model: str) -> Iterator[tuple[str, ...]]:
    for task in study.tasks:
        rows = [r for r in study.at(BEST, model=model, task=task) if r.metric in COLUMNS]
        tuned = study.at(TUNED, model=model, task=task, metric=F1)
        for reading in dict.fromkeys(row.method.partition(": ")[0] for row in rows):
            there = cell(spread_of(of_reading(tuned, reading)))
            cells = _cells(of_reading(rows, reading))
            yield model, trained_on(task), reading, "best head", there, *cells


def _chosen_table(study: Study) -> Table | None:
    """Which heads the best ones are; of several seeds all, in their order."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in study.at(TUNED):
        key = (row.model, trained_on(row.task), row.method.partition(": ")[0])
        found.setdefault(key, []).append(row)
    body = tuple(
        (
            *key,
            *("; ".join(_chosen(row) for row in rows if row.metric == c) or "–" for c in COLUMNS),
        )
        for key, rows in found.items()
    )
    caption = (
        "Which head each column chose on the tune section, as “layer, head” counted from 0, and "
        "its score there; of several fine-tuned models one after the other, by seed. A score that "
        "chose its head is too high: read those of the test section as results."
    )
    head = ("model", "trained on", "reading", *NAMES)
    return Table("constituency-chosen", caption, head, body, labels=3) if body else None


def _chosen(row: Row) -> str:
    """One head and its score, which no line break parts."""
    _, layer, _, head = row.method.partition(": ")[2].split(" ")
    return f"{layer}, {head}: {number(row.value)}".replace(" ", "\u00a0")


def _margin_table(study: Study) -> Table | None:
    found = {
        (row.model, *row.method.split(": ", 1)): [
            other for other in study.at(MARGIN, model=row.model) if other.method == row.method
        ]
        for row in study.at(MARGIN)
    }
    body = tuple(
        (model, reading, what.rpartition(" - ")[2], *_cells(rows, signed))
        for (model, reading, what), rows in found.items()
    )
    caption = "Best head less trees that need no model, paired over sentences, with 95% intervals."
    head = ("model", "reading", "less", *NAMES)
    return Table("constituency-margins", caption, head, body, labels=3) if body else None


# -- rankings, changes, masking


def _rankings_table(study: Study) -> Table | None:
    rows = study.at("rankings")
    by_key = {(row.model, *row.method.split(": ")): row for row in rows if row.metric == "spearman"}
    p_values = {(row.model, *row.method.split(": ")): row for row in rows if row.metric == "p"}
    body = tuple(
        (*key, signed(row.value), number(p_values[key].value)) for key, row in by_key.items()
    )
    caption = (
        "How far a score that sees no label, from the tune section, ranks heads as their S-F1 on "
        "the test section does; p by permutation of heads."
    )
    head = ("model", "reading", "score", "Spearman", "p")
    return Table("constituency-rankings", caption, head, body, labels=3) if body else None


def _change_table(study: Study) -> Table | None:
    counts = {(row.model, row.method, row.task, row.metric): row.value for row in study.at(CHANGED)}
    rows = {
        (row.model, *row.method.split(": "), row.task): row for row in study.at(CHANGE, metric=F1)
    }
    lines = dict.fromkeys((model, reading, task) for model, reading, _, task in rows)
    lines |= dict.fromkeys(key[:3] for key in counts)
    body = []
    for model, reading, task in lines:
        found = (rows.get((model, reading, place, task)) for place in HALVES)
        changes = (cell(row and spread_of([row]), signed) for row in found)
        own = {name: counts.get((model, reading, task, name)) for name in ("higher", "lower")}
        heads = counts.get((model, reading, task, "heads"))
        shares = (
            "–" if count is None or heads is None else f"{count:.0f} of {heads:.0f}"
            for count in own.values()
        )
        body.append((model, reading, shown(task), *changes, *shares))
    caption = (
        "S-F1 of fine-tuned models less that of the pre-trained one, mean over the heads of these "
        "layers, with 95% intervals over sentences and seeds; then the heads whose own interval "
        "lies above 0 (“heads higher”) or below it. If nothing changed, about 2.5% of all heads "
        "would be counted on either side."
    )
    head = ("model", "reading", "fine-tuned on", *HALVES, "heads higher", "heads lower")
    return Table("constituency-change", caption, head, tuple(body), labels=3) if body else None


def _kinds_table(study: Study) -> Table | None:
    found = spreads(study.at(BY_KIND), lambda row: (row.model, *row.method.split(": ")))
    body = tuple((*key, cell(spread, signed)) for key, spread in found.items())
    caption = "Mean change of S-F1 over the tasks of a kind, 95% over sentences and seeds."
    head = ("model", "reading", "kind of task", "layers", "change")
    return Table("constituency-kinds", caption, head, body, labels=4) if body else None


def _contrast_table(study: Study) -> Table | None:
    rows = study.at(CONTRAST)
    body = tuple(
        (row.model, shown(row.task), row.metric, spoken(row.method), str(row.budget),
         cell(spread_of([row]), signed))
        for row in rows
    )  # fmt: skip
    caption = (
        "Metric with one set of heads masked less the metric with another, nearest half of the "
        "heads, 95% over examples and seeds: above 0 where the second set is needed more."
    )
    head = ("model", "task", "metric", "masked", "heads kept", "difference")
    return Table("constituency-masking", caption, head, body, labels=4) if body else None


def _treebank_table(study: Study) -> Table | None:
    body = tuple(
        (row.model, row.method, row.metric, f"{row.value:,.0f}") for row in study.at("treebank")
    )
    ties = spreads(study.at("tied splits"), lambda row: (row.model, row.task, row.method))
    body += tuple(
        (model, trained_on(task), f"tied splits, {method}", cell(spread))
        for (model, task, method), spread in ties.items()
    )
    caption = "Sentences of each section, what was left out of them, and shares of tied splits."
    head = ("model", "section or task", "what", "value")
    return Table("constituency-treebank", caption, head, body, labels=3) if body else None


def _cells(rows: list[Row], form: Callable[[float], str] = number) -> tuple[str, ...]:
    return tuple(cell(spread_of(row for row in rows if row.metric == c), form) for c in COLUMNS)
