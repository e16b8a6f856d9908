"""Figures and tables show what the rows say, and differ for any eye and in print."""

from __future__ import annotations

import dataclasses

import matplotlib as mpl
import matplotlib.colors
import numpy as np
import pytest

from jaxheads.records.rows import Row
from jaxheads.report.chiang2021.coherence import coherence_section
from jaxheads.report.chiang2021.deduction import deduction_section, increases, retained
from jaxheads.report.chiang2021.prunability import prunability_section
from jaxheads.report.chiang2021.regimes import regimes_section
from jaxheads.report.chiang2021.smaller import smaller_section
from jaxheads.report.curves import curve_drawings
from jaxheads.report.figures.drawing import render
from jaxheads.report.figures.panels import write_cell
from jaxheads.report.figures.style import FIXED, SPARE, STYLE, line_styles
from jaxheads.report.folder import ScoreMap, Study
from jaxheads.report.maps import maps_section
from jaxheads.report.michel2019.single import single_section
from jaxheads.report.names import tasks_of
from jaxheads.report.overview import other_section, overview_section
from jaxheads.report.parts import Drawing, Table, slug
from jaxheads.report.write import sections_of
from tests.report.rows import TASKS, study_rows


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(tuple(study_rows()), {}, {})


def tables(section) -> dict[str, Table]:
    return {part.name: part for part in section.parts if isinstance(part, Table)}


def drawings(section) -> dict[str, Drawing]:
    return {part.name: part for part in section.parts if isinstance(part, Drawing)}


def line_of(axis, label):
    (line,) = [line for line in axis.lines if line.get_label() == label]
    return line


# -- curves


def test_orders_stand_in_groups_with_what_they_are_compared_to(study):
    found = {drawing.name: drawing for drawing in curve_drawings(study)}
    groups = ("orders", "units", "tasks", "tied")
    assert list(found) == [
        *(f"curves-roberta-{g}" for g in groups[:3]), *(f"curves-albert-{g}" for g in groups),
    ]  # fmt: skip
    labels = {
        name: set(d.figure.axes[1].get_legend_handles_labels()[1]) for name, d in found.items()
    }
    assert labels["curves-albert-orders"] == {
        "gradient", "gradient, iterative", "random", "reversed",
    }  # fmt: skip
    assert labels["curves-albert-units"] == {"gradient", "random", "gradient, token"}
    assert labels["curves-albert-tasks"] == {"gradient", "random", "order of masked LM"}
    assert labels["curves-albert-tied"] == {"gradient", "random", "gradient, tied"}


def test_lines_are_means_and_bands_the_ends(study):
    drawing = next(iter(curve_drawings(study)))
    mlm, sentiment, entailment = drawing.figure.axes
    assert [axis.get_title() for axis in (mlm, sentiment, entailment)] == [
        "masked LM", "sentiment", "entailment",
    ]  # fmt: skip
    line = line_of(sentiment, "random")
    assert line.get_xdata().tolist() == [0, 4, 8, 12, 16]
    assert line.get_ydata() == pytest.approx([0.81 * k for k in (0.6, 0.7, 0.82, 0.95, 1.0)])
    place = [line for line in sentiment.lines if line.get_label()[0] != "_"].index(line)
    band = sentiment.collections[place].get_paths()[0].vertices
    at_8 = band[band[:, 0] == 8][:, 1]
    assert (at_8.min(), at_8.max()) == pytest.approx((0.8 * 0.82, 0.82 * 0.82))
    assert sentiment.xaxis_inverted()
    levels = [(text.get_text(), text.xy[1]) for text in sentiment.texts]
    assert levels == [("majority-class baseline", 0.5), ("bag of words", 0.55)]
    assert "lowest to the highest of up to 6 values" in drawing.caption


@pytest.mark.parametrize(("other", "side"), [(0.502, "top"), (0.7, "bottom")])
def test_labels_of_levels_that_are_near_do_not_cover_each_other(study, other, side):
    rows = [
        dataclasses.replace(row, value=other if row.metric == "bag of words" else row.value)
        for row in study.rows
    ]
    drawing, *_ = curve_drawings(Study(tuple(rows), {}, {}))
    sides = {text.get_text(): text.get_va() for text in drawing.figure.axes[1].texts}
    assert sides == {"majority-class baseline": side, "bag of words": "bottom"}


