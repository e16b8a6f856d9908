"""Maps of heads as notebooks show them: tables whose squares are darker where a value is higher."""

from __future__ import annotations

import html

import numpy as np
from jaxtyping import Float


class HeadMaps(dict[str, Float[np.ndarray, "L H"]]):
    """Arrays `[L, H]` by name, which a terminal or a notebook shows in short."""

    def __repr__(self) -> str:
        """The names and the highest value of each map."""
        best = ", ".join(f"{name} {map_LH.max():.3g}" for name, map_LH in self.items())
        layers, heads = next(iter(self.values())).shape if self else (0, 0)
        return f"HeadMaps({layers} layers x {heads} heads, highest of each: {best})"

    def _repr_html_(self) -> str:
        """A heat map each, all but the first folded."""
        return "".join(
            f"<details{'' if place else ' open'}><summary>{html.escape(name)}</summary>"
            f"{heat_map(map_LH, '')}</details>"
            for place, (name, map_LH) in enumerate(self.items())
        )


def heat_map(map_LH: Float[np.ndarray, "L H"], caption: str) -> str:
    """A table in HTML: a row a layer, white for the lowest value to blue for the highest."""
    low, high = map_LH.min(initial=np.inf), map_LH.max(initial=-np.inf)
    span = max(float(high - low), np.finfo(float).tiny)
    numbers = "".join(f"<th>{head}</th>" for head in range(map_LH.shape[1]))
    rows = "".join(
        f"<tr><th>layer {layer}</th>"
        + "".join(_cell(value, (value - low) / span) for value in row)
        + "</tr>"
        for layer, row in enumerate(map_LH.tolist())
    )
    named = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{named}<tr><th>head</th>{numbers}</tr>{rows}</table>"


def _cell(value: float, share: float) -> str:
    red, green, blue = (round(255 + share * (end - 255)) for end in (0, 84, 148))
    ink = "white" if share > 0.5 else "black"
    style = f"background:rgb({red},{green},{blue});color:{ink}"
    return f'<td style="{style}">{value:.2g}</td>'
