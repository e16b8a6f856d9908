"""A study that is killed again and again is bit-identical to one that never was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny_study import write_study

KILLS = 10


OFTEN = (
    "finetune.save_every=2",
    "models.roberta.pretrain.save_every=2",
    "tasks.sst2.length=16",
)


def start(config: Path, out: Path, *settings: str, workers: int = 1) -> subprocess.Popen:
    words = ["study", str(config), "--out", str(out), "--workers", str(workers)]
    words += [word for setting in settings for word in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "jaxheads", *words], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def cells(out: Path) -> int:
    return len(list((out / "cells").glob("*.jsonl")))


def bits(out: Path) -> dict[str, bytes]:
    """The records and every model that a study leaves."""
    kept = [out / "rows.jsonl", *out.rglob("*.safetensors"), *out.glob("answers/*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("data"), models=1)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory) -> tuple[Path, float]:
    """A study that was never killed, and the seconds that it took to start."""
    out = tmp_path_factory.mktemp("whole") / "out"
    process, begin = start(config, out, *OFTEN), time.perf_counter()
    while not cells(out):
        time.sleep(0.05)
        assert process.poll() is None
    started = time.perf_counter() - begin
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out, started


def assert_same_bits(one: Path, two: Path) -> None:
    there, here = bits(one), bits(two)
    assert there.keys() == here.keys()
    assert [name for name in there if there[name] != here[name]] == []


@pytest.mark.slow
@pytest.mark.long
def test_a_study_killed_ten_times_ends_in_the_same_bits(config, whole, tmp_path):
    """kill -9 at random moments: while it starts, trains, scores, and writes."""
    finished, started = whole
    total, out, rng = cells(finished), tmp_path / "b", np.random.default_rng(0)
    reached = []
    for kill in range(KILLS):
        process = start(config, out, *OFTEN)
        before = cells(out)
        if kill % 3 == 0:  # at some moment of the start
            time.sleep(float(rng.uniform(0, started)))
        else:  # some cells later, within one of them
            goal = before + int(rng.integers(1, total // KILLS))
            while cells(out) < goal and process.poll() is None:
                time.sleep(0.01)
            time.sleep(float(rng.uniform(0, 0.3)))
        process.send_signal(signal.SIGKILL)
        _, error = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, error  # else it finished under the test
        reached.append(cells(out))
    assert len(set(reached)) >= 5, reached
    last = start(config, out, *OFTEN)
    _, error = last.communicate(timeout=300)
    assert last.returncode == 0, error
    assert_same_bits(finished, out)


def children(pid: int) -> list[int]:
    """The workers of a driver."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = {int(each): Path(f"/proc/{each}/cmdline").read_bytes() for each in found}
    return [each for each, line in lines.items() if b"spawn_main" in line]


@pytest.mark.slow
@pytest.mark.long
def test_a_study_whose_workers_and_driver_are_killed_in_turn_ends_in_the_same_bits(
    config, tmp_path
):
    """kill -9 of a worker, which is made up for, and of the driver, ten times at random moments."""
    finished, out, rng = tmp_path / "a", tmp_path / "b", np.random.default_rng(1)
    whole = start(config, finished, *OFTEN, workers=2)
    _, error = whole.communicate(timeout=300)
    assert whole.returncode == 0, error
    total, reached = cells(finished), []
    for kill in range(KILLS):
        process, before = start(config, out, *OFTEN, workers=2), cells(out)
        goal = min(before + int(rng.integers(1, max(total // KILLS, 2))), total - 1)
        while cells(out) < goal and process.poll() is None:
            time.sleep(0.01)
        if kill % 2 and (workers := children(process.pid)):
            os.kill(workers[int(rng.integers(len(workers)))], signal.SIGKILL)
            time.sleep(float(rng.uniform(0, 1)))
        process.send_signal(signal.SIGKILL)
        _, error = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, error
        reached.append(cells(out))
    assert len(set(reached)) >= 5, reached
    last = start(config, out, *OFTEN, workers=2)
    _, error = last.communicate(timeout=300)
    assert last.returncode == 0, error
    assert_same_bits(finished, out)
