"""Drawings as a page has them: what the pointer is told, and letters that no font has."""

from __future__ import annotations

import re

import matplotlib as mpl
import pytest

from jaxheads.report.figures.drawing import _letters as letters
from jaxheads.report.figures.drawing import drawable, render
from jaxheads.report.figures.panels import add_legend, draw_line, grid, name_heads_axis
from jaxheads.report.figures.style import FIXED
from jaxheads.report.page import _part as page_part
from jaxheads.report.parts import Drawing
from jaxheads.report.spread import Spread


def test_the_pointer_on_a_point_is_told_its_value_and_bounds():
    figure, (axis,) = grid(1)
    points = {8: Spread(0.875, 0.8, 0.95, 3, "range"), 16: Spread(0.9, 0.9, 0.9, 1, "one value")}
    draw_line(axis, "a <b>", FIXED["gradient"], points)
    draw_line(axis, "same", FIXED["random"], {16: points[16]})
    name_heads_axis(axis, "sst2", "accuracy")
    svg = render(Drawing("points", figure, "", "")).svg
    assert "<title>heads kept 8, a &lt;b&gt;: 0.875 (0.800 to 0.950)</title>" in svg
    assert "<title>heads kept 16, a &lt;b&gt;: 0.900\nheads kept 16, same: 0.900</title>" in svg
    (place,) = re.findall(
        r'<rect x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"><title>.* 8,', svg
    )
    left, top, wide, high = map(float, place)
    x, y = axis.transData.transform((8, 0.875)) * 72 / figure.dpi
    center = (left + wide / 2, top + high / 2)
    assert center == pytest.approx((x, figure.get_figheight() * 72 - y), abs=0.2)


def test_letters_are_drawn_or_a_box_stands_for_them_and_it_is_said(monkeypatch):
    figure, (axis,) = grid(1)
    axis.set(title="hund 狗", xlabel="שלום עולם", ylabel="مرحبا")
    drawing = Drawing("letters", figure, "", "a caption")
    found = render(drawing)
    assert (axis.get_title(), axis.get_xlabel()) == ("hund □", "שלום עולם")
    html = "".join(page_part(drawing, {"letters": found}))
    assert "□ stands for a letter that figures cannot draw" in html
    axis.set_title("hund")
    html = "".join(page_part(drawing, {"letters": render(drawing)}))
    assert "stands for" not in html
    monkeypatch.setattr(mpl, "__version_info__", (3, 10))  # which writes from left to right alone
    letters.cache_clear()
    assert drawable("אב hund") == "□□ hund"
    letters.cache_clear()


def test_a_legend_has_no_more_columns_than_its_figure_has_room_for():
    for panels, columns in ((1, 2), (3, 4)):
        figure, axes = grid(panels)
        for name in ("gradient", "random", "reversed", "gradient, iterative"):
            axes[0].plot([0, 1], label=name)
        add_legend(figure, axes)
        render(Drawing("legend", figure, "", ""))
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert legend._ncols == columns
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width
