"""Constituents in attention, after Luo 2021: the section of the page, and its answers in words."""

from __future__ import annotations

import dataclasses

from jaxheads.records.folder import (
    BEST,
    ENTAILMENT,
    LIKE_BEST,
    PRETRAINING,
    SIMILAR,
    SPAN_MAPS,
    UPPER_LAYERS,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.claims import NONE, clear_in, counted, said_of, side_of_interval
from jaxheads.report.figures.attention_view import example_views
from jaxheads.report.folder import Study
from jaxheads.report.luo2021 import figures, tables
from jaxheads.report.luo2021.bracket_trees import example_drawings
from jaxheads.report.names import head_of, shown
from jaxheads.report.parts import Answer, Section, section
from jaxheads.report.spread import number, with_ends

ONE_MODEL = "Of one fine-tuned model each: no claim."
EXPECTED = {(SIMILAR, ""): -1, (ENTAILMENT, ""): 1, (SIMILAR, ENTAILMENT): -1}


def constituency_section(study: Study) -> Section | None:
    """Maps, tables with baselines, changes, curves of masking, and trees over sentences."""
    if not study.at(Stage.BEST_HEAD, metric=Metric.F1):
        return None
    lead = (
        "Trees from the distances of adjacent words' attention rows, split at the greatest "
        "distance first, against gold trees. S-F1 is the mean over sentences of the F1 of spans, "
        "labels are recalls. Heads are chosen on the tune section and scored on the test section. "
        "A reading is a distance (jsd, hellinger) and a bias to the right; equal distances give "
        "the right-branching tree, so a biased head has to beat that one, an unbiased one random "
        "and balanced trees."
    )
    makers = (
        *(figures.map_drawings, example_drawings, _views),
        *(tables.best_table, tables.margin_table, tables.chosen_table),
        *(figures.layer_drawings, figures.ensemble_drawings, tables.rankings_table),
        *(figures.change_drawings, tables.change_table, tables.kinds_table),
        *(figures.masking_drawings, tables.area_table, tables.contrast_table),
        tables.treebank_table,
    )
    parts = (make(study) for make in makers)
    return section("constituency", "Constituents in attention", lead, *parts)


def _views(study: Study):
    return example_views(study, SPAN_MAPS, "spans-view", "the same head")


# -- answers


def constituency_answer(study: Study) -> Answer | None:
    """Do the best heads find constituents that position alone does not."""
    rows = study.at(Stage.MARGIN, metric=Metric.F1)
    if not rows:
        return None
    points, asked = [], []
    for model, reading in dict.fromkeys((row.model, row.reading) for row in rows):
        own = [row for row in rows if (row.model, row.reading) == (model, reading)]
        null = "right" if "bias" in reading else "balanced"
        (margin,) = (row for row in own if row.other_method == null)
        asked.append(margin)
        where = {"model": model, "task": PRETRAINING, "metric": Metric.F1, "reading": reading}
        best = study.at(Stage.BEST_HEAD, **where)[0]
        others = "; ".join(f"{with_ends(row)} to {_trees(row.other_method)}" for row in own)
        points.append(
            f"{model}, {reading}: {head_of(best)} has S-F1 {with_ends(best, number)} on the test "
            f"section, {_clearly(margin)} {_trees(null)}; {others}."
        )
    summary = (
        f"In {clear_in(asked)} readings the head chosen on the tune section is better on the test "
        "section than its fair baseline (balanced trees without a bias, right-branching with one): "
        "the 95% interval over sentences lies above 0. Of the pre-trained models as they are; "
        "another pre-training is not in it."
    )
    return Answer("Do heads know constituents?", summary, tuple(points))


def change_answer(study: Study) -> Answer | None:
    """Does fine-tuning change the upper layers, and in the direction of the hypothesis."""
    tasks = study.at(Stage.CHANGE, place=UPPER_LAYERS)
    if not tasks:
        return None
    asked = [
        (row, _turned(row, EXPECTED[row.method, row.other_method]))
        for row in study.at(Stage.CHANGE_BY_KIND, place=UPPER_LAYERS)
        if (row.method, row.other_method) in EXPECTED
    ]
    several = [turned for _, turned in asked if (turned.seeds or 0) > 1]
    held = f"{clear_in(several)} changes are clearly as expected." if several else ONE_MODEL
    summary = (
        "The hypothesis (Luo 2021): tasks of similarity lower the upper layers' ability, tasks of "
        f"entailment raise it. {held}"
    )
    points = [
        f"{row.model}, {row.reading}, {tables.kind_of(row)} tasks: S-F1 of the upper layers "
        f"{with_ends(row)}, {_direction(turned)}."
        for row, turned in asked
    ]
    points += [
        f"{row.model}, {row.reading}, {shown(row.task)}: {with_ends(row)}, n = {row.seeds} "
        f"seed{'s' * (row.seeds != 1)}."
        for row in tasks
    ]
    return Answer("Does fine-tuning change what heads know?", summary, tuple(points))


def masking_answer(study: Study) -> Answer | None:
    """Does a task need the heads that know constituents."""
    rows = study.at(Stage.ABILITY_CONTRAST)
    if not rows:
        return None
    matched = study.at(Stage.ABILITY_CONTRAST, method=LIKE_BEST, other_method=BEST)
    several, left_out = counted(study, matched)
    summary = NONE
    if several:
        summary = (
            f"In {clear_in(several)} cases masking half of the heads, the best at constituents, "
            "costs clearly more than masking random heads of the same layers."
        )
    points = tuple(
        f"{row.model}, {shown(row.task)}, {row.budget} heads kept: {tables.minus(row)} "
        f"{with_ends(row, unit=row.metric)}, {said_of(study, row)}."
        for row in rows
    )
    return Answer("Do tasks need the heads that know constituents?", summary + left_out, points)


# -- parts


def _trees(null: str) -> str:
    return "right-branching trees" if null == "right" else f"{null} trees"


def _clearly(margin: Row) -> str:
    """Where the interval of a difference lies; without one nothing is claimed."""
    return ("not clearly above", "clearly above", "clearly below")[side_of_interval(margin)]


def _turned(row: Row, sign: int) -> Row:
    """A change in the direction that is expected, which is then above 0."""
    if sign > 0 or row.low is None or row.high is None:
        return row
    return dataclasses.replace(row, value=-row.value, low=-row.high, high=-row.low)


def _direction(turned: Row) -> str:
    if (turned.seeds or 0) < 2:
        return "one model: no claim"
    said = ("not distinguishable from 0", "as expected", "against it")
    return said[side_of_interval(turned)]
