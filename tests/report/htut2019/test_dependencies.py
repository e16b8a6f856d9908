"""The section of dependency trees: answers in words, tables with their numbers, maps and arcs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from jaxheads.report.folder import HeadMap, Study, read_study
from jaxheads.report.htut2019.arc_drawing import RIGHT, WRONG, ArcSentence, draw_sentence, places
from jaxheads.report.htut2019.dependencies import dependencies_answer, dependencies_section
from jaxheads.report.luo2021.constituency import constituency_section
from jaxheads.report.parts import Drawing, Folded, Markup, Table, unfolded
from jaxheads.report.write import answers_of, report, sections_of
from tests.report.htut2019.dependency_rows import GOLD, WORDS, add_dependencies, dependency_rows
from tests.report.rows import make_folder, study_rows


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return read_study(add_dependencies(tmp_path_factory.mktemp("dependencies")))


@pytest.fixture(scope="module")
def parts(study) -> dict[str, Drawing | Table]:
    section = dependencies_section(study)
    assert section is not None
    return {part.name: part for part in unfolded(section.parts)}


def lines(parts, name: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The lines of a table by their labels."""
    table = parts[name]
    cells = table.head[table.labels :]
    return {
        line[: table.labels]: dict(zip(cells, line[table.labels :], strict=True))
        for line in table.body
    }


# -- tables


def test_sentences_left_out_are_counted(parts):
    assert lines(parts, "sentences-table")["roberta",] == {
        "read": "1,234", "of one word": "5", "with words without pieces": "0", "too long": "7",
    }  # fmt: skip


def test_the_attention_on_gold_arcs_stands_beside_what_looking_anywhere_gives(parts):
    assert lines(parts, "mass-table")["roberta",] == {
        "best head": "25%", "mean of heads": "12%", "uniform": "10%"
    }  # fmt: skip


def test_the_attention_on_a_relation_is_told_by_direction(parts):
    assert lines(parts, "mass-relations") == {
        ("roberta", "det", way): {"best head": "12%", "mean of heads": "6.2%", "uniform": "5.0%"}
        for way in ("dependent attends to head", "head to dependent")
    }


def test_whole_trees_stand_beside_heads_that_see_no_word(parts):
    found = lines(parts, "trees-table")
    assert len(found) == 2 * 8
    assert found["roberta", "–", "MST"] == {
        "layer, head": "1, 0", "UUAS": "60% [58% to 62%]", "mean of sentences": "70% [68% to 72%]",
        "with punctuation": "50% [48% to 52%]", "best of all": "65%", "chain": "52% [50% to 54%]",
        "best without words": "near 51% [49% to 53%]", "random weights": "30% [28% to 32%]",
    }  # fmt: skip
    tuned = found["roberta", "sst2", "MAX"]
    assert tuned["layer, head"] == "1, 0; 2, 0"  # by seed
    assert tuned["UUAS"] == "60% [58% to 62%]"  # of two seeds, 55% and 65%
    directed = found["roberta", "–", "MST, directed"]
    assert (directed["chain"], directed["best without words"]) == ("–", "–")


def test_relations_have_their_head_their_offset_and_the_directed_variants(parts):
    found = lines(parts, "relations-table")
    assert list(found) == [("roberta", "det"), ("roberta", "nsubj")]
    assert found["roberta", "det"] == {
        "arcs": "1,200", "layer, head": "2, 1", "best head": "90% [88% to 92%]",
        "gain over the offset": "+30.0 [+28.0 to +32.0]", "unsigned offset": "60% (at 1)",
        "signed": "50%", "random weights": "20% [18% to 22%]", "up": "40% [38% to 42%]",
        "down": "30% [28% to 32%]", "Clark's": "20% [18% to 22%]",
    }  # fmt: skip
    assert found["roberta", "nsubj"]["unsigned offset"] == "43% (at 2)"


