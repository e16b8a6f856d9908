"""Maps of heads against importance: corrected p-values, the answer, the tables and the figure."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.records.rows import Row
from jaxheads.report.agreement import agreement_answer, agreement_section
from jaxheads.report.folder import Study
from jaxheads.report.parts import Drawing, Folded, Table, unfolded
from tests.report.agreement_rows import agreement_rows
from tests.report.rows import study_rows


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(tuple(agreement_rows()), {}, {})


@pytest.fixture(scope="module")
def parts(study) -> dict[str, Drawing | Table]:
    section = agreement_section(study)
    assert section is not None
    return {part.name: part for part in unfolded(section.parts)}


def lines(table: Table) -> dict[tuple[str, ...], dict[str, str]]:
    """The lines of a table by map and task."""
    return {line[1:3]: dict(zip(table.head[3:], line[3:], strict=True)) for line in table.body}


# -- the answer


def test_the_answer_counts_what_is_left_after_the_correction_within_a_model_and_task(study):
    answer = agreement_answer(study)
    assert answer is not None
    assert answer.summary.startswith("In 2 of 5 comparisons a map of heads agrees or disagrees")


def test_the_largest_p_value_of_any_seed_decides():
    doubtful = {"task": "sst2", "other_task": "", "metric": "spearman", "seed": 1}
    rows = [
        dataclasses.replace(row, p_value=0.06)
        if all(getattr(row, name) == value for name, value in doubtful.items())
        else row
        for row in agreement_rows()
    ]
    assert answered(rows).startswith("In 1 of 5 comparisons")


def answered(rows) -> str:
    answer = agreement_answer(Study(tuple(rows), {}, {}))
    assert answer is not None
    return answer.summary


CLEAR = {"task": "sst2", "reading": "MST", "other_task": "", "metric": "spearman", "seed": 1}


@pytest.mark.parametrize("change", [{"value": -0.8}, {"p_value": float("nan")}])
def test_a_seed_of_the_other_sign_or_without_a_p_value_claims_nothing(change):
    rows = [
        dataclasses.replace(row, **change)
        if all(getattr(row, name) == value for name, value in CLEAR.items())
        else row
        for row in agreement_rows()
    ]
    assert answered(agreement_rows()).startswith("In 2 of 5")
    assert answered(rows).startswith("In 1 of 5")


def test_importance_in_models_at_chance_is_not_counted():
    what = {"study": "s", "model": "roberta", "task": "sst2", "metric": "accuracy", "value": 0.5}
    chance = [Row(**what, stage=stage) for stage in ("whole", "floor")]
    said = answered([*agreement_rows(), *chance])
    assert said.startswith("In 1 of 3 comparisons")
    assert said.endswith(" Not counted: 2 of models not shown to be above chance.")


# -- the tables


def test_the_table_has_each_statistic_with_its_p_value_and_ceilings(parts):
    found = lines(parts["agreement-table"])
    assert list(found) == [
        ("arcs: MST", "masked LM"), ("arcs: MST", "sst2"), ("arcs: det", "masked LM"),
        ("spans: F1", "masked LM"), ("arcs, sst2: MST", "sst2"),
    ]  # fmt: skip
    assert found["arcs: MST", "masked LM"] == {
        "spearman": "0.600, p 0.010", "kendall": "0.300, p 0.010",
        "spearman within layers": "0.150, p 0.010", "ceiling": "0.900", "reliability": "0.950",
    }  # fmt: skip
    assert found["arcs: MST", "sst2"]["spearman"] == "0.750 (0.700 to 0.800), p < 0.001"
    assert found["arcs, sst2: MST", "sst2"]["spearman"] == "0.250 (0.200 to 0.300), p 0.600"
    unknown = found["arcs: det", "masked LM"]
    assert unknown["spearman within layers"] == "–"
    assert (unknown["ceiling"], unknown["reliability"]) == ("–", "–")


def test_importance_and_kinds_of_maps_meet_in_one_table(parts):
    found = lines(parts["kinds-table"])
    assert list(found) == [
        ("arcs: MST", "importance on masked LM"), ("arcs: MST", "importance on sst2"),
        ("spans: F1", "importance on masked LM"), ("arcs, sst2: MST", "importance on sst2"),
        ("arcs: MST", "spans: F1"),
    ]  # fmt: skip
    assert found["arcs: MST", "importance on sst2"]["spearman"].startswith("0.750 (0.700")
    assert found["arcs: MST", "spans: F1"]["spearman"] == "0.500, p 0.020"
    assert found["arcs: MST", "spans: F1"]["ceiling"] == "0.900"


def test_all_maps_of_a_kind_are_folded_beside_those_that_sum_up_others(study, parts):
    found = lines(parts["between-table"])
    assert list(found) == [("arcs: MST", "spans: F1"), ("arcs: det", "spans: F1")]
    assert found["arcs: det", "spans: F1"]["spearman"] == "−0.200, p 0.400"
    section = agreement_section(study)
    assert section is not None
    (folded,) = (part for part in section.parts if isinstance(part, Folded))
    assert [part.name for part in folded.parts] == ["agreement-table", "between-table"]
    assert folded.summary == "All 7 comparisons of maps"


def test_maps_of_a_fine_tuned_model_are_compared_under_its_name():
    moved = [
        dataclasses.replace(row, task="sst2") if row.other_method and row.reading == "MST" else row
        for row in agreement_rows()
    ]
    section = agreement_section(Study(tuple(moved), {}, {}))
    assert section is not None
    found = {part.name: part for part in unfolded(section.parts)}
    assert ("arcs, sst2: MST", "spans, sst2: F1") in lines(found["between-table"])
    assert ("arcs: MST", "spans: F1") not in lines(found["kinds-table"])


# -- the figure


def test_the_figure_has_the_maps_of_the_pre_trained_model_by_task(parts):
    (axis,) = parts["agreement-roberta"].figure.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["masked LM", "sst2"]
    maps = [label.get_text() for label in axis.get_yticklabels()]
    assert maps == ["arcs: MST", "spans: F1", "arcs: det"]
    written = {text.get_position(): text.get_text() for text in axis.texts}
    assert written == {
        (0.5, 0.5): "0.60", (1.5, 0.5): "0.75", (0.5, 1.5): "0.35", (0.5, 2.5): "−0.30"
    }  # fmt: skip


def test_a_square_figure_has_importance_and_every_two_kinds_once(parts):
    (axis,) = parts["kinds-roberta"].figure.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["importance", "arcs: MST"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["arcs: MST", "spans: F1"]
    written = {text.get_position(): text.get_text() for text in axis.texts}
    assert written == {(0.5, 0.5): "0.60", (0.5, 1.5): "0.35", (1.5, 1.5): "0.50"}


def test_a_study_without_maps_has_no_section():
    other = Study(tuple(study_rows(tasks=("mlm",))), {}, {})
    assert agreement_section(other) is None
    assert agreement_answer(other) is None
