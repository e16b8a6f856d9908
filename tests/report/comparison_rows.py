"""The rows and timings of a comparison of ways to choose heads, made up."""

from __future__ import annotations

from jaxheads.records import Row
from jaxheads.report.folder import Study


def study() -> Study:
    rows = [Row("compare", "m", "sst2", "accuracy", 0.9, seed, stage="whole") for seed in (0, 1)]
    speeds = []
    for number, method in enumerate(("gradient", "random", "subset, joint")):
        for budget in (8, 4):
            for seed in (0, 1):
                what = {"method": method, "budget": budget, "seed": seed}
                value = 0.5 + 0.04 * budget - 0.05 * number + 0.01 * seed
                rows.append(Row("compare", "m", "sst2", "accuracy", value, stage="pruned", **what))
                rows += [
                    Row("compare", "m", "sst2", metric, cost, stage="cost", **what)
                    for metric, cost in (("steps", 10.0 * (number + 1)), ("examples", 320.0))
                ]
                line = {"model": "m", "task": "sst2", **what}
                speeds.append({**line, "what": "choosing, seconds", "value": 2.0})
            speeds.append({**line, "what": "speed-up, batch 16", "value": 1.5 - budget / 20})
    for method, low, high in (("random", -0.1, -0.02), ("subset, joint", 0.01, 0.04)):
        rows.append(
            Row("compare", "m", "sst2", "accuracy", (low + high) / 2, method=f"{method} - gradient",
                stage="pruned, contrast", budget=8, low=low, high=high)
        )  # fmt: skip
    return Study(tuple(rows), {}, {}, speeds=tuple(speeds))
