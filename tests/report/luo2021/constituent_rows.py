"""The rows, maps and trees of a study of constituents, made up; two readings, two tasks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from jaxheads.records.head_maps import save_maps
from jaxheads.records.rows import Row, write_rows
from jaxheads.records.views import save_views, view
from jaxheads.storage.store import Store
from tests.report.rows import with_all_seeds

MODEL, TASKS, SEEDS = "roberta", ("rte", "mrpc"), (0, 1)
READINGS = {("jsd", 0.0): 0.4, ("jsd", 1.5): 0.44}  # a distance with a bias
Reading = tuple[str, float]
COLUMNS = ("sentence F1", "corpus F1", "SBAR", "NP", "VP", "PP", "ADJP", "ADVP")
NULLS = {("left",): 0.15, ("right",): 0.41, ("balanced",): 0.3, ("random", 0): 0.24,
         ("random", 1): 0.26, ("equal",): 0.41, ("oracle",): 0.86,
         ("attention, near",): 0.28}  # fmt: skip
WORDS = ("the", "old", "dog", "saw", "a", "cat", "yesterday")
GOLD = (("S", 0, 7), ("NP", 0, 3), ("VP", 3, 7), ("NP", 4, 6), ("S", 3, 7))
FOUND = ((0, 7), (0, 3), (1, 3), (3, 7), (4, 7), (5, 7))
LAYERS, HEADS = 4, 16
HALF = 0.02  # of an interval
ORDERS = {("best",): 0.1, ("worst",): 0.02, ("random", 0): 0.05, ("random", 1): 0.04,
          ("like best", 0): 0.06, ("like worst", 0): 0.03, ("best of layer",): 0.08,
          ("worst of layer",): 0.03,
          ("random of layer", 0): 0.05}  # lost with half of the heads  # fmt: skip
ABLE = {"k95": 4, "k99": 2, "area": 0.9}  # of every order
CHANGED = {"heads": 16, "higher": 5, "lower": 2}


def row(task: str, metric: str, value: float, **what) -> Row:
    return Row("luo2021", MODEL, task, metric, float(value), **what)


def between(task: str, metric: str, value: float, **what) -> Row:
    return row(task, metric, value, low=value - HALF, high=value + HALF, **what)


def constituent_rows() -> list[Row]:
    counts = {"sentences": 60, "words": 700, "words without pieces": 1,
              "left out, fewer than two words": 2, "left out, too long": 0}  # fmt: skip
    rows = [
        row("", name, count, stage="treebank", method=which)
        for which in ("tune", "test")
        for name, count in counts.items()
    ]
    for null, value in NULLS.items():
        what = {"stage": "tree baselines", **named(*null)}
        rows += [between("", column, value, **what) for column in COLUMNS]
    rows += [
        between("", column, 0.25, stage="tree baselines", method="random", draws=2)
        for column in COLUMNS
    ]
    for reading, value in READINGS.items():
        rows += pretrained(reading, value)
    rows += [each for task in TASKS for each in tuned(task)]
    return with_all_seeds(rows)


def named(method: str, draw: int | None = None) -> dict:
    """The fields of a baseline or an order."""
    return {"method": method, "draw": draw}


def read_by(reading: Reading) -> dict:
    """The fields of a reading."""
    return dict(zip(("reading", "setting"), reading, strict=True))


def pretrained(reading: Reading, value: float) -> list[Row]:
    best = {**read_by(reading), "layer": 2, "head": 1}
    rows = []
    for place, column in enumerate(COLUMNS):
        score = value + place / 50
        rows.append(between("mlm", column, score, stage="best head", **best))
        rows.append(row("mlm", column, score + 0.01, stage="best head, tune", **best))
        for draw in (0, 1):
            what = {"stage": "random weights", **read_by(reading), "seed": draw}
            what["method"] = "best head"
            rows.append(row("mlm", column, 0.3 + draw / 100, **what))
        for null in ("right", "balanced", "random"):
            what = {"stage": "best head less baseline", **read_by(reading)}
            what |= {"method": "best head", "other_method": null}
            rows.append(between("mlm", column, value - NULLS.get((null,), 0.25), **what))
    for which, share in {"best head": 0.01, "mean of heads": 0.02}.items():
        what = {"stage": "tied splits", **read_by(reading), "method": which}
        rows.append(row("mlm", "tied splits", share, **what))
    rows += layers("mlm", reading, value)
    for ranking, start in {"contrast": 0.3, "sharpness": 0.32, "F1 on tune": value}.items():
        what = {"stage": "ensembles", **read_by(reading), "method": ranking}
        rows += [
            between("mlm", COLUMNS[0], start + 0.1 * np.sin(k / 6), budget=k, **what)
            for k in range(1, HEADS + 1)
        ]
        if ranking != "F1 on tune":
            what = {"stage": "rankings", **read_by(reading), "method": ranking}
            rows.append(row("mlm", "spearman", 0.4, p_value=0.012, **what))
    return rows


def layers(task: str, reading: Reading, value: float, seed: int = 0) -> list[Row]:
    """Higher in upper layers; the trees of mean distances are above the mean of the heads."""
    rows = []
    for stage, more in (("mean of layer", 0.0), ("averaged layer", 0.05)):
        for layer in range(LAYERS):
            what = {"stage": stage, **read_by(reading), "layer": layer, "seed": seed}
            rows.append(between(task, COLUMNS[0], value - 0.2 + (layer + 1) / 50 + more, **what))
    return rows


def tuned(task: str) -> list[Row]:
    sign = 1 if task == "rte" else -1
    kind = {"rte": "entailment", "mrpc": "similarity"}[task]
    rows = []
    for seed in SEEDS:
        rows += masked(task, 0.7 + seed / 50, seed)
    rows.append(row(task, "accuracy", 0.5, stage="floor"))
    for reading, value in READINGS.items():
        for seed in SEEDS:
            rows += chosen(task, reading, value, seed)
            rows += layers(task, reading, value + 0.03, seed)
        rows += [
            row(task, name, count, stage="changed heads", **read_by(reading))
            for name, count in CHANGED.items()
        ]
        places = [({"layer": n}, (n + 1) / 100) for n in range(LAYERS)]
        halves = {"all layers": 0.025, "upper layers": 0.035, "lower layers": 0.015}
        places += [({"place": place}, change) for place, change in halves.items()]
        for place, change in places:
            what = {"stage": "change", **read_by(reading), "seeds": 2, **place}
            rows.append(between(task, COLUMNS[0], sign * change, **what))
        for place in halves:
            what = {"stage": "change by kind", **read_by(reading), "method": kind}
            what |= {"place": place, "seeds": 2}
            rows.append(between("", COLUMNS[0], sign * 0.03, **what))
    pairs = {("like best", "best"): 0.04, ("worst of layer", "best of layer"): 0.01}
    for (one, two), value in pairs.items():
        what = {"stage": "contrast by ability", "budget": 8, "seeds": 2}
        what |= {"method": one, "other_method": two}
        rows.append(between(task, "accuracy", value, **what))
    return rows


def chosen(task: str, reading: Reading, value: float, seed: int) -> list[Row]:
    """The best heads of a fine-tuned model: of each seed another one."""
    best = {**read_by(reading), "layer": 1, "head": seed, "seed": seed}
    rows = []
    for column in COLUMNS:
        rows.append(between(task, column, value + 0.03, stage="best head", **best))
        rows.append(row(task, column, value + 0.05 + seed / 50, stage="best head, tune", **best))
    return rows


def masked(task: str, whole: float, seed: int) -> list[Row]:
    """One fine-tuned model with all heads, along all orders, and without each layer."""
    rows = [row(task, "accuracy", whole, stage="whole", seed=seed)]
    for order, loss in ORDERS.items():
        for budget in (16, 12, 8, 4, 0):
            what = {"stage": "masked by ability", "budget": budget, **named(*order)}
            lost = loss * (16 - budget) / 8
            rows.append(row(task, "accuracy", whole - lost, seed=seed, **what))
        for name, value in ABLE.items():
            what = {"stage": "area by ability", "seed": seed, **named(*order)}
            rows.append(row(task, name, value + 2 * seed * (name != "area"), **what))
    for layer in range(LAYERS):
        what = {"stage": "layer masked", "layer": layer, "seed": seed}
        rows.append(row(task, "accuracy", whole - (layer + 1) / 50, **what))
        rows.append(row(task, "loss", 0.7 + layer / 10, **what))
    return rows


def add_constituents(folder: Path) -> Path:
    """Write the rows, maps and trees into the folder of a study."""
    write_rows(folder / "rows.jsonl", constituent_rows())
    random = np.random.default_rng(0)
    names = ("F1", *(f"{label} recall" for label in COLUMNS[2:]), "contrast", "sharpness")
    maps = {name: random.random((LAYERS, HEADS // LAYERS)) for name in names}
    save_maps(Store(folder), MODEL, "spans", 0, maps, weights=[0])
    tree = {"model": MODEL, "words": WORDS, "gold": GOLD, "found": FOUND,
            "head": "layer 2 head 1", "reading": "jsd", "f1": 0.615}  # fmt: skip
    shown = view("F1 0.615", (2, 1), WORDS, np.full((len(WORDS), len(WORDS)), 0.1))
    save_views(Store(folder), MODEL, "spans", 0, [shown])
    (folder / "trees").mkdir(exist_ok=True)
    (folder / "trees" / f"{MODEL}.json").write_text(json.dumps([tree]))
    return folder
