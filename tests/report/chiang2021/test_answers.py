"""The answers say what the rows say; every number here is worked out by hand from `rows.py`."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from jaxheads.records.rows import Row
from jaxheads.report.chiang2021.acceptable import deduction_answer
from jaxheads.report.chiang2021.answers import (
    floors_answer,
    prunability_answer,
    reliability_answer,
)
from jaxheads.report.chiang2021.prunability import prunability_section
from jaxheads.report.folder import Study
from jaxheads.report.maps import kept_heads
from jaxheads.report.parts import Table
from jaxheads.report.questions import CONTRAST
from jaxheads.report.questions import answer as answered
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


def butted(study: Study) -> dict[str, str]:
    """By the task: why the numbers of the gradient's order say nothing, where they do not."""
    section = prunability_section(study)
    assert section is not None
    (found,) = (p for p in section.parts if isinstance(p, Table) and p.name == "prunability-table")
    return {line[1]: line[-1] for line in found.body if line[2] == "gradient"}


def test_the_planted_k95_is_the_first_answer(study):
    found = prunability_answer(study)
    assert "9 to 11 of 16 heads (mean 10 over 3 seeds) in roberta on sentiment" in found.summary
    assert set(butted(study).values()) == {""}


def test_a_model_whose_seeds_are_not_clearly_above_chance_is_no_answer(study):
    """A mean of 0.63, 95% of which is above the majority-class baseline, from 0.4, 0.6 and 0.9."""
    own = {0: 0.4, 1: 0.6, 2: 0.9}
    rows = [
        dataclasses.replace(r, value=own[r.seed]) if r.stage == "whole" else r
        for r in study.rows if r.task != "mlm" and r.stage != "above the baseline"
    ]  # fmt: skip
    changed = dataclasses.replace(study, rows=tuple(rows))
    assert prunability_answer(changed).summary.startswith("Unknown: of no whole model")
    said = butted(changed).values()
    assert all("not shown to be above chance: this says nothing of" in each for each in said)


def test_heads_are_not_said_to_go_where_a_constant_answer_is_as_good(study):
    """95% of 0.8 is 0.76, of 0.81 (sentiment) 0.7695."""
    high = changed(study, "floor", value=0.765)
    found = prunability_answer(high)
    said = "the majority-class baseline has 95% of the accu"
    assert [task for task, but in butted(high).items() if said in but] == ["masked LM"]
    assert "sentiment" in found.summary
    none = changed(study, "floor", value=0.77)
    assert prunability_answer(none).summary.startswith("Unknown: of no whole model")


def test_no_head_is_marked_as_needed_where_none_is_or_a_constant_answer_does(study):
    score_LH = np.arange(16.0).reshape(4, 4)

    def kept(rows: Study) -> int | None:
        found = kept_heads(rows, "roberta", "sentiment", score_LH)
        return None if found is None else int(found.sum())

    assert kept(study) == 6
    assert kept(changed(study, "floor", value=0.77)) is None  # 95% of 0.81
    assert kept(changed(study, "prunability", value=16.0)) is None
    assert kept(changed(study, "above the baseline", low=-0.1)) is None


def test_a_difference_whose_interval_holds_zero_is_no_difference(study):
    found = answered(study, CONTRAST)
    assert found is not None
    assert found.summary == (
        "In 4 of 4 (4 after Holm's correction) comparisons over several seeds the order that "
        "should be better is: its 95% interval over seeds, random draws and examples lies above 0. "
        "Not counted: 2 of one model, which says nothing of another training."
    )
    section = prunability_section(study)
    assert section is not None
    (table,) = (p for p in section.parts if isinstance(p, Table) and p.name == "contrast-table")
    said = {line[1:3]: line[-3:] for line in table.body}
    assert said["masked LM", "random − reversed"] == (
        "+0.050", "−0.010 to +0.120",
        "one model (random ahead in 5 of 5 draws, behind in 0): no claim",
    )  # fmt: skip
    assert said["sentiment", "gradient − random"] == (
        "+0.100", "+0.060 to +0.140", "gradient keeps more"
    )  # fmt: skip


def test_reliability_and_floors_are_printed(study):
    found = reliability_answer(study)
    assert found.summary.endswith(
        "The lowest is 0.800 (with other examples and seed), for roberta on sentiment, fine-tuned."
    )
    assert floors_answer(study).summary == "Numbers near these floors say nothing about heads."
    low = floors_answer(changed(study, "whole", value=0.54))  # above the majority-class baseline
    assert low.summary.endswith(
        "In 3 of 3 cases the whole model is not shown to be above chance, the majority-class "
        "baseline, or its mean is not above the higher floor."
    )
    unsure = changed(changed(study, "whole", value=0.9), "above the baseline", low=-0.1)
    assert "In 2 of 3 cases" in floors_answer(unsure).summary  # of masked LM there is no such row


def test_heads_that_can_go_are_not_rounded_up_and_one_model_is_not_counted_with_several(study):
    k95 = {"stage": "prunability", "metric": "k95", "method": "gradient"}
    rows = [
        dataclasses.replace(r, value=(10.0, 10.0, 12.0)[r.seed])
        if all(getattr(r, name) == value for name, value in k95.items()) else r
        for r in study.rows if not (r.stage == "prunability" and r.task == "mlm" and r.seed)
    ]  # fmt: skip
    said = prunability_answer(dataclasses.replace(study, rows=tuple(rows))).summary
    assert "without 10 to 12 of 16 heads (mean 10.7 over 3 seeds) in roberta" in said
    assert said.endswith(
        "at the most. Not counted: 1 of one model, which says nothing of another training."
    )


@pytest.mark.parametrize("stage", sorted({row.stage for row in study_rows(("roberta",))}))
def test_every_stage_alone_and_every_stage_missing_is_answered_without_failing(study, stage):
    only = tuple(row for row in study.rows if row.stage == stage)
    rest = tuple(row for row in study.rows if row.stage != stage)
    for rows in (only, rest):
        for found in answers_of(dataclasses.replace(study, rows=rows)):
            assert found.summary
            assert "nan" not in found.summary


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
