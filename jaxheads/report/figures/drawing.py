"""A drawing as files and as a part of the page; the same drawing gives the same bytes."""

from __future__ import annotations

import functools
import io
import re
import unicodedata
from html import escape
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from jaxheads.report.figures.panels import POINT, SQUARE
from jaxheads.report.figures.style import STYLE
from jaxheads.report.parts import Drawing
from jaxheads.storage.files import write_atomically

DPI = 150
BOX = "□"  # in the place of a letter that cannot be drawn
REACH = 5.0  # pixels around a point in which the pointer rests on it
LONG = re.compile(r"(\S{29})\S{11,}")  # a word, and what is cut off it
_NO_METADATA = {"svg": {"Date": None, "Creator": None, "Format": None, "Type": None}, "png": None}


class Rendered(NamedTuple):
    """One drawing in both formats; `boxes`: whether some letters could not be drawn."""

    svg: str
    png: bytes
    boxes: bool = False


def render(drawing: Drawing) -> Rendered:
    """Both formats of a drawing; words of more letters than a figure has room for are cut short."""
    boxes = False
    for text in drawing.figure.findobj(Text):
        words = drawable(LONG.sub(r"\1…", text.get_text()))
        boxes |= BOX in words
        text.set_text(words)
    drawing.figure.draw_without_rendering()  # lays everything out, once for both
    drawing.figure.set_layout_engine("none")
    svg = _bytes(drawing, "svg").decode()
    svg = svg.replace("</svg>", f"{_tips(drawing.figure)}</svg>")
    return Rendered(svg, _bytes(drawing, "png"), boxes)


def drawable(words: str) -> str:
    """The words with a box in the place of every letter that figures cannot draw."""
    known = _letters()
    return "".join(letter if ord(letter) in known else BOX for letter in words)


@functools.cache
def _letters() -> frozenset[int]:
    """What the font of figures has; from right to left only where matplotlib can write so."""
    font = get_font(findfont(STYLE["font.family"]))
    known = {*font.get_charmap(), ord("\n")}
    if mpl.__version_info__ < (3, 11):
        known -= {code for code in known if unicodedata.bidirectional(chr(code)) in ("R", "AL")}
    return frozenset(known)


def _tips(figure: Figure) -> str:
    """What a browser says where the pointer rests: the words of texts that are not drawn."""
    found: dict[tuple[float, ...], list[str]] = {}
    axes = {id(axis.transData): axis for axis in figure.axes}
    for text in figure.texts:
        axis, kind = axes.get(id(text.get_transform())), text.get_gid()
        x, y = map(float, text.get_position())
        if axis is None or kind not in (POINT, SQUARE):
            continue
        corners = np.array([[x, y], [x + 1, y + 1] if kind == SQUARE else [x, y]], float)
        (left, low), (right, high) = axis.transData.transform(corners)
        room = REACH if kind == POINT else 0.0
        box = (min(left, right) - room, min(low, high) - room, abs(right - left) + 2 * room)
        box = (*box, abs(high - low) + 2 * room)
        place = _named(axis.xaxis, x)
        where = f"{_named(axis.yaxis, y)}, {place}: " if kind == SQUARE else f"{place}, "
        found.setdefault(tuple(round(float(each), 1) for each in box), []).append(
            where + text.get_text()
        )
    scale, height = 72 / figure.dpi, figure.bbox.height
    lines = []
    for (left, low, wide, high), words in found.items():
        sides = [left * scale, (height - low - high) * scale, wide * scale, high * scale]
        x, y, width, tall = (f"{side:.1f}" for side in sides)
        lines.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{tall}">'
            f"<title>{escape(chr(10).join(words))}</title></rect>"
        )
    return f'<g fill="none" pointer-events="all">{"".join(lines)}</g>' if lines else ""


def _named(axis: Axis, place: float) -> str:
    """A place on an axis: by its number, or by its own name where the axis has none."""
    label = axis.get_label_text().split("\n")[0]
    if not label:
        names = [each.get_text() for each in axis.get_ticklabels()]
        return names[int(place)] if int(place) < len(names) else f"{place:g}"
    return f"{label} {place:g}"


def save(drawing: Drawing, rendered: Rendered, folder: Path) -> list[Path]:
    """Write NAME.svg and NAME.png."""
    files = {"svg": rendered.svg.encode(), "png": rendered.png}
    paths = [folder / f"{drawing.name}.{kind}" for kind in files]
    for path, data in zip(paths, files.values(), strict=True):
        with write_atomically(path) as draft:
            draft.write_bytes(data)
    return paths


def inline(drawing: Drawing, rendered: Rendered) -> str:
    """The SVG as HTML has it: ids of its own, styles that stay in it, a name for screen readers."""
    svg = rendered.svg[rendered.svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    name = f"svg-{drawing.name}"
    svg = re.sub(r'\bid="', f'id="{name}.', svg)
    svg = re.sub(r'(href="|url\()#', rf"\g<1>#{name}.", svg)
    svg = svg.replace('<style type="text/css">*{', f'<style>[id="{name}"] *{{')
    label = escape(drawing.alt, quote=True)
    return svg.replace("<svg ", f'<svg id="{name}" role="img" aria-label="{label}" ', 1)


def _bytes(drawing: Drawing, kind: str) -> bytes:
    file = io.BytesIO()
    drawing.figure.savefig(file, format=kind, dpi=DPI, metadata=_NO_METADATA[kind])
    return file.getvalue()
