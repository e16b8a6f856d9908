"""The answers say what the rows say; every number here is worked out by hand from `rows.py`."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.records.rows import Row
from jaxheads.report.chiang2021.acceptable import deduction_answer
from jaxheads.report.chiang2021.answers import (
    contrast_answer,
    floors_answer,
    prunability_answer,
    reliability_answer,
)
from jaxheads.report.folder import Study
from jaxheads.report.write import answers_of
from tests.report.rows import study_rows


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(tuple(study_rows(("roberta",))), {}, {})


def row(value, **what) -> Row:
    fields = {"study": "s", "model": "m", "task": "t", "metric": "accuracy", "value": value}
    return Row(**fields | what)


def answer(make, *rows: Row):
    return make(Study(rows, {}, {}))


def changed(study: Study, stage: str, **fields) -> Study:
    rows = [dataclasses.replace(r, **fields) if r.stage == stage else r for r in study.rows]
    return dataclasses.replace(study, rows=tuple(rows))


def test_the_planted_k95_is_the_first_answer(study):
    found = prunability_answer(study)
    assert (
        "roberta, sentiment: up to 62% of the heads (10 of 16) can be masked in the order of the "
        "gradient score with 95% of the accuracy kept (3 seeds: 56% to 69%), 31% (3 seeds: 31% to "
        "31%) with 99%; with 95%, at random 31% (6 draws: 25% to 38%), reversed 12% (3 seeds: 6.2% "
        "to 19%)."
    ) in found.points
    assert "62% (3 seeds: 56% to 69%) of the heads in roberta on sentiment" in found.summary


def test_ranges_that_meet_are_no_test():
    what = {"stage": "prunability", "metric": "k95"}
    rows = [row(float(6 + s), method="gradient", seed=s, **what) for s in (0, 1)]
    rows += [row(float(5 + s), method="random", draw=s, seed=s, **what) for s in (0, 1)]
    rows += [row(0.5, stage="masked", budget=16, method="gradient")]
    (point,) = answer(prunability_answer, *rows).points
    assert point.endswith("; with 95%, at random 34% (2 draws: 31% to 38%).")


def test_a_model_whose_seeds_are_not_clearly_above_chance_is_no_answer(study):
    """A mean of 0.63, 95% of which is above the majority-class baseline, from 0.4, 0.6 and 0.9."""
    own = {0: 0.4, 1: 0.6, 2: 0.9}
    rows = [
        dataclasses.replace(r, value=own[r.seed]) if r.stage == "whole" else r
        for r in study.rows if r.task != "mlm" and r.stage != "above the baseline"
    ]  # fmt: skip
    found = prunability_answer(dataclasses.replace(study, rows=tuple(rows)))
    assert found.summary.startswith("Unknown: of no whole model")
    assert all("not shown to be above chance: this says nothing of" in p for p in found.points)


def test_heads_are_not_said_to_go_where_a_constant_answer_is_as_good(study):
    """95% of 0.8 is 0.76, of 0.81 (sentiment) 0.7695."""
    high = changed(study, "floor", value=0.765)
    found = prunability_answer(high)
    warned = [
        point
        for point in found.points
        if "the majority-class baseline has 95% of the accu" in point
    ]
    assert [point.partition(":")[0] for point in warned] == ["roberta, masked LM"]
    assert "sentiment" in found.summary
    none = changed(study, "floor", value=0.77)
    assert prunability_answer(none).summary.startswith("Unknown: of no whole model")


def test_a_difference_whose_interval_holds_zero_is_no_difference(study):
    found = contrast_answer(study)
    assert found.summary == (
        "In 4 of 4 (4 after Holm's correction) comparisons over several seeds the order that "
        "should be better is: its 95% interval over seeds, random draws and examples lies above 0. "
        "Not counted: 2 of one model, which says nothing of another training."
    )
    assert (
        "roberta, masked LM, 8 heads kept: random − reversed +0.050 accuracy (95%: −0.010 to "
        "+0.120), n = 1 seed: one model (random ahead in 5 of 5 draws, behind in 0): no claim."
    ) in found.points
    assert (
        "roberta, sentiment, 8 heads kept: gradient − random +0.100 accuracy (95%: +0.060 to "
        "+0.140), n = 3 seeds: gradient keeps more."
    ) in found.points


def test_reliability_and_floors_are_printed(study):
    found = reliability_answer(study)
    assert found.summary.endswith(
        "The lowest is 0.800 (with other examples and seed), for roberta on sentiment, fine-tuned."
    )
    assert found.points[:2] == (
        "roberta, masked LM: other examples 0.950 (n = 1, no interval).",
        "roberta, sentiment, fine-tuned: other examples and seed 0.800 (n = 1, no interval); other "
        "seed 0.850 (3 pairs: 0.750 to 0.950); other examples 0.950 (n = 1, no interval).",
    )
    assert floors_answer(study).points[1] == (
        "roberta, sentiment: accuracy of the majority-class baseline 0.500, of a bag of words "
        "0.550, of the whole model 0.810 (3 seeds: 0.800 to 0.820)."
    )
    assert floors_answer(study).summary == "Numbers near these floors say nothing about heads."
    low = floors_answer(changed(study, "whole", value=0.54))  # above the majority-class baseline
    assert low.points[1].endswith("0.540): the whole model is not above its floor.")
    assert low.summary.endswith("In 3 of 3 cases the whole model does not reach the higher floor.")


@pytest.mark.parametrize("stage", sorted({row.stage for row in study_rows(("roberta",))}))
def test_every_stage_alone_and_every_stage_missing_is_answered_without_failing(study, stage):
    only = tuple(row for row in study.rows if row.stage == stage)
    rest = tuple(row for row in study.rows if row.stage != stage)
    for rows in (only, rest):
        for found in answers_of(dataclasses.replace(study, rows=rows)):
            assert found.summary
            assert "nan" not in " ".join((found.summary, *found.points))


def test_values_that_are_not_finite_answer_nothing(study):
    nan = float("nan")
    for stage in (
        "prunability",
        "coherence",
        "ceiling",
        "reliability",
        "before and after",
        "floor",
        "whole",
    ):
        answers_of(changed(study, stage, value=nan))
    found = deduction_answer(changed(study, "acceptable deduction", value=nan))
    assert found.summary == "No deduction is known."
