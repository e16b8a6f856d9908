"""The section of constituents: no stage is left out, tables have the numbers, answers in words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from jaxheads.records.rows import Row
from jaxheads.report.folder import Study, read_study
from jaxheads.report.luo2021.constituency import (
    change_answer,
    constituency_answer,
    constituency_section,
)
from jaxheads.report.parts import Answer, Drawing, Markup, Section, Table
from jaxheads.report.questions import MASKING
from jaxheads.report.questions import answer as asked
from tests.report.luo2021.constituent_rows import add_constituents, constituent_rows

STAGES = {row.stage for row in constituent_rows()} - {"whole", "floor"}
ODD = {stage: 301 + place for place, stage in enumerate(sorted(STAGES))}  # as no other number
SETTINGS = {"tasks": [{"name": "rte"}, {"name": "mrpc"}]}
COLUMNS = ("S-F1", "C-F1", "SBAR", "NP", "VP", "PP", "ADJP", "ADVP")


def made(rows: list[Row]) -> Study:
    return Study(tuple(rows), SETTINGS, {})


def section_of(rows: list[Row]) -> Section:
    section = constituency_section(made(rows))
    assert section is not None
    return section


@pytest.fixture(scope="module")
def parts() -> dict[str, Drawing | Table | Markup]:
    return {part.name: part for part in section_of(constituent_rows()).parts}


def lines(parts, name: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The lines of a table by their labels."""
    table = parts[name]
    cells = table.head[table.labels :]
    return {
        line[: table.labels]: dict(zip(cells, map(plain, line[table.labels :]), strict=True))
        for line in table.body
    }


def plain(text: str) -> str:
    """With spaces that may break."""
    return text.replace("\u00a0", " ")


def drawn(parts, name: str) -> dict[tuple[str, str], list[float]]:
    """The heights of every line with a name, by panel and name."""
    return {
        (axis.get_title(), str(line.get_label())): np.asarray(line.get_ydata()).tolist()
        for axis in parts[name].figure.axes
        for line in axis.lines
        if not str(line.get_label()).startswith("_")
    }


# -- nothing is left out


@pytest.fixture(scope="module")
def odd() -> set[float]:
    """What is shown of rows whose values say of which stage they are."""
    rows = [
        dataclasses.replace(row, value=float(ODD[row.stage]), low=None, high=None)
        if row.stage in ODD
        else row
        for row in constituent_rows()
    ]
    return set(shown_numbers(section_of(rows)))


def shown_numbers(section: Section) -> Iterator[float]:
    """Every number in a cell of a table, and every height of a line."""
    for part in section.parts:
        if isinstance(part, Table):
            for text in (cell for line in part.body for cell in line[part.labels :]):
                yield from map(float, re.findall(r"\d+(?:\.\d+)?", text.replace(",", "")))
        elif isinstance(part, Drawing):
            for line in (line for axis in part.figure.axes for line in axis.lines):
                yield from np.asarray(line.get_ydata(), float).tolist()


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_every_stage_that_is_known_has_its_numbers_in_the_section(odd, stage):
    assert ODD[stage] in odd


def test_the_made_up_study_has_none_of_these_numbers_by_itself():
    assert not {*ODD.values()} & set(shown_numbers(section_of(constituent_rows())))
    assert len(STAGES) == 18


def test_a_study_that_is_not_done_has_what_there_is():
    """Cells come one by one: each stage may be missing, but for the best heads."""
    for stage in STAGES - {"best head"}:
        assert section_of([row for row in constituent_rows() if row.stage != stage]).parts
    assert constituency_section(made([r for r in constituent_rows() if r.stage == "whole"])) is None


def test_what_the_best_head_looks_at_is_shown_for_its_model_alone(tmp_path):
    study = read_study(add_constituents(tmp_path))
    other = study.views[0]._replace(what="arcs")
    section = constituency_section(dataclasses.replace(study, views=(*study.views, other)))
    assert section is not None
    (view,) = (part for part in section.parts if isinstance(part, Markup))
    assert view.name == "spans-view-roberta"
    assert view.html.count("<svg") == 1
    assert "the same head looks at" in view.caption


# -- tables


