"""Figures of dependency trees: heat maps of what heads find, and arcs over sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxheads.report.arc_drawing import LEGEND, Sentence, draw_sentence, places
from jaxheads.report.folder import HeadMap, Study
from jaxheads.report.maps import draw_maps, draw_small_maps
from jaxheads.report.panels import grid
from jaxheads.report.parts import Drawing, Folded, slug

SHOWN = 9  # heat maps for a model: whole trees, then the commonest relations; others are folded


def map_parts(study: Study) -> Iterator[Drawing | Folded]:
    """Layer by head: whole trees and the commonest relations open, the others folded."""
    for model in study.models:
        own = [found for found in study.maps if (found.model, found.what) == (model, "arcs")]
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
            sentence = Sentence(one.words, one.gold, pairs)
            counted = f"{len(sentence.right)} of {len(one.gold)} gold arcs found"
            draw_sentence(axis, sentence, f"{name}: {counted}")
        yield Drawing(
            slug("arcs-over", model), figure,
            f"Gold dependency arcs and those of the best heads of {model} over sentences",
            f"{model}: sentences on which no head was chosen. {LEGEND}",
        )  # fmt: skip
