"""The figure of `jaxheads bench --scaling`: bytes moved against the number of devices."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from jaxheads.report.drawing import render, save
from jaxheads.report.looks import SPARE, STYLE
from jaxheads.report.parts import Drawing

FILE = "scaling.json"


def report(folder: Path) -> str:
    """Draw what was counted; say where the figure is."""
    rows = json.loads((folder / FILE).read_text())
    with mpl.rc_context(STYLE):
        drawing = _drawing(rows)
        paths = save(drawing, render(drawing), folder)
    return f"wrote {', '.join(map(str, [folder / FILE, *paths]))}"


def _drawing(rows: list[dict[str, int]]) -> Drawing:
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axis = figure.add_subplot()
    devices = [row["devices"] for row in rows]
    for name, look in zip([name for name in rows[0] if name != "devices"], SPARE, strict=False):
        how = {"color": look.color, "marker": look.marker, "linestyle": look.line}
        axis.plot(devices, [row[name] for row in rows], label=name, **how)
    axis.set_xscale("log", base=2)
    axis.set_xticks(devices, [str(count) for count in devices])
    axis.set_yscale("symlog", linthresh=100)
    axis.set_xlabel("devices, with as many examples on each")
    axis.set_ylabel("bytes moved, by device")
    axis.legend(loc="center right")
    words = "Bytes that collectives move, by the number of devices"
    return Drawing("scaling", figure, words, words)
