"""The section on pruners that never saw a task: its numbers, differences, costs and words."""

from __future__ import annotations

import pytest

from jaxheads.report.folder import Study
from jaxheads.report.parts import Drawing, Table
from jaxheads.report.questions import PRUNER, answer
from jaxheads.report.zhang2020.meta import meta_section
from tests.report.zhang2020.meta_rows import made_rows, row


@pytest.fixture(scope="module")
def made() -> Study:
    times = {"training a pruner": 60.0, "scoring by a pruner": 2.0, "overlap": 1.0}
    speeds = tuple({"what": what, "value": value} for what, value in times.items())
    return Study(tuple(made_rows()), {}, {}, speeds=speeds)


def tables(study: Study) -> dict[str, Table]:
    section = meta_section(study)
    assert section is not None
    return {part.name: part for part in section.parts if isinstance(part, Table)}


def test_each_way_to_choose_heads_has_its_mean_and_range(made):
    table = tables(made)["meta-table"]
    assert table.head[3:] == ("meta", "inverted meta", "random", "gradient", "all heads")
    (line,) = table.body
    assert line[3] == "0.810 (0.800 to 0.820)"
    assert line[5] == "0.710 (0.650 to 0.770)"  # four draws
    assert line[7] == "0.905 (0.900 to 0.910)"


def test_likeness_overlap_and_cost_stand_in_tables_of_their_own(made):
    found = tables(made)
    assert found["meta-likeness-table"].body[0][3] == "0.200 (0.200 to 0.200)"
    (line,) = found["meta-similarity-table"].body
    assert line[3:] == ("0.600", "0.300 (0.200 to 0.400)", "0.550", "0.500")
    assert found["meta-similarity-table"].head[5:] == ("bag of words", "all heads")
    assert found["meta-overlap-table"].body == (
        ("roberta", "tone ~ pairs", "another task", "0.500", "0.360"),
    )
    assert found["meta-learning-table"].body == (
        ("roberta", "likeness loss", "1.350 (1.300 to 1.400)", "1.050 (1.000 to 1.100)"),
    )
    assert found["meta-cost-table"].body == (
        ("training a pruner", "1", "60.0", "60.0"),
        ("scoring by a pruner", "1", "2.0", "2.0"),
    )


def test_the_answer_counts_only_intervals_that_leave_zero_out(made):
    found = answer(made, PRUNER)
    assert found is not None
    assert "better than under the random mask in 1 of 1, worse in none of 1" in found.summary
    assert "the inverted meta mask in none of 1, worse in none of 1" in found.summary


def test_the_figure_shows_every_seed_and_draw(made):
    section = meta_section(made)
    assert section is not None
    (drawing,) = [part for part in section.parts if isinstance(part, Drawing)]
    (axis,) = drawing.figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "meta", "inverted meta", "random", "gradient"
    ]  # fmt: skip
    marks = [line for line in axis.get_lines() if line.get_linestyle() == "None"]
    assert [len(line.get_xdata()) for line in marks] == [2, 2, 4, 2]


def test_a_study_without_pruners_has_no_section():
    study = Study((row("accuracy", 0.9, stage="whole"),), {}, {})
    assert meta_section(study) is None
    assert answer(study, PRUNER) is None
