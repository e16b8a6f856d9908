"""The rows of a study of pruners that never saw a task, made up."""

from __future__ import annotations

from jaxheads.records.rows import Row

VALUES = {"meta": 0.8, "inverted meta": 0.6, "random 0": 0.65, "random 1": 0.75, "gradient": 0.7}


def row(metric, value, task="tone", **what):
    return Row("made up", "roberta", task, metric, value, **what)


def made_rows() -> list[Row]:
    rows = [row("accuracy", 0.9 + seed / 100, stage="whole", seed=seed) for seed in (0, 1)]
    for method, value in VALUES.items():
        for seed in (0, 1):
            what = {"method": method, "budget": 8, "seed": seed}
            rows.append(row("accuracy", value + seed / 50, stage="masked, fine-tuned", **what))
            rows.append(row("likeness loss", 1 - value, stage="likeness lost", **what))
    for method, low, high in (("random", 0.05, 0.15), ("inverted meta", -0.1, 0.2)):
        what = {"stage": "contrast of masks", "method": f"meta - {method}", "budget": 8, "seeds": 2}
        rows.append(row("accuracy", 0.1, low=low, high=high, **what))
    for method, value in (("whole", 0.5), ("meta", 0.6), ("random 0", 0.2), ("random 1", 0.4)):
        name = "spearman, mean of tokens"
        rows.append(row(name, value, "pairs", stage="similarity", method=method, budget=8))
    rows.append(row(name, 0.55, "pairs", stage="similarity", method="bag of words"))
    for seed in (0, 1):
        for end, loss in (("first", 1.3), ("last", 1.0)):
            what = {"stage": "pruner training", "method": end, "seed": seed}
            rows.append(row("likeness loss", loss + seed / 10, "", **what))
    rows.append(row("jaccard", 0.36, "", stage="overlap of masks", method="chance"))
    rows.append(row("jaccard", 0.5, "tone~pairs", stage="overlap of masks", method="tasks"))
    return rows
