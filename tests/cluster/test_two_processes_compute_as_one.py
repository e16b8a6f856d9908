"""Two and four processes run the command line as one does: score, train, study, stop, and die."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.importance import load_scores
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.models.model import Params
from jaxheads.parallel.processes import LOST
from jaxheads.records.rows import read_rows
from tests.support.reviews import reviews, write_jsonl
from tests.support.tiny_study import write_study

PROGRAM = Path(__file__).with_name("host_of_many.py")
DEVICES, STEPS = 4, "60"
STUDY = (
    "seeds=0",
    f"devices={DEVICES}",
    "curve.points=2",
    "curve.draws=1",
    "scoring.ablated=0",
    "scoring.rescored=0",
)


def start(folder: Path, processes: int, script: list[list]) -> list[subprocess.Popen]:
    """Processes that share four devices, all on one script."""
    path = folder / f"script{processes}.json"
    path.write_text(json.dumps(script))
    program, many = [sys.executable, str(PROGRAM)], str(processes)
    return started(processes, lambda at, number: [*program, at, many, str(number), str(path)])


def started(processes: int, command: Callable[[str, int], list[str]]) -> list[subprocess.Popen]:
    """Processes that share four devices; `command` takes the coordinator and the number of one."""
    coordinator, devices = coordinator_and_devices(processes)
    environment = {**os.environ, **devices}
    return [
        subprocess.Popen(
            command(coordinator, process),
            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for process in range(processes)
    ]  # fmt: skip


def coordinator_and_devices(processes: int) -> tuple[str, dict[str, str]]:
    """Where they meet, and how each has its share of the devices."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    return coordinator, {"JAX_NUM_CPU_DEVICES": str(DEVICES // processes)}


