"""What is made of a study's folder when it is finished: its figure, and what it found in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxheads.records import Row, read_rows
from jaxheads.report.curves import draw_curves
from jaxheads.report.spread import kind_of, spreads

ROWS = "rows.jsonl"


def report(folder: Path) -> str:
    """Draw the figure of a study's folder; return its findings and where the figure is."""
    rows = read_rows(folder / ROWS)
    paths = draw_curves(rows, folder / "figures")
    return "\n".join(["", *findings(rows), "", f"rows    {folder / ROWS}", *map(_figure, paths)])


def _figure(path: Path) -> str:
    return f"figure  {path}"


def findings(rows: Sequence[Row]) -> Iterator[str]:
    """The numbers of a study in the order in which one reads them: mean, lowest to highest, n."""
    shown = [row for row in rows if row.metric not in ("loss", "seconds")]
    for stage, heading in _HEADINGS.items():
        found = spreads(
            (row for row in shown if _stage_of(row) == stage),
            lambda row: (row.task, row.metric, kind_of(row.method), row.budget),
        )
        for (task, metric, method, budget), spread in found.items():
            if stage == "masked" and budget not in _cut_budgets(rows):
                continue
            kept = "" if budget is None else f", {budget} heads kept"
            by = f" by {method}" if budget is not None else ""
            yield f"{heading}{by}{kept}: {task} {metric} {spread}"


# A stage, and what the findings call it.
_HEADINGS = {
    "floor": "floor",
    "pre-trained": "pre-trained",
    "fine-tuned": "fine-tuned, all heads",
    "coherence": "coherence of head scores",
    "noise ceiling": "ceiling from halves of the examples",
    "seeds": "ceiling from pairs of seeds",
    "masked": "masked",
    "pruned, then fine-tuned": "pruned, then fine-tuned",
}


def _stage_of(row: Row) -> str:
    return "seeds" if row.stage.startswith("seed ") else row.stage


def _cut_budgets(rows: Sequence[Row]) -> set[int | None]:
    """The budgets at which models were trained without some heads."""
    return {row.budget for row in rows if row.stage == "pruned, then fine-tuned"}
