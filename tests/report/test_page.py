"""The page: whole, alone, valid, the same every time; and what `jaxheads report` says of it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxheads.cli.main import main
from jaxheads.records.rows import write_rows
from jaxheads.report.figures.drawing import render
from jaxheads.report.figures.heads import plot_heads
from jaxheads.report.figures.style import STYLE
from jaxheads.report.folder import Study
from jaxheads.report.htut2019.arc_drawing import ArcSentence, draw_sentence
from jaxheads.report.page import page
from jaxheads.report.parts import Drawing, Section, Table
from jaxheads.report.write import report
from tests.report.rows import make_folder, study_rows
from tests.support.paths import ROOT

VOID = {"meta", "link", "br", "img", "hr"}


class Reader(HTMLParser):
    """Collects tags, ids, references and text, and whether tags are closed in order."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags, self.ids = Counter(), Counter()
        self.links: list[str] = []
        self.labels: list[str] = []
        self.texts: list[str] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"{tag} is not closed" for tag in self._open]

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        found = dict(attrs)
        self.ids.update([found["id"]] if "id" in found else [])
        self.links += [found[k] for k in ("href", "src", "xlink:href") if k in found]
        self.links += re.findall(r"url\(([^)]*)\)", " ".join(filter(None, found.values())))
        self.labels += [found["aria-label"]] if tag == "svg" else []
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def small() -> list:
    """One model, two tasks, one seed: the page is made quickly."""
    found = study_rows(("roberta",), ("mlm", "sentiment"), (0,))
    found = [row for row in found if row.stage in ("whole", "masked", "prunability", "floor")]
    return [row for row in found if row.method in ("", "gradient", "random")]


def test_the_page_is_whole_and_needs_nothing_else(made):
    page = Reader(made.html)
    assert page.faults == []
    assert not [name for name, count in page.ids.items() if count > 1]
    inside = {f"#{name}" for name in page.ids}
    outside = {link for link in page.links if not link.startswith("data:")} - inside
    assert outside == {"../rows.jsonl", "figures/"}
    assert page.tags["script"] == page.tags["img"] == 0
    assert "@import" not in made.html
    assert "@font-face" not in made.html


def test_every_figure_is_in_the_page_with_words_and_beside_it_as_files(made):
    page = Reader(made.html)
    names = {path.stem for path in (made.folder / "report/figures").iterdir()}
    assert page.tags["svg"] == page.tags["figure"] == page.tags["figcaption"] == len(names) == 20
    assert names <= set(page.ids)
    assert all(page.labels)
    for name in names:
        files = [made.folder / f"report/figures/{name}.{kind}" for kind in ("svg", "png")]
        assert all(path.stat().st_size > 1000 for path in files)


def test_the_answers_stand_before_the_figures(made):
    text = "".join(Reader(made.html).texts)
    assert text.index("9 to 11 of 16 heads") < text.rindex("Whole models and floors")
    for word in ("3.11.7", "jax 0.10.2", "roberta (16 heads)", "0, 1, 2", "abstract was available"):
        assert word in text
    assert made.html.index('id="answers"') < made.html.index("<figure")


def test_the_terminal_is_told_the_answers_and_where_the_page_is(made):
    assert made.told.splitlines()[-1] == f"report  {made.folder / 'report/index.html'}"
    assert "How many heads can go?" in made.told
    assert "unfinished" not in made.told
    assert max(map(len, made.told.splitlines()[:-2])) <= 100


def test_odd_names_are_text_and_nothing_else(tmp_path, small):
    odd = "<x>&\"'</style>"
    rows = [dataclasses.replace(row, task=odd) if row.task != "mlm" else row for row in small]
    rows = [dataclasses.replace(row, study="</title><script>", model="$_<b>") for row in rows]
    report(make_folder(tmp_path, rows, scores=False))
    page = Reader((tmp_path / "report/index.html").read_text(encoding="utf-8"))
    assert page.faults == []
    assert page.tags["script"] == page.tags["x"] == 0
    assert odd in "".join(page.texts)
    assert [label for label in page.labels if odd in label]
    assert all(re.fullmatch(r"[\w.-]+", name) for name in page.ids)


