"""Tables of a study of constituents: best heads beside baselines, rankings, changes, contrasts."""

from __future__ import annotations

from jaxheads.records import Row
from jaxheads.report.constituent_rows import (
    BEST,
    BY_KIND,
    COLUMNS,
    MARGIN,
    NULLS,
    PRETRAINING,
    null_spread,
    of_reading,
    spoken,
)
from jaxheads.report.folder import Study
from jaxheads.report.looks import shown
from jaxheads.report.parts import Table
from jaxheads.report.spread import cell, kind_of, number, signed, spread_of, spreads


def tables(study: Study) -> tuple[Table, ...]:
    """All tables for which there are rows."""
    made = (
        _best_table(study), _margin_table(study), _rankings_table(study), _kinds_table(study),
        _contrast_table(study), _treebank_table(study),
    )  # fmt: skip
    return tuple(table for table in made if table is not None)


def _best_table(study: Study) -> Table | None:
    body = []
    for model in study.models:
        nulls = list(dict.fromkeys(kind_of(row.method) for row in study.at(NULLS, model=model)))
        body += [
            (
                model,
                "–",
                null,
                "baseline",
                *(cell(null_spread(study, model, null, c)) for c in COLUMNS),
            )
            for null in nulls
        ]
        weights = study.at("random weights", model=model)
        for what in dict.fromkeys(row.method for row in weights):
            own = [row for row in weights if row.method == what]
            reading, _, which = what.partition(": ")
            body.append((model, "random weights", reading, which, *_cells(own)))
        for task in study.tasks:
            rows = [r for r in study.at(BEST, model=model, task=task) if r.metric in COLUMNS]
            for reading in dict.fromkeys(row.method.partition(": ")[0] for row in rows):
                name = "pre-trained" if task == PRETRAINING else shown(task)
                body.append((model, name, reading, "best head", *_cells(of_reading(rows, reading))))
    head = ("model", "trained on", "reading or tree", "what", *("S-F1", "C-F1", *COLUMNS[2:]))
    caption = (
        "Each column's best head, chosen for it on the tune section and scored on the test section "
        "(square brackets: 95% over sentences, of several seeds the widest; round ones: lowest to "
        "highest of draws or seeds). “attention, ...” are heads that see no word. Best heads are "
        "chosen among many: compare with random weights."
    )
    return Table("constituency-best", caption, head, tuple(body), labels=4) if body else None


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
    head = ("model", "reading", "less", "S-F1", "C-F1", *COLUMNS[2:])
    return Table("constituency-margins", caption, head, body, labels=3) if body else None


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


def _kinds_table(study: Study) -> Table | None:
    found = spreads(study.at(BY_KIND), lambda row: (row.model, *row.method.split(": ")))
    body = tuple((*key, cell(spread, signed)) for key, spread in found.items())
    caption = "Mean change of S-F1 over the tasks of a kind, 95% over sentences and seeds."
    head = ("model", "reading", "kind of task", "layers", "change")
    return Table("constituency-kinds", caption, head, body, labels=4) if body else None


def _contrast_table(study: Study) -> Table | None:
    rows = study.at("contrast by ability")
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
        (model, shown(task), f"tied splits, {method}", cell(spread))
        for (model, task, method), spread in ties.items()
    )
    caption = "Sentences of each section, what was left out of them, and shares of tied splits."
    head = ("model", "section or task", "what", "value")
    return Table("constituency-treebank", caption, head, body, labels=3) if body else None


def _cells(rows: list[Row], form=number) -> tuple[str, ...]:
    return tuple(cell(spread_of(row for row in rows if row.metric == c), form) for c in COLUMNS)
