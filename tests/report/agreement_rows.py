"""The rows of maps of heads against importance, made up so that answers are known by heart.

On masked LM three maps have p-values below 0.05, of which Holm's correction leaves one; on sst2 one
of two.
"""

from __future__ import annotations

from jaxheads.records.rows import Row

MODEL = "roberta"
DET, MST, F1, TUNED = ("arcs", "det"), ("arcs", "MST"), ("spans", "F1"), ("arcs", "MST", "sst2")
# map, task -> Spearman and its p-value in the first seed
FOUND = {
    (MST, "mlm"): (0.6, 0.01),
    (DET, "mlm"): (-0.3, 0.04),
    (F1, "mlm"): (0.35, 0.03),
    (MST, "sst2"): (0.7, 0.0002),
    (TUNED, "sst2"): (0.2, 0.3),
}
REPEATED = {MST: 0.95, DET: float("nan"), F1: 0.9, TUNED: 0.9}
# comparison -> Spearman and its p-value, on masked LM
BETWEEN = {(MST, F1): (0.5, 0.02), (DET, F1): (-0.2, 0.4)}


def row(metric: str, value: float, task: str, **what) -> Row:
    return Row("htut2019", MODEL, task, metric, float(value), **what)


def named(method: str, reading: str, other_task: str = "") -> dict[str, str]:
    return {"method": method, "reading": reading, "other_task": other_task}


def agreement_rows() -> list[Row]:
    rows = [
        row("halves", value, "", stage="map reliability", **named(*one))
        for one, value in REPEATED.items()
    ]
    for (one, task), (value, p) in FOUND.items():
        for seed in (0, 1) if task == "sst2" else (0,):  # the second: 0.1 more, p doubled
            what = {"stage": "map agreement", "seed": seed, **named(*one)}
            rows += _compared(task, value + seed / 10, p * (1 + seed), **what)
    for (one, (kind, name)), (value, p) in BETWEEN.items():
        what = {"stage": "agreement of kinds of maps", **named(*one)}
        rows += _compared("mlm", value, p, other_method=kind, other_reading=name, **what)
    return rows


def _compared(task: str, value: float, p: float, **what) -> list[Row]:
    numbers = {"spearman": value, "kendall": value / 2}
    if what["reading"] != "det":
        numbers["spearman within layers"] = value / 4
    rows = [row(name, number, task, p_value=p, **what) for name, number in numbers.items()]
    ceiling = float("nan") if what["reading"] == "det" else 0.9
    return [*rows, row("ceiling", ceiling, task, **what)]
