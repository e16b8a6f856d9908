"""`jaxheads train` as tests call it, and whether two trainings are the same."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np

from jaxheads.cli.main import main
from jaxheads.models.checkpoint.convert import load_model

WORDS = {
    "--task": "sst2",
    "--steps": 12,
    "--batch-size": 8,
    "--learning-rate": 0.01,
    "--log-every": 3,
}


def words(model, data, out, *more, **changes) -> list[str]:
    given = {"--model": model, "--data": data, "--out": out, **WORDS}
    given |= {"--" + name.replace("_", "-"): value for name, value in changes.items()}
    named = (str(word) for pair in given.items() if pair[1] is not None for word in pair)
    return ["train", "--mesh", "data=1", *named, *map(str, more)]


def train(model, data, out, *more, **changes) -> int:
    return main(words(model, data, out, *more, **changes))


def params(path):
    return jax.tree.leaves(load_model(path).params)


def equal(one, two) -> bool:
    pairs = zip(params(one), params(two), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def lines(path: Path) -> list[dict]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "examples_per_s"} for line in found]
