"""Layer by head: the scores of a model on each task, as heat maps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from jaxheads.records.folder import FROZEN, OWN, TUNED, Metric, Stage
from jaxheads.report.baseline import at_chance, floor_suffices
from jaxheads.report.figures.panels import draw_cells, grid
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Drawing, Section, section, slug
from jaxheads.report.spread import short

COLORS, SMALL = "viridis", 1.3  # inches: of a small map
_PLACES = {
    TUNED: "measured in the pre-trained model for masked LM, in the fine-tuned ones for tasks",
    FROZEN: "measured under a linear probe (encoder frozen)",
}


def maps_section(study: Study) -> Section | None:
    """A drawing for each model and place of measuring."""
    lead = (
        "Importance of every head: the higher the score, the more the loss changes when the head "
        "is weakened. Each map has a scale of its own, on the bar beside it; compare "
        "patterns between maps, not colours."
    )
    return section("maps", "Where the important heads are", lead, _drawings(study))


def _drawings(study: Study) -> Iterator[Drawing]:
    for model, place in itertools.product(study.models, _PLACES):
        found: dict[str, list[np.ndarray]] = {}
        for one in study.scores:
            if (one.model, one.place) == (model, place):
                found.setdefault(one.task, []).append(one.score_LH)
        if found:
            yield _drawing(study, model, place, found)


def _drawing(study: Study, model: str, place: str, found: dict[str, list[np.ndarray]]) -> Drawing:
    seeds = sorted({len(scores) for scores in found.values()})
    maps = {task: np.mean(scores, axis=0) for task, scores in found.items()}
    figure = draw_maps([(shown(task), score_LH) for task, score_LH in maps.items()])
    caption = (
        f"{model}: head scores, {_PLACES[place]}. Mean over seeds (n = "
        f"{' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))}); dark is the lowest score "
        "of a map, light the highest."
    )
    marked = False
    for axis, (task, score_LH) in zip(figure.axes, maps.items(), strict=False):
        kept_LH = kept_heads(study, model, task, score_LH) if place == TUNED else None
        if kept_LH is not None:
            layer, head = np.nonzero(kept_LH)
            axis.plot(head + 0.5, layer + 0.5, "o", color="white", markeredgecolor="black")
            marked = True
    caption += (
        " Dots: the heads that stay by this mean when as many are masked as each seed's own "
        "order may lose at 95% of the metric (k95, mean over seeds, rounded down)."
    ) * marked
    alt = f"Heat maps of head scores, layer by head, of {model} on {', '.join(map(shown, found))}"
    name = slug("heads", model, *(["frozen"] if place == FROZEN else []))
    return Drawing(name, figure, alt, caption)


def kept_heads(
    study: Study, model: str, task: str, score_LH: Float[np.ndarray, "L H"]
) -> Bool[np.ndarray, "L H"] | None:
    """The heads that k95 leaves, by their scores; None where it is not known or says nothing."""
    own = {"model": model, "task": task, "metric": Metric.K95, "method": OWN}
    k95 = study.spread(Stage.PRUNABILITY, **own, reading="", other_task="")
    if k95 is None or k95.mean >= score_LH.size or at_chance(study, model, task):
        return None
    if floor_suffices(study, model, task, 0.95):
        return None
    kept_LH = np.ones(score_LH.shape, bool)
    lowest = np.argsort(score_LH, axis=None, kind="stable")[: int(k95.mean)]
    kept_LH[np.unravel_index(lowest, score_LH.shape)] = False
    return kept_LH


def draw_maps(maps: Sequence[tuple[str, Float[np.ndarray, "L H"]]]) -> Figure:
    """Maps with their titles, side by side."""
    layers, heads = np.max([np.shape(value_LH) for _, value_LH in maps], axis=0)
    height = 0.8 + 1.9 * min(layers / heads, 2.0)
    figure, axes = grid(len(maps), 2.7, height, columns=3 if len(maps) <= 9 else 4)
    for axis, (title, value_LH) in zip(axes, maps, strict=True):
        _draw_map(axis, title, value_LH)
    return figure


def draw_small_maps(maps: Sequence[tuple[str, Float[np.ndarray, "L H"]]]) -> Figure:
    """Many maps as small pictures, without numbers of layers and heads; their ends in the title."""
    figure, axes = grid(len(maps), SMALL, SMALL, columns=6)
    for axis, (title, value_LH) in zip(axes, maps, strict=True):
        low, high, ends = _scale(value_LH)
        axis.grid(False)
        axis.imshow(value_LH, COLORS, vmin=low, vmax=high, aspect="auto")
        axis.set(xticks=(), yticks=())
        axis.set_title(f"{title}\n{ends}", fontsize=7)
    return figure


def _scale(value_LH: Float[np.ndarray, "L H"]) -> tuple[float, float, str]:
    """Where the colours of a map begin and end, and its own ends in words."""
    low, high = float(np.nanmin(value_LH)), float(np.nanmax(value_LH))
    return low, high if high > low else low + 1, f"{short(low)} to {short(high)}"


def _draw_map(axis: Axes, title: str, score_LH: Float[np.ndarray, "L H"]) -> None:
    """One map with a scale of its own, on a bar beside it; NaN stays white."""
    low, high, _ = _scale(score_LH)
    draw_cells(axis, score_LH, low, high, COLORS)
    highest = float(np.nanmax(score_LH))
    place = axis.inset_axes((1.03, 0.0, 0.05, 1.0))  # as high as the map
    shades = ScalarMappable(Normalize(low, high), mpl.colormaps[COLORS].resampled(32))
    bar = axis.figure.colorbar(shades, cax=place, ticks=sorted({low, highest}))
    bar.set_ticklabels([short(end) for end in sorted({low, highest})])
    bar.outline.set_visible(False)
    layers, heads = score_LH.shape
    for ticks, count in ((axis.set_xticks, heads), (axis.set_yticks, layers)):
        step = 1 if count <= 8 else 2  # as many labels as fit
        numbers = range(0, count, step)
        ticks([n + 0.5 for n in numbers], [str(n) for n in numbers])
    axis.set(title=title, ylabel="layer", xlabel="head")
