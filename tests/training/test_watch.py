"""What the log of a training says of its speed."""

from __future__ import annotations

import types

import numpy as np

from jaxheads.config import TrainingConfig
from jaxheads.training import watch
from jaxheads.training.step import NEVER, Window
from jaxheads.training.watch import TrainingLog

CONFIG = TrainingConfig(steps=30, batch_size=10, log_every=10)


def test_the_rate_of_a_window_is_its_own_also_where_a_checkpoint_reads_it(monkeypatch):
    now = 0.0
    monkeypatch.setattr(watch, "time", types.SimpleNamespace(perf_counter=lambda: now))
    window = Window(np.float32(1), np.float32(1), np.float32(1), np.int32(NEVER))
    with TrainingLog(CONFIG, None, "a training") as log:
        now = 10.0
        log.add(10, window, {})
        now = 30.0
        log.add(20, window, {})
        log.read()  # as a checkpoint does
        now = 70.0
        log.add(30, window, {})
    assert [point.examples_per_s for point in log.points] == [10.0, 5.0, 2.5]
