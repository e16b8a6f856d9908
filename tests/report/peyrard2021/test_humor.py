"""The section of headlines: answers in words, tables with their numbers, views as safe HTML."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from html import unescape

import pytest

from jaxheads.report.figures.attention_view import attention_views, received
from jaxheads.report.folder import read_study
from jaxheads.report.peyrard2021.answer import humor_answer
from jaxheads.report.peyrard2021.humor import humor_section
from jaxheads.report.write import report
from tests.report.peyrard2021.humor_rows import VIEWS, make_humor_folder
from tests.report.rows import make_folder, study_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_humor_folder(tmp_path_factory.mktemp("humor"))


@pytest.fixture(scope="module")
def study(folder):
    return read_study(folder)


def table(study, name: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The lines of a table by their labels."""
    (found,) = [part for part in humor_section(study).parts if part.name == name]
    cells = found.head[found.labels :]
    return {
        line[: found.labels]: dict(zip(cells, line[found.labels :], strict=True))
        for line in found.body
    }


def test_the_answer_says_what_is_certain_and_what_is_not(study):
    answer = humor_answer(study)
    assert answer.summary.startswith("In 2 of 4 classifiers")
    assert answer.summary.endswith(
        " Over several seeds, of models and tasks: its contrast is above that of every control but "
        "the other form of the task in none of 2; it points at the edited word more often than "
        "every rule in 2 of 2; the accuracy falls more without it than without other heads of its "
        "layer in 2 of 2 (95% intervals over seeds and originals, not corrected for their number)."
    )


@pytest.mark.parametrize(
    ("stage", "value", "said"),
    [("control", 0.15, "task in 1 of 2;"), ("control", -0.15, "task in none of 2;"),
     ("localisation", 0.05, "rule in 1 of 2;"), ("gated", 0.14, "layer in 1 of 2 "),
     ("gated", -0.04, "layer in 1 of 2 ")],
)  # fmt: skip
def test_what_a_head_is_more_than_is_told_by_the_intervals_over_seeds(study, stage, value, said):
    """Of one of two tasks; half an interval is 0.1, of accuracies 0.05."""
    half = 0.05 if stage == "gated" else 0.1
    rows = [
        dataclasses.replace(r, value=value, low=value - half, high=value + half)
        if (r.stage, r.task, bool(r.other_method)) == (stage, "humor_pair", True)
        and r.seeds and r.metric in ("contrast", "all", "accuracy") else r
        for r in study.rows
    ]  # fmt: skip
    one = next(r for r in rows if r.stage == "control" and r.other_method and r.seeds)
    form = dataclasses.replace(
        one,
        task="humor_pair",
        other_method="fine-tuned",
        other_task="humor_single",
        value=0.0,
        low=-1.0,
        high=1.0,
    )
    assert said in humor_answer(dataclasses.replace(study, rows=(*rows, form))).summary


def test_every_row_of_the_study_is_in_a_table(study):
    parts = {part.name for part in humor_section(study).parts}
    tables = {"pairs", "accuracy", "sizes", "heads", "localisation", "controls", "gates"}
    tables |= {"masked", "oppositions", "places"}
    figures = {f"{kind}-roberta-{task}" for kind in ("maps", "view")
               for task in ("humor_single", "humor_pair")}  # fmt: skip
    assert parts == {f"humor-{name}" for name in tables | figures | {"distances-roberta"}}


def test_a_head_of_a_classifier_at_chance_is_not_counted(study):
    rows = [dataclasses.replace(r, value=0.5 + r.seed / 1000) if r.stage == "whole" else r
            for r in study.rows]  # fmt: skip
    answer = humor_answer(dataclasses.replace(study, rows=tuple(rows)))
    assert answer is not None
    assert answer.summary.startswith("In none of 0 classifiers")
    assert answer.summary.endswith(" Not counted: 4 of models not shown to be above chance.")


def test_views_of_other_kinds_are_left_to_their_sections(study):
    other = study.views[0]._replace(what="arcs")
    whole = humor_section(dataclasses.replace(study, views=(*study.views, other)))
    assert [part.name for part in whole.parts] == [part.name for part in humor_section(study).parts]


