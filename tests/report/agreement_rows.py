"""The rows of maps of heads against importance, made up so that answers are known by heart.

On masked LM three maps have p-values below 0.05, of which Holm's correction leaves one; on sst2 one
of two.
"""

from __future__ import annotations

from jaxheads.records.rows import Row

MODEL = "roberta"
# map, task -> Spearman and its p-value in the first seed
FOUND = {
    ("arcs: MST", "mlm"): (0.6, 0.01),
    ("arcs: det", "mlm"): (-0.3, 0.04),
    ("spans: F1", "mlm"): (0.35, 0.03),
    ("arcs: MST", "sst2"): (0.7, 0.0002),
    ("arcs, sst2: MST", "sst2"): (0.2, 0.3),
}
REPEATED = {"arcs: MST": 0.95, "arcs: det": float("nan"), "spans: F1": 0.9, "arcs, sst2: MST": 0.9}
# comparison -> Spearman and its p-value, on masked LM
BETWEEN = {"arcs: MST ~ spans: F1": (0.5, 0.02), "arcs: det ~ spans: F1": (-0.2, 0.4)}


def row(metric: str, value: float, task: str, **what) -> Row:
    return Row("htut2019", MODEL, task, metric, float(value), **what)


def agreement_rows() -> list[Row]:
    rows = [
        row("halves", value, "", stage="map reliability", method=method)
        for method, value in REPEATED.items()
    ]
    for (method, task), (value, p) in FOUND.items():
        for seed in (0, 1) if task == "sst2" else (0,):  # the second: 0.1 more, p doubled
            what = {"stage": "map agreement", "method": method, "seed": seed}
            rows += _compared(task, value + seed / 10, p * (1 + seed), **what)
    for method, (value, p) in BETWEEN.items():
        rows += _compared("mlm", value, p, stage="agreement of kinds of maps", method=method)
    return rows


def _compared(task: str, value: float, p: float, **what) -> list[Row]:
    numbers = {"spearman": value, "kendall": value / 2}
    if what["method"] != "arcs: det":
        numbers["spearman within layers"] = value / 4
    rows = [row(name, number, task, **what) for name, number in numbers.items()]
    rows += [row(f"p of {name}", p, task, **what) for name in numbers]
    ceiling = float("nan") if what["method"] == "arcs: det" else 0.9
    return [*rows, row("ceiling of spearman", ceiling, task, **what)]
