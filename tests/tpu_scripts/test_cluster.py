"""`cluster.sh`: VMs that are made and joined to one Ray cluster, again and again."""

from __future__ import annotations

import pytest

from tests.tpu_scripts.conftest import RAY


@pytest.fixture
def ready(cloud):
    """Workers with Ray, as setup.sh leaves them."""
    cloud.install()
    for worker in cloud.workers:
        cloud.write(worker / "jaxheads" / "venv" / "bin" / "ray", RAY)
    cloud.states("tpu-vm", "READY")
    return cloud


def ray_calls(worker) -> list[str]:
    path = worker / "ray.calls"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line for line in lines if line.startswith(("start", "stop"))]


def test_the_first_worker_is_the_head_and_the_others_join_it_once(ready):
    found = ready.run("cluster.sh")
    assert found.returncode == 0, found.stderr
    head, other = ready.workers
    start = "start --head --port 6379 --dashboard-host 127.0.0.1"
    assert ray_calls(head) == ["stop", start]
    assert ray_calls(other) == ["stop", "start --address worker-0:6379"]
    token = (ready.root / ".ray" / "auth_token").read_text()
    assert len(token) == 64
    for worker in ready.workers:
        kept = worker / ".ray" / "auth_token"
        assert kept.read_text() == token and kept.stat().st_mode & 0o077 == 0
    assert token not in found.stdout + found.stderr
    assert "RAY_AUTH_MODE=token ray start --address worker-0:6379" in found.stderr
    assert ready.run("cluster.sh").returncode == 0
    assert len(ray_calls(head)) == len(ray_calls(other)) == 2  # they have joined


def test_a_worker_that_was_lost_joins_again(ready):
    assert ready.run("cluster.sh").returncode == 0
    (ready.workers[1] / "ray.runs").unlink()
    assert ready.run("cluster.sh").returncode == 0
    assert ray_calls(ready.workers[1])[2:] == ["stop", "start --address worker-0:6379"]
    assert len(ray_calls(ready.workers[0])) == 2


def test_vms_of_several_types_are_made_where_they_are_not(cloud):
    words = ["--dry-run", "--spot", "one", "two=v6e-8"]
    found = cloud.run("cluster.sh", *words, name="", type="v4-8")
    assert found.returncode == 0, found.stderr
    made = [line for line in found.stdout.splitlines() if " create " in line]
    assert [("v4-8" in line, "v6e-8" in line, "--spot" in line) for line in made] == [
        (True, False, True), (False, True, True)
    ]  # fmt: skip
    assert not cloud.calls() and not (cloud.root / ".ray").exists()


def test_what_fails_is_tried_again_by_the_same_command(ready):
    ready.fail("tpu-vm ssh")
    found = ready.run("cluster.sh")
    assert found.returncode == 75 and "the head could not start on tiny" in found.stderr
    ready.mend()
    assert ready.run("cluster.sh").returncode == 0


def test_ray_is_stopped_and_vms_stay(ready):
    assert ready.run("cluster.sh").returncode == 0
    assert ready.run("cluster.sh", "--stop").returncode == 0
    assert all(ray_calls(worker)[-1] == "stop" for worker in ready.workers)
    assert not ready.calls("tpu-vm", "delete")


def test_the_driver_of_a_cluster_is_the_first_worker_alone_with_the_token(ready):
    assert ready.run("run.sh", "study", "a.py", "--ray", "auto").returncode == 0
    head, other = ready.workers
    assert "RAY_AUTH_MODE=token\n" in (head / "environment").read_text()
    assert not (other / "told").exists()