def test_tables_have_the_numbers(study):
    line = table(study, "humor-accuracy")["roberta", "humor_pair"]
    assert (line["longer is funny"], line["naive Bayes"]) == ("0.640", "0.580")
    assert line["fine-tuned"] == "0.750 [0.700 to 0.800]"  # of two seeds, 0.7 and 0.8
    assert line["rated serious by all"] == "–"
    assert table(study, "humor-accuracy")["roberta", "humor_single"]["longer is funny"] == "–"
    line = table(study, "humor-heads")["roberta", "humor_single", "all tokens", "1"]
    assert (line["head"], line["corrected p"], line["heads below 0.05"]) == (
        "2-3", "0.0016", "2 of 16",
    )  # fmt: skip
    assert (line["rank by last word"], line["share of its layer"]) == ("3", "0.350")
    other = table(study, "humor-heads")["roberta", "humor_single", "all tokens", "0"]
    assert other["share of its layer"] == "–"
    line = table(study, "humor-oppositions")["roberta", "humor_pair", "animal"]
    assert line["accuracy"] == "0.600 [0.500 to 0.700]"
    assert table(study, "humor-places")["roberta", "untuned"] == {
        "first word": "0.0400", "special tokens": "0.2950",
    }  # fmt: skip
    lines = table(study, "humor-localisation")
    assert lines["roberta", "humor_pair", "headlines"]["not final"] == "30"
    assert lines["roberta", "humor_pair", "head"]["final"] == "0.500 [0.400 to 0.600]"
    line = table(study, "humor-controls")["roberta", "humor_single", "untuned"]
    assert line["itself less this"] == "+0.190 [+0.090 to +0.290]"
    assert line["corrected p of that"] == "0.6000 (0.6000 to 0.6000)"
    line = table(study, "humor-masked")["roberta", "humor_single", "serious"]
    assert line == {
        "edited word": "0.300 [0.250 to 0.350]", "another word": "0.100 [0.050 to 0.150]",
        "difference": "−0.200 [−0.250 to −0.150]",
    }  # fmt: skip
    line = table(study, "humor-gates")["roberta", "humor_single"]
    assert line["difference"] == "−0.140 [−0.190 to −0.090]"
    assert table(study, "humor-pairs")["roberta", "test"]["pairs"] == "50"


def test_another_study_has_no_such_section(tmp_path):
    other = read_study(make_folder(tmp_path, study_rows(tasks=("mlm",))))
    assert humor_section(other) is None
    assert humor_answer(other) is None


def test_a_view_is_well_formed_and_shows_every_weight(study):
    view = study.views[0]
    markup = attention_views("v", [view, view], "caption")
    root = ET.fromstring(markup.html)
    assert len(root.findall("svg")) == 2
    rows = [g for g in root.iter("g") if g.get("class") == "row"]
    assert len(rows) == 2 * 4
    texts = [t.text for t in rows[0].iter("text")]
    assert texts == ["<s>", "0.10", "0.20", "0.69"]  # 0.01 is not drawn
    assert len(list(rows[0].iter("line"))) == 3  # 0.01 has none
    assert rows[0].get("aria-label") == "from <s>: <s> 0.10, a 0.20, <b>& 0.69, </s> 0.01"
    marked = [t.text for t in root.iter("text") if t.get("class") == "mark"]
    assert marked == ["<b>&"] * 4  # twice in each
    assert received(view) == pytest.approx([0.075, 0.125, 0.7975, 0.0025])


@pytest.mark.parametrize(
    "change",
    [{"weights": [[1.0]]}, {"weights": [["x"] * 4] * 4}, {"words": None}, {"layer": "a"}],
)
def test_a_broken_view_is_named(tmp_path, change):
    folder = make_humor_folder(tmp_path)
    path = folder / "views" / "roberta-humor.humor_pair-0.json"
    path.write_text(json.dumps([{**VIEWS[0], **change}]))
    with pytest.raises(ValueError, match=re.escape(f"{path}: expected views of heads")):
        read_study(folder)


def test_the_page_has_the_section_and_no_row_is_left_over(folder):
    report(folder)
    html = (folder / "report/index.html").read_text(encoding="utf-8")
    assert 'id="humor-view-roberta-humor_pair"' in html
    assert "Does one head find what makes a headline funny?" in html
    assert "Further rows" not in html
    assert "<b>&<" not in html
    assert "&lt;b&gt;&amp;" in html
    assert "<script" not in html
    assert "signs of whole originals flipped" in unescape(html)