def test_the_best_heads_stand_beside_their_score_on_tune_and_their_baselines(parts):
    found = lines(parts, "constituency-best")
    names = [key[1:] for key in found]
    assert names[:7] == [("–", null, "baseline") for null in (
        "left", "right", "balanced", "random", "equal", "oracle", "attention, near",
    )]  # fmt: skip
    assert names[7:9] == [("random weights", r, "best head") for r in ("jsd", "jsd, bias 1.5")]
    best = found["roberta", "pre-trained", "jsd", "best head"]
    assert list(best) == ["S-F1 on tune", *COLUMNS]
    assert best["S-F1 on tune"] == "0.410"
    assert best["S-F1"] == "0.400 [0.380 to 0.420]"
    assert best["SBAR"] == "0.440 [0.420 to 0.460]"
    tuned = found["roberta", "rte", "jsd, bias 1.5", "best head"]
    assert tuned["S-F1 on tune"] == "0.500 (0.490 to 0.510)"  # of two seeds
    assert tuned["NP"] == "0.470 [0.450 to 0.490]"
    random = found["roberta", "–", "random", "baseline"]
    assert random["S-F1"] == "0.250 [0.230 to 0.270]"  # two draws
    assert random["S-F1 on tune"] == "–"
    weights = found["roberta", "random weights", "jsd", "best head"]
    assert (weights["S-F1 on tune"], weights["VP"]) == ("–", "0.305 (0.300 to 0.310)")


def test_the_chosen_heads_are_named_column_by_column_and_seed_by_seed(parts):
    found = lines(parts, "constituency-chosen")
    assert len(found) == 2 * 3
    assert found["roberta", "pre-trained", "jsd"]["S-F1"] == "2, 1: 0.410"
    assert found["roberta", "pre-trained", "jsd"]["ADVP"] == "2, 1: 0.550"
    assert found["roberta", "mrpc", "jsd"]["PP"] == "1, 0: 0.450; 1, 1: 0.470"
    assert parts["constituency-chosen"].body[-1][-1].count("\u00a0") == 4  # one line break at most


def test_a_column_that_no_sentence_defines_is_a_dash():
    rows = [row for row in constituent_rows() if row.metric != "SBAR"]
    made_parts = {part.name: part for part in section_of(rows).parts}
    line = lines(made_parts, "constituency-chosen")["roberta", "rte", "jsd"]
    assert (line["SBAR"], line["NP"]) == ("–", "1, 0: 0.450; 1, 1: 0.470")


def test_margins_are_over_right_balanced_and_random_trees(parts):
    found = lines(parts, "constituency-margins")
    assert found["roberta", "jsd", "balanced"]["S-F1"] == "+0.100 [+0.080 to +0.120]"
    assert found["roberta", "jsd", "right"]["S-F1"] == "−0.010 [−0.030 to +0.010]"


def test_a_change_has_its_halves_and_the_heads_that_clearly_changed(parts):
    found = lines(parts, "constituency-change")
    assert list(found) == [
        ("roberta", r, t) for t in ("rte", "mrpc") for r in ("jsd", "jsd, bias 1.5")
    ]
    assert found["roberta", "jsd", "mrpc"] == {
        "lower layers": "−0.015 [−0.035 to +0.005]", "upper layers": "−0.035 [−0.055 to −0.015]",
        "all layers": "−0.025 [−0.045 to −0.005]", "heads higher": "5 of 16",
        "heads lower": "2 of 16",
    }  # fmt: skip
    assert "about 2.5% of all heads" in parts["constituency-change"].caption


def test_a_model_of_one_layer_has_no_lower_half():
    rows = [row for row in constituent_rows() if row.place != "lower layers"]
    made_parts = {part.name: part for part in section_of(rows).parts}
    assert lines(made_parts, "constituency-change")["roberta", "jsd", "rte"]["lower layers"] == "–"


def test_every_order_of_masking_has_the_heads_that_can_go_and_its_area(parts):
    found = lines(parts, "constituency-areas")
    assert len(found) == 2 * 8  # the draws of random orders are one line
    assert found["roberta", "rte", "like best"] == {
        "heads": "16", "heads off at 95%": "5 (4 to 6)", "heads off at 99%": "3 (2 to 4)",
        "area": "0.900 (0.900 to 0.900)", "but": "",
    }  # fmt: skip
    assert "best at constituents first" in parts["constituency-areas"].caption


# -- figures


def test_layers_are_drawn_before_and_after_fine_tuning_as_heads_and_as_their_mean(parts):
    found = drawn(parts, "layers-roberta-jsd")
    heads, trees = "mean of the layer's heads", "trees of their mean distances"
    assert list(found) == [
        (panel, who) for panel in (heads, trees) for who in ("pre-trained", "rte", "mrpc")
    ]
    assert found[heads, "pre-trained"] == pytest.approx([0.22, 0.24, 0.26, 0.28])
    assert found[trees, "mrpc"] == pytest.approx([0.30, 0.32, 0.34, 0.36])
    left, right = parts["layers-roberta-jsd"].figure.axes
    assert [text.get_text() for text in left.texts] == ["right", "balanced"]
    assert left.get_ylim() == right.get_ylim()
    assert "95% intervals over sentences" in parts["layers-roberta-jsd"].caption