def ended(running: list[subprocess.Popen]) -> tuple[list[int], str]:
    """Their exit statuses, and all that they said."""
    try:
        said = [process.communicate(timeout=400)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    return [process.returncode for process in running], "\n".join(said)


class Commands:
    """The words of the commands, for runs that write into a folder of their own."""

    def __init__(self, data: Path, model: Path, out: Path) -> None:
        self.out, self.config = out, data / "tiny.py"
        task = ["--model", str(model), "--task", "sst2", "--data", str(data / "sst2.train.jsonl")]
        self.score = [
            "score", *task, "--unit", "batch", "--limit", "21", "--batch-size", "8",
            "--out", str(out / "scores.npz"),
        ]  # fmt: skip
        self.train = [
            "train", *task, "--steps", STEPS, "--batch-size", "8", "--learning-rate", "0.001",
            "--log-every", "2", "--checkpoints", str(out / "kept"), "--out", str(out / "tuned"),
        ]  # fmt: skip
        changes = [word for change in STUDY for word in ("--set", change)]
        self.study = ["study", str(self.config), "--out", str(out / "study"), *changes]
        self.log = str(out / "tuned.jsonl")


def write_main_study(folder: Path, *study: str) -> Path:
    """The config of a study of one model and one task."""
    config = write_study(folder, *study, models=1)
    config.write_text(config.read_text().replace(', task("cola")', ","))
    return config


def write_data(folder: Path) -> Path:
    """The config of a study of one model and one task, and the task's examples for commands."""
    write_main_study(folder, "Michel2019()")
    write_jsonl(folder / "sst2.train.jsonl", reviews(48))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def two(data, sentiment, tmp_path_factory) -> Commands:
    """Two processes score, run a study, and are stopped while they train."""
    run = Commands(data, sentiment, tmp_path_factory.mktemp("two"))
    script = [run.score, run.study, ["stop", run.log, 4, -1], run.train]
    statuses, said = ended(start(run.out, 2, script))
    assert statuses == [143, 143], said
    return run


@pytest.fixture(scope="module")
def one(data, sentiment, tmp_path_factory) -> Commands:
    """One process does the same, and is not stopped."""
    run = Commands(data, sentiment, tmp_path_factory.mktemp("one"))
    mesh = ["--mesh", f"data={DEVICES}"]
    assert main([*run.score, *mesh]) == main([*run.train, *mesh]) == main(run.study) == 0
    return run


def assert_like_scores(one: Path, two: Path) -> None:
    there, here = load_scores(one), load_scores(two)
    np.testing.assert_allclose(there.score_LH, here.score_LH, rtol=2e-5, atol=1e-7)
    assert there[1:] == here[1:]


def furthest(one: Params, two: Params) -> float:
    """The largest difference of a number, but for key biases.

    Their true gradient is zero, since softmax ignores them: what rounding leaves of it Adam divides
    by its own size, so that they drift with the order of the sums.
    """

    def distance(path, mine, other) -> float:
        if jax.tree_util.keystr(path, simple=True, separator="/").endswith("key/bias"):
            return 0.0
        return float(np.abs(mine - other).max())

    return max(jax.tree.leaves(jax.tree_util.tree_map_with_path(distance, one, two)))


@pytest.mark.slow
def test_two_processes_score_as_one(one, two):
    assert_like_scores(one.out / "scores.npz", two.out / "scores.npz")


@pytest.mark.slow
def test_a_study_of_two_processes_has_the_records_of_one(one, two):
    assert_like_records(one.out / "study", two.out / "study")


@pytest.mark.slow
def test_the_main_study_of_two_processes_has_the_records_of_one(data, tmp_path):
    changes = [word for change in STUDY for word in ("--set", change)]
    config = write_main_study(tmp_path)
    words = ["study", str(config), *changes, "--out"]
    assert main([*words, str(tmp_path / "one")]) == 0
    statuses, said = ended(start(tmp_path, 2, [[*words, str(tmp_path / "two")]]))
    assert statuses == [0, 0], said
    assert_like_records(tmp_path / "one", tmp_path / "two")


def assert_like_records(one: Path, two: Path) -> None:
    there, here = (read_rows(folder / "rows.jsonl") for folder in (one, two))
    names = {"value": 0.0, "low": None, "high": None, "p_value": None}
    assert [dataclasses.replace(row, **names) for row in there] == [
        dataclasses.replace(row, **names) for row in here
    ]
    for mine, other in zip(there, here, strict=True):
        assert other.value == pytest.approx(mine.value, rel=1e-4, abs=1e-5, nan_ok=True), mine
    kept = [path.name for path in (two / "scores" / "kept").iterdir()]
    assert not [name for name in kept if name.count(".") > 2], kept  # no part of one process left


@pytest.mark.slow
def test_four_processes_go_on_where_two_were_stopped(one, two, data, sentiment):
    steps = [int(path.name) for path in (two.out / "kept").iterdir() if path.name.isdecimal()]
    assert steps and 0 < max(steps) < int(STEPS)
    before = Path(two.log).read_text()
    four = Commands(data, sentiment, two.out)
    scores = two.out / "scores4.npz"
    score = [*four.score[:-1], str(scores)]
    statuses, said = ended(start(two.out, 4, [score, [*four.train, "--resume"]]))
    assert statuses == [0] * 4, said
    assert_like_scores(one.out / "scores.npz", scores)
    after = Path(two.log).read_text()
    assert before.count("\n") >= 4 and after.startswith(before)  # with its times: not done again
    assert [json.loads(line)["step"] for line in after.splitlines()] == [*range(2, 61, 2)]
    untouched, alone, together = (
        load_model(path).params for path in (sentiment, one.out / "tuned", two.out / "tuned")
    )
    assert furthest(untouched, alone) > 5e-3
    assert furthest(alone, together) < 1e-6


@pytest.mark.slow
def test_a_model_that_lies_on_two_processes_is_trained_as_on_one(
    data, checkpoint, tmp_path, capsys
):
    """With a vocabulary that the four devices do not divide, which the checkpoint has as it is."""
    odd = checkpoint("classification", ("negative", "positive"), vocab_size=303)
    held_out = write_jsonl(tmp_path / "held_out.jsonl", reviews(21, start=60))
    run = Commands(data, odd, tmp_path)
    words = [word if word != STEPS else "2" for word in run.train[:-2]]  # without --out
    words += ["--dropout", "0", "--held-out", str(held_out), "--mesh", f"data=1,model={DEVICES}"]
    alone = [*words[: words.index("--checkpoints")], *words[words.index("--checkpoints") + 2 :]]
    assert main([*alone, "--out", str(tmp_path / "one")]) == 0
    expected = evaluations(capsys.readouterr().out)
    statuses, said = ended(start(tmp_path, 2, [[*words, "--out", str(tmp_path / "two")]]))
    assert statuses == [0, 0], said
    assert evaluations(said) == pytest.approx(expected, abs=2e-4)  # as they are printed
    untouched, one, two = (
        load_model(path).params for path in (odd, *map(tmp_path.joinpath, ("one", "two")))
    )
    assert furthest(untouched, one) > 1e-3
    assert furthest(one, two) < 1e-6
    record = json.loads((tmp_path / "kept" / "2" / "run" / "metadata").read_text())
    assert record["shapes"]["trainable/params/encoder/embeddings/word/table"] == [303, 16]


def evaluations(said: str) -> tuple[float, ...]:
    """Accuracy and loss on what is held out."""
    found = re.search(r"held out +accuracy (\S+), loss (\S+) at step 2", said)
    assert found is not None, said
    return tuple(map(float, found.groups()))


@pytest.mark.slow
def test_what_is_wrong_with_the_part_of_one_process_ends_all(data, sentiment, tmp_path):
    """Of two lines that are too long each process reads one; no time goes by in waiting."""
    rows = reviews(21)
    for line in (4, 9):
        rows[line - 1]["sentence"] = "good " * 90
    path = write_jsonl(tmp_path / "long.jsonl", rows)
    score = ["score", "--model", str(sentiment), "--task", "sst2", "--data", str(path), "--out"]
    begin = time.monotonic()
    statuses, said = ended(start(tmp_path, 2, [[*score, str(tmp_path / "scores.npz")]]))
    assert statuses == [2, 2], said
    wrong = [line for line in said.splitlines() if "expected at most" in line]
    assert len(wrong) == 2 and wrong[0] == wrong[1]
    assert f"{path}:4: expected at most" in wrong[0] and f"{path}:9: expected" in wrong[0]
    assert time.monotonic() - begin < LOST
    assert {each.name for each in tmp_path.iterdir()} == {"long.jsonl", "script2.json"}


@pytest.mark.slow
def test_when_one_process_is_killed_the_others_end_in_time(data, sentiment, tmp_path, monkeypatch):
    monkeypatch.setenv("LOST", str(LOST // 3))
    run = Commands(data, sentiment, tmp_path)
    train = [word if word != STEPS else "100000" for word in run.train]
    running = start(tmp_path, 2, [["kill", run.log, 2, 1], train])
    running[1].wait(timeout=300)
    begin = time.monotonic()
    statuses, said = ended(running)
    assert statuses[1] == -signal.SIGKILL
    assert statuses[0] not in (0, None), said
    assert time.monotonic() - begin < 40 and LOST < 60
    assert "another task died" in said or "heartbeat" in said, said
