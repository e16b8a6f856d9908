"""The rows and timings of a comparison of ways to choose heads, made up."""

from __future__ import annotations

from jaxheads.records.rows import Row
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
                cost = {"steps": 10.0 * (number + 1), "examples": 320.0}
                cost["fine-tunings"] = float(method != "subset, joint")
                if method == "gradient":
                    cost["examples, trained again"] = 640.0
                cost["passes made before"] = float(method == "gradient")
                rows += [
                    Row("compare", "m", "sst2", metric, cost, stage="cost", **what)
                    for metric, cost in cost.items()
                ]
                line = {"model": "m", "task": "sst2", "batch": None, **what}
                speeds.append({**line, "what": "selection", "value": 2.0, "unit": "seconds"})
                if method == "subset, joint":
                    seen = {"accuracy": value - 0.1, "heads kept of them": budget - 1.0}
                    seen["heads"] = budget + 1.0
                    rows += [
                        Row("compare", "m", "sst2", metric, found, **what,
                            stage="heads of the last sample")
                        for metric, found in seen.items()
                    ]  # fmt: skip
            timed = {"what": "speed-up", "batch": 16, "unit": "x", "value": 1.5 - budget / 20}
            speeds.append(line | timed)
    for budget, value in ((8, 0.8), (4, 0.6)):
        what = {"stage": "all heads, scaled", "budget": budget}
        rows.append(Row("compare", "m", "sst2", "accuracy", value, **what))
        rows.append(Row("compare", "m", "sst2", "loss", 1.0, **what))
    line = {"model": "m", "task": "sst2", "method": "", "budget": None, "seed": 0}
    line |= {"batch": None, "unit": "seconds"}
    for seed, seconds in ((0, 70.0), (1, 30.0)):
        speeds.append({**line, "seed": seed, "what": "fine-tuning", "value": seconds})
    speeds.append({**line, "what": "one pass of the gradient", "value": 0.5})
    for seed, heads in ((0, 5.0), (1, 7.0)):
        what = {"stage": "sweep of strengths", "method": "L0", "setting": 0.1}
        what["seed"] = seed
        rows.append(Row("compare", "m", "sst2", "accuracy", 0.6 + 0.1 * seed, **what))
        rows.append(Row("compare", "m", "sst2", "heads open", heads, **what))
    what = {"method": "refined", "other_method": "subset, pipelined", "budget": 8, "seeds": 2}
    what |= {"stage": "equal cost, contrast", "low": 0.01, "high": 0.05, "p_value": 0.02}
    rows.append(Row("compare", "m", "sst2", "accuracy", 0.03, **what))
    for pair, low, high in (
        (("random", "gradient"), -0.1, -0.02),
        (("subset, joint", "gradient"), 0.01, 0.04),
        (("refined", "subset, joint"), -0.05, -0.01),
    ):
        rows.append(
            Row("compare", "m", "sst2", "accuracy", (low + high) / 2, method=pair[0],
                other_method=pair[1],
                stage="pruned, contrast", budget=8, low=low, high=high, seeds=2, p_value=0.04)
        )  # fmt: skip
    return Study(tuple(rows), {}, {}, speeds=tuple(speeds))
