"""The page of a comparison: curves, costs, speed, and an answer in words with intervals."""

from __future__ import annotations

import dataclasses
from typing import cast

import numpy as np
import pytest

from jaxheads.records.rows import Row
from jaxheads.report.li2021.comparison import comparison_section
from jaxheads.report.li2021.differences import further_answer
from jaxheads.report.parts import Drawing, Table
from jaxheads.report.questions import COMPARISON
from jaxheads.report.questions import answer as asked
from tests.report.li2021.comparison_rows import study

NAMES = [
    *("comparison-m-1", "pareto-m", "comparison-contrasts", "comparison-further"),
    *(
        "comparison-cost",
        "comparison-seen",
        "comparison-scale",
        "comparison-sweep",
        "comparison-speed",
    ),
]


def test_the_section_has_curves_costs_and_quality_against_speed():
    section = comparison_section(study())
    assert section is not None
    names = [part.name for part in section.parts]
    assert names == NAMES
    curves, pareto, *tables = section.parts
    assert all(isinstance(table, Table) for table in tables)
    contrasts, further, costs, seen, scale, sweep, speeds = (
        cast("Table", table) for table in tables
    )
    assert contrasts.head[-1] == "8 heads"
    assert len(contrasts.body) == 2
    assert further.body == (
        (
            "m",
            "sst2",
            "nothing trained again",
            "refined − subset, joint",
            "−0.030 [−0.050 to −0.010]",
        ),
        (
            "m",
            "sst2",
            "the former trained once more",
            "refined − subset, pipelined",
            "+0.030 [+0.010 to +0.050]",
        ),
    )
    assert contrasts.body[1][3:] == ("subset, joint − gradient", "+0.025 [+0.010 to +0.040]")
    assert speeds.head[4:] == ("speed-up, batch 16",)
    assert speeds.body[0] == ("m", "sst2", "gradient", "8", "1.1")
    assert costs.body[0] == ("m", "sst2", "gradient", "10", "320", "640", "32.5", "2")
    assert costs.body[1] == ("m", "sst2", "random", "20", "320", "–", "32", "2")
    assert seen.body[0][2:6] == ("subset, joint", "8", "9 (9 to 9)", "7 (7 to 7)")
    assert seen.body[0][6:] == ("0.625 (0.620 to 0.630)", "0.725 (0.720 to 0.730)")
    assert scale.head[3:] == ("all heads", "same scale, nothing pruned", "subset, joint")
    assert scale.body[0][2:5] == ("8", "0.900 (0.900 to 0.900)", "0.800")
    assert scale.body[0][5] == "0.725 (0.720 to 0.730)"
    assert [row[4] for row in scale.body] == ["0.800", "0.600"]
    assert sweep.body == (("m", "sst2", "L0 at 0.1", "6 (5 to 7)", "0.650 (0.600 to 0.700)"),)
    assert points(curves)["gradient"] == pytest.approx(np.array([[4, 0.665], [8, 0.825]]))
    assert points(pareto)["gradient, 8 heads"] == pytest.approx(np.array([[1.1, 0.825]]))


def points(drawing) -> dict[str, np.ndarray]:
    """The points of each line of the one panel, by its label."""
    assert isinstance(drawing, Drawing)
    (axis,) = drawing.figure.axes
    return {str(line.get_label()): np.asarray(line.get_xydata()) for line in axis.lines}


def test_the_answer_counts_what_is_better_and_what_is_worse():
    answer = asked(study(), COMPARISON)
    assert answer is not None
    assert answer.summary.startswith(
        "1 of 2 comparisons with the gradient's one-shot order is better at equal budgets, 0 after "
        "Holm's correction; 1 is worse, 0 after Holm's correction, by 95% intervals"
    )
    assert "better at some budget by its own interval: subset, joint." in answer.summary


def test_what_goes_further_is_told_beside_learned_subsets():
    answer = further_answer(study())
    assert answer is not None
    start = "At equal budgets: none of 1 comparisons is for going further; 1 is for the learned sub"
    assert answer.summary.startswith(start)
    equal = "not trained again): 1 of 1 comparisons is for going further; none is for the learned"
    assert equal in answer.summary


def test_differences_are_marked_where_the_model_is_at_chance():
    floor = Row("compare", "m", "sst2", "accuracy", 0.9, stage="floor")
    at_chance = dataclasses.replace(study(), rows=(*study().rows, floor))
    for each, task in ((study(), "sst2"), (at_chance, "sst2 †")):
        section = comparison_section(each)
        assert section is not None
        tables = {part.name: part for part in section.parts if isinstance(part, Table)}
        for name in ("comparison-contrasts", "comparison-further"):
            assert {line[1] for line in tables[name].body} == {task}


def test_a_model_that_is_not_pruned_yet_has_no_curve():
    other = Row("compare", "n", "sst2", "accuracy", 0.9, stage="whole")
    section = comparison_section(dataclasses.replace(study(), rows=(*study().rows, other)))
    assert section is not None
    assert [part.name for part in section.parts] == NAMES


def test_a_study_that_compares_nothing_has_neither():
    other = dataclasses.replace(
        study(), rows=(Row("x", "m", "sst2", "accuracy", 0.5, stage="whole"),)
    )
    assert comparison_section(other) is None
    assert asked(other, COMPARISON) is None
    assert further_answer(other) is None


def test_kinds_of_heads_have_a_table_and_panels_where_there_are_several():
    what = {"stage": "heads kept by kind", "method": "random", "budget": 8}
    kinds = {"encoder": (2.0, 4.0), "decoder": (5.0, 3.0), "cross": (1.0, 1.0)}
    of_three = [
        Row("compare", "m", "sst2", kind, values[seed], seed, **what)
        for seed in (0, 1)
        for kind, values in kinds.items()
    ]
    of_one = Row("compare", "n", "sst2", "encoder", 8.0, **what)
    page = comparison_section(dataclasses.replace(study(), rows=(*study().rows, *of_three, of_one)))
    assert page is not None
    (table,) = (part for part in page.parts if part.name == "comparison-kinds")
    assert isinstance(table, Table)
    assert table.head[3:] == ("heads kept", "encoder", "decoder", "cross")
    assert table.body == (("m", "sst2", "random", "8", "3 (2 to 4)", "4 (3 to 5)", "1 (1 to 1)"),)
    (drawing,) = (part for part in page.parts if part.name == "kinds-m-sst2-1")
    assert isinstance(drawing, Drawing)
    panels = drawing.figure.axes
    assert [panel.get_title() for panel in panels] == ["encoder", "decoder", "cross"]
    heights = [panel.get_lines()[0].get_xydata().tolist() for panel in panels]
    assert heights == [[[8.0, 3.0]], [[8.0, 4.0]], [[8.0, 1.0]]]
    alone = comparison_section(dataclasses.replace(study(), rows=(*study().rows, of_one)))
    assert alone is not None
    assert [part.name for part in alone.parts] == NAMES
