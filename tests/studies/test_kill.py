"""A study that is killed again and again ends in the same bits as one that never was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.studies.tiny_study import write_study

KILLS = 10


def start(config: Path, out: Path, *settings: str) -> subprocess.Popen:
    words = ["study", str(config), "--out", str(out)]
    words += [word for setting in settings for word in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "jaxheads", *words], text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def cells(out: Path) -> int:
    return len(list((out / "cells").glob("*.jsonl")))


def bits(out: Path) -> dict[str, bytes]:
    """The records and every model that a study leaves."""
    kept = [out / "rows.jsonl", *out.rglob("*.safetensors"), *out.glob("answers/*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in kept}


@pytest.mark.slow
def test_a_study_killed_ten_times_ends_in_the_same_bits(tmp_path):
    """kill -9 at random moments: while it starts, trains, scores, and writes."""
    config = write_study(tmp_path, models=1)
    often = (
        "finetune.save_every=2",
        "models.roberta.pretrain.save_every=2",
        "tasks.sst2.length=16",
    )
    whole = start(config, tmp_path / "a", *often)
    begin = time.perf_counter()
    while not cells(tmp_path / "a"):
        time.sleep(0.05)
        assert whole.poll() is None
    started = time.perf_counter() - begin
    _, error = whole.communicate(timeout=300)
    assert whole.returncode == 0, error
    total, out, rng = cells(tmp_path / "a"), tmp_path / "b", np.random.default_rng(0)
    reached = []
    for kill in range(KILLS):
        process = start(config, out, *often)
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
    last = start(config, out, *often)
    _, error = last.communicate(timeout=300)
    assert last.returncode == 0, error
    one, two = bits(tmp_path / "a"), bits(out)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
