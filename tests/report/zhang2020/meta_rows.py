"""The rows of a study of pruners that never saw a task, made up."""

from __future__ import annotations

from jaxheads.records.rows import Row

VALUES = {
    ("meta", None): 0.8, ("inverted meta", None): 0.6, ("random", 0): 0.65, ("random", 1): 0.75,
    ("gradient", None): 0.7,
}  # fmt: skip


def row(metric, value, task="tone", **what):
    return Row("made up", "roberta", task, metric, value, **what)


def made_rows() -> list[Row]:
    rows = [row("accuracy", 0.9 + seed / 100, stage="whole", seed=seed) for seed in (0, 1)]
    for (method, draw), value in VALUES.items():
        for seed in (0, 1):
            what = {"method": method, "draw": draw, "budget": 8, "seed": seed}
            rows.append(row("accuracy", value + seed / 50, stage="masked, fine-tuned", **what))
            rows.append(row("likeness loss", 1 - value, stage="likeness lost", **what))
    for method, low, high in (("random", 0.05, 0.15), ("inverted meta", -0.1, 0.2)):
        what = {"stage": "contrast of masks", "budget": 8, "seeds": 2}
        what |= {"method": "meta", "other_method": method}
        rows.append(row("accuracy", 0.1, low=low, high=high, **what))
    what = {"stage": "similarity", "reading": "mean of tokens"}
    for method, value in (("whole", 0.5), ("meta", 0.6), ("random", 0.2), ("random", 0.4)):
        rows.append(row("spearman", value, "pairs", method=method, budget=8, **what))
    rows.append(row("spearman", 0.55, "pairs", method="bag of words", **what))
    for seed in (0, 1):
        for end, loss in (("first", 1.3), ("last", 1.0)):
            what = {"stage": "pruner training", "method": end, "seed": seed}
            rows.append(row("likeness loss", loss + seed / 10, "", **what))
    rows.append(row("jaccard", 0.36, "", stage="overlap of masks", method="chance"))
    what = {"stage": "overlap of masks", "method": "tasks", "other_task": "pairs"}
    rows.append(row("jaccard", 0.5, "tone", **what))
    return rows
