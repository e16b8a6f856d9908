"""The page: one file of HTML with everything in it, from parts that know nothing of HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jaxheads.records.folder import ROWS, SETTINGS, Stage
from jaxheads.report.baseline import at_chance
from jaxheads.report.figures.drawing import BOX, Rendered, inline
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Answer, Drawing, Folded, Markup, Section, Table, slug, unfolded

TITLES = {
    "chiang2021": "Which heads can go? After Chiang & Chen 2021",
    "compare": "Which way to choose heads is best? Ways compared at equal budgets",
    "htut2019": "Do heads follow dependency relations? After Htut et al. 2019",
    "li2021": "Does learning which heads to keep beat ranking them? After Li et al. 2021",
    "luo2021": "Do heads know constituents? After Luo 2021",
    "michel2019": "Are sixteen heads better than one? After Michel et al. 2019",
    "peyrard2021": "Does one head laugh? After Peyrard et al. 2021",
    "pretrain": "What do models know that are trained from scratch?",
    "zhang2020": "Can a pruner choose heads for tasks it never saw? After Zhang et al. 2020",
}
STYLE = Path(__file__).with_name("page.css")
BOXES = f"{BOX} stands for a letter that figures cannot draw; tables and the rows have it."
BRACKETS = re.compile(r"\[[^]]*\]|\([^)]*\)")
ABOUT = (
    "In parentheses stands the range of the values over seeds, and over draws for random orders, "
    "with their number: a range, and no interval. “95%” or square brackets mark a 95% interval, "
    "over seeds (Student's t) and examples at once where there are several seeds; with one seed it "
    "is of that one model, and says nothing of another training. It takes effects of seeds for "
    "normal: where some fine-tunings fail outright, a few seeds that all went well say too much.",
    "Masks are made from scores on training examples; every metric is measured on held-out ones. "
    "A masked head is multiplied by 0; a model is smaller or faster only where its heads are cut.",
    "A score says what happens to the loss when one head is weakened, all others in place. Heads "
    "stand in for each other, so the sum of such effects is not the effect of their sum.",
    "The questions are those of Chiang & Chen 2021, of which only the abstract was available, "
    "with definitions of our own, and those of Michel et al. 2019, Htut et al. 2019, Luo 2021 and "
    "Peyrard et al. 2021; no table or figure of a paper is reproduced here.",
)


def page(
    study: Study,
    answers: Sequence[Answer],
    sections: Sequence[Section],
    rendered: Mapping[str, Rendered],
) -> str:
    """The whole document; `rendered` has every drawing of the sections by its name."""
    shown_above = {name for answer in answers for name in answer.figures}
    title = TITLES.get(study.name, f"Which heads can go? {study.name}")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>",
            "<style>",
            STYLE.read_text(encoding="utf-8").rstrip(),
            "</style>",
            "</head>",
            "<body>",
            f"<header><h1>{escape(title)}</h1>",
            *_warnings(study),
            "</header>",
            "<main>",
            *_answers(answers, sections, rendered),
            *(line for section in sections for line in _section(section, rendered, shown_above)),
            *_limits(study),
            *_run(study),
            "</main>",
            f'<footer>Every number of this page is in <a href="../{ROWS}">{ROWS}</a> of the '
            "study's folder, or while it is unfinished in its cells; the figures are in "
            '<a href="figures/">figures</a> as PNG and SVG.</footer>',
            "</body>",
            "</html>",
            "",
        ]
    )


def _warnings(study: Study) -> Iterator[str]:
    """What decides whether the rest may be read."""
    if not study.finished:
        yield (
            '<p class="warning unfinished">This study is unfinished: the page shows the cells that '
            "are done. Run the same command again to go on.</p>"
        )
    places = ((model, task) for model in study.models for task in study.tasks)
    idle = [f"{place[0]} on {shown(place[1])}" for place in places if at_chance(study, *place)]
    if idle:
        said = f"Not shown to be above the majority-class baseline: {', '.join(idle)}. "
        said += "Nothing below says which heads these models need."
        yield f'<p class="warning">{escape(said)}</p>'


def _navigation(sections: Sequence[Section]) -> Iterator[str]:
    links = [*((s.name, s.title) for s in sections), ("limits", "Limits"), ("run", "Run")]
    yield '<nav aria-label="Sections"><ul>'
    yield from (f'<li><a href="#{name}">{escape(text)}</a></li>' for name, text in links)
    yield "</ul></nav>"


def _facts(study: Study) -> Iterator[tuple[str, str]]:
    name = study.settings.get("name")
    if isinstance(name, str):
        yield "run", name
    sizes = ((model, study.heads(model)) for model in study.models)
    yield "models", ", ".join(m if heads is None else f"{m} ({heads} heads)" for m, heads in sizes)
    yield "tasks", ", ".join(f"{shown(task)} ({study.metric(task)})" for task in study.tasks)
    seeds = sorted({row.seed for row in study.at(Stage.WHOLE)})
    yield "seeds", ", ".join(map(str, seeds)) or "not known"
    for part, found in study.machine.items():
        yield part, ", ".join(f"{name} {text}".strip() for name, text in _flat(found))


def _answers(
    answers: Sequence[Answer], sections: Sequence[Section], rendered: Mapping[str, Rendered]
) -> Iterator[str]:
    """Each question with its sentence and its figures; the first fills the first screen."""
    every = (part for section in sections for part in unfolded(section.parts))
    drawings = {part.name: part for part in every if isinstance(part, Drawing)}
    yield '<section id="answers"><h2>Answers</h2>'
    if not answers:
        yield "<p>The rows that are there answer none of the questions yet.</p>"
    for place, answer in enumerate(answers):
        yield f'<div class="answer{" first" * (not place)}"><h3>{escape(answer.question)}</h3>'
        yield f"<p>{escape(answer.summary)}</p>"
        if answer.figures:
            yield '<div class="figures">'
            for name in answer.figures:
                yield from _part(drawings[name], rendered)
            yield "</div>"
        yield f'<a href="#{answer.section}">What this rests on</a>'
        yield "</div>"
        if not place:
            yield from _navigation(sections)
    if not answers:
        yield from _navigation(sections)
    yield "</section>"


def _section(
    section: Section, rendered: Mapping[str, Rendered], shown_above: Collection[str]
) -> Iterator[str]:
    """What an answer rests on, folded; figures that stand with it are not drawn again."""
    parts = [part for part in section.parts if part.name not in shown_above]
    kinds = Counter("table" if isinstance(p, Table) else "figure" for p in unfolded(parts))
    said = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items())
    yield f'<section id="{section.name}"><h2>{escape(section.title)}</h2>'
    yield f"<details><summary>{said or 'How it was measured'}</summary>"
    yield f"<p>{escape(section.lead)}</p>"
    for part in parts:
        if isinstance(part, Folded):
            yield f'<details id="{part.name}"><summary>{escape(part.summary)}</summary>'
            yield from (line for inner in part.parts for line in _part(inner, rendered))
            yield "</details>"
        else:
            yield from _part(part, rendered)
    yield "</details></section>"


def _part(part: Drawing | Table | Markup, rendered: Mapping[str, Rendered]) -> Iterator[str]:
    if isinstance(part, Table):
        yield from _table(part)
    else:
        html = inline(part, rendered[part.name]) if isinstance(part, Drawing) else part.html
        if isinstance(part, Drawing) and rendered[part.name].boxes:
            html += f'<p class="boxes">{BOXES}</p>'
        yield f'<figure id="{part.name}">{html}<figcaption><details><summary>What is drawn'
        yield f"</summary>{escape(part.caption)}</details></figcaption></figure>"


def _table(table: Table) -> Iterator[str]:
    yield f'<div class="wide"><table id="{table.name}"><caption>{escape(table.caption)}</caption>'
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in table.head)
    yield f"<thead><tr>{head}</tr></thead><tbody>"
    for line in table.body:
        labels = "".join(f'<th scope="row">{escape(text)}</th>' for text in line[: table.labels])
        cells = "".join(f"<td>{_cell(text)}</td>" for text in line[table.labels :])
        yield f"<tr>{labels}{cells}</tr>"
    yield "</tbody></table></div>"


def _cell(text: str) -> str:
    """What stands in brackets stays in one line."""
    return BRACKETS.sub(r"<span>\g<0></span>", escape(text))


def _limits(study: Study) -> Iterator[str]:
    yield '<section id="limits"><h2>How to read this, and limits</h2>'
    yield f"<details><summary>{len(ABOUT)} things to know</summary><ul>"
    counts = {
        len({row.seed for row in study.at(Stage.WHOLE, task=task)}) for task in study.downstream
    }
    if counts:
        yield f"<li>Seeds of fine-tuning: {' or '.join(map(str, sorted(counts)))}.</li>"
    yield from (f"<li>{escape(text)}</li>" for text in ABOUT)
    yield "</ul></details></section>"


def _run(study: Study) -> Iterator[str]:
    """What was run, where, and with which settings."""
    yield '<section id="run"><h2>Run</h2><dl>'
    for name, value in _facts(study):
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"
    if study.settings:
        yield f"<details><summary>All settings of the run, from {SETTINGS}</summary>"
        body = tuple(_flat(study.settings))
        name = slug("settings", "table")
        yield from _table(Table(name, "", ("setting", "value"), body, labels=1))
        yield "</details>"
    yield "</section>"


def _flat(value: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Every setting by its dotted name, as text."""
    parts: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        parts = [(str(number), part) for number, part in enumerate(value)]
    else:
        yield above, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    for name, part in parts:
        yield from _flat(part, f"{above}.{name}" if above else str(name))