def test_kinds_differ_in_colour_marker_and_line():
    every = [*FIXED.values(), *SPARE]
    for part in zip(*every, strict=True):
        assert len(set(part)) == len(every)
    assert len(set(line_styles(["gradient", "a", "b", "random"]).values())) == 4


def test_kinds_differ_in_grey_and_stand_out_from_white():
    def light(color):
        return np.dot([0.2126, 0.7152, 0.0722], np.power(matplotlib.colors.to_rgb(color), 2.2))

    greys = sorted(light(style.color) for style in FIXED.values())
    assert greys[-1] - greys[0] > 0.1
    assert all(1.05 / (light(style.color) + 0.05) > 2 for style in (*FIXED.values(), *SPARE))


@pytest.mark.parametrize("colors", ["viridis", "cividis"])
def test_numbers_on_squares_can_be_read(colors):
    """Contrast of at least 4 to 1 at every place of the map."""
    for share in np.linspace(0, 1, 21):
        axis = mpl.figure.Figure().subplots()
        write_cell(axis, 0, 0, "0.5", share, colors)
        red, green, blue, _ = mpl.colormaps[colors](share)
        light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
        of_text = {"white": 1.0, "black": 0.0}[axis.texts[0].get_color()]
        ends = sorted((light + 0.05, of_text + 0.05))
        assert ends[1] / ends[0] > 4


# -- the other drawings


def test_maps_show_the_mean_over_seeds_with_layers_from_the_top():
    first = np.arange(6.0).reshape(2, 3)
    maps = [ScoreMap("roberta", "sst2", "fine-tuned", first + seed) for seed in (0, 2)]
    study = Study((Row("s", "roberta", "sst2", "accuracy", 0.5),), {}, {}, tuple(maps))
    (drawing,) = maps_section(study).parts
    (axis,), (bar,) = drawing.figure.axes, drawing.figure.axes[0].child_axes
    assert axis.collections[0].get_array().tolist() == (first + 1).tolist()
    assert axis.yaxis_inverted()
    assert [each.get_text() for each in bar.get_yticklabels()] == ["1", "6"]
    assert "<title>layer 1, head 2: 6</title>" in render(drawing).svg
    assert "n = 2" in drawing.caption


def test_the_matrix_has_reliabilities_on_the_diagonal(study):
    drawing = drawings(coherence_section(study))["coherence-roberta"]
    tuned, frozen = drawing.figure.axes
    assert [axis.get_title() for axis in (tuned, frozen)] == ["fine-tuned", "linear probe"]
    expected = [[0.95, 0.4, 0.4], [0.4, 0.8, 0.4], [0.4, 0.4, 0.8]]
    np.testing.assert_allclose(tuned.collections[0].get_array(), expected)
    assert [text.get_text() for text in tuned.texts] == [
        f"{value:.2f}" for value in np.ravel(expected)
    ]
    assert tuned.collections[0].get_clim() == frozen.collections[0].get_clim() == (0.0, 1.0)
    found = frozen.collections[0].get_array()
    assert found.mask.tolist() == [[False] * 3, [False, True, False], [False, False, True]]


def test_a_frozen_body_has_a_reliability_of_its_own(study):
    rows = [
        dataclasses.replace(row, place="linear probe", value=0.6)
        for row in study.rows
        if row.stage == "reliability" and row.task != "mlm"
    ]
    more = dataclasses.replace(study, rows=(*study.rows, *rows))
    frozen = drawings(coherence_section(more))["coherence-roberta"].figure.axes[1]
    found = np.diag(frozen.collections[0].get_array().filled(np.nan))
    assert found.tolist() == pytest.approx([0.95, 0.6, 0.6])


def test_functional_coherence_is_a_line_between_random_and_own_orders(study):
    drawing = drawings(coherence_section(study))["functional-roberta"]
    sentiment, entailment = drawing.figure.axes
    assert [axis.get_title() for axis in (sentiment, entailment)] == ["sentiment", "entailment"]
    line = line_of(sentiment, "order of masked LM")
    assert line.get_xdata().tolist() == [4, 8]  # at 12 it is undefined
    assert line.get_ydata().tolist() == [0.8, 0.5]
    band = sentiment.collections[0].get_paths()[0].vertices
    at_8 = band[band[:, 0] == 8][:, 1]
    assert (at_8.min(), at_8.max()) == pytest.approx((0.2, 0.8))
    assert [text.get_text() for text in sentiment.texts] == ["own order", "random orders"]
    assert "cut off" not in drawing.caption


