"""Figures of a study of constituents: maps, ensembles, layers and their changes, masking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxheads.records.rows import kind_of
from jaxheads.report.curves import draw_levels
from jaxheads.report.figures.panels import add_legend, bands_are, draw_level, draw_line, grid
from jaxheads.report.figures.style import line_styles, shown
from jaxheads.report.folder import Study
from jaxheads.report.luo2021.rows import (
    CHANGE,
    F1,
    LAYER_MEAN,
    LAYER_TREES,
    MASKED,
    WITHOUT_LAYER,
    by_reading,
    layer_of,
    null_spread,
    trained_on,
)
from jaxheads.report.maps import draw_maps
from jaxheads.report.parts import Drawing, slug
from jaxheads.report.spread import Spread, spread_of, spreads


def map_drawings(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        own = [each for each in study.maps if (each.model, each.what) == (model, "spans")]
        own = [each for each in own if not np.isnan(each.value_LH).all()]
        if not own:
            continue
        figure = draw_maps([(each.name, each.value_LH) for each in own])
        yield Drawing(
            slug("constituents", model), figure,
            f"Heat maps of F1 and label recalls of {model}, layer by head",
            f"{model}, pre-trained: S-F1 of the main reading and of the others, recall of each "
            "label, and the two rankings that see no label. Each map has a scale of its own, its "
            "ends are written below it.",
        )  # fmt: skip


def ensemble_drawings(study: Study) -> Iterator[Drawing]:
    for (model, reading), rows in by_reading(study.at("ensembles")).items():
        figure, (axis,) = grid(1, 5.5, 3.2)
        found = spreads(rows, lambda row: (row.method.partition(": ")[2], float(row.budget or 0)))
        kinds = list(dict.fromkeys(kind for kind, _ in found))
        for kind, style in line_styles(kinds).items():
            points = {k: spread for (name, k), spread in found.items() if name == kind}
            draw_line(axis, f"ranked by {kind}", style, points)
        _draw_nulls(axis, study, model, ("right", "balanced", "random"))
        axis.set(xlabel="heads in the ensemble", ylabel=F1)
        add_legend(figure, [axis])
        yield Drawing(
            slug("ensembles", model, reading), figure,
            f"S-F1 of ensembles of the first K heads of {model}, {reading}",
            f"{model}, {reading}: trees of the mean distances of the first K heads. “F1 on tune” "
            f"has seen labels, the others have not; {bands_are([*found.values()])}.",
        )  # fmt: skip


def layer_drawings(study: Study) -> Iterator[Drawing]:
    """S-F1 by layer, of its heads and of their mean distances, before and after fine-tuning."""
    titles = {LAYER_MEAN: "mean of the layer's heads", LAYER_TREES: "trees of their mean distances"}
    rows = [row for stage in titles for row in study.at(stage, metric=F1)]
    for (model, reading), own in by_reading(rows).items():
        stages = [stage for stage in titles if any(row.stage == stage for row in own)]
        tasks = [task for task in study.tasks if any(row.task == task for row in own)]
        figure, axes = grid(len(stages), 3.6)
        found = spreads(own, lambda row: (row.stage, row.task, float(layer_of(row) or 0)))
        for axis, stage in zip(axes, stages, strict=True):
            for task, style in line_styles(tasks).items():
                points = {x: each for (s, t, x), each in found.items() if (s, t) == (stage, task)}
                draw_line(axis, trained_on(task), style, points)
            _draw_nulls(axis, study, model, ("right", "balanced"))
            axis.set(title=titles[stage], xlabel="layer", ylabel=F1)
            _tick_layers(axis, {x for *_, x in found})
        lows, highs = zip(*(axis.get_ylim() for axis in axes), strict=True)
        for axis in axes:
            axis.set_ylim(min(lows), max(highs))
        add_legend(figure, axes)
        yield Drawing(
            slug("layers", model, reading), figure,
            f"S-F1 by layer of {model}, {reading}, before and after fine-tuning",
            f"{model}, {reading}: S-F1 on the test section by layer, the mean over the layer's "
            "heads, and of the trees that their distances make when averaged; dotted: right-"
            "branching and balanced trees. Lines are means over seeds; "
            f"{bands_are([*found.values()])} over sentences, and over several seeds too.",
        )  # fmt: skip


def change_drawings(study: Study) -> Iterator[Drawing]:
    rows = [row for row in study.at(CHANGE, metric=F1) if layer_of(row) is not None]
    for (model, reading), own in by_reading(rows).items():
        tasks = [task for task in study.tasks if task in {row.task for row in own}]
        figure, (axis,) = grid(1, 5.5, 3.2)
        seen = []
        for task, style in line_styles(tasks).items():
            points = {
                float(layer_of(row) or 0): spread
                for row in own
                if row.task == task and (spread := spread_of([row])) is not None
            }
            seen += points.values()
            draw_line(axis, shown(task), style, points)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(xlabel="layer", ylabel=f"change of {F1}")
        _tick_layers(axis, {float(layer_of(row) or 0) for row in own})
        add_legend(figure, [axis])
        yield Drawing(
            slug("change", model, reading), figure,
            f"Change of S-F1 by fine-tuning, layer by layer, of {model}, {reading}",
            f"{model}, {reading}: mean S-F1 of each layer's heads, fine-tuned less pre-trained, "
            f"paired over sentences; {bands_are(seen)} over sentences and seeds.",
        )  # fmt: skip


def masking_drawings(study: Study) -> Iterator[Drawing]:
    groups = {
        "all": ("best", "worst", "random", "like best", "like worst"),
        "layers": ("best of layer", "worst of layer", "random of layer"),
    }
    for model in study.models:
        rows = [r for r in study.at(MASKED, model=model) if r.metric == study.metric(r.task)]
        tasks = [task for task in study.tasks if task in {row.task for row in rows}]
        for group, kinds in groups.items():
            own = [row for row in rows if kind_of(row.method) in kinds]
            if own:
                yield _masking_drawing(study, model, group, own, tasks, kinds)
        if study.at(WITHOUT_LAYER, model=model):
            yield _layers_masked(study, model)


def _masking_drawing(study: Study, model: str, group: str, rows, tasks, kinds) -> Drawing:
    figure, axes = grid(len(tasks))
    seen: list[Spread] = []
    for axis, task in zip(axes, tasks, strict=True):
        found = spreads(
            [row for row in rows if row.task == task],
            lambda row: (kind_of(row.method), float(row.budget or 0)),
        )
        seen += found.values()
        for kind, style in line_styles(kinds).items():
            points = {budget: s for (name, budget), s in found.items() if name == kind}
            if points:
                draw_line(axis, kind, style, points)
        draw_levels(axis, study, model, task)
        axis.set(title=shown(task), xlabel="heads kept", ylabel=study.metric(task))
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.invert_xaxis()
    add_legend(figure, axes, columns=3)
    which = (
        "best or worst at constituents first, any, or as many of each layer at random (“like”)"
        if group == "all"
        else "as many in every layer: its best at constituents, its worst, or any"
    )
    return Drawing(
        slug("ability", model, group), figure,
        f"Metrics of {model} with heads masked by their ability at constituents, {group}",
        f"{model}, fine-tuned, heads masked: {which}. Lines are means, "
        f"{bands_are(seen, 'values (seeds and random draws)')}.",
    )  # fmt: skip


def _layers_masked(study: Study, model: str) -> Drawing:
    rows = [r for r in study.at(WITHOUT_LAYER, model=model) if r.metric == study.metric(r.task)]
    tasks = [task for task in study.tasks if any(row.task == task for row in rows)]
    figure, axes = grid(len(tasks))
    found = spreads(rows, lambda row: (row.task, float(row.method.removeprefix("layer "))))
    (style,) = line_styles(["one layer masked"]).values()
    for axis, task in zip(axes, tasks, strict=True):
        points = {layer: spread for (name, layer), spread in found.items() if name == task}
        draw_line(axis, "one layer masked", style, points)
        draw_levels(axis, study, model, task, whole=True)
        axis.set(title=shown(task), xlabel="layer without heads", ylabel=study.metric(task))
        _tick_layers(axis, points)
    return Drawing(
        slug("ability", model, "without-layer"), figure,
        f"Metrics of {model} with all heads of one layer masked, layer by layer",
        f"{model}, fine-tuned, all heads of one layer masked at a time: what is left of each "
        "task's metric; dotted: all heads, the majority-class baseline, and a bag of words. "
        f"The line is the mean, {bands_are([*found.values()])}.",
    )  # fmt: skip


# -- parts


def _tick_layers(axis: Axes, layers: Iterable[float]) -> None:
    """A tick for each layer, of many layers for some."""
    places = sorted(layers)
    axis.set_xticks(places[:: 1 + len(places) // 13])


def _draw_nulls(axis: Axes, study: Study, model: str, nulls: Iterable[str]) -> None:
    """S-F1 of trees that need no model, as levels."""
    for null in nulls:
        level = null_spread(study, model, null, F1)
        if level is not None:
            draw_level(axis, level.mean, null)