@pytest.mark.parametrize("word", ["$$", "me$$age", "$_$", "\\frac{", "x" * 120])
def test_words_from_data_are_never_read_as_maths(word):
    """Of rows, maps, arcs, brackets and views: matplotlib draws them letter by letter."""
    render(Drawing("d", plot_heads(np.eye(2), title=word[:20], label=word[:20]), "", ""))
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        draw_sentence(figure.subplots(), ArcSentence((word, word), ((0, 1, word),), ()), word)
        svg = render(Drawing("d", figure, "", "")).svg
    assert svg.count('<g id="text_') == 4


def test_a_model_at_its_floor_is_said_first(tmp_path, small):
    rows = [
        dataclasses.replace(row, value=0.4) if row.stage == "whole" and row.task != "mlm" else row
        for row in small
    ]
    report(make_folder(tmp_path, [*rows, *(dataclasses.replace(r, seed=1) for r in rows)]))
    html = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    said = "Not shown to be above the majority-class baseline: roberta on sentiment."
    assert html.index(said) < html.index('id="answers"')


def test_the_first_answer_has_the_curve_and_the_map(made):
    first = made.html[made.html.index('class="answer first"') : made.html.index("<nav")]
    assert re.findall('<figure id="([^"]*)"', first) == ["curves-roberta-orders", "heads-roberta"]
    assert made.html.count('<figure id="heads-roberta"') == 1
    assert made.html.index('id="run"') > made.html.index('id="limits"')


def test_the_same_rows_give_the_same_bytes(tmp_path, small):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        report(make_folder(tmp_path / name, small))
    files = [
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("report/**/*.*")}
        for n in ("one", "two")
    ]
    assert len(files[0]) > 3
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("htut2019", "Do heads follow dependency relations? After Htut et al. 2019"),
        ("luo2021", "Do heads know constituents? After Luo 2021"),
        ("peyrard2021", "Does one head laugh? After Peyrard et al. 2021"),
        ("chiang2021", "Which heads can go? After Chiang &amp; Chen 2021"),
        ("compare", "Which way to choose heads is best? Ways compared at equal budgets"),
    ],
)
def test_each_study_has_its_question_as_title(small, name, title):
    study = Study((dataclasses.replace(small[0], study=name),), {}, {})
    assert f"<title>{title}</title>" in page(study, (), (), {})


def test_bounds_stay_in_one_line_and_text_in_cells_is_escaped(small):
    table = Table("t", "", ("model", "value"), (("m [1]", "0.5 [0.4 to 0.6], p < 0.1 (n)"),), 1)
    html = page(Study((small[0],), {}, {}), (), (Section("s", "S", "", (table,)),), {})
    assert '<th scope="row">m [1]</th>' in html
    assert "<td>0.5 <span>[0.4 to 0.6]</span>, p &lt; 0.1 <span>(n)</span></td>" in html


def test_an_unfinished_study_says_so(tmp_path, small):
    write_rows(tmp_path / "cells/a.jsonl", [row for row in small if row.stage == "whole"])
    told = report(tmp_path)
    html = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert "This study is unfinished" in told
    assert f"rows    {tmp_path / 'cells'}" in told
    assert '<p class="warning unfinished">' in html
    assert "answer none of the questions yet" in html


def test_a_report_that_cannot_be_written_leaves_the_old_page(tmp_path, small, monkeypatch):
    make_folder(tmp_path, [row for row in small if row.stage == "whole"])
    report(tmp_path)
    before = (tmp_path / "report/index.html").read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device", "report/index.html")

    monkeypatch.setattr("jaxheads.report.write.page", fail)
    with pytest.raises(OSError, match="No space"):
        report(tmp_path)
    assert (tmp_path / "report/index.html").read_bytes() == before
    assert not list(tmp_path.rglob(".*"))


def test_no_report_starts_jax():
    code = "import sys, jaxheads.report.write; print('jax' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.strip() == "False", ran.stderr


def test_the_verb_writes_the_page_and_names_a_folder_without_rows(tmp_path, small, capsys):
    make_folder(tmp_path, [row for row in small if row.stage == "whole"])
    assert main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith(f"report  {tmp_path / 'report/index.html'}\n")
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert "nothing: expected a study's rows.jsonl" in capsys.readouterr().err
