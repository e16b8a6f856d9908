"""A drawing as files and as a part of the page; the same drawing gives the same bytes."""

from __future__ import annotations

import io
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from matplotlib.text import Text

from jaxheads.report.parts import Drawing
from jaxheads.storage.files import write_atomically

DPI = 150
LONG = re.compile(r"(\S{29})\S{11,}")  # a word, and what is cut off it
_NO_METADATA = {"svg": {"Date": None, "Creator": None, "Format": None, "Type": None}, "png": None}


class Rendered(NamedTuple):
    """One drawing in both formats."""

    svg: str
    png: bytes


def render(drawing: Drawing) -> Rendered:
    """Both formats of a drawing; words of more letters than a figure has room for are cut short."""
    for text in drawing.figure.findobj(Text):
        text.set_text(LONG.sub(r"\1…", text.get_text()))
    drawing.figure.draw_without_rendering()  # lays everything out, once for both
    drawing.figure.set_layout_engine("none")
    return Rendered(_bytes(drawing, "svg").decode(), _bytes(drawing, "png"))


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
