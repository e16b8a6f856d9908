"""Training runs that keep checkpoints, crash when told to, and are compared bit for bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.training.checkpoint import Checkpoints
from jaxheads.training.fit import Fitted, fit
from tests.support.cases import LENGTHS

CONFIG = TrainingConfig(
    steps=30,
    batch_size=10,
    log_every=4,
    save_every=3,
    optimizer=OptimizerConfig(learning_rate=1e-2, warmup=0.1),
)


class Crash(Exception):
    """What stands for the end of the process."""


@dataclasses.dataclass
class Calls:
    """A source that does something when the batch of a step is asked for."""

    source: object
    at: int
    act: object
    calls: int = 0

    @property
    def lengths(self):
        return self.source.lengths

    def rows(self, *args):
        if self.calls == self.at:
            self.act()
        self.calls += 1
        return self.source.rows(*args)


def crash():
    raise Crash


def noisy(case):
    """The objective with dropout: some examples drop out of the loss."""

    def objective(params, gate, batch, key):
        outcome = case.objective(params, gate, batch, key)
        stays_B = jax.random.bernoulli(key, 0.7, outcome.loss_B.shape)
        return outcome._replace(loss_B=outcome.loss_B * stays_B)

    return case._replace(objective=objective)


def train(
    case, folder, *, resume=False, about=None, log=None, mesh=None, act=crash, at=-1, evaluate=None,
    **changes,
) -> Fitted:  # fmt: skip
    config = dataclasses.replace(CONFIG, **changes)
    return fit(
        case.objective, case.params, Calls(case.source, at, act), config, lengths=LENGTHS,
        log=log, mesh=mesh, evaluate=evaluate, name="tuning",
        checkpoints=Checkpoints(folder, resume, about or {}),
    )  # fmt: skip


def record(folder: Path, step: int = CONFIG.steps) -> dict:
    return json.loads((folder / str(step) / "run" / "metadata").read_text())


def steps(folder: Path) -> list[int]:
    return sorted(int(place.name) for place in folder.iterdir() if place.name.isdecimal())


def timeless(lines):
    return [{k: v for k, v in line.items() if k != "examples_per_s"} for line in lines]


def logged(path: Path):
    return timeless(map(json.loads, path.read_text().splitlines()))


def equal(one, two) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def assert_same(whole, fitted, folder, log):
    _, expected, place = whole
    assert equal(fitted.params, expected.params)
    # of the optimizer's state, too
    assert record(folder)["bits"] == record(place / "whole")["bits"]
    assert logged(log) == logged(place / "whole.jsonl")
    assert timeless(p._asdict() for p in fitted.log) == timeless(p._asdict() for p in expected.log)