def test_a_change_has_a_verdict_only_where_its_interval_leaves_zero_out(parts):
    found = lines(parts, "dependency-change-table")
    verdicts = {key[2:]: line["verdict"] for key, line in found.items()}
    assert verdicts == {
        ("MST", "UUAS"): "better", ("MAX", "UUAS"): "worse", ("MAX", "det"): "not clear"
    }  # fmt: skip
    line = found["roberta", "sst2", "MAX", "UUAS"]
    assert line["change of the best head"] == "−0.040 [−0.060 to −0.020]"


# -- the answer


def test_the_answer_says_what_is_above_its_baseline_and_what_is_not(study):
    answer = dependencies_answer(study)
    assert answer is not None
    assert answer.summary.startswith(
        "In 1 of 2 (not corrected for their number) cases (a relation in a model) a head is above "
        "the best unsigned offset, and in 1 of 2 measurements whole trees of the best head lie "
        "above those of every head that sees no word,"
    )


def test_whole_trees_lie_above_every_head_that_sees_no_word_or_not(study):
    """One with a lower mean and a higher end is enough."""
    rows = [
        dataclasses.replace(row, value=0.3, low=0.0, high=0.6)
        if (row.stage, row.metric, row.method) == ("baseline", "UUAS", "near") else row
        for row in study.rows
    ]  # fmt: skip
    assert rows != list(study.rows)
    answer = dependencies_answer(dataclasses.replace(study, rows=tuple(rows)))
    assert answer is not None
    assert "in none of 2 measurements" in answer.summary


def test_a_relation_is_named_only_where_its_gain_is_clear():
    rows = [row for row in dependency_rows() if row.relation != "det"]
    answer = dependencies_answer(Study(tuple(rows), {}, {}))
    assert answer is not None
    assert "none of 1" in answer.summary


def test_studies_of_dependencies_and_of_others_have_each_their_own_section(study, tmp_path):
    assert constituency_section(study) is None
    other = read_study(make_folder(tmp_path, study_rows(tasks=("mlm",))))
    assert dependencies_section(other) is None
    assert dependencies_answer(other) is None


# -- figures


def test_the_best_heads_of_layers_stand_beside_the_chain(parts):
    maximum, tree = parts["arcs-layers-roberta"].figure.axes
    for axis, label in ((maximum, "as it is"), (tree, "random weights")):
        (line,) = [line for line in axis.lines if line.get_label()[0] != "_"]
        assert line.get_label() == label
        assert line.get_xydata() == pytest.approx(np.array([[0, 0.2], [1, 0.4]]))
        assert [(text.get_text(), text.xy[1]) for text in axis.texts] == [("chain", 0.52)]


def test_the_maps_are_those_with_a_value_and_without_the_second_reading_of_trees(parts):
    titles = [axis.get_title() for axis in parts["arcs-roberta"].figure.axes]
    assert titles == ["MST", "MAX", "det", "nsubj"]


def test_maps_beyond_the_most_frequent_are_small_and_folded(study):
    rare = [
        HeadMap("roberta", "arcs", "", 0, f"rare {number}", np.full((4, 4), number / 10))
        for number in range(8)
    ]
    section = dependencies_section(dataclasses.replace(study, maps=(*study.maps, *rare)))
    assert section is not None
    (folded,) = (part for part in section.parts if isinstance(part, Folded))
    listed = ", ".join(f"rare {number}" for number in range(5, 8))
    assert folded.summary == f"roberta: the same of 3 further maps ({listed})"
    (drawing,) = (part for part in folded.parts if isinstance(part, Drawing))
    titles = [axis.get_title().split("\n")[0] for axis in drawing.figure.axes]
    assert titles == ["rare 5", "rare 6", "rare 7"]
    assert drawing.figure.axes[0].images[0].get_array().tolist() == rare[5].value_LH.tolist()


