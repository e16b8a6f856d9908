"""Constituents in attention, after Luo 2021: the section of the page, and its answers in words."""

from __future__ import annotations

import dataclasses

from jaxheads.records.folder import (
    ENTAILMENT,
    SIMILAR,
    SPAN_MAPS,
    UPPER_LAYERS,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.baseline import MARK, at_chance
from jaxheads.report.claims import NONE, clear_in, counted
from jaxheads.report.figures.attention_view import example_views
from jaxheads.report.folder import Study
from jaxheads.report.luo2021 import figures, tables
from jaxheads.report.luo2021.bracket_trees import example_drawings
from jaxheads.report.names import shown
from jaxheads.report.parts import Answer, Section, section

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
    asked = [
        row
        for row in study.at(Stage.MARGIN, metric=Metric.F1)
        if row.other_method == ("right" if row.setting else "balanced")
    ]
    if not asked:
        return None
    summary = (
        f"In {clear_in(asked)} readings the head chosen on the tune section is better on the test "
        "section than its fair baseline (balanced trees without a bias, right-branching with one): "
        "the 95% interval over sentences lies above 0. Of the pre-trained models as they are; "
        "another pre-training is not in it."
    )
    return Answer("Do heads know constituents?", summary)


def change_answer(study: Study) -> Answer | None:
    """Does fine-tuning change the upper layers, and in the direction of the hypothesis."""
    tasks = dict.fromkeys(
        (row.model, row.task) for row in study.at(Stage.CHANGE, place=UPPER_LAYERS)
    )
    if not tasks:
        return None
    rows = [
        _turned(row, EXPECTED[row.method, row.other_method])
        for row in study.at(Stage.CHANGE_BY_KIND, place=UPPER_LAYERS)
        if (row.method, row.other_method) in EXPECTED
    ]
    poor = [place for place in tasks if at_chance(study, *place)]
    able = {model for model, _ in tasks.keys() - set(poor)}
    several, left_out = counted(study, rows, lambda row: row.model not in able)
    held = NONE
    if several:
        held = (
            f"Clearly as expected: {clear_in(several)} changes; clearly against it: "
            f"{clear_in(several, -1)}, by 95% intervals over seeds and sentences."
        )
    unlearned = ", ".join(f"{model} on {shown(task)}" for model, task in poor if model in able)
    summary = (
        "The hypothesis (Luo 2021): tasks of similarity lower the upper layers' ability, tasks of "
        f"entailment raise it. {held}{left_out}"
        + f" Among the fine-tuned models are some {MARK}: {unlearned}."
        * bool(unlearned)
    )
    return Answer("Does fine-tuning change what heads know?", summary)


# -- parts


def _turned(row: Row, sign: int) -> Row:
    """A change in the direction that is expected, which is then above 0."""
    if sign > 0 or row.low is None or row.high is None:
        return row
    return dataclasses.replace(row, value=-row.value, low=-row.high, high=-row.low)
