"""Regimes on the page: what is compared, what differs, and what says nothing."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.records.rows import Row
from jaxheads.report.chiang2021.regimes import regimes_section
from jaxheads.report.chiang2021.regimes_answer import regimes_answer
from jaxheads.report.folder import Study
from jaxheads.report.parts import Table
from tests.report.rows import study_rows

EARLY, LATE = "prune, fine-tune", "fine-tune, prune"


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(tuple(study_rows(("roberta",))), {}, {})


def row(value, **what) -> Row:
    fields = {"study": "s", "model": "m", "task": "t", "metric": "accuracy", "value": value}
    return Row(**fields | what)


def made(values: dict[str, tuple[float, ...]], seeds=2, **bounds) -> Study:
    """A task whose floor is 0.5, its regimes by seed, and the first less the second."""
    rows = [row(0.9, stage="whole", seed=seed) for seed in range(seeds)]
    rows.append(row(0.5, stage="floor"))
    for method, found in values.items():
        what = {"stage": "before and after", "method": method, "budget": 8}
        rows += [row(value, seed=seed, **what) for seed, value in enumerate(found[:seeds])]
    one, two = values
    what = {"stage": "before and after, contrast", "budget": 8}
    what |= {"method": one, "other_method": two}
    rows.append(row(0.1, **what, seeds=seeds, draws=0, ahead=0, behind=0, **bounds))
    return Study(tuple(rows), {}, {})


def answered(study: Study):
    answer = regimes_answer(study)
    assert answer is not None
    return answer


def table(study: Study, name: str) -> Table:
    section = regimes_section(study)
    assert section is not None
    (found,) = [part for part in section.parts if isinstance(part, Table) and part.name == name]
    return found


def test_what_changes_score_time_and_training_at_once_is_no_comparison_of_either(study):
    assert answered(study).summary == (
        "With equal training, heads pruned before both fine-tunings (by the pre-training score) "
        "against heads pruned between them (by the task's own score): better in none of 2 cases, "
        "worse in none of 2. “prune, fine-tune” against “fine-tune, prune”, which changes "
        "the score, the time and the training after it at once, so that it compares none of "
        "these: better in 2 of 2 (0 after Holm's correction) cases, worse in none of 2. By "
        "95% intervals over seeds, random draws and examples."
    )


def said(study: Study) -> list[str]:
    """What the differences say."""
    return [line[-1] for line in table(study, "regimes-contrasts").body]


def test_the_table_says_what_differences_differ_in(study):
    lines = table(study, "regimes-contrasts").body
    assert lines[2][2:] == (
        "“prune, fine-tune” less “prune, fine-tune, random”", "8", "accuracy",
        "the choice of heads alone", "+0.010 [−0.020 to +0.040]", "not distinguishable",
    )  # fmt: skip


CHANCE, FINE = (0.505, 0.51), (0.8, 0.81)


def test_two_regimes_at_chance_answer_nothing():
    found = made({EARLY: CHANCE, LATE: CHANCE}, low=0.01, high=0.02)
    assert ": not known. Not counted: 1 of models not shown to be above chance." in (
        answered(found).summary
    )
    assert said(found) == ["both not shown to be above chance: no claim"]
    assert all(cell.endswith(" †") for cell in table(found, "regimes-table").body[0][4:6])


def test_one_regime_at_chance_is_marked_and_still_less_than_one_that_is_not():
    found = made({EARLY: (0.85, 0.8501), LATE: CHANCE}, low=0.3, high=0.4)
    assert ": better in 1 of 1 cases" in answered(found).summary
    cells = table(found, "regimes-table").body[0][4:6]
    assert [cell.endswith(" †") for cell in cells] == [False, True]


def test_a_whole_model_at_chance_does_not_silence_regimes_that_are_not():
    found = made({EARLY: FINE, LATE: FINE}, low=0.01, high=0.02)
    rows = [dataclasses.replace(r, value=0.5) if r.stage == "whole" else r for r in found.rows]
    assert ": better in 1 of 1" in answered(dataclasses.replace(found, rows=tuple(rows))).summary


def test_two_regimes_at_the_ceiling_are_said_to_be():
    found = made({EARLY: (1.0, 1.0), LATE: (1.0, 1.0)}, low=0.0, high=0.0)
    assert said(found) == ["both at the ceiling of the metric: no claim"]


def test_one_seed_compares_nothing():
    found = made({EARLY: FINE, LATE: FINE}, seeds=1, low=0.01, high=0.02)
    assert (
        ": not known. Not counted: 1 of one model, which says nothing of another training."
    ) in answered(found).summary
    assert said(found) == ["one model: no claim"]


def test_nan_bounds_claim_nothing():
    found = made({EARLY: FINE, LATE: FINE}, low=float("nan"), high=float("nan"))
    assert said(found) == ["no interval, no claim"]
    assert "better in none of 1 cases, worse in none of 1" in answered(found).summary


def test_a_study_that_compared_nothing_says_so(study):
    rows = [r for r in study.rows if "contrast" not in r.stage]
    found = answered(dataclasses.replace(study, rows=tuple(rows)))
    assert found.summary == "The regimes were not compared."