def test_a_wild_ratio_leaves_the_axis_and_the_caption_says_so(study):
    rows = tuple(
        dataclasses.replace(row, value=40.0, high=90.0)
        if row.stage == "functional coherence" and row.budget == 4
        else row
        for row in study.rows
    )
    drawing = drawings(coherence_section(dataclasses.replace(study, rows=rows)))[
        "functional-albert"
    ]
    assert drawing.figure.axes[0].get_ylim()[1] == 2.0
    assert "above 2 are cut off" in drawing.caption


def test_cut_models_stand_beside_masked_and_whole_ones(study):
    table = tables(smaller_section(study))["cut-table"]
    assert table.body[0] == (
        "roberta", "sentiment", "order of masked LM", "accuracy", "8", "0", "0.784", "0.784",
        "0.800", "150,000", "75%",
    )  # fmt: skip


def test_the_deduction_plot_pairs_seeds_and_shows_the_least(study):
    assert [s.mean for s in increases(study, "roberta").values()] == [0.0, 0.02, 0.1, 0.5]
    kept = retained(study, "roberta", "sentiment")
    assert {b: s.mean for b, s in kept.items()} == pytest.approx({12: 1.0, 8: 0.98, 4: 0.9})
    assert kept[8].high - kept[8].low == pytest.approx(0)  # by seed, the share is the same
    rows = [
        dataclasses.replace(row, value=row.value / 2)
        if row.stage.startswith("pruned") and row.task == "entailment" and row.budget == 8
        else row
        for row in study.rows
    ]
    drawing = drawings(deduction_section(dataclasses.replace(study, rows=tuple(rows))))[
        "deduction-roberta"
    ]
    (axis,) = drawing.figure.axes
    least = line_of(axis, "least of all tasks")
    assert least.get_xdata().tolist() == [0, 0.02, 0.1, 0.5]
    assert least.get_ydata() == pytest.approx([1, 1, 0.49, 0.9])
    assert line_of(axis, "sentiment").get_ydata() == pytest.approx([1, 1, 0.98, 0.9])
    assert [text.get_text() for text in axis.texts] == ["99%", "95%"]


def test_regimes_are_marks_with_bars(study):
    (axis,) = drawings(regimes_section(study))["regimes-roberta"].figure.axes
    found = {c.get_label(): c for c in axis.containers}
    assert len(found) == 6
    assert found["prune, fine-tune"].lines[0].get_ydata() == pytest.approx([0.8, 0.8])
    bars = found["prune, fine-tune"].lines[2][0].get_segments()
    assert bars[0][:, 1] == pytest.approx([0.79, 0.81])
    assert found["fine-tune, prune, random"].lines[0].get_markerfacecolor() == "white"


def test_the_map_of_removed_heads_finds_the_planted_one(study):
    section = single_section(study)
    (axis,) = drawings(section)["removed-roberta"].figure.axes
    found = axis.collections[0].get_array()
    assert np.unravel_index(found.argmin(), found.shape) == (1, 2)
    first = tables(section)["removed-table"].body[0]
    assert first[3:] == (
        "layer 1 head 2",
        "−0.050 [−0.060 to −0.040]",
        "the head helps in this one model",
    )
    assert tables(section)["removed-table"].body[1][-1] == "not distinguishable"


# -- tables


def test_tables_have_the_numbers(study):
    prunability = tables(prunability_section(study))
    line = ("roberta", "sentiment", "gradient", "16", "10 (9 to 11)", "5 (5 to 5)")
    assert line in [each[:6] for each in prunability["prunability-table"].body]
    coherence = tables(coherence_section(study))
    assert coherence["coherence-table"].body[0][3] == "0.400 (0.300 to 0.500), p 0.010"
    assert coherence["coherence-table"].body[0][6].endswith("chance 0.500")
    functional = coherence["functional-table"]
    assert functional.head[4:] == ("12 heads kept", "8 heads kept", "4 heads kept")
    values = ("–", "0.500 [0.200 to 0.800]", "0.800 [0.500 to 1.100]")  # at 12 it is undefined
    assert functional.body[0][4:] == values
    deduction = tables(deduction_section(study))
    assert deduction["acceptable-table"].body[0] == (
        "roberta", "sentiment", "99%", "2.0%", "1.8% to 2.2%", "4", "no cut tried", "4 (2.0%)"
    )  # fmt: skip
    whole = tables(overview_section(study))["overview-table"]
    assert ("roberta", "sentiment", "accuracy", "0.500", "0.550") in [r[:5] for r in whole.body]
    shuffled = {line[1]: line[whole.head.index("labels shuffled")] for line in whole.body}
    assert shuffled == {"masked LM": "–", **dict.fromkeys(TASKS[1:], "0.510 (0.510 to 0.510)")}
    kept = tables(single_section(study))["kept-table"]
    line = ("roberta", "entailment", "layer 3", "accuracy", "−0.080 [−0.100 to +0.000]")
    assert kept.body[-1] == line


