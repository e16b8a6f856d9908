from __future__ import annotations

import pytest

TYPES = [
    ("v4-8", "v4-8", "tpu-ubuntu2204-base"),
    ("v5e-16", "v5litepod-16", "v2-alpha-tpuv5-lite"),
    ("v6e-8", "v6e-8", "v2-alpha-tpuv6e"),
]
NAME = "my 'tpu' \"x\" $HOME"
PLACE = ["--project", "a project", "--zone", "zone-1"]


@pytest.mark.parametrize(("type_", "accelerator", "runtime"), TYPES)
@pytest.mark.parametrize("spot", [[], ["--spot"]])
def test_a_vm_is_created_on_demand_or_spot(cloud, type_, accelerator, runtime, spot):
    found = cloud.run("create.sh", *spot, type=type_, name=NAME)
    assert found.returncode == 0, found.stderr
    assert cloud.calls("tpu-vm", "create") == [
        [
            *("tpu-vm", "create", NAME, *PLACE),
            *("--accelerator-type", accelerator, "--version", runtime, *spot),
        ]
    ]
    assert cloud.calls("queued-resources") == []


@pytest.mark.parametrize(("type_", "accelerator", "runtime"), TYPES)
@pytest.mark.parametrize("spot", [[], ["--spot"]])
def test_a_request_is_queued_and_waited_for(cloud, type_, accelerator, runtime, spot):
    found = cloud.run("create.sh", "--queued", *spot, type=type_, name=NAME)
    assert found.returncode == 0, found.stderr
    request = f"{NAME}-request"
    assert cloud.calls("queued-resources") == [
        ["queued-resources", "describe", request, *PLACE, "--format", "value(state.state)"],
        [
            *("queued-resources", "create", request, *PLACE, "--node-id", NAME),
            *("--accelerator-type", accelerator, "--runtime-version", runtime, *spot),
        ],
        ["queued-resources", "describe", request, *PLACE, "--format", "value(state.state)"],
    ]
    assert cloud.calls("tpu-vm", "create") == []


def test_waiting_goes_through_all_states_until_active(cloud):
    states = ["CREATING", "ACCEPTED", "WAITING_FOR_RESOURCES", "PROVISIONING", "ACTIVE"]
    cloud.states("queued-resources", *states)
    assert cloud.run("create.sh", "--queued").returncode == 75  # ACTIVE, but its VM is not there
    assert len(cloud.calls("queued-resources", "describe")) == 6 - 1
    assert cloud.calls("queued-resources", "create") == []  # the request was there already


@pytest.mark.parametrize("state", ["FAILED", "SUSPENDING", "SUSPENDED", "DELETING"])
def test_a_request_that_will_not_be_granted_is_named(cloud, state):
    cloud.states("queued-resources", "WAITING_FOR_RESOURCES", state)
    found = cloud.run("create.sh", "--queued")
    assert found.returncode == 1
    assert f"request tiny-request is {state} and will not be granted; run delete.sh" in found.stderr


def test_waiting_ends_and_can_be_taken_up(cloud):
    cloud.states("queued-resources", "WAITING_FOR_RESOURCES")
    found = cloud.run("create.sh", "--queued", "--wait", "0")
    assert found.returncode == 75 and "still WAITING_FOR_RESOURCES after 0 s" in found.stderr
    cloud.states("queued-resources", "ACTIVE")
    cloud.states("tpu-vm", "READY")
    assert cloud.run("create.sh", "--queued", "--wait", "0").returncode == 0


def test_what_is_there_is_not_created_again(cloud):
    assert cloud.run("create.sh").returncode == cloud.run("create.sh").returncode == 0
    assert len(cloud.calls("tpu-vm", "create")) == 1


@pytest.mark.parametrize("state", ["PREEMPTED", "TERMINATED", "STOPPED"])
def test_a_vm_that_is_not_ready_is_left_alone(cloud, state):
    cloud.states("tpu-vm", state)
    found = cloud.run("create.sh")
    assert found.returncode == 1 and f"tiny is {state}, not READY; run delete.sh" in found.stderr
    assert cloud.calls("tpu-vm", "create") == []


@pytest.mark.parametrize(
    ("step", "words", "says"),
    [
        ("tpu-vm describe", [], "gcloud could not tell the state of tiny"),
        ("tpu-vm create", [], "gcloud could not create tiny"),
        ("queued-resources describe", ["--queued"], "gcloud could not tell the state of tiny"),
        ("queued-resources create", ["--queued"], "gcloud did not take the request"),
    ],
)
def test_a_failure_of_gcloud_is_told_and_the_command_can_be_repeated(cloud, step, words, says):
    cloud.fail(step, says="PERMISSION_DENIED: quota")
    found = cloud.run("create.sh", *words)
    assert found.returncode == 1
    assert "PERMISSION_DENIED: quota" in found.stderr and says in found.stderr
    cloud.mend()
    assert cloud.run("create.sh", *words).returncode == 0


def test_deleting_asks_and_takes_the_request_too(cloud):
    assert cloud.run("create.sh", "--queued", name=NAME).returncode == 0
    assert cloud.run("delete.sh", name=NAME, answer="n\n").returncode == 1
    assert cloud.run("delete.sh", name=NAME).returncode == 1  # nobody answers
    assert cloud.calls("tpu-vm", "delete") == []
    assert cloud.run("delete.sh", name=NAME, answer="y\n").returncode == 0
    assert cloud.calls("tpu-vm", "delete") == [["tpu-vm", "delete", NAME, *PLACE, "--quiet"]]
    assert cloud.calls("queued-resources", "delete") == [
        ["queued-resources", "delete", f"{NAME}-request", *PLACE, "--force", "--quiet"]
    ]
    again = cloud.run("delete.sh", "--yes", name=NAME)
    assert again.returncode == 0 and "there is no" in again.stderr
    assert len(cloud.calls("tpu-vm", "delete")) == 1


@pytest.mark.parametrize("step", ["tpu-vm delete", "queued-resources delete"])
def test_a_failed_deletion_says_so_and_can_be_repeated(cloud, step):
    assert cloud.run("create.sh", "--queued").returncode == 0
    cloud.fail(step)
    found = cloud.run("delete.sh", "--yes")
    assert found.returncode == 1 and "gcloud could not delete" in found.stderr
    cloud.mend()
    assert cloud.run("delete.sh", "--yes").returncode == 0
    assert cloud.run("delete.sh", "--yes").stderr.startswith("delete: there is no tiny")
