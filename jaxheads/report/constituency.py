"""Constituents in attention, after Luo 2021: the section of the page, and its answers in words."""

from __future__ import annotations

from jaxheads.records import Row
from jaxheads.report.attention_view import example_views
from jaxheads.report.bracket_trees import example_drawings
from jaxheads.report.constituent_figures import (
    change_drawings,
    ensemble_drawings,
    layer_drawings,
    map_drawings,
    masking_drawings,
)
from jaxheads.report.constituent_rows import (
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
from jaxheads.report.constituent_tables import (
    change_tables,
    head_tables,
    masking_tables,
    ranking_tables,
    treebank_tables,
)
from jaxheads.report.folder import Study
from jaxheads.report.looks import shown
from jaxheads.report.parts import Answer, Section
from jaxheads.report.spread import number, signed


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
    points = []
    above = asked = 0
    for (model, reading), own in by_reading(rows).items():
        null = "right" if "bias" in reading else "balanced"
        (margin,) = (row for row in own if row.method.endswith(f"- {null}"))
        asked += 1
        above += _bound(margin.low) > 0
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
        f"In {above} of {asked} readings the head chosen on the tune section is better on the test "
        "section than its fair baseline (balanced trees without a bias, right-branching with one): "
        "the 95% interval over sentences lies above 0."
    )
    return Answer("Do heads know constituents?", summary, tuple(points))


def change_answer(study: Study) -> Answer | None:
    """Does fine-tuning change the upper layers, and in the direction of the hypothesis."""
    rows = [row for row in study.at(BY_KIND) if row.method.endswith(UPPER)]
    tasks = [row for row in study.at(CHANGE) if row.method.endswith(UPPER)]
    if not tasks:
        return None
    expected = {"similarity": -1, "entailment": 1, "similarity - entailment": -1}
    verdicts = [
        (row, _direction(row, expected[row.method.split(": ")[1]]))
        for row in rows
        if row.method.split(": ")[1] in expected
    ]
    held = sum(said == "as expected" for _, said in verdicts)
    summary = (
        "The hypothesis (Luo 2021): tasks of similarity lower the upper layers' ability, tasks of "
        f"entailment raise it. {held} of {len(verdicts)} changes are clearly as expected."
    )
    points = [
        f"{row.model}, {row.method.split(': ')[0]}, {row.method.split(': ')[1]} tasks: S-F1 of the "
        f"upper layers {signed(row.value)}{_interval(row)}, {said}."
        for row, said in verdicts
    ]
    points += [
        f"{row.model}, {row.method.split(': ')[0]}, {shown(row.task)}: {signed(row.value)}"
        f"{_interval(row)}, n = {_seeds(study, row)} seeds."
        for row in tasks
    ]
    return Answer("Does fine-tuning change what heads know?", summary, tuple(points))


def masking_answer(study: Study) -> Answer | None:
    """Does a task need the heads that know constituents."""
    rows = study.at(CONTRAST)
    if not rows:
        return None
    matched = [row for row in rows if row.method == "like best - best"]
    clear = sum(_bound(row.low) > 0 for row in matched)
    summary = (
        f"In {clear} of {len(matched)} cases masking half of the heads, the best at constituents, "
        "costs clearly more than masking random heads of the same layers."
    )
    points = [
        f"{row.model}, {shown(row.task)}, {row.budget} heads kept: {spoken(row.method)} "
        f"{signed(row.value)} {row.metric}{_interval(row)}."
        for row in rows
    ]
    return Answer("Do tasks need the heads that know constituents?", summary, tuple(points))


# -- parts


def _interval(row: Row, *, plain: bool = False) -> str:
    if row.low is None or row.high is None:
        return ""
    form = number if plain else signed
    return f" (95%: {form(row.low)} to {form(row.high)})"


def _bound(value: float | None) -> float:
    return float("nan") if value is None else value


def _trees(null: str) -> str:
    return "right-branching trees" if null == "right" else f"{null} trees"


def _clearly(margin: Row) -> str:
    """Where the interval of a difference lies; a NaN claims nothing."""
    if _bound(margin.low) > 0:
        return "clearly above"
    return "clearly below" if _bound(margin.high) < 0 else "not clearly above"


def _direction(row: Row, sign: int) -> str:
    low, high = sorted((sign * _bound(row.low), sign * _bound(row.high)))
    if low > 0:
        return "as expected"
    return "against it" if high < 0 else "not distinguishable from 0"


def _seeds(study: Study, row: Row) -> int:
    return len({each.seed for each in study.at("whole", model=row.model, task=row.task)})