def test_a_model_cut_to_half_stands_beside_the_whole_one_at_every_batch(study):
    what = {"model": "roberta", "task": "sentiment", "method": "gradient", "budget": 8, "seed": 0}
    times = {"whole": (100.0, "ms"), "cut": (80.0, "ms"), "speed-up": (1.25, "x")}
    lines = tuple(
        {**what, "what": name, "value": value, "unit": unit, "batch": 16}
        for name, (value, unit) in times.items()
    )
    other = {**lines[2], "budget": 4, "value": 9.0}
    row = Row("made up", **{k: what[k] for k in ("model", "task")}, metric="ideal speed-up",
              value=1.3, stage="half cut", budget=8)  # fmt: skip
    changed = dataclasses.replace(study, rows=(*study.rows, row), speeds=(*lines, other))
    (line,) = tables(single_section(changed))["speed-table"].body
    assert line == ("roberta", "sentiment", "8", "16", "160", "200", "1.25x", "1.30x")
    assert "speed-table" not in tables(single_section(study))


def test_a_stage_that_nothing_knows_is_shown_as_it_is(study):
    (table,) = other_section(study).parts
    assert table.body == (("roberta", "entailment", "–", "gold", "–", "3.000"),)
    assert "“of a later study”" in table.caption


@pytest.mark.parametrize("stage", sorted({row.stage for row in study_rows(("roberta",))}))
def test_any_stage_may_be_missing_or_alone(study, stage):
    rows = study_rows(("roberta",), ("mlm", "sentiment"), (0, 1))
    only = tuple(row for row in rows if row.stage == stage)
    rest = tuple(row for row in rows if row.stage not in (stage, "masked"))
    for some in (only, rest):
        for section in sections_of(dataclasses.replace(study, rows=some)):
            assert section.parts
            assert all(part.body for part in section.parts if isinstance(part, Table))


def test_values_that_are_not_finite_are_drawn_nowhere(study):
    rows = study_rows(("roberta",), ("mlm", "sentiment"), (0, 1))
    for value in (float("nan"), float("inf")):
        none = tuple(dataclasses.replace(row, value=value) for row in rows)
        sections_of(dataclasses.replace(study, rows=none))


def test_a_drawing_has_the_same_bytes_twice(study):
    with mpl.rc_context(STYLE):
        one, two = (render(next(iter(curve_drawings(study)))) for _ in range(2))
    assert one == two
    assert one.png.startswith(b"\x89PNG")
    assert "<svg" in one.svg


def test_names_for_files_and_ids_are_plain_and_differ():
    assert slug("curves", "<a>&", "b") == "curves-_3ca_3e_26-b"
    assert tasks_of(Row("s", "m", "mlm", "spearman", 0.5, other_task="sst2")) == "masked LM ~ sst2"


def test_the_map_marks_the_heads_that_k95_leaves(made):
    """k95 on sentiment is 10 of 16 heads: the 6 of the highest mean scores stay."""
    section = maps_section(made.study)
    assert section is not None
    drawing = next(part for part in section.parts if part.name == "heads-roberta")
    assert isinstance(drawing, Drawing)
    (axis,) = (a for a in drawing.figure.axes if a.get_title() == "sentiment")
    (dots,) = axis.get_lines()
    marked = {(int(y), int(x)) for x, y in zip(*dots.get_data(), strict=True)}
    scores = [
        one.score_LH
        for one in made.study.scores
        if (one.model, one.task, one.place) == ("roberta", "sentiment", "fine-tuned")
    ]
    mean_LH = np.mean(scores, axis=0)
    order = sorted(np.ndindex(*mean_LH.shape), key=lambda place: (mean_LH[place], place))
    assert marked == set(order[10:])
    assert "Dots: the heads that stay" in drawing.caption
