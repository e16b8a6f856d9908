"""`babysit.sh`: VMs that are taken away are made again, and the same run goes on."""

from __future__ import annotations

import pytest

from tests.tpu_scripts.conftest import JAXHEADS, RAY, runs, setup

pytestmark = pytest.mark.slow  # many short processes


def babysit(cloud, checkout, *words, **environment):
    script = checkout / "tpu_scripts" / "babysit.sh"
    environment = {"FAKE_JAXHEADS": JAXHEADS, "FAKE_RAY": RAY, **environment}
    return cloud.run(str(script), "--backoff", "0", *words, **environment)


def verbs(cloud) -> list[str]:
    calls = cloud.calls()
    return [" ".join(call[:2]) for call in calls if call[1] in ("create", "delete", "scp")]


def test_babysit_brings_up_runs_and_stops_when_the_run_has_finished(cloud, checkout):
    found = babysit(cloud, checkout, "--spot", "train", "--out", "a 'b'")
    assert found.returncode == 0, found.stderr
    assert verbs(cloud) == ["tpu-vm create", "tpu-vm scp"]
    assert cloud.calls("tpu-vm", "create")[0][-1] == "--spot"
    assert [runs(worker) for worker in cloud.workers] == [1, 1]
    assert (cloud.workers[1] / "told").read_text() == "train\0--out\0a 'b'\0"


@pytest.mark.parametrize("queued", [[], ["--queued"]])
def test_babysit_replaces_a_preempted_vm_and_runs_the_same_again(cloud, checkout, queued):
    assert setup(cloud, checkout).returncode == 0
    cloud.states("tpu-vm", "READY", "PREEMPTED")
    if queued:
        cloud.states("queued-resources", "SUSPENDED")
    (cloud.workers[1] / "exits").write_text("1")  # as a process whose partner has gone
    found = babysit(cloud, checkout, *queued, "train")
    assert "tiny is PREEMPTED: replacing it" in found.stderr
    created = "queued-resources" if queued else "tpu-vm"
    assert f"{created} create" in verbs(cloud) and "tpu-vm delete" in verbs(cloud)
    assert ("queued-resources delete" in verbs(cloud)) == bool(queued)
    assert [runs(worker) for worker in cloud.workers] == [2, 2]
    assert found.returncode == 1 and "by its own fault" in found.stderr  # the second time, it was


def test_babysit_resumes_after_a_preemption(cloud, checkout):
    assert setup(cloud, checkout).returncode == 0
    cloud.states("tpu-vm", "READY", "PREEMPTED")
    cloud.fail("tpu-vm ssh", number=4, status=255, says="connection closed")  # while it follows
    found = babysit(cloud, checkout, "--spot", "train", "--resume")
    assert found.returncode == 0, found.stderr
    assert "tiny is PREEMPTED: replacing it" in found.stderr
    assert verbs(cloud)[1:] == ["tpu-vm delete", "tpu-vm create", "tpu-vm scp"]


@pytest.mark.parametrize("state", ["SUSPENDED", "FAILED", "ACTIVE"])
def test_babysit_asks_anew_where_a_preemption_left_only_the_request(cloud, checkout, state):
    cloud.states("queued-resources", state)
    found = babysit(cloud, checkout, "--queued", "train")
    assert found.returncode == 0, found.stderr
    assert f"tiny is gone and its request is {state}: asking anew" in found.stderr
    assert verbs(cloud) == [
        "queued-resources delete", "queued-resources create", "tpu-vm scp"
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["STOPPED", "REPAIRING"])
def test_babysit_deletes_no_vm_that_was_not_preempted(cloud, checkout, state):
    cloud.states("tpu-vm", state)
    found = babysit(cloud, checkout, "--retries", "1", "train")
    assert found.returncode == 75
    assert f"tiny is {state}, which a preemption does not do; it is left as it is" in found.stderr
    assert verbs(cloud) == []


