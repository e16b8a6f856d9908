"""Processes with nothing in common but a URL: each has its own folders, the shelf is elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.importance import load_scores
from jaxheads.importance.kept import open_kept
from jaxheads.models.checkpoint.convert import load_model
from tests.cluster.test_two_processes_compute_as_one import (
    DEVICES,
    STEPS,
    STUDY,
    assert_like_records,
    coordinator_and_devices,
    ended,
    furthest,
    write_data,
)  # fmt: skip
from tests.support.reviews import reviews, write_jsonl

PROGRAM = Path(__file__).with_name("host_of_many.py")
pytestmark = pytest.mark.slow


def start(folder: Path, shelf: Path, processes: int, script: list[list]) -> list[subprocess.Popen]:
    """Processes that see the shelf, and beside it folders that no other one is told of."""
    coordinator, devices = coordinator_and_devices(processes)
    running = []
    for process in range(processes):
        own = folder / f"host{process}"
        shutil.rmtree(own, ignore_errors=True)
        (own / "tmp").mkdir(parents=True)
        (own / "script.json").write_text(json.dumps(script))
        places = {"HOME": own, "TMPDIR": own / "tmp", "SHELF": shelf}
        environment = {**os.environ, **devices, **{k: str(v) for k, v in places.items()}}
        words = [coordinator, str(processes), str(process), "script.json"]
        running.append(
            subprocess.Popen(
                [sys.executable, PROGRAM, *words],
                env=environment, cwd=own, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        )  # fmt: skip
    return running


def commands(place: str, model: str, data: str) -> tuple[list[str], list[str]]:
    """A score and a training into a place."""
    task = ["--model", model, "--task", "sst2", "--data", data, "--batch-size", "8"]
    score = ["score", *task, "--unit", "batch", "--limit", "21", "--out", f"{place}/scores.npz"]
    score += ["--keep-gradients", f"{place}/gradients.npy"]
    train = ["train", *task, "--steps", STEPS, "--learning-rate", "0.001", "--log-every", "2"]
    train += ["--checkpoints", f"{place}/kept", "--save-every", "4", "--out", f"{place}/tuned"]
    return score, train


@pytest.fixture(scope="module")
def shelf(sentiment, tmp_path_factory) -> Path:
    """What is to be read lies there already."""
    folder = tmp_path_factory.mktemp("shelf")
    shutil.copytree(sentiment, folder / "in" / "model")
    write_jsonl(folder / "in" / "sst2.train.jsonl", reviews(48))
    return folder


@pytest.fixture(scope="module")
def one(shelf, tmp_path_factory) -> Path:
    """One process does the same into a folder of its own, and is not stopped."""
    out, inside = tmp_path_factory.mktemp("one"), shelf / "in"
    words = commands(str(out), str(inside / "model"), str(inside / "sst2.train.jsonl"))
    assert [main([*each, "--mesh", f"data={DEVICES}"]) for each in words] == [0, 0]
    return out


SCORE, TRAIN = commands("shelf://runs", "shelf://in/model", "shelf://in/sst2.train.jsonl")


def test_a_score_and_a_training_that_was_stopped_end_as_those_of_one_process(one, shelf, tmp_path):
    running = start(tmp_path, shelf, 2, [SCORE, TRAIN])
    while not list((shelf / "runs").glob("kept/[1-9]*")):
        time.sleep(0.02)
        assert running[0].poll() is None, ended(running)
    running[1].send_signal(signal.SIGTERM)
    statuses, said = ended(running)
    assert statuses == [143, 143], said
    alone, together = (load_scores(place / "scores.npz") for place in (one, shelf / "runs"))
    np.testing.assert_allclose(alone.score_LH, together.score_LH, rtol=2e-5, atol=1e-7)
    assert together.model == "shelf://in/model"
    effects = [open_kept(place / "gradients.npy") for place in (one, shelf / "runs")]
    np.testing.assert_allclose(*effects, rtol=2e-4, atol=1e-6)
    assert not (shelf / "runs" / "tuned").exists()

    statuses, said = ended(start(tmp_path, shelf, 2, [[*TRAIN, "--resume"]]))
    assert statuses == [0, 0], said
    assert said.count("put at shelf://runs/tuned") == 1
    text = (shelf / "runs" / "tuned.jsonl").read_text()
    log = [json.loads(line)["step"] for line in text.splitlines()]
    assert log == [*range(2, 61, 2)]
    alone, together = (load_model(place / "tuned").params for place in (one, shelf / "runs"))
    assert furthest(alone, together) < 1e-6
    assert not list(tmp_path.glob("host*/tmp/jaxheads-*"))


def test_what_cannot_be_put_ends_all_of_them_with_one_line(shelf, tmp_path):
    score = [word.replace("runs/", "nowhere/") for word in SCORE]
    running = start(tmp_path, shelf, 2, [score])
    (shelf / "closed").touch()
    try:
        statuses, said = ended(running)
    finally:
        (shelf / "closed").unlink()
    assert statuses == [2, 2], said
    lines = [line for line in said.splitlines() if line.startswith("jaxheads: error: ")]
    assert ["the shelf is closed; what was made is in" in line for line in lines] == [True, True]
    assert "Traceback" not in said
    (kept,) = tmp_path.glob("host0/tmp/jaxheads-*")
    assert str(kept) in said and list(kept.rglob("scores.npz"))


@pytest.mark.long
def test_a_study_has_the_records_of_one_process(shelf, tmp_path):
    config = write_data(tmp_path) / "tiny.py"
    words = [word for change in STUDY for word in ("--set", change)]
    assert main(["study", str(config), "--out", str(tmp_path / "one"), *words]) == 0
    study = ["study", str(config), "--out", "shelf://runs/study", *words]
    statuses, said = ended(start(tmp_path, shelf, 2, [study]))
    assert statuses == [0, 0], said
    assert_like_records(tmp_path / "one", shelf / "runs" / "study")
