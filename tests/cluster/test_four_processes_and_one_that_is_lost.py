"""Four processes compute as one, and whichever is killed, the others end in time."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jaxheads.cli.main import main
from jaxheads.parallel.processes import LOST
from tests.cluster.test_two_processes_compute_as_one import (
    STEPS,
    Commands,
    assert_like_records,
    ended,
    start,
    write_data,
)  # fmt: skip
from tests.support.reviews import reviews, write_jsonl

pytestmark = pytest.mark.slow
IN_TIME = 40  # seconds, where a process is given up after ten


@pytest.fixture
def _lost_early(monkeypatch):
    monkeypatch.setenv("LOST", str(LOST // 3))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.mark.long
def test_a_study_of_four_processes_has_the_records_of_one(data, tmp_path):
    one, four = (Commands(data, Path("none"), tmp_path / name) for name in ("one", "four"))
    four.out.mkdir()
    assert main(one.study) == 0
    statuses, said = ended(start(four.out, 4, [four.study]))
    assert statuses == [0] * 4, said
    assert_like_records(one.out / "study", four.out / "study")


def assert_the_rest_ends(
    running: list[subprocess.Popen], killed: int, under_way: Callable[[], bool]
) -> None:
    while not under_way():
        time.sleep(0.02)
        assert running[killed].poll() is None, ended(running)
    running[killed].send_signal(signal.SIGKILL)
    begin = time.monotonic()
    statuses, said = ended(running)
    assert time.monotonic() - begin < IN_TIME
    assert statuses[killed] == -signal.SIGKILL
    assert statuses[1 - killed] not in (0, None), said


@pytest.mark.usefixtures("_lost_early")
def test_when_the_first_process_is_killed_the_other_ends_in_time(data, sentiment, tmp_path):
    run = Commands(data, sentiment, tmp_path)
    train = [word if word != STEPS else "100000" for word in run.train]
    log = Path(run.log)
    assert_the_rest_ends(
        start(tmp_path, 2, [train]), 0, lambda: log.is_file() and log.stat().st_size > 0
    )


@pytest.mark.usefixtures("_lost_early")
@pytest.mark.parametrize("killed", [0, 1])
def test_when_a_process_is_killed_while_it_scores_the_other_ends_in_time(
    data, sentiment, tmp_path, killed
):
    run = Commands(data, sentiment, tmp_path)
    many = write_jsonl(tmp_path / "many.jsonl", reviews(48) * 200)
    score = [*run.score, "--keep-gradients", str(tmp_path / "g.npy")]
    for option, value in (("--limit", "9600"), ("--batch-size", "4"), ("--data", str(many))):
        score[score.index(option) + 1] = value
    running = start(tmp_path, 2, [score])
    assert_the_rest_ends(running, killed, lambda: len(list(tmp_path.glob(".g.*draft*"))) == 2)
    assert not (tmp_path / "scores.npz").exists()
