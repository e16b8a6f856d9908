"""`jaxheads report`: from a study's folder to its page, and what the terminal is told of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import matplotlib as mpl

from jaxheads.records.folder import ROWS, Room
from jaxheads.report.agreement import agreement_answer, agreement_section
from jaxheads.report.chiang2021.acceptable import deduction_answer
from jaxheads.report.chiang2021.answers import (
    floors_answer,
    prunability_answer,
    reliability_answer,
)
from jaxheads.report.chiang2021.coherence import coherence_section
from jaxheads.report.chiang2021.coherence_answer import coherence_answer
from jaxheads.report.chiang2021.deduction import deduction_section
from jaxheads.report.chiang2021.functional import functional_answer
from jaxheads.report.chiang2021.prunability import prunability_section
from jaxheads.report.chiang2021.regimes import regimes_section
from jaxheads.report.chiang2021.regimes_answer import regimes_answer
from jaxheads.report.chiang2021.smaller import smaller_section
from jaxheads.report.figures.drawing import render, save
from jaxheads.report.figures.style import STYLE
from jaxheads.report.folder import Study, read_study, seconds_of
from jaxheads.report.htut2019.dependencies import dependencies_answer, dependencies_section
from jaxheads.report.li2021.comparison import comparison_section
from jaxheads.report.li2021.differences import further_answer
from jaxheads.report.luo2021.constituency import (
    change_answer,
    constituency_answer,
    constituency_section,
)
from jaxheads.report.maps import maps_section
from jaxheads.report.michel2019.single import single_section
from jaxheads.report.overview import other_section, overview_section
from jaxheads.report.page import page
from jaxheads.report.parts import Answer, Drawing, Section, slug, unfolded
from jaxheads.report.peyrard2021.answer import humor_answer
from jaxheads.report.peyrard2021.humor import humor_section
from jaxheads.report.questions import (
    COMPARISON,
    CONTRAST,
    MASKING,
    ORDERS,
    PRUNER,
    TRANSFER,
    Question,
    answer,
)
from jaxheads.report.zhang2020.meta import meta_section
from jaxheads.storage.files import write_atomically

FOLDER, PAGE, FIGURES = "report", "index.html", "figures"
WIDTH = 96  # of the terminal's lines

# What answers, the section that it rests on, and how the names of the figures that show it begin;
# the first two of the first answer are the page's first screen.
ANSWERS: tuple[tuple[Callable[[Study], Answer | None] | Question, str, tuple[str, ...]], ...] = (
    (humor_answer, "humor", ("humor-distances", "humor-maps")),
    (constituency_answer, "constituency", ("layers", "constituents")),
    (change_answer, "constituency", ("change",)),
    (MASKING, "constituency", ("ability",)),
    (dependencies_answer, "dependencies", ("relations", "arcs")),
    (agreement_answer, "agreement", ("agreement",)),
    (prunability_answer, "prunability", ("curves", "heads")),
    (coherence_answer, "coherence", ("coherence",)),
    (deduction_answer, "deduction", ("deduction",)),
    (regimes_answer, "regimes", ("regimes",)),
    (COMPARISON, "comparison", ("comparison", "heads")),
    (further_answer, "comparison", ("pareto", "comparison", "heads")),
    (CONTRAST, "prunability", ()),
    (functional_answer, "coherence", ("functional",)),
    (ORDERS, "coherence", ()),
    (TRANSFER, "coherence", ()),
    (PRUNER, "meta", ("meta", "heads")),
    (reliability_answer, "coherence", ()),
    (floors_answer, "overview", ()),
)
SECTIONS = (
    overview_section,
    humor_section,
    constituency_section,
    dependencies_section,
    agreement_section,
    maps_section,
    prunability_section,
    coherence_section,
    deduction_section,
    regimes_section,
    smaller_section,
    comparison_section,
    single_section,
    meta_section,
    other_section,
)


def report(folder: Path) -> str:
    """Write the page and the figures of a study's folder; return its answers and where it is.

    Each file is whole or not there; a page that stands there is replaced last.

    Raises:
      ValueError: for a folder without rows, or with files that are not what their names say.
      OSError: a file cannot be read or written.
    """
    study = read_study(folder)
    with mpl.rc_context(STYLE):
        written = write_report(study, folder / FOLDER)
    return "\n".join(_told(study, folder, written))


def write_report(study: Study, folder: Path) -> Path:
    """The page and its figures; the same study gives the same bytes."""
    sections = sections_of(study)
    parts = [part for section in sections for part in unfolded(section.parts)]
    drawings = [part for part in parts if isinstance(part, Drawing)]
    rendered = {drawing.name: render(drawing) for drawing in drawings}
    for drawing in drawings:
        save(drawing, rendered[drawing.name], folder / FIGURES)
    with write_atomically(folder / PAGE) as draft:
        text = page(study, answers_of(study, drawings), sections, rendered)
        draft.write_text(text, encoding="utf-8")
    return folder / PAGE


def sections_of(study: Study) -> list[Section]:
    """The sections for which there are rows."""
    return [section for make in SECTIONS if (section := make(study)) is not None]


def answers_of(study: Study, drawings: Sequence[Drawing] = ()) -> list[Answer]:
    """The answers for which there are rows, each with the first figures that show it.

    No figure stands twice on the page.
    """
    free = [drawing.name for drawing in drawings]
    found = []
    for asked, section, beginnings in ANSWERS:
        made = answer(study, asked) if isinstance(asked, Question) else asked(study)
        if made is not None:
            own = ([slug(each, model) for model in study.models] for each in beginnings)
            names = (next((n for n in free if n.startswith(tuple(o))), None) for o in own)
            figures = tuple(filter(None, names))[: 1 if found else 2]
            free = [name for name in free if name not in figures]
            found.append(made._replace(section=section, figures=figures))
    return found


def _told(study: Study, folder: Path, written: Path) -> Iterator[str]:
    yield ""
    for each in answers_of(study):
        yield each.question
        yield from _wrapped(each.summary)
        yield ""
    if not study.finished:
        yield from _wrapped("This study is unfinished; run the same command again to go on.")
    seconds = seconds_of(folder)
    if seconds is not None:
        yield f"work    {seconds / 60:.1f} minutes, all workers together"
    yield f"rows    {folder / (ROWS if study.finished else Room.CELLS)}"
    yield f"report  {written}"


def _wrapped(text: str) -> Sequence[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
