"""Figures of the study of headlines: four maps, distances by layer, and views of single heads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from jaxheads.report.figures.attention_view import READING, attention_views
from jaxheads.report.figures.panels import add_legend, bands_are, draw_cells, draw_line, grid
from jaxheads.report.figures.style import line_styles, shown
from jaxheads.report.folder import HeadView, Study
from jaxheads.report.parts import Drawing, Markup, slug
from jaxheads.report.spread import spreads

MAPS = {
    "edited, funny": "a  edited word, funny", "other, funny": "b  other words, funny",
    "edited, serious": "c  edited word, serious", "other, serious": "d  other words, serious",
}  # fmt: skip
UNTUNED, COLORS = "untuned", "viridis"
DISTANCES = {
    "from untuned": "from the untuned model", "funny to serious": "funny to serious sentences",
}  # fmt: skip


# -- the four maps


def map_drawing(study: Study, model: str, task: str) -> Drawing:
    """Four maps of a classifier, and of the untuned model below, all on one scale."""
    found = {what: maps for what in (task, UNTUNED) if (maps := _mean_maps(study, model, what))}
    every = np.stack([value for maps in found.values() for value in maps.values()])
    low, high = float(every.min()), float(every.max())
    high = high if high > low else low + 1
    layers, heads = every.shape[1:]
    size = (9.4, (0.8 + 1.7 * layers / heads) * len(found) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(found), len(MAPS), squeeze=False)
    for line, (what, maps) in zip(axes, found.items(), strict=True):
        drawn = []
        for axis, (name, title) in zip(line, MAPS.items(), strict=True):
            drawn.append(draw_cells(axis, maps[name], low, high, COLORS))
            _label(axis, title, what, maps[name].shape)
            for layer, head in _chosen(study, model, task):
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


def has_maps(study: Study, model: str, task: str) -> bool:
    """Whether there is something to draw."""
    return bool(_mean_maps(study, model, task))


def _mean_maps(study: Study, model: str, what: str) -> dict[str, Float[np.ndarray, "L H"]]:
    """The four maps, means over seeds; nothing where one is missing."""
    name = "humor" if what == UNTUNED else f"humor.{what}"
    own = [found for found in study.maps if (found.model, found.what) == (model, name)]
    found = {name: [each.value_LH for each in own if each.name == name] for name in MAPS}
    if not all(found.values()):
        return {}
    return {name: np.mean(values, 0) for name, values in found.items()}


def _chosen(study: Study, model: str, task: str) -> set[tuple[int, int]]:
    """The (layer, head) of every seed."""
    rows = study.at("head", model=model, task=task, method="all tokens")
    value = {
        (row.seed, row.metric): int(row.value) for row in rows if row.metric in ("layer", "head")
    }
    seeds = {seed for seed, _ in value}
    return {(value[seed, "layer"], value[seed, "head"]) for seed in seeds}


def _label(axis: Axes, title: str, what: str, shape: tuple[int, ...]) -> None:
    layers, heads = shape
    for ticks, count in ((axis.set_xticks, heads), (axis.set_yticks, layers)):
        numbers = range(0, count, 1 if count <= 8 else 2)
        ticks([n + 0.5 for n in numbers], [str(n) for n in numbers])
    axis.set(xlabel="head", ylabel="layer" + ", untuned" * (what == UNTUNED))
    axis.set_title(title, fontsize=8.5)


# -- distances


def distance_drawing(study: Study, model: str) -> Drawing | None:
    """Two panels of distances by layer, with a line for each variant of the model."""
    rows = study.at("attention distance", model=model)
    panels = [name for name in DISTANCES if any(row.metric == name for row in rows)]
    if not panels:
        return None
    found = spreads(rows, lambda row: (row.metric, *row.method.rsplit(", layer ", 1)))
    styles = line_styles(dict.fromkeys(variant for _, variant, _ in found))
    figure, axes = grid(len(panels), 4.4, 3.0)
    for axis, metric in zip(axes, panels, strict=True):
        for variant, style in styles.items():
            points = {
                float(layer): s for (m, v, layer), s in found.items() if (m, v) == (metric, variant)
            }
            if points:
                draw_line(axis, shown(variant), style, points)
        axis.set(title=DISTANCES[metric], xlabel="layer", ylabel="distance of attention")
        axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    add_legend(figure, axes, columns=3)
    caption = (
        f"{model}: Jensen-Shannon distance (the root, natural logarithm; at most 0.833) of "
        "attention rows, the mean over rows, test sentences and a layer's heads. Left: of the same "
        "sentence in two models. Right: of the two sides of a pair in one model, over pairs of "
        f"equally many tokens; {bands_are(list(found.values()))}."
    )
    alt = f"Distance of attention by layer, {model}"
    return Drawing(slug("humor-distances", model), figure, alt, caption)


# -- views


def views_of(study: Study) -> Iterator[Markup]:
    """Both sides of chosen headlines, for the first seed of each classifier."""
    first: dict[tuple[str, str], list[HeadView]] = {}
    for view in (view for view in study.views if view.what in study.tasks):
        own = first.setdefault((view.model, view.what), [])
        if not own or own[0].seed == view.seed:
            own.append(view)
    for (model, what), views in first.items():
        caption = (
            f"{model}, {shown(what)}, seed {views[0].seed}: what head {views[0].layer}-"
            f"{views[0].head} looks at, in the first test pairs in which it points at the edited "
            "word of the funny side, and in the first in which it does not; the edited word is "
            f"underlined. {READING}"
        )
        yield attention_views(slug("humor-view", model, what), views, caption)
