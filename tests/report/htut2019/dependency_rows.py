"""The rows, maps and arcs of a study of dependencies, made up so that answers are known by heart.

Whole trees: MST's best head lies above every head that sees no word, MAX's does not clearly.
Relations: det beats its offset, nsubj does not. Fine-tuning on sst2: one change of each verdict.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np

from jaxheads.records.head_maps import save_maps
from jaxheads.records.rows import Row, write_rows
from jaxheads.records.views import save_views, view
from jaxheads.storage.store import Store
from tests.report.rows import with_all_seeds

MODEL = "roberta"
TREES = {"mst": 0.6, "max": 0.55, "mst log": 0.58, "mst directed": 0.3, "mst log directed": 0.29,
         "dependent to head": 0.31, "head to dependent": 0.28, "most attentive": 0.27}  # fmt: skip
FLOORS = {
    "mst": {"next": 0.5, "near": 0.51, "chain": 0.52},
    "max": {"next": 0.49, "near": 0.53, "chain": 0.52},
}
# relation: arcs, layer and head, best head, gain, offset and what it reaches
RELATIONS = {
    "det": (1200, (2, 1), 0.9, 0.3, (1, 0.6)),
    "nsubj": (800, (3, 0), 0.45, 0.02, (2, 0.43)),
}
CHANGES = {("mst", ""): 0.05, ("max", ""): -0.04, ("max", "det"): 0.01}
HALF, RANDOM = 0.02, ", random weights"  # half of an interval; ends the name of a stage
WORDS = ("the", "old", "dog", "barks", ".")
GOLD = ((0, 2, "det"), (1, 2, "amod"), (2, 3, "nsubj"), (4, 3, "punct"))
DRAWN = {
    "MST, layer 1 head 0": ((0, 1), (1, 2), (2, 3), (3, 4)),
    "MAX, layer 2 head 3": ((2, 0), (1, 3)),
}


def row(metric: str, value: float, task: str = "mlm", **what) -> Row:
    return Row("htut2019", MODEL, task, metric, float(value), **what)


def between(metric: str, value: float, task: str = "mlm", **what) -> Row:
    return row(metric, value, task, low=value - HALF, high=value + HALF, **what)


def dependency_rows() -> list[Row]:
    counts = {"read": 1234, "of one word": 5, "with words without pieces": 0, "too long": 7}
    rows = [row(name, count, stage="sentences") for name, count in counts.items()]
    shares = {"best head": 0.25, "mean of heads": 0.125, "uniform": 0.1}
    rows += [row(name, share, stage="attention mass") for name, share in shares.items()]
    det = {"stage": "attention mass by relation", "relation": "det"}
    rows += [
        row(name, share / 2, reading=way, **det)
        for way in ("dependent to head", "head to dependent")
        for name, share in shares.items()
    ]
    rows += [
        each for task, seeds in (("mlm", (0,)), ("sst2", (0, 1))) for each in trees(task, seeds)
    ]
    rows += [
        between("UUAS", value / 2, stage="best head, random weights", reading=reading)
        for reading, value in TREES.items()
    ]
    for layer, (reading, suffix) in itertools.product((0, 1), (("max", ""), ("mst", RANDOM))):
        what = {"stage": f"best head of a layer{suffix}", "reading": reading, "layer": layer}
        rows.append(between("UUAS", (layer + 1) / 5, head=2, **what))
    for reading, floors in FLOORS.items():
        for name, value in floors.items():
            what = {"stage": "baseline", "reading": reading, "method": name}
            rows.append(between("UUAS", value, **what))
    for (reading, name), value in CHANGES.items():
        for seed in (0, 1):
            what = {"stage": "change by fine-tuning", "reading": reading, "seed": seed}
            metric = "accuracy" if name else "UUAS"
            rows.append(between(metric, value, "sst2", relation=name, **what))
    rows += [each for name in RELATIONS for each in relation(name)]
    return with_all_seeds(rows)


def trees(task: str, seeds: tuple[int, ...]) -> list[Row]:
    rows = []
    for reading, value in TREES.items():
        for seed in seeds:
            what = {"task": task, "stage": "best head", "reading": reading, "seed": seed}
            what |= {"layer": 1 + seed, "head": 0}
            rows += [
                between("UUAS", value + seed / 10, **what),
                between("UUAS, mean of sentences", value + 0.1, **what),
                between("UUAS, punctuation too", value - 0.1, **what),
                row("UUAS, best of all", value + 0.05, **what),
            ]
    return rows


def relation(name: str) -> list[Row]:
    arcs, (layer, head), value, gain, (offset, reached) = RELATIONS[name]
    of = {"stage": "relation", "relation": name}
    what = {**of, "reading": "max", "layer": layer, "head": head}
    rows = [between("accuracy", value, **what), between("gain", gain, **what)]
    values = {"arcs": arcs, "offset": offset, "unsigned": reached, "signed": reached - 0.1}
    rows += [row(part, number, **what) for part, number in values.items()]
    random = {"stage": "relation, random weights", "relation": name, "reading": "max"}
    rows.append(between("accuracy", 0.2, **random))
    for number, reading in enumerate(("dependent to head", "head to dependent", "most attentive")):
        rows.append(between("accuracy", 0.4 - number / 10, reading=reading, **of))
    return rows


def add_dependencies(folder: Path) -> Path:
    """Write the rows, maps and sentences into the folder of a study."""
    write_rows(folder / "rows.jsonl", dependency_rows())
    random = np.random.default_rng(0)
    maps = {name: random.random((4, 4)) for name in ("MST", "MST, log", "MAX", "det", "nsubj")}
    maps["iobj"] = np.full((4, 4), np.nan)  # no arc of it
    save_maps(Store(folder), MODEL, "arcs", 0, maps, weights=[0])
    shown = view("MST, layer 1 head 0", (1, 0), WORDS, np.full((len(WORDS), len(WORDS)), 0.1))
    save_views(Store(folder), MODEL, "arcs", 0, [shown, shown])
    example = {"model": MODEL, "name": "s1", "words": WORDS, "gold": GOLD, "drawn": DRAWN}
    (folder / "examples").mkdir(exist_ok=True)
    (folder / "examples" / f"{MODEL}-arcs-0.json").write_text(json.dumps([example]))
    return folder
