"""Commands for the workers really run here, each worker in a folder of its own."""

from __future__ import annotations

import signal
import time

import pytest

from tests.tpu_scripts.conftest import runs

pytestmark = pytest.mark.slow  # many short processes

HARD = ["score", "--out", 'a b/it\'s "x".npz', "$HOME `id` \\n", "two\nlines", "", "*", "ü;&|<"]


def told(worker) -> list[str]:
    return (worker / "told").read_text().split("\0")[:-1]


def test_every_worker_is_told_exactly_the_words(cloud):
    cloud.install()
    found = cloud.run("run.sh", "--env", "A_B=c 'd' $e", "--", "jaxheads", *HARD)
    assert found.returncode == 0, found.stderr
    for worker in cloud.workers:
        assert told(worker) == HARD
        assert "A_B=c 'd' $e\n" in (worker / "environment").read_text()
        assert f"[{worker.name}] scores of {worker.name}" in found.stdout
        (log,) = worker.glob("jaxheads/logs/*/log")
        assert f"scores of {worker.name}\n" in log.read_text()
    for call in cloud.calls("tpu-vm", "ssh"):
        assert call[2:9] == [
            "tiny",
            "--project",
            "a project",
            "--zone",
            "zone-1",
            "--worker",
            "all",
        ]


@pytest.mark.parametrize("verb", ["prune", "report", "bench"])
def test_what_does_not_join_the_others_runs_on_the_first_worker(cloud, verb):
    cloud.install()
    assert cloud.run("run.sh", verb).returncode == 0
    assert [runs(worker) for worker in cloud.workers] == [1, 0]


def test_a_run_that_has_finished_is_started_only_when_asked(cloud):
    cloud.install()
    for words in (["doctor"], ["doctor"], ["--again", "doctor"], ["doctor", "--json"]):
        assert cloud.run("run.sh", *words).returncode == 0
    assert [runs(worker) for worker in cloud.workers] == [3, 3]


@pytest.mark.parametrize(("statuses", "expected"), [("02", 2), ("12", 2), ("90", 9)])
def test_the_exit_status_is_the_run_s(cloud, statuses, expected):
    cloud.install()
    for worker, status in zip(cloud.workers, statuses, strict=True):
        (worker / "exits").write_text(status)
    found = cloud.run("run.sh", "--run", "mine", "doctor")
    assert found.returncode == expected
    assert f"run mine failed with exit status {expected}" in found.stderr


def test_a_preempted_worker_explains_the_others(cloud):
    cloud.install()
    (cloud.workers[0] / "exits").write_text("143")
    (cloud.workers[1] / "exits").write_text("1")
    assert cloud.run("run.sh", "doctor").returncode == 143


def test_a_dropped_connection_leaves_the_run_and_the_same_command_follows_it(cloud):
    cloud.install()
    for worker in cloud.workers:
        (worker / "slow").write_text("3")
    cloud.fail("tpu-vm ssh", number=3, status=255, says="connection closed")  # ask, start, follow
    found = cloud.run("run.sh", "study", "c.py")
    assert found.returncode == 75 and "the run goes on, the same command follows" in found.stderr
    found = cloud.run("run.sh", "study", "c.py")
    assert found.returncode == 0, found.stderr
    assert "is going on" in found.stderr and "scores of worker-1" in found.stdout
    assert [runs(worker) for worker in cloud.workers] == [1, 1]


@pytest.mark.parametrize(
    ("number", "says"), [(1, "could not be asked"), (2, "did not start on all")]
)
def test_a_failed_step_is_told_and_the_command_can_be_repeated(cloud, number, says):
    cloud.install()
    cloud.fail("tpu-vm ssh", number=number, status=255, says="no route")
    found = cloud.run("run.sh", "doctor")
    assert found.returncode == 75 and "no route" in found.stderr and says in found.stderr
    assert cloud.run("run.sh", "doctor").returncode == 0
    assert [runs(worker) for worker in cloud.workers] == [1, 1]


def test_a_run_started_on_some_workers_is_started_on_the_rest_alone(cloud):
    cloud.install()
    for worker in cloud.workers:
        (worker / "slow").write_text("2")
    everyone = cloud.workers[1].rename(cloud.root / "absent")
    assert cloud.run("run.sh", "--detach", "doctor").returncode == 0
    everyone.rename(cloud.workers[1])
    assert cloud.run("run.sh", "doctor").returncode == 0
    assert [runs(worker) for worker in cloud.workers] == [1, 1]


def test_a_worker_that_was_killed_is_lost_and_the_run_can_be_repeated(cloud):
    cloud.install()
    for worker in cloud.workers:
        (worker / "slow").write_text("20")
    assert cloud.run("run.sh", "--run", "mine", "--detach", "doctor").returncode == 0
    cloud.end_runs()
    for worker in cloud.workers:
        (worker / "slow").unlink()
    assert cloud.run("run.sh", "--run", "mine", "doctor").returncode == 0
    assert [runs(worker) for worker in cloud.workers] == [2, 2]


def test_stop_sends_sigterm_to_the_run(cloud):
    cloud.install()
    for worker in cloud.workers:
        (worker / "slow").write_text("20")
    assert cloud.run("run.sh", "--run", "mine", "--detach", "doctor").returncode == 0
    assert cloud.run("run.sh", "--run", "mine", "--stop").returncode == 0
    statuses = [worker / "jaxheads/logs/mine/status" for worker in cloud.workers]
    end = time.monotonic() + 10
    while not all(path.exists() for path in statuses) and time.monotonic() < end:
        time.sleep(0.05)
    assert [int(path.read_text()) for path in statuses] == [128 + signal.SIGTERM] * 2


def test_a_vm_that_was_not_set_up_is_told(cloud):
    found = cloud.run("run.sh", "doctor")
    assert found.returncode == 69 and "run setup.sh" in found.stderr


def test_local_runs_need_no_cloud(cloud):
    settings = {"TPU_PROJECT": "", "TPU_ZONE": "", "TPU_TYPE": ""}
    found = cloud.run("run.sh", "--local", "--dry-run", "--env", "A=b c", *HARD, **settings)
    assert found.returncode == 0 and "a\\ b/it\\'s" in found.stdout and "A=b\\ c" in found.stdout
    found = cloud.run("run.sh", "--local", "--", "--version", **settings)
    assert found.returncode == 0 and found.stdout.startswith("jaxheads "), found.stderr
    assert cloud.run("run.sh", "--local", "frobnicate", **settings).returncode == 2
    assert cloud.calls() == []


@pytest.mark.parametrize("words", [[], ["--run", "a/b", "x"], ["--env", "1=2", "x"], ["--stop"]])
def test_what_makes_no_sense_is_rejected(cloud, words):
    found = cloud.run("run.sh", *words)
    assert found.returncode == 2 and "expected" in found.stderr and not cloud.calls()
