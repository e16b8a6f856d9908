"""Tables of a study of constituents: best heads beside baselines, rankings, changes, masking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jaxheads.records.folder import (
    ALL_LAYERS,
    LOWER_LAYERS,
    PRETRAINING,
    SPAN_COLUMNS,
    UPPER_LAYERS,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.baseline import CROSS, CROSSED, at_chance
from jaxheads.report.chiang2021.prunability import measures_table
from jaxheads.report.folder import Study
from jaxheads.report.names import difference, shown
from jaxheads.report.parts import Table
from jaxheads.report.spread import Form, cell, count, number, p_text, signed, spread_of, spreads
from jaxheads.report.tables import table_of

NAMES = ("S-F1", "C-F1", *SPAN_COLUMNS[2:])
HALVES = (LOWER_LAYERS, UPPER_LAYERS, ALL_LAYERS)


def trained_on(task: str) -> str:
    """What a model was trained on, as readers call it."""
    return "pre-trained" if task == PRETRAINING else shown(task)


def reading_of(row: Row) -> str:
    """A distance of attention, and its bias to the right where it has one."""
    return row.reading + (f", bias {row.setting:g}" if row.setting else "")


def minus(row: Row) -> str:
    """A difference as readers call it."""
    return difference(row, " less ")


# -- heads


def best_table(study: Study) -> Table:
    """The best heads beside their baselines."""
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
    return Table("constituency-best", caption, head, body, labels=4)


def _null_lines(study: Study, model: str) -> Iterator[tuple[str, ...]]:
    rows = study.at(Stage.TREE_BASELINES, model=model)
    for null in dict.fromkeys(row.method for row in rows):
        own = (row for row in rows if row.method == null)
        yield model, "–", null, "baseline", "–", *_cells(own)


def _random_lines(study: Study, model: str) -> Iterator[tuple[str, ...]]:
    rows = study.at(Stage.RANDOM_WEIGHTS, model=model)
    for reading, which in dict.fromkeys((reading_of(row), row.method) for row in rows):
        own = (row for row in rows if (reading_of(row), row.method) == (reading, which))
        yield model, "random weights", reading, which, "–", *_cells(own)


def _best_lines(study: Study, model: str) -> Iterator[tuple[str, ...]]:
    for task in study.tasks:
        where = {"model": model, "task": task}
        rows = [r for r in study.at(Stage.BEST_HEAD, **where) if r.metric in SPAN_COLUMNS]
        tuned = spreads(study.at(Stage.BEST_ON_TUNE, **where, metric=Metric.F1), reading_of)
        for reading in dict.fromkeys(map(reading_of, rows)):
            on_tune = tuned.get(reading)
            own = (row for row in rows if reading_of(row) == reading)
            yield model, trained_on(task), reading, Metric.BEST_HEAD, cell(on_tune), *_cells(own)


def chosen_table(study: Study) -> Table:
    """Which heads the best ones are; of several seeds all, in their order."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in study.at(Stage.BEST_ON_TUNE):
        found.setdefault((row.model, trained_on(row.task), reading_of(row)), []).append(row)
    body = tuple(
        (
            *key,
            *(
                "; ".join(_chosen(row) for row in rows if row.metric == column) or "–"
                for column in SPAN_COLUMNS
            ),
        )
        for key, rows in found.items()
    )
    caption = (
        "Which head each column chose on the tune section, as “layer, head” counted from 0, and "
        "its score there; of several fine-tuned models one after the other, by seed. A score that "
        "chose its head is too high: read those of the test section as results."
    )
    head = ("model", "trained on", "reading", *NAMES)
    return Table("constituency-chosen", caption, head, body, labels=3)


def _chosen(row: Row) -> str:
    """One head and its score, which no line break parts."""
    return f"{row.layer}, {row.head}: {number(row.value)}".replace(" ", "\u00a0")


def margin_table(study: Study) -> Table:
    """By how much the best heads lie above trees that need no model."""
    caption = "Best head less trees that need no model, paired over sentences, with 95% intervals."
    lines = {"model": "model", "reading": reading_of, "less": "other_method"}
    return table_of(
        "constituency-margins", caption, study.at(Stage.MARGIN), lines, NAMES, by=_column,
        form=signed,
    )  # fmt: skip


def _column(row: Row) -> str:
    return NAMES[SPAN_COLUMNS.index(row.metric)]


# -- rankings, changes, masking


