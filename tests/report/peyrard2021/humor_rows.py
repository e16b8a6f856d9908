"""The rows, maps and views of a study of headlines, made up so that answers are known by heart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from jaxheads.records.head_maps import save_maps
from jaxheads.records.rows import Row, write_rows
from jaxheads.records.views import save_views, view
from jaxheads.storage.store import Store
from tests.report.rows import with_all_seeds

MODEL, TASKS, SEEDS = "roberta", ("humor_single", "humor_pair"), (0, 1)
HEADS = {0: (2, 1), 1: (2, 3)}  # by seed
WORDS = ("edited, funny", "other, funny", "edited, serious", "other, serious")
POSITIONS = {"all": 40, "final": 10, "not final": 30, "answered right": 25}


def row(task: str, metric: str, value: float, **more) -> Row:
    return Row("peyrard2021", MODEL, task, metric, float(value), **more)


def between(task: str, metric: str, value: float, half: float, **more) -> Row:
    return row(task, metric, value, low=value - half, high=value + half, **more)


def humor_rows() -> list[Row]:
    rows = [
        row("", metric, value, stage="pairs of headlines", method=split)
        for split in ("train", "validation", "test")
        for metric, value in (
            ("pairs", 50), ("left out as too long", 1), ("small edits", 40),
            ("left out for words without pieces", 2),
        )
    ]  # fmt: skip
    for layer in range(4):
        for variant, seed in (("untuned", 0), *(("humor_single", seed) for seed in SEEDS)):
            what = {"stage": "attention distance", "method": variant, "layer": layer}
            rows.append(row("", "funny to serious", (layer + 1) / 10, seed=seed, **what))
            if variant != "untuned":
                rows.append(row("", "from untuned", (layer + 1) / 5 + seed / 50, seed=seed, **what))
    for place, value in (("first word", 0.04), ("special tokens", 0.295)):
        rows.append(row("", place, value, stage="attention by place", method="untuned"))
    return with_all_seeds(rows + [each for task in TASKS for each in task_rows(task)])


def task_rows(task: str) -> list[Row]:
    rows = [
        row(task, "accuracy", 0.5, stage="floor"), row(task, "bag of words", 0.52, stage="floor"),
        row(task, "naive Bayes", 0.58, stage="surface leak"),
    ]  # fmt: skip
    if task == "humor_pair":
        rows.append(row(task, "longer is funny", 0.64, stage="surface leak"))
    return rows + [each for seed in SEEDS for each in seed_rows(task, seed)]


def seed_rows(task: str, seed: int) -> list[Row]:
    def at(stage: str, method: str = "", less: str = "", **more) -> dict:
        return {"stage": stage, "method": method, "other_method": less, "seed": seed, **more}

    layer, head = HEADS[seed]
    rows = [
        row(task, "accuracy", 0.7 + seed / 100, **at("whole")),
        row(task, "accuracy", 0.6, **at("linear probe")),
        row(task, "accuracy", 0.5, **at("labels shuffled")),
        between(task, "accuracy", 0.7 + seed / 10, 0.05, **at("accuracy on headlines", "all")),
        row(task, "accuracy", 0.8, **at("accuracy by size of edit", "above", setting=0.3)),
        between(task, "accuracy", 0.6, 0.1, **at("accuracy by opposition", "animal")),
    ]
    for who in ("all tokens", "first token"):
        own = at("head", who, layer=layer, head=head)
        rows.append(between(task, "contrast", 0.2, 0.1, **own))
        values = {
            "contrast on validation": 0.25, "p": 0.0001,
            "corrected p": 0.0016 if task == "humor_single" else 0.3,
            "heads with corrected p below 0.05": 2, "heads": 16, "pairs": 40,
            "rank by the last word": 3,
        }  # fmt: skip
        values |= dict(zip(WORDS, (0.4, 0.1, 0.15, 0.1), strict=True))
        values |= {"share of its layer's distance": 0.35} if seed else {}
        rows += [row(task, name, value, **own) for name, value in values.items()]
    for position, count in POSITIONS.items():
        rows.append(row(task, position, count, **at("localisation", "headlines")))
        for by, value in {"head": 0.5, "head, special tokens too": 0.3, "random word": 0.12,
                          "final word": 0.25, "most edited place": 0.2}.items():  # fmt: skip
            rows.append(between(task, position, value, 0.1, **at("localisation", by)))
        rows.append(between(task, position, 0.25, 0.1, **at("localisation", "head", "final word")))
    for called, value in {"untuned": 0.19, "labels shuffled": 0.05}.items():
        rows.append(between(task, "contrast", 0.2 - value, 0.1, **at("control", called)))
        rows.append(between(task, "contrast", value, 0.1, **at("control", "itself", called)))
        best = at("control, best head", called, layer=0, head=0)
        rows.append(between(task, "contrast", 0.02, 0.1, **best))
        rows.append(row(task, "corrected p", 0.6, **best))
    others = "others of its layer"
    for ways, value in {("head",): -0.15, (others,): -0.01, ("head", others): -0.14}.items():
        rows.append(between(task, "accuracy", value, 0.05, **at("gated", *ways)))
    for side, sign in (("funny", 1), ("serious", -1)):
        shares = {("edited",): 0.3, ("other",): 0.1, ("edited", "other"): 0.2 * sign}
        for ways, value in shares.items():
            what = at("words masked", *ways, place=side)
            rows.append(between(task, "decisions flipped", value, 0.05, **what))
    return [*rows, row(task, "rank of loss in its layer", 1, **at("gated", "head"))]


WEIGHTS = [[0.1, 0.2, 0.69, 0.01], [0.1, 0.2, 0.7, 0.0], [0.1, 0.1, 0.8, 0], [0, 0, 1, 0]]
SHOWN = ["<s>", "a", "<b>&", "</s>"]
VIEWS = [
    view(f"{side} (finds the edit)", (2, 1), SHOWN, np.array(WEIGHTS, float), [2])
    for side in ("funny", "serious")
]


def make_humor_folder(folder: Path) -> Path:
    """A study's folder with all that the section reads."""
    folder.mkdir(exist_ok=True)
    write_rows(folder / "rows.jsonl", humor_rows())
    run = {"study": "peyrard2021", "models": [{"name": MODEL}], "seeds": list(SEEDS)}
    made_on = {"python": "3.11.7", "packages": {"jax": "0.10.2"}}
    (folder / "run.json").write_text(json.dumps({"run": run, "made_on": made_on}))
    return add_humor_files(folder)


def add_humor_files(folder: Path) -> Path:
    """Write the maps and views into the folder of a study."""
    random = np.random.default_rng(0)
    for task, seed in (("", 0), *((task, seed) for task in TASKS for seed in SEEDS)):
        maps = {name: random.random((4, 4)) / 3 for name in (*WORDS, "contrast")}
        save_maps(Store(folder), MODEL, "humor", seed, maps, task=task, weights=[0])
    for task in TASKS:
        save_views(Store(folder), MODEL, "humor", 0, VIEWS, task)
    return folder