def test_folded_figures_are_drawn_into_the_page_and_kept_as_files(tmp_path):
    add_dependencies(tmp_path)
    rare = {f"rare {number}": np.full((4, 4), number / 10) for number in range(10)}
    np.savez(tmp_path / "maps" / "roberta-arcs-0.npz", **rare)
    report(tmp_path)
    html = (tmp_path / "report" / "index.html").read_text()
    assert html.count("<details") == html.count("</details>") > 1
    _, _, folded = html.partition('<details id="arcs-others-roberta"><summary>')
    assert '<figure id="arcs-further-roberta"><svg' in folded.partition("</figure>")[0]
    assert (tmp_path / "report" / "figures" / "arcs-further-roberta.svg").is_file()


def test_what_the_best_heads_look_at_stands_beside_their_arcs(parts):
    view = parts["arcs-view-roberta"]
    assert isinstance(view, Markup)
    assert view.html.count("<svg") == 2
    assert "MST, layer 1 head 0" in view.html


def test_the_figure_of_relations_has_head_offset_and_random_weights(parts):
    (axis,) = parts["relations-roberta"].figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["det", "nsubj"]
    marks = {line.get_label(): line for line in axis.lines if line.get_linestyle() == "None"}
    values = {name: line.get_xdata().tolist() for name, line in marks.items()}
    assert values == {
        "best head": [0.9, 0.45], "best unsigned offset": [0.6, 0.43], "random weights": [0.2, 0.2]
    }  # fmt: skip
    bars = [line.get_xdata() for line in axis.lines if line.get_linestyle() == "-"]
    assert np.array(bars) == pytest.approx(np.array([[0.88, 0.92], [0.43, 0.47]]))


def test_every_sentence_is_drawn_under_every_head(parts):
    axes = parts["arcs-over-roberta"].figure.axes
    assert [axis.get_title(loc="left") for axis in axes] == [
        "MST, layer 1 head 0: 3 of 4 gold arcs found",
        "MAX, layer 2 head 3: 1 of 4 gold arcs found",
    ]
    for axis in axes:
        written = [text.get_text() for text in axis.texts]
        assert written == [*WORDS, *(relation for *_, relation in GOLD)]


# -- arcs


def test_right_pairs_are_gold_arcs_in_either_direction():
    gold = ((0, 2, "det"), (2, 1, "obj"), (3, 1, "punct"))
    sentence = ArcSentence(("a", "b", "c", "d"), gold, ((2, 0), (1, 2), (0, 3)))
    assert sentence.right == {(0, 2), (1, 2)}
    assert sentence._replace(made=()).right == set()


def test_words_stand_in_the_middle_of_their_letters():
    assert places(["film", "a", "b"]) == [3.0, 8.5, 13.5]  # a short word has room for three
    assert places([]) == []


def test_an_arc_is_solid_and_thick_where_gold_and_dashed_and_thin_where_not():
    axis = Figure().subplots()
    draw_sentence(
        axis, ArcSentence(("a", "b", "c"), ((1, 0, "x"), (2, 0, "y")), ((0, 1), (2, 1))), ""
    )
    above, below = axis.patches[:2], axis.patches[2:]
    assert [arc.theta1 for arc in (*above, *below)] == [0, 0, 180, 180]
    styles = [(to_hex(arc.get_edgecolor()), arc.get_linestyle()) for arc in below]
    assert styles[0] == (RIGHT.lower(), "-")
    assert styles[1][0] == WRONG.lower()
    assert styles[1][1] != "-"
    assert below[0].get_linewidth() > below[1].get_linewidth()
    assert above[0].get_linewidth() > above[1].get_linewidth()  # found, and missed
    heights = [arc.get_height() for arc in (*above, *below)]
    assert heights[1] > heights[0] == heights[2] == heights[3]  # by the words that it spans


# -- the page


def test_the_page_has_this_section_alone_and_no_row_is_left_over(study):
    assert [section.name for section in sections_of(study)] == ["dependencies"]
    assert [answer.question for answer in answers_of(study)] == [
        "Do heads follow dependency relations?"
    ]
