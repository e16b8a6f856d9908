"""Figures of the study of headlines: four maps, distances by layer, and views of single heads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from jaxheads.records.folder import ALL_TOKENS, HEAD_WORDS, HUMOR_MAPS, Metric, Stage
from jaxheads.report.figures.attention_view import READING, attention_views
from jaxheads.report.figures.panels import add_legend, bands_are, draw_cells, draw_lines, grid
from jaxheads.report.folder import HeadView, Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Drawing, Markup, slug
from jaxheads.report.spread import spreads

TITLES = (
    "a  edited word, funny", "b  other words, funny",
    "c  edited word, serious", "d  other words, serious",
)  # fmt: skip
COLORS = "viridis"
DISTANCES = {
    Metric.FROM_UNTUNED: "from the untuned model",
    Metric.BETWEEN_SIDES: "funny to serious sentences",
}


# -- the four maps


def map_drawing(study: Study, model: str, task: str) -> Drawing | None:
    """Four maps of a classifier, and of the untuned model below, all on one scale, if there."""
    found = {of: maps for of in (task, "") if (maps := _mean_maps(study, model, of))}
    if task not in found:
        return None
    every = np.stack([value for maps in found.values() for value in maps.values()])
    low, high = float(every.min()), float(every.max())
    high = high if high > low else low + 1
    layers, heads = every.shape[1:]
    size = (9.4, (0.8 + 1.7 * layers / heads) * len(found) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(found), len(TITLES), squeeze=False)
    chosen = study.at(Stage.HEAD, model=model, task=task, method=ALL_TOKENS)
    heads = {(row.layer or 0, row.head) for row in chosen if row.head is not None}
    for line, (of, maps) in zip(axes, found.items(), strict=True):
        drawn = []
        for axis, map_LH, title in zip(line, maps.values(), TITLES, strict=True):
            drawn.append(draw_cells(axis, map_LH, low, high, COLORS))
            _label(axis, title, of, map_LH.shape)
            for layer, head in sorted(heads):
                axis.add_patch(
                    Rectangle((head, layer), 1, 1, fill=False, edgecolor="#D55E00", linewidth=1.8)
                )
        figure.colorbar(drawn[0], ax=list(line), shrink=0.8, label="attention of a word")
    caption = (
        f"{model}, {shown(task)}: mean attention that a word gets from all tokens of a test "
        "headline, by head; above in the classifier, below in the untuned model. One scale; means "
        "over seeds. Outlined: the head that validation chose, of each seed."
    )
    alt = f"Four heat maps of attention to edited and other words, {model}, {shown(task)}"
    return Drawing(slug("humor-maps", model, task), figure, alt, caption)


def _mean_maps(study: Study, model: str, task: str) -> dict[str, Float[np.ndarray, "L H"]]:
    """The four maps, means over seeds; nothing where one is missing."""
    where = (model, HUMOR_MAPS, task)
    own = [found for found in study.maps if (found.model, found.what, found.task) == where]
    found = {name: [each.value_LH for each in own if each.name == name] for name in HEAD_WORDS}
    if not all(found.values()):
        return {}
    return {name: np.mean(values, 0) for name, values in found.items()}


def _label(axis: Axes, title: str, task: str, shape: tuple[int, ...]) -> None:
    layers, heads = shape
    for ticks, count in ((axis.set_xticks, heads), (axis.set_yticks, layers)):
        numbers = range(0, count, 1 if count <= 8 else 2)
        ticks([n + 0.5 for n in numbers], [str(n) for n in numbers])
    axis.set(xlabel="head", ylabel="layer" if task else "layer, untuned")
    axis.set_title(title, fontsize=8.5)


# -- distances


def distance_drawing(study: Study, model: str) -> Drawing | None:
    """Two panels of distances by layer, with a line for each variant of the model."""
    rows = study.at(Stage.DISTANCE, model=model)
    panels = [name for name in DISTANCES if any(row.metric == name for row in rows)]
    if not panels:
        return None
    variants = dict.fromkeys(shown(row.method) for row in rows)
    figure, axes = grid(len(panels), 4.4, 3.0)
    seen = []
    for axis, metric in zip(axes, panels, strict=True):
        own = [row for row in rows if row.metric == metric]
        seen += draw_lines(axis, spreads(own, lambda row: shown(row.method), "layer"), variants)
        axis.set(title=DISTANCES[metric], xlabel="layer", ylabel="distance of attention")
        axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    add_legend(figure, axes, columns=3)
    caption = (
        f"{model}: Jensen-Shannon distance (the root, natural logarithm; at most 0.833) of "
        "attention rows, the mean over rows, test sentences and a layer's heads. Left: of the same "
        "sentence in two models. Right: of the two sides of a pair in one model, over pairs of "
        f"equally many tokens; {bands_are(seen)}."
    )
    alt = f"Distance of attention by layer, {model}"
    return Drawing(slug("humor-distances", model), figure, alt, caption)


# -- views


def views_of(study: Study) -> Iterator[Markup]:
    """Both sides of chosen headlines, for the first seed of each classifier."""
    first: dict[tuple[str, str], list[HeadView]] = {}
    for view in (view for view in study.views if view.what == HUMOR_MAPS):
        own = first.setdefault((view.model, view.task), [])
        if not own or own[0].seed == view.seed:
            own.append(view)
    for (model, task), views in first.items():
        caption = (
            f"{model}, {shown(task)}, seed {views[0].seed}: what head {views[0].layer}-"
            f"{views[0].head} looks at, in the first test pairs in which it points at the edited "
            "word of the funny side, and in the first in which it does not; the edited word is "
            f"underlined. {READING}"
        )
        yield attention_views(slug("humor-view", model, task), views, caption)
