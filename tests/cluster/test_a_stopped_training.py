"""A training that is stopped, killed or out of disk resumes and is bit-identical to a whole one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxheads.training.saving import Preempted
from tests.support.reviews import reviews, write_jsonl
from tests.support.train_command import equal, lines, train, words

pytestmark = pytest.mark.slow


def start(*argv) -> subprocess.Popen:
    code = "import sys; from jaxheads.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(log: Path, count: int, process: subprocess.Popen) -> None:
    """Until the log has so many lines."""
    while process.poll() is None and (not log.exists() or log.read_text().count("\n") < count):
        time.sleep(0.01)


def saved(folder: Path) -> dict:
    """What the newest checkpoint says of itself: fingerprints of parameters and optimizer state."""
    newest = max(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
    return json.loads((folder / str(newest) / "run" / "metadata").read_text())


def test_sigterm_saves_and_resuming_ends_in_the_same_bits(sentiment, review_file, tmp_path):
    given = {"steps": 60, "log_every": 1, "limit": 8}
    runs = [(tmp_path / name, {"checkpoints": tmp_path / f"{name}-kept"}) for name in "ab"]
    (whole, kept), (stopped, also) = runs
    process = start(*words(sentiment, review_file, stopped, **given, **also))
    wait_for(tmp_path / "b.jsonl", 3, process)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (Preempted.status, "")
    assert error.startswith("jaxheads: stopped at step ")
    assert error.count("\n") == 1
    assert not stopped.exists()
    for words_of in (
        words(sentiment, review_file, stopped, "--resume", **given, **also),
        words(sentiment, review_file, whole, **given, **kept),
    ):
        process = start(*words_of)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    assert equal(whole, stopped)
    assert saved(tmp_path / "a-kept")["bits"] == saved(tmp_path / "b-kept")["bits"]
    assert lines(tmp_path / "a.jsonl") == lines(tmp_path / "b.jsonl")


def test_files_that_may_not_grow_are_one_error_and_the_last_checkpoint_loads(
    sentiment, review_file, tmp_path
):
    """The disk is full in the middle of a write: after step 6 no file may grow beyond 20 kB.

    -B: Python would leave modules cut short in its cache, for all who import them after it.
    """
    out, kept = tmp_path / "out", tmp_path / "kept"
    given = {"checkpoints": kept, "save_every": 3}
    limited = (
        "import resource, sys, jaxheads.training.fit as fit\n"
        "from jaxheads.cli.main import main\n"
        "class Limited(fit.Saving):\n"
        "    def after(self, done, *rest):\n"
        "        if done > 6:\n"
        "            self._keeper.wait()\n"
        "            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "        super().after(done, *rest)\n"
        "fit.Saving = Limited\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    fresh = words(sentiment, review_file, out, **given)
    ran = subprocess.run(
        [sys.executable, "-B", "-c", limited, *fresh], capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stderr
    said = ran.stderr
    assert said.startswith("jaxheads: error: ")
    assert said.count("\n") == 1, said
    assert "no checkpoint was written: " in said
    assert "File too large" in said
    assert f"the last good checkpoint is {kept}/6" in said
    assert not out.exists()
    assert train(sentiment, review_file, out, "--resume", **given) == 0
    assert train(sentiment, review_file, tmp_path / "whole", steps=12) == 0
    assert equal(out, tmp_path / "whole")


def test_a_run_killed_ten_times_ends_in_the_same_bits(sentiment, tmp_path):
    """kill -9 at random moments, from the start of the process to the end of the training."""
    data = write_jsonl(tmp_path / "reviews.jsonl", reviews(120))
    given = {"steps": 240, "save_every": 5, "log_every": 5, "eval_every": 100}
    given["held_out"] = write_jsonl(tmp_path / "held_out.jsonl", reviews(20, start=120))
    whole = words(sentiment, data, tmp_path / "a", checkpoints=tmp_path / "a-kept", **given)
    begin = time.perf_counter()
    process = start(*whole)
    wait_for(tmp_path / "a.jsonl", 1, process)
    started = time.perf_counter() - begin
    _, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    length = time.perf_counter() - begin - started
    rng = np.random.default_rng(0)
    again = words(
        sentiment, data, tmp_path / "b", "--resume", checkpoints=tmp_path / "b-kept", **given
    )
    kills, during = 0, 0
    while kills < 10:
        log = tmp_path / "b.jsonl"
        log.unlink(missing_ok=True)
        process = start(*again)
        if kills % 5:  # at some moment of the training; else of the start
            wait_for(log, 1, process)
            time.sleep(float(rng.uniform(0, length / 10)))
        else:
            time.sleep(float(rng.uniform(0, started)))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        _, error = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, error  # else it finished under the test
        during += bool(list((tmp_path / "b-kept").glob("[0-9]*")))
    assert during >= 5  # checkpoints were there to go on from
    process = start(*again)
    _, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    assert equal(tmp_path / "a", tmp_path / "b")
    assert saved(tmp_path / "a-kept")["bits"] == saved(tmp_path / "b-kept")["bits"]
    assert lines(tmp_path / "a.jsonl") == lines(tmp_path / "b.jsonl")
