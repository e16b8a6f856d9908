"""The attention of all heads in one text, as one file of HTML: a small map of each, unfolded into
lines between the tokens."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib import image

from jaxheads.report.figures.attention_view import READING, drawn
from jaxheads.report.folder import HeadView
from jaxheads.report.page import STYLE
from jaxheads.storage.files import write_atomically

LEAD = (
    "One square for each head, layers from top to bottom: rows attend to columns, the darker the "
    "more. Open a head to see its lines. "
)
GRID = """<style>
.heads { display: grid; gap: .5rem; grid-template-columns: repeat(COUNT, minmax(3rem, 7rem)); }
.heads img { width: 100%; image-rendering: pixelated; border: 1px solid #d4d4d4; }
.heads details { margin: 0; } .heads details[open] { grid-column: 1 / -1; }
.heads details[open] img { width: 7rem; }
</style>"""


class AttentionView:
    """A page with the attention of all heads in one text; a notebook shows it."""

    def __init__(self, tokens: tuple[str, ...], body: str) -> None:
        """Keep what `view_attention` has drawn."""
        self.tokens, self._body = tokens, body

    def __repr__(self) -> str:
        """One line."""
        return f"AttentionView({len(self.tokens)} tokens)"

    def _repr_html_(self) -> str:
        return f"<style>{STYLE.read_text(encoding='utf-8')}</style>{self._body}"

    def save(self, path: str | Path) -> None:
        """Write one file of HTML that needs nothing else.

        Raises:
          OSError: the file cannot be written.
        """
        title = escape(" ".join(self.tokens))
        head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        look = '<meta name="viewport" content="width=device-width, initial-scale=1">'
        with write_atomically(path) as draft:
            page = f"{head}{look}</head><body><main>{self._repr_html_()}</main></body></html>\n"
            draft.write_text(page, encoding="utf-8")


def view_attention(tokens: Sequence[str], attention: Float[np.ndarray, "L H T T"]) -> AttentionView:
    """Draw the attention of all heads between the tokens of a text.

    `jh.view_attention(*maps)` takes one of the maps of `jh.attention_maps`.

    Args:
      tokens: names of rows and columns.
      attention: weights of every head, from the token of a row to that of a column.

    Raises:
      ValueError: for weights between another number of tokens.
    """
    shape = np.shape(attention)
    if len(shape) != 4 or {*shape[2:]} != {len(tokens)}:
        size = len(tokens)
        raise ValueError(f"attention: expected [L, H, {size}, {size}], got {list(shape)}")
    names = tuple(map(str, tokens))
    heads = "".join(_head(names, place, attention[place]) for place in np.ndindex(*shape[:2]))
    grid = GRID.replace("COUNT", str(shape[1]))
    text = f"<h1>{escape(' '.join(names))}</h1><p>{escape(LEAD + READING)}</p>"
    return AttentionView(names, f'{grid}{text}<div class="heads attention">{heads}</div>')


def _head(names: tuple[str, ...], place: tuple[int, ...], weights: np.ndarray) -> str:
    """One head, folded."""
    title = f"layer {place[0]} head {place[1]}"
    rows = tuple(tuple(map(float, row)) for row in weights)
    view = HeadView("", "", "", title, 0, place[0], place[1], names, rows, frozenset())
    return (
        f'<details><summary title="{title}"><img alt="{title}" src="{_picture(weights)}"></summary>'
        f"{drawn(view)}</details>"
    )


def _picture(weights: np.ndarray) -> str:
    """A square for each weight, as a PNG in the address."""
    file = io.BytesIO()
    most = max(float(weights.max()), 1e-9)
    image.imsave(file, weights, vmin=0, vmax=most, cmap="Blues", format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
