"""A study's figure and findings come from its rows, and say what stands there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib.colors
import pytest

from jaxheads.records import Row, append_rows
from jaxheads.report.curves import LOOKS, OTHER_LOOKS, curves_figure, draw_curves
from jaxheads.report.spread import kind_of, spreads
from jaxheads.report.study import findings, report

METHODS = ("gradient", "reversed gradient", "random 0", "random 1")


def row(value, *, task="sst2", metric="accuracy", **what) -> Row:
    return Row("a study", "roberta", task, metric, value, **what)


def rows() -> list[Row]:
    """Curves of two tasks at 0, 4 and 8 heads, by two seeds; budget / 10 + seed / 100."""
    found = [row(0.5, stage="floor"), row(0.69, stage="floor", metric="loss")]
    found += [row(0.8 + seed / 100, stage="fine-tuned", seed=seed) for seed in (0, 1)]
    for task in ("mlm", "sst2"):
        for method in METHODS:
            for budget in (8, 4, 0):
                for seed in (0, 1):
                    what = {"stage": "masked", "method": method, "budget": budget, "seed": seed}
                    found.append(row(budget / 10 + seed / 100, task=task, **what))
                    found.append(row(9.0, task=task, metric="loss", **what))
    for seed, value in ((0, 0.7), (1, 0.74)):
        what = {"stage": "pruned, then fine-tuned", "method": "gradient", "budget": 4}
        found.append(row(value, seed=seed, **what))
    return found


def test_a_panel_stands_for_each_task_and_its_metric():
    axes = curves_figure(rows()).axes
    assert [(ax.get_title(), ax.get_ylabel()) for ax in axes] == [
        ("mlm", "accuracy"),
        ("sst2", "accuracy"),
    ]
    assert all(ax.xaxis_inverted() for ax in axes)  # from all heads to none


def test_lines_are_means_over_seeds_and_draws():
    (line,) = [line for line in curves_figure(rows()).axes[0].lines if line.get_label() == "random"]
    assert line.get_xdata().tolist() == [0, 4, 8]
    assert line.get_ydata() == pytest.approx([0.005, 0.405, 0.805])


def test_what_was_trained_after_pruning_and_the_floor_are_in_their_panel():
    mlm, sst2 = curves_figure(rows()).axes
    assert [len(ax.containers) for ax in (mlm, sst2)] == [0, 1]
    point, _, bars = sst2.containers[0].lines
    assert point.get_ydata() == pytest.approx([0.72])
    assert bars[0].get_segments()[0][:, 1] == pytest.approx([0.70, 0.74])
    assert [text.get_text() for text in sst2.texts] == ["commonest label"]
    assert not mlm.texts


def test_kinds_of_order_differ_in_colour_marker_and_line():
    looks = [*LOOKS.values()]
    for part in zip(*looks, strict=True):
        assert len(set(part)) == len(looks)
    assert len({look.color for look in (*looks, *OTHER_LOOKS)}) == len(looks) + len(OTHER_LOOKS)


def test_kinds_of_order_differ_in_grey_too():
    """Printed without colour, kinds are not all of one lightness."""
    light = [
        matplotlib.colors.rgb_to_hsv(matplotlib.colors.to_rgb(x.color))[2] for x in LOOKS.values()
    ]
    assert max(light) - min(light) > 0.3


def test_the_same_rows_give_the_same_bytes(tmp_path):
    one, two = (draw_curves(rows(), tmp_path / name) for name in ("one", "two"))
    assert [path.name for path in one] == ["curves.png", "curves.svg"]
    assert [a.read_bytes() for a in one] == [b.read_bytes() for b in two]
    assert one[0].read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in one[1].read_bytes()


def test_rows_without_a_curve_are_refused():
    with pytest.raises(ValueError, match="expected rows of the stage 'masked', got none"):
        curves_figure([row(0.5, stage="floor")])


def test_findings_give_the_mean_and_the_ends():
    found = list(findings(rows()))
    assert found == [
        "floor: sst2 accuracy 0.500",
        "fine-tuned, all heads: sst2 accuracy 0.805 (0.800 to 0.810, n=2)",
        "masked by gradient, 4 heads kept: mlm accuracy 0.405 (0.400 to 0.410, n=2)",
        "masked by reversed gradient, 4 heads kept: mlm accuracy 0.405 (0.400 to 0.410, n=2)",
        "masked by random, 4 heads kept: mlm accuracy 0.405 (0.400 to 0.410, n=4)",
        "masked by gradient, 4 heads kept: sst2 accuracy 0.405 (0.400 to 0.410, n=2)",
        "masked by reversed gradient, 4 heads kept: sst2 accuracy 0.405 (0.400 to 0.410, n=2)",
        "masked by random, 4 heads kept: sst2 accuracy 0.405 (0.400 to 0.410, n=4)",
        "pruned, then fine-tuned by gradient, 4 heads kept: "
        "sst2 accuracy 0.720 (0.700 to 0.740, n=2)",
    ]


def test_a_report_needs_the_rows_and_nothing_else(tmp_path):
    append_rows(tmp_path / "rows.jsonl", rows())
    text = report(tmp_path)
    for name in ("rows.jsonl", "figures/curves.png", "figures/curves.svg"):
        assert str(tmp_path / name) in text
        assert (tmp_path / name).is_file()


def test_no_report_starts_jax():
    code = "import sys, jaxheads.report.study; print('jax' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert ran.stdout.strip() == "False", ran.stderr


def test_draws_are_told_from_kinds():
    assert [kind_of(name) for name in ("random 12", "gradient", "top 3 heads")] == [
        "random", "gradient", "top 3 heads",
    ]  # fmt: skip
    found = spreads([row(0.2, seed=0), row(0.6, seed=1)], lambda row: row.task)
    assert str(found["sst2"]) == "0.400 (0.200 to 0.600, n=2)"