def rankings_table(study: Study) -> Table:
    """How well scores without labels rank heads."""
    caption = (
        "How far a score that sees no label, from the tune section, ranks heads as their S-F1 on "
        "the test section does; p by permutation of heads."
    )
    lines = {"model": "model", "reading": reading_of, "score": "method"}
    return table_of(
        "constituency-rankings", caption, study.at(Stage.RANKINGS), lines, "Spearman", form=signed,
        more={"p": lambda row: "–" if row.p_value is None else p_text(row.p_value)},
    )  # fmt: skip


def change_table(study: Study) -> Table:
    """What fine-tuning changes, by task."""
    fields = ("model", reading_of, "task")
    counts = spreads(study.at(Stage.CHANGED_HEADS), *fields, "metric")
    found = spreads(study.at(Stage.CHANGE, metric=Metric.F1), *fields, "place")
    body = []
    for model, reading, task in dict.fromkeys(key[:3] for key in (*found, *counts)):
        line = (model, reading, task)
        changes = (cell(found.get((*line, place)), signed) for place in HALVES)
        heads = counts.get((*line, Metric.HEADS))
        shares = (
            "–" if number_of is None or heads is None
            else f"{number_of.mean:.0f} of {heads.mean:.0f}"
            for number_of in (counts.get((*line, m)) for m in (Metric.HIGHER, Metric.LOWER))
        )  # fmt: skip
        body.append((model, reading, shown(task), *changes, *shares))
    caption = (
        "S-F1 of fine-tuned models less that of the pre-trained one, mean over the heads of these "
        "layers, with 95% intervals over sentences and seeds; then the heads whose own interval "
        "lies above 0 (“heads higher”) or below it. If nothing changed, about 2.5% of all heads "
        "would be counted on either side."
    )
    head = ("model", "reading", "fine-tuned on", *HALVES, "heads higher", "heads lower")
    return Table("constituency-change", caption, head, tuple(body), labels=3)


def kinds_table(study: Study) -> Table:
    """What fine-tuning changes, by kind of task."""
    caption = "Mean change of S-F1 over the tasks of a kind, 95% over sentences and seeds."
    lines = {"model": "model", "reading": reading_of, "kind of task": kind_of}
    lines["layers"] = "place"
    rows = study.at(Stage.CHANGE_BY_KIND)
    return table_of("constituency-kinds", caption, rows, lines, "change", form=signed)


def kind_of(row: Row) -> str:
    """A kind of tasks, or the difference of two."""
    return f"{row.method} − {row.other_method}" if row.other_method else row.method


def area_table(study: Study) -> Table:
    """How many heads can go in every order."""
    more = (
        " Orders by the S-F1 of the fine-tuned model's heads, as in the figures: “best” masks the "
        "best at constituents first. At 95%: the most heads masked such that the metric keeps 95% "
        "of the whole model's there and before; area: the mean share of the metric kept."
    )
    return measures_table(study, study.at(Stage.ABILITY_AREA), "constituency-areas", more)


def contrast_table(study: Study) -> Table:
    """What is tested at half of the heads."""
    caption = (
        "Metric with one set of heads masked less the metric with another, nearest half of the "
        "heads, 95% over examples and seeds: above 0 where the second set is needed more."
        f"{CROSSED}"
    )

    def task(row: Row) -> str:
        return shown(row.task) + CROSS * at_chance(study, row.model, row.task)

    lines = {"model": "model", "task": task, "metric": "metric", "masked": minus}
    lines["heads kept"] = "budget"
    rows = study.at(Stage.ABILITY_CONTRAST)
    return table_of("constituency-masking", caption, rows, lines, "difference", form=signed)


def treebank_table(study: Study) -> Table:
    """What was counted."""
    sections = study.at(Stage.TREEBANK)
    body = tuple((row.model, row.method, row.metric, count(row.value)) for row in sections)
    ties = spreads(study.at(Stage.TIED_SPLITS), "model", "task", reading_of, "method")
    body += tuple(
        (model, trained_on(task), f"tied splits, {reading}: {method}", cell(spread))
        for (model, task, reading, method), spread in ties.items()
    )
    caption = "Sentences of each section, what was left out of them, and shares of tied splits."
    head = ("model", "section or task", "what", "value")
    return Table("constituency-treebank", caption, head, body, labels=3)


def _cells(rows: Iterable[Row], form: Form = number) -> tuple[str, ...]:
    rows = list(rows)
    return tuple(
        cell(spread_of(row for row in rows if row.metric == column), form)
        for column in SPAN_COLUMNS
    )