def test_each_layer_masked_is_drawn_beside_all_heads_and_the_floor(parts):
    drawing = parts["ability-roberta-without-layer"]
    found = drawn(parts, drawing.name)
    assert list(found) == [("rte", "one layer masked"), ("mrpc", "one layer masked")]
    assert found["rte", "one layer masked"] == pytest.approx([0.69, 0.67, 0.65, 0.63])
    for axis in drawing.figure.axes:
        assert [text.get_text() for text in axis.texts] == ["all heads", "majority-class baseline"]
        assert axis.get_ylabel() == "accuracy"
    assert "lowest to the highest of up to 2 seeds" in drawing.caption


# -- answers


def answered(make: Callable[[Study], Answer | None], rows: list[Row]) -> Answer:
    answer = make(made(rows))
    assert answer is not None
    return answer


def moved(value: float, **fields: str) -> list[Row]:
    """The rows with another value, and its interval, of all rows with these fields."""

    def new(row: Row) -> Row:
        ends = {"low": value - 0.02, "high": value + 0.02}
        same = all(getattr(row, name) == field for name, field in fields.items())
        same &= row.metric in ("sentence F1", "accuracy")
        return dataclasses.replace(row, value=value, **ends) if same else row

    return [new(row) for row in constituent_rows()]


def test_a_head_is_compared_with_the_trees_that_its_bias_alone_would_make():
    answer = answered(constituency_answer, constituent_rows())
    assert answer.summary.startswith("In 2 of 2 (not corrected for their number) readings")


@pytest.mark.parametrize("margin", [0.03, 0.01, -0.01, -0.03])
def test_a_margin_is_clear_where_its_interval_leaves_zero_out(margin):
    own = {"stage": "best head less baseline", "reading": "jsd", "setting": 0.0}
    own |= {"other_method": "balanced"}
    rows = moved(margin, **own)
    answer = answered(constituency_answer, rows)
    assert answer.summary.startswith(f"In {1 + (margin > 0.02)} of 2 (")


@pytest.mark.parametrize(
    ("task", "change", "said"),
    [("entailment", 0.03, "as expected"), ("entailment", -0.03, "against it"),
     ("entailment", 0.01, "not distinguishable from 0"), ("similarity", -0.03, "as expected"),
     ("similarity", 0.03, "against it"), ("similarity", -0.01, "not distinguishable from 0")],
)  # fmt: skip
def test_a_change_is_held_against_the_hypothesis(task, change, said):
    own = {"stage": "change by kind", "reading": "jsd", "setting": 0.0, "method": task}
    own |= {"place": "upper layers"}
    rows = moved(change, **own)
    answer = answered(change_answer, rows)
    held, against = 3 + (said == "as expected"), int(said == "against it")  # of two by two
    against_it = "1 of 4 (not corrected for their number)" if against else "none of 4"
    assert (
        f" raise it. Clearly as expected: {held} of 4 (not corrected for their number) changes; "
        f"clearly against it: {against_it}, by"
    ) in answer.summary


def test_changes_of_one_seed_are_not_counted():
    rows = [dataclasses.replace(r, seeds=1) if r.seeds else r for r in constituent_rows()]
    assert answered(change_answer, rows).summary.endswith(
        "Unknown: no comparison can be counted. Not counted: 4 of one model, which says nothing of "
        "another training."
    )


def test_changes_by_tasks_that_models_did_not_learn_are_named_or_not_counted():
    def idle(*tasks: str) -> str:
        rows = [
            dataclasses.replace(r, value=0.5) if r.stage == "whole" and r.task in tasks else r
            for r in constituent_rows()
        ]
        return answered(change_answer, rows).summary

    assert idle().endswith("seeds and sentences.")
    assert " 4 of 4 " in idle("mrpc")
    assert idle("mrpc").endswith(
        "Among the fine-tuned models are some not shown to be above chance: roberta on mrpc."
    )
    assert idle("mrpc", "rte").endswith("Not counted: 4 of models not shown to be above chance.")


def test_differences_of_masks_are_marked_where_the_model_is_at_chance():
    rows = [
        dataclasses.replace(r, value=0.5) if r.stage == "whole" and r.task == "rte" else r
        for r in constituent_rows()
    ]
    found = {part.name: part for part in section_of(rows).parts}["constituency-masking"]
    assert {line[1] for line in found.body} == {"rte †", "mrpc"}


@pytest.mark.parametrize(("difference", "clear"), [(0.04, 2), (0.01, 0), (-0.04, 0)])
def test_masking_costs_more_only_where_the_interval_lies_above_zero(difference, clear):
    rows = moved(difference, stage="contrast by ability", method="like best")
    answer = answered(lambda study: asked(study, MASKING), rows)
    assert answer.summary.startswith(f"In {clear} of 2 (" if clear else "In none of 2 cases")


def test_without_their_rows_there_are_no_answers():
    study = made([row for row in constituent_rows() if row.stage in ("whole", "best head")])
    assert [constituency_answer(study), change_answer(study), asked(study, MASKING)] == [None] * 3
