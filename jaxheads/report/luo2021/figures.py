"""Figures of a study of constituents: maps, ensembles, layers and their changes, masking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxheads.records.folder import (
    BEST,
    LIKE_BEST,
    LIKE_WORST,
    OF_LAYER,
    RANDOM,
    SPAN_MAPS,
    WORST,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.curves import draw_levels, orders_drawing
from jaxheads.report.figures.panels import add_legend, bands_are, draw_lines, draw_several, grid
from jaxheads.report.folder import Study
from jaxheads.report.luo2021.tables import reading_of, trained_on
from jaxheads.report.maps import draw_maps
from jaxheads.report.names import shown
from jaxheads.report.parts import Drawing, slug
from jaxheads.report.spread import kept, spreads

MASKED = {
    "all": (
        (BEST, WORST, RANDOM, LIKE_BEST, LIKE_WORST),
        "best or worst at constituents first, any, or as many of each layer at random (“like”)",
    ),
    "layers": (
        tuple(f"{which} {OF_LAYER}" for which in (BEST, WORST, RANDOM)),
        "as many in every layer: its best at constituents, its worst, or any",
    ),
}


def map_drawings(study: Study) -> Iterator[Drawing]:
    """Heat maps of what each head of a pre-trained model finds."""
    for model in study.models:
        where = (model, SPAN_MAPS, "")
        own = [each for each in study.maps if (each.model, each.what, each.task) == where]
        own = [each for each in own if not np.isnan(each.value_LH).all()]
        if not own:
            continue
        yield Drawing(
            slug("constituents", model), draw_maps([(each.name, each.value_LH) for each in own]),
            f"Heat maps of F1 and label recalls of {model}, layer by head",
            f"{model}, pre-trained: S-F1 of the main reading and of the others, recall of each "
            "label, and the two rankings that see no label. Each map has a scale of its own, its "
            "ends are written below it.",
        )  # fmt: skip


def ensemble_drawings(study: Study) -> Iterator[Drawing]:
    """S-F1 of the first heads of every ranking together."""
    for (model, reading), rows in _by_reading(study.at(Stage.ENSEMBLES)).items():
        figure, (axis,) = grid(1, 5.5, 3.2)
        seen = draw_lines(axis, spreads(rows, lambda row: f"ranked by {row.method}", kept))
        _draw_nulls(axis, study, model, ("right", "balanced", RANDOM))
        axis.set(xlabel="heads in the ensemble", ylabel=Metric.F1)
        add_legend(figure, [axis])
        yield Drawing(
            slug("ensembles", model, reading), figure,
            f"S-F1 of ensembles of the first K heads of {model}, {reading}",
            f"{model}, {reading}: trees of the mean distances of the first K heads. “F1 on tune” "
            f"has seen labels, the others have not; {bands_are(seen)}.",
        )  # fmt: skip


def layer_drawings(study: Study) -> Iterator[Drawing]:
    """S-F1 by layer, of its heads and of their mean distances, before and after fine-tuning."""
    titles = {
        Stage.LAYER_MEAN: "mean of the layer's heads",
        Stage.LAYER_TREES: "trees of their mean distances",
    }
    rows = [row for stage in titles for row in study.at(stage, metric=Metric.F1)]
    for (model, reading), own in _by_reading(rows).items():
        stages = [stage for stage in titles if any(row.stage == stage for row in own)]
        states = [trained_on(task) for task in study.tasks if task in {row.task for row in own}]
        figure, axes = grid(len(stages), 3.6)
        seen = []
        for axis, stage in zip(axes, stages, strict=True):
            found = spreads([row for row in own if row.stage == stage], _state, "layer")
            seen += draw_lines(axis, found, states)
            _draw_nulls(axis, study, model, ("right", "balanced"))
            axis.set(title=titles[stage], xlabel="layer", ylabel=Metric.F1)
            _tick_layers(axis, own)
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
            f"{bands_are(seen)} over sentences, and over several seeds too.",
        )  # fmt: skip


def change_drawings(study: Study) -> Iterator[Drawing]:
    """What fine-tuning changes in each layer."""
    rows = [row for row in study.at(Stage.CHANGE, metric=Metric.F1) if row.layer is not None]
    for (model, reading), own in _by_reading(rows).items():
        figure, (axis,) = grid(1, 5.5, 3.2)
        tasks = [shown(task) for task in study.tasks if task in {row.task for row in own}]
        seen = draw_lines(axis, spreads(own, _state, "layer"), tasks)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(xlabel="layer", ylabel=f"change of {Metric.F1}")
        _tick_layers(axis, own)
        add_legend(figure, [axis])
        yield Drawing(
            slug("change", model, reading), figure,
            f"Change of S-F1 by fine-tuning, layer by layer, of {model}, {reading}",
            f"{model}, {reading}: mean S-F1 of each layer's heads, fine-tuned less pre-trained, "
            f"paired over sentences; {bands_are(seen)} over sentences and seeds.",
        )  # fmt: skip


def masking_drawings(study: Study) -> Iterator[Drawing]:
    """What is left of each task's metric without heads chosen by their ability."""
    for model in study.models:
        rows = study.main(Stage.ABILITY_MASKED, model=model)
        for group, (ways, which) in MASKED.items():
            own = [row for row in rows if row.method in ways]
            if own:
                yield orders_drawing(
                    study, slug("ability", model, group), own,
                    f"{model}, fine-tuned, heads masked: {which}.",
                    f"Metrics of {model} with heads masked by their ability at constituents, "
                    f"{group}", 3,
                )  # fmt: skip
        if study.at(Stage.LAYER_MASKED, model=model):
            yield _layers_masked(study, model)


def _layers_masked(study: Study, model: str) -> Drawing:
    rows = study.main(Stage.LAYER_MASKED, model=model)
    tasks = [task for task in study.tasks if task in {row.task for row in rows}]
    figure, axes = grid(len(tasks))
    seen = []
    for axis, task in zip(axes, tasks, strict=True):
        own = [row for row in rows if row.task == task]
        seen += draw_lines(axis, spreads(own, lambda _: "one layer masked", "layer"))
        draw_levels(axis, study, model, task, whole=True)
        axis.set(title=shown(task), xlabel="layer without heads", ylabel=study.metric(task))
        _tick_layers(axis, own)
    return Drawing(
        slug("ability", model, "without-layer"), figure,
        f"Metrics of {model} with all heads of one layer masked, layer by layer",
        f"{model}, fine-tuned, all heads of one layer masked at a time: what is left of each "
        "task's metric; dotted: all heads, the majority-class baseline, and a bag of words. "
        f"The line is the mean, {bands_are(seen)}.",
    )  # fmt: skip


# -- parts


def _by_reading(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows by model and reading."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.model, reading_of(row)), []).append(row)
    return groups


def _state(row: Row) -> str:
    return trained_on(row.task)


def _tick_layers(axis: Axes, rows: Sequence[Row]) -> None:
    """A tick for each layer, of many layers for some."""
    places = sorted({row.layer for row in rows if row.layer is not None})
    axis.set_xticks(places[:: 1 + len(places) // 13])


def _draw_nulls(axis: Axes, study: Study, model: str, nulls: Iterable[str]) -> None:
    """S-F1 of trees that need no model, as levels."""
    where = {"model": model, "metric": Metric.F1}
    found = {null: study.spread(Stage.TREE_BASELINES, **where, method=null) for null in nulls}
    draw_several(axis, {null: level.mean for null, level in found.items() if level is not None})
