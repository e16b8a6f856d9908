"""Figures of dependency trees: heat maps of what heads find, and arcs over sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.ticker import MaxNLocator

from jaxheads.records.folder import ARC_MAPS, CHAIN, MAX, MST, PRETRAINING, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.figures.panels import add_legend, bands_are, draw_level, draw_lines, grid
from jaxheads.report.folder import HeadMap, Study
from jaxheads.report.htut2019.arc_drawing import LEGEND, ArcSentence, draw_sentence, places
from jaxheads.report.maps import draw_maps, draw_small_maps
from jaxheads.report.names import shown
from jaxheads.report.parts import Drawing, Folded, slug
from jaxheads.report.spread import Spread, spreads

RANDOM_WEIGHTS = "random weights"
SHOWN = 9  # heat maps for a model: whole trees, then the most frequent relations; others are folded


def map_parts(study: Study) -> Iterator[Drawing | Folded]:
    """Layer by head: whole trees and the most frequent relations open, the others folded."""
    for model in study.models:
        where = (model, ARC_MAPS, "")
        own = [found for found in study.maps if (found.model, found.what, found.task) == where]
        chosen = [found for found in own if np.isfinite(found.value_LH).any()]
        chosen = [one for one in chosen if one.name != "MST, log"]
        first, others = chosen[:SHOWN], chosen[SHOWN:]
        if first:
            yield Drawing(
                slug("arcs", model), draw_maps([(one.name, one.value_LH) for one in first]),
                f"Heat maps, layer by head, of the arcs that heads of {model} find",
                f"{model}: share of arcs that each head finds: whole trees without punctuation "
                f"under MST and MAX, then single relations under MAX ({_listed(first)}). Each map "
                "has a scale of its own; all sentences.",
            )  # fmt: skip
        if others:
            summary = f"{model}: the same of {len(others)} further maps ({_listed(others)})"
            yield Folded(slug("arcs-others", model), summary, (_others(model, others),))


def _others(model: str, maps: list[HeadMap]) -> Drawing:
    return Drawing(
        slug("arcs-further", model),
        draw_small_maps([(one.name, one.value_LH) for one in maps]),
        f"Small heat maps, layer by head, of the rarer arcs that heads of {model} find",
        f"{model}: the same of rarer relations and of the attention on all gold arcs; layers from "
        "top to bottom, heads from left to right.",
    )


def layer_drawings(study: Study) -> Iterator[Drawing]:
    """The best head of each layer for whole trees, beside random weights and the chain."""
    for model in dict.fromkeys(row.model for row in study.at(Stage.LAYER_BEST)):
        figure, axes = grid(2, 4.4, 3.0)
        states = [shown(name) for name in ("as it is", RANDOM_WEIGHTS, *study.downstream)]
        seen: list[Spread] = []
        for axis, reading in zip(axes, (MAX, MST), strict=True):
            where = {"model": model, "reading": reading, "metric": Metric.UUAS}
            rows = [
                row
                for stage in (Stage.LAYER_BEST, Stage.RANDOM_LAYER_BEST)
                for row in study.at(stage, **where)
            ]
            seen += draw_lines(axis, spreads(rows, _state, "layer"), states)
            chain = study.spread(Stage.BASELINE, **where, method=CHAIN)
            if chain is not None:
                draw_level(axis, chain.mean, CHAIN)
            axis.set(title=reading.upper(), xlabel="layer", ylabel=Metric.UUAS)
            axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        add_legend(figure, axes)
        yield Drawing(
            slug("arcs-layers", model), figure,
            f"UUAS of the best head of each layer of {model}, under MAX and MST",
            f"{model}: UUAS without punctuation of the best head of each layer, chosen on one half "
            "of the sentences and scored on the other, as pre-trained, with random weights, and "
            f"fine-tuned; {bands_are(seen)}.",
        )  # fmt: skip


def _state(row: Row) -> str:
    """The state of the model, or the task that it was fine-tuned on."""
    if row.stage == Stage.RANDOM_LAYER_BEST:
        return RANDOM_WEIGHTS
    return "as it is" if row.task == PRETRAINING else shown(row.task)


def _listed(maps: list[HeadMap]) -> str:
    return ", ".join(found.name for found in maps)


def arc_drawings(study: Study) -> Iterator[Drawing]:
    """What the best heads make of some sentences, below their gold arcs."""
    for model in dict.fromkeys(one.model for one in study.arcs):
        own = [one for one in study.arcs if one.model == model]
        panels = [(one, name, pairs) for one in own for name, pairs in one.drawn.items()]
        width = max(places(one.words)[-1] for one in own) * 0.085 + 0.5
        figure, axes = grid(len(panels), max(width, 4.0), 2.5, columns=1)
        for axis, (one, name, pairs) in zip(axes, panels, strict=True):
            sentence = ArcSentence(one.words, one.gold, pairs)
            counted = f"{len(sentence.right)} of {len(one.gold)} gold arcs found"
            draw_sentence(axis, sentence, f"{name}: {counted}")
        yield Drawing(
            slug("arcs-over", model), figure,
            f"Gold dependency arcs and those of the best heads of {model} over sentences",
            f"{model}: sentences on which no head was chosen. {LEGEND}",
        )  # fmt: skip
