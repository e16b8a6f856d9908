"""The attention of one head over one sentence, as inline SVG: pointing at a word shows its weights.

Words stand twice: on the left as those that look, on the right as those looked at, beside the mean
weight that each gets. A line is the darker the greater its weight. Pointing at a word on the left,
or moving to it by keyboard, leaves its own lines and puts its own weights on the right. Rules of
the page's style sheet do that, without a script; in print all lines and the means are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from jaxheads.report.folder import HeadView, Study
from jaxheads.report.parts import Markup, slug

LINE, SIDE, GAP = 21, 150, 130  # pixels: of a word's line, of a column of words, between columns
LEAST = 0.02  # lines of less weight are not drawn
READING = (
    "Words on the left look at words on the right; numbers are the mean weight that a word gets. "
    "Point at a word on the left, or move to it with the tab key, to see its own weights. Weights "
    f"below {LEAST} have no line and no number."
)


def attention_views(name: str, views: Sequence[HeadView], caption: str) -> Markup:
    """Sentences side by side, as far as there is room."""
    html = "".join(drawn(view) for view in views)
    return Markup(name, f'<div class="attention">{html}</div>', caption)


def example_views(study: Study, what: str, name: str, which: str) -> Iterator[Markup]:
    """For each model, what its best heads look at in the sentences that were kept of a kind."""
    for model in dict.fromkeys(view.model for view in study.views if view.what == what):
        views = [view for view in study.views if (view.model, view.what) == (model, what)]
        caption = f"{model}: what {which} looks at in the same sentences, between words. {READING}"
        yield attention_views(slug(name, model), views, caption)


def received(view: HeadView) -> list[float]:
    """The mean weight that each word gets."""
    return [sum(column) / len(column) for column in zip(*view.weights, strict=True)]


def drawn(view: HeadView) -> str:
    """One head over one sentence, as SVG."""
    count = len(view.words)
    width, height = 2 * SIDE + GAP + 40, LINE * (count + 1) + 8
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="{escape(_spoken(view), quote=True)}">'
        f'<text x="0" y="13" fill="#595959">{escape(view.title)}</text>'
        f'<g class="rows">{"".join(_rows(view))}{"".join(_means(view))}</g></svg>'
    )


def _rows(view: HeadView) -> Iterator[str]:
    """Each word that looks, with its lines, and its weights until then unseen."""
    for row, (word, weights) in enumerate(zip(view.words, view.weights, strict=True)):
        spoken = f"from {word}: " + ", ".join(
            f"{other} {weight:.2f}" for other, weight in zip(view.words, weights, strict=True)
        )
        yield f'<g class="row" tabindex="0" aria-label="{escape(spoken, quote=True)}">'
        yield f'<rect x="0" y="{_top(row)}" width="{SIDE}" height="{LINE}" fill="transparent"/>'
        yield _word(view, row, SIDE - 8, "end")
        for column, weight in enumerate(weights):
            if weight >= LEAST:
                yield (
                    f'<line x1="{SIDE}" y1="{_middle(row)}" x2="{SIDE + GAP}" '
                    f'y2="{_middle(column)}" stroke-opacity="{min(weight, 1):.2f}"/>'
                )
        yield f'<g class="own">{"".join(_numbers(weights, LEAST))}</g></g>'


def _means(view: HeadView) -> Iterator[str]:
    """The words looked at, and the mean weight of each."""
    for column in range(len(view.words)):
        yield _word(view, column, SIDE + GAP + 46, "start")
    yield f'<g class="mean">{"".join(_numbers(received(view)))}</g>'


def _numbers(weights: Sequence[float], least: float = 0.0) -> Iterator[str]:
    for column, weight in enumerate(weights):
        if weight >= least:
            place = f'x="{SIDE + GAP + 8}" y="{_middle(column) + 4}"'
            yield f'<text {place} fill="#595959">{weight:.2f}</text>'


def _word(view: HeadView, number: int, x: int, anchor: str) -> str:
    mark = ' class="mark"' if number in view.marked else ""
    word = escape(view.words[number])
    return f'<text x="{x}" y="{_middle(number) + 4}" text-anchor="{anchor}"{mark}>{word}</text>'


def _top(number: int) -> int:
    return LINE * (number + 1)


def _middle(number: int) -> float:
    return _top(number) + LINE / 2


def _spoken(view: HeadView) -> str:
    means = received(view)
    most = max(range(len(means)), key=means.__getitem__)
    return f"{view.title}: {' '.join(view.words)}; most attention goes to {view.words[most]}"
