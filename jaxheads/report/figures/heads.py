"""One map over heads as a figure, for a notebook or a paper."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jaxheads.report.figures.panels import draw_cells, grid
from jaxheads.report.figures.style import STYLE


def plot_heads(
    score_LH: ArrayLike, mask: ArrayLike | None = None, *, title: str = "", label: str = "score"
) -> Figure:
    """Draw a map over heads: a row a layer, a column a head, a colour bar beside them.

    Args:
      score_LH: importance, or any other number of each head, `[L, H]`; NaN is left white.
      mask: boolean `[L, H]`, True for heads that are kept: the others are crossed out.
      title: above the map.
      label: of the colour bar, with the unit.

    Returns:
      A matplotlib figure of its own; `figure.savefig("heads.png")` writes it.

    Raises:
      ValueError: for arrays that are not `[L, H]`, or of different shapes.
    """
    values, kept = _checked(score_LH, mask)
    layers, heads = values.shape
    with mpl.rc_context(STYLE):
        figure, (axis,) = grid(1, width=0.42 * heads + 1.6, height=0.34 * layers + 1.0)
        low, high = (float(f(values)) for f in (np.nanmin, np.nanmax))
        cells = draw_cells(axis, values, low, high, "Blues")
        for layer, head in np.argwhere(~kept):
            x, y = (head + 0.25, head + 0.75), (layer + 0.25, layer + 0.75)
            axis.plot(x, y, x, y[::-1], color="black", linewidth=0.8)
        axis.set_xticks(np.arange(heads) + 0.5, map(str, range(heads)))
        axis.set_yticks(np.arange(layers) + 0.5, map(str, range(layers)))
        axis.set(xlabel="head", ylabel="layer", title=title)
        figure.colorbar(cells, ax=axis, label=label)
    return figure


def _checked(
    score_LH: ArrayLike, mask: ArrayLike | None
) -> tuple[Float[np.ndarray, "L H"], Bool[np.ndarray, "L H"]]:
    values = np.asarray(score_LH, float)
    kept = np.ones(values.shape, bool) if mask is None else np.asarray(mask)
    if values.ndim != 2 or not np.isfinite(values).any():
        raise ValueError(f"plot_heads: expected numbers [L, H], got shape {list(values.shape)}")
    if kept.shape != values.shape or kept.dtype != bool:
        raise ValueError(
            f"plot_heads: expected a mask of booleans {list(values.shape)}, got {kept.dtype} "
            f"{list(kept.shape)}"
        )
    return values, kept