def test_babysit_stops_at_a_fault_of_the_run_itself(cloud, checkout):
    (cloud.workers[0] / "exits").write_text("2")
    (cloud.workers[1] / "exits").write_text("2")
    found = babysit(cloud, checkout, "train")
    assert found.returncode == 2 and "by its own fault" in found.stderr
    assert runs(cloud.workers[0]) == 1


def test_babysit_gives_up_after_so_many_failures_in_a_row(cloud, checkout):
    cloud.fail("tpu-vm create", says="no capacity")
    found = babysit(cloud, checkout, "--retries", "2", "train")
    assert found.returncode == 75 and "3 failures in a row, giving up" in found.stderr
    assert len(cloud.calls("tpu-vm", "create")) == 3
    cloud.mend()
    assert babysit(cloud, checkout, "train").returncode == 0


@pytest.mark.parametrize("step", ["tpu-vm describe", "tpu-vm create", "tpu-vm scp", "tpu-vm ssh"])
def test_babysit_survives_one_failure_of_any_step(cloud, checkout, step):
    cloud.fail(step, number=1, says="hiccup")
    found = babysit(cloud, checkout, "train")
    assert found.returncode == 0, found.stderr
    assert [runs(worker) for worker in cloud.workers] == [1, 1]


def test_babysit_sets_up_a_vm_that_is_there_but_bare(cloud, checkout):
    cloud.states("tpu-vm", "READY")
    assert babysit(cloud, checkout, "train").returncode == 0
    assert verbs(cloud) == ["tpu-vm scp"]


STUDY = ("study", "a.py", "--out", "gs://b/a", "--ray", "auto")


def test_babysit_joins_the_nodes_of_a_cluster_and_gives_the_study_to_its_head(cloud, checkout):
    found = babysit(cloud, checkout, "--spot", "--node", "two=v6e-8", *STUDY)
    assert found.returncode == 0, found.stderr
    (made,) = cloud.calls("tpu-vm", "create")  # all VMs of the stand-in are one
    assert (made[2], made[-1]) == ("tiny", "--spot")
    assert {call[2] for call in cloud.calls("tpu-vm", "describe")} == {"tiny", "two"}
    assert [runs(worker) for worker in cloud.workers] == [1, 0]
    head, other = ((worker / "ray.calls").read_text() for worker in cloud.workers)
    assert "start --head --port 6379" in head and "start --address worker-0:6379" in other


def test_babysit_brings_a_node_back_while_the_study_goes_on(cloud, checkout):
    assert babysit(cloud, checkout, "--node", "two", *STUDY[:-1], "").returncode == 0
    for worker in cloud.workers:
        (worker / "slow").write_text("6")
    before = ["READY"] * 4  # of the head and the node, then of the head again, twice
    cloud.states("tpu-vm", *before, "PREEMPTED")
    found = babysit(cloud, checkout, "--node", "two", *STUDY)
    assert found.returncode == 0, found.stderr
    assert "two is PREEMPTED: replacing it" in found.stderr
    assert verbs(cloud)[-3:] == ["tpu-vm delete", "tpu-vm create", "tpu-vm scp"]
    assert cloud.calls("tpu-vm", "create")[-1][2] == "two"
    assert runs(cloud.workers[0]) == 2 and "failure" not in found.stderr


def test_babysit_begins_anew_where_the_head_of_a_cluster_is_lost(cloud, checkout):
    assert babysit(cloud, checkout, "--node", "two", "doctor").returncode == 0
    cloud.states("tpu-vm", "READY", "READY", "PREEMPTED")
    cloud.fail("tpu-vm ssh", number=len(cloud.calls("tpu-vm", "ssh")) + 6, status=255)
    found = babysit(cloud, checkout, "--node", "two", *STUDY)
    assert found.returncode == 0, found.stderr
    assert "tiny is PREEMPTED: replacing it" in found.stderr and "failure 1 of" in found.stderr


def test_a_node_that_could_not_be_set_up_is_set_up_by_the_same_command(cloud, checkout):
    cloud.states("tpu-vm", "READY")  # it is there, without an environment
    assert babysit(cloud, checkout, "--node", "two", *STUDY).returncode == 0
    assert "tpu-vm scp" in verbs(cloud)
