"""Constituents in attention, after Luo 2021: the section of the page, and its answers in words."""

from __future__ import annotations

import dataclasses

from jaxheads.records.rows import Row
from jaxheads.report.claims import NONE, clear_in, counted, said_of, side_of_interval
from jaxheads.report.figures.attention_view import example_views
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.luo2021.bracket_trees import example_drawings
from jaxheads.report.luo2021.figures import (
    change_drawings,
    ensemble_drawings,
    layer_drawings,
    map_drawings,
    masking_drawings,
)
from jaxheads.report.luo2021.rows import (
    BEST,
    BY_KIND,
    CHANGE,
    CONTRAST,
    F1,
    MARGIN,
    PRETRAINING,
    UPPER,
    by_reading,
    of_reading,
    spoken,
)
from jaxheads.report.luo2021.tables import (
    change_tables,
    head_tables,
    masking_tables,
    ranking_tables,
    treebank_tables,
)
from jaxheads.report.parts import Answer, Section
from jaxheads.report.spread import ends, number, signed

ONE_MODEL = "Of one fine-tuned model each: no claim."


def constituency_section(study: Study) -> Section | None:
    """Maps, tables with baselines, changes, curves of masking, and trees over sentences."""
    if not study.at(BEST, metric=F1):
        return None
    parts = (
        *map_drawings(study), *example_drawings(study),
        *example_views(study, "spans", "spans-view", "the same head"), *head_tables(study),
        *layer_drawings(study), *ensemble_drawings(study), *ranking_tables(study),
        *change_drawings(study), *change_tables(study),
        *masking_drawings(study), *masking_tables(study), *treebank_tables(study),
    )  # fmt: skip
    lead = (
        "Trees from the distances of adjacent words' attention rows, split at the greatest "
        "distance first, against gold trees. S-F1 is the mean over sentences of the F1 of spans, "
        "labels are recalls. Heads are chosen on the tune section and scored on the test section. "
        "A reading is a distance (jsd, hellinger) and a bias to the right; equal distances give "
        "the right-branching tree, so a biased head has to beat that one, an unbiased one random "
        "and balanced trees."
    )
    return Section("constituency", "Constituents in attention", lead, parts)


# -- answers


def constituency_answer(study: Study) -> Answer | None:
    """Do the best heads find constituents that position alone does not."""
    rows = study.at(MARGIN, metric=F1)
    if not rows:
        return None
    points, asked = [], []
    for (model, reading), own in by_reading(rows).items():
        null = "right" if "bias" in reading else "balanced"
        (margin,) = (row for row in own if row.method.endswith(f"- {null}"))
        asked.append(margin)
        best = of_reading(study.at(BEST, model=model, task=PRETRAINING, metric=F1), reading)[0]
        others = ", ".join(
            f"{signed(row.value)} to {_trees(row.method.rpartition('- ')[2])}{_interval(row)}"
            for row in own
        )
        points.append(
            f"{model}, {reading}: {best.method.partition(': ')[2]} has S-F1 {number(best.value)}"
            f"{_interval(best, plain=True)} on the test section, {_clearly(margin)} "
            f"{_trees(null)}; {others}."
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
    rows = [row for row in study.at(BY_KIND) if row.method.endswith(UPPER)]
    tasks = [row for row in study.at(CHANGE) if row.method.endswith(UPPER)]
    if not tasks:
        return None
    expected = {"similarity": -1, "entailment": 1, "similarity - entailment": -1}
    asked = [
        (row, _turned(row, expected[row.method.split(": ")[1]]))
        for row in rows
        if row.method.split(": ")[1] in expected
    ]
    verdicts = [(row, _direction(turned)) for row, turned in asked]
    several = [turned for _, turned in asked if (turned.seeds or 0) > 1]
    held = f"{clear_in(several)} changes are clearly as expected." if several else ONE_MODEL
    summary = (
        "The hypothesis (Luo 2021): tasks of similarity lower the upper layers' ability, tasks of "
        f"entailment raise it. {held}"
    )
    points = [
        f"{row.model}, {row.method.split(': ')[0]}, {row.method.split(': ')[1]} tasks: S-F1 of the "
        f"upper layers {signed(row.value)}{_interval(row)}, {said}."
        for row, said in verdicts
    ]
    points += [
        f"{row.model}, {row.method.split(': ')[0]}, {shown(row.task)}: {signed(row.value)}"
        f"{_interval(row)}, n = {row.seeds} seed{'s' * (row.seeds != 1)}."
        for row in tasks
    ]
    return Answer("Does fine-tuning change what heads know?", summary, tuple(points))


def masking_answer(study: Study) -> Answer | None:
    """Does a task need the heads that know constituents."""
    rows = study.at(CONTRAST)
    if not rows:
        return None
    matched = [row for row in rows if row.method == "like best - best"]
    several, left_out = counted(study, matched)
    summary = NONE
    if several:
        summary = (
            f"In {clear_in(several)} cases masking half of the heads, the best at constituents, "
            "costs clearly more than masking random heads of the same layers."
        )
    points = [
        f"{row.model}, {shown(row.task)}, {row.budget} heads kept: {spoken(row.method)} "
        f"{signed(row.value)} {row.metric}{_interval(row)}, {said_of(study, row)}."
        for row in rows
    ]
    return Answer(
        "Do tasks need the heads that know constituents?", summary + left_out, tuple(points)
    )


# -- parts


def _interval(row: Row, *, plain: bool = False) -> str:
    found = ends(row, number if plain else signed)
    return f" (95%: {found})" if found else ""


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
