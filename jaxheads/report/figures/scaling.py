"""The figure of `jaxheads bench --scaling`: bytes moved against the number of devices."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from jaxheads.report.figures.drawing import render, save
from jaxheads.report.figures.style import SPARE, STYLE
from jaxheads.report.parts import Drawing

FILE = "scaling.json"
SIZE, SIZE_LABEL = "gradient", "size of the gradient"  # a wide line behind what is moved


def report(folder: Path) -> str:
    """Draw what was counted; say where the figure is."""
    rows = json.loads((folder / FILE).read_text())
    with mpl.rc_context({**STYLE, "text.parse_math": True}):  # powers of ten
        drawing = _drawing(rows)
        paths = save(drawing, render(drawing), folder)
    return f"wrote {', '.join(map(str, [folder / FILE, *paths]))}"


def _drawing(rows: list[dict[str, int]]) -> Drawing:
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axis = figure.add_subplot()
    devices = [row["devices"] for row in rows]
    axis.plot(devices, [row[SIZE] for row in rows], label=SIZE_LABEL, color="0.7", linewidth=6)
    names = [name for name in rows[0] if name not in ("devices", SIZE)]
    for name, style in zip(names, SPARE, strict=False):
        how = {"color": style.color, "marker": style.marker, "linestyle": style.line}
        axis.plot(devices, [row[name] for row in rows], label=name, **how)
    axis.set_xscale("log", base=2)
    axis.set_xticks(devices, [str(count) for count in devices])
    axis.set_yscale("symlog", linthresh=100)
    axis.set_ylim(-50, 20 * max(max(row.values()) for row in rows))
    axis.set_xlabel("devices, with as many examples on each")
    axis.set_ylabel("bytes moved, by device")
    figure.legend(loc="outside upper center", ncols=2)
    words = "Bytes that collectives move, by the number of devices"
    return Drawing("scaling", figure, words, words)
