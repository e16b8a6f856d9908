"""Setting up, fetching and the smoke test."""

from __future__ import annotations

import tarfile

import pytest

from tests.tpu_scripts.conftest import JAXHEADS, SCRIPTS, setup

pytestmark = pytest.mark.slow  # many short processes


def test_setup_copies_the_checkout_alone_and_installs_it_everywhere(cloud, checkout):
    found = setup(cloud, checkout)
    assert found.returncode == 0, found.stderr
    for worker in cloud.workers:
        assert f"jaxheads-setup: {worker.name}:" in found.stdout
        with tarfile.open(worker / "jaxheads.tar.gz") as archive:
            files = {member.name for member in archive if member.isfile()}
        scripts = {f"./tpu_scripts/{path.name}" for path in SCRIPTS.iterdir()}
        kept = {"./pyproject.toml", "./jaxheads/cli/main.py", "./configs/tiny.py"}
        assert files - scripts == kept
        assert (worker / "jaxheads/configs/tiny.py").is_file()
        assert (worker / "uv").read_text().splitlines() == [
            "venv --quiet --python 3.12 venv",
            "pip install --quiet --python venv/bin/python -e ./code[tpu]",
        ]


def test_setup_ends_with_the_command_that_mounts(cloud, checkout):
    command = 'echo "it\'s $(hostname)" >mounted'
    found = cloud.run(
        str(checkout / "tpu_scripts/setup.sh"), "--mount", command, FAKE_JAXHEADS=JAXHEADS
    )
    assert found.returncode == 0, found.stderr
    for worker in cloud.workers:
        assert (worker / "jaxheads/mounted").read_text().startswith("it's ")


def test_setup_again_replaces_the_code_and_keeps_what_runs_wrote(cloud, checkout):
    assert setup(cloud, checkout).returncode == 0
    worker = cloud.workers[0] / "jaxheads"
    cloud.write(worker / "runs/mine/records", "precious")
    (checkout / "configs/tiny.py").rename(checkout / "configs/new.py")
    assert setup(cloud, checkout).returncode == 0
    assert [path.name for path in (worker / "configs").iterdir()] == ["new.py"]
    assert (worker / "runs/mine/records").read_text() == "precious"
    assert (cloud.workers[0] / "uv").read_text().count("venv --quiet") == 1


@pytest.mark.parametrize(
    ("step", "says"), [("tpu-vm scp", "could not be copied"), ("tpu-vm ssh", "run setup.sh again")]
)
def test_setup_tells_what_failed_and_can_be_repeated(cloud, checkout, step, says):
    cloud.fail(step, says="no route to host")
    found = setup(cloud, checkout)
    assert found.returncode == 1 and "no route to host" in found.stderr and says in found.stderr
    cloud.mend()
    assert setup(cloud, checkout).returncode == 0


def test_setup_is_rejected_while_a_run_is_going_on(cloud, checkout):
    assert setup(cloud, checkout).returncode == 0
    (cloud.workers[1] / "slow").write_text("20")
    assert cloud.run("run.sh", "--run", "mine", "--detach", "doctor").returncode == 0
    found = setup(cloud, checkout)
    assert found.returncode == 1 and "worker-1: run mine is going on" in found.stderr


def test_results_come_back_and_only_what_is_missing_is_fetched_again(cloud):
    worker = cloud.workers[0] / "jaxheads" / "runs"
    for name in ["a b/records.jsonl", "a b/deep/er.txt", "it's/x", "it's not/y"]:
        cloud.write(worker / name, f"in {name}")
    found = cloud.run("fetch.sh", "--to", "my results")
    assert found.returncode == 0, found.stderr
    here = cloud.root / "my results"
    assert (here / "a b/deep/er.txt").read_text() == "in a b/deep/er.txt"
    assert (here / "it's not/y").read_text() == "in it's not/y"
    assert len(cloud.calls("tpu-vm", "scp")) == 3 and not (here / ".fetching").exists()
    (worker / "it's/x").write_text("changed")
    assert cloud.run("fetch.sh", "--to", "my results").returncode == 0
    assert (here / "it's/x").read_text() == "changed"
    assert len(cloud.calls("tpu-vm", "scp")) == 4


def test_an_interrupted_fetch_goes_on_where_it_stopped(cloud):
    for name in "abc":
        cloud.write(cloud.workers[0] / f"jaxheads/runs/{name}/x", name)
    cloud.fail("tpu-vm scp", number=2, says="broken pipe")
    found = cloud.run("fetch.sh")
    assert found.returncode == 1 and "b was not fetched whole" in found.stderr
    assert not (cloud.root / "runs/b").exists()
    found = cloud.run("fetch.sh")
    assert found.returncode == 0 and "a is here already" in found.stderr
    assert {path.name for path in (cloud.root / "runs").iterdir()} == set("abc")


@pytest.mark.parametrize(
    ("words", "step", "number", "says"),
    [
        ([], "tpu-vm ssh", 1, "jaxheads/runs of worker 0 could not be listed"),
        ([], "tpu-vm scp", 1, "a was not fetched whole"),
        (["--logs"], "tpu-vm ssh", 1, "the workers could not be counted"),
        (["--logs"], "tpu-vm ssh", 3, "jaxheads/logs of worker 1 could not be listed"),
        (["--logs"], "tpu-vm scp", 2, "mine was not fetched whole"),
    ],
)
def test_a_failed_step_of_fetch_is_told_and_can_be_repeated(cloud, words, step, number, says):
    cloud.write(cloud.workers[0] / "jaxheads/runs/a/x", "a")
    for worker in cloud.workers:
        cloud.write(worker / "jaxheads/logs/mine/log", worker.name)
    cloud.fail(step, number, says="no route to host")
    found = cloud.run("fetch.sh", *words)
    assert found.returncode == 1 and "no route to host" in found.stderr and says in found.stderr
    assert "run fetch.sh again" in found.stderr.splitlines()[-1]
    cloud.mend()
    assert cloud.run("fetch.sh", *words).returncode == 0
    here = cloud.root / ("logs/worker-1/mine/log" if words else "runs/a/x")
    assert here.read_text() == ("worker-1" if words else "a")
    assert not list(cloud.root.glob("*/**/.fetching"))


@pytest.mark.parametrize(
    ("step", "number", "says"),
    [
        ("tpu-vm ssh", 1, "the workers do not compute together"),
        ("tpu-vm ssh", 2, "the score failed"),
    ],
)
def test_a_failed_step_of_smoke_is_told_and_can_be_repeated(cloud, step, number, says):
    cloud.install()
    for worker in cloud.workers:
        cloud.write(worker / "jaxheads/venv/bin/python", PYTHON)
    cloud.fail(step, number, says="no route to host")
    found = cloud.run("smoke.sh")
    assert found.returncode == 1 and "no route to host" in found.stderr and says in found.stderr
    cloud.mend()
    assert cloud.run("smoke.sh").returncode == 0


@pytest.mark.parametrize("step", ["tpu-vm describe", "queued-resources describe"])
def test_delete_deletes_nothing_where_it_cannot_tell_what_there_is(cloud, step):
    assert cloud.run("create.sh", "--queued").returncode == 0
    cloud.fail(step, says="no route to host")
    found = cloud.run("delete.sh", "--yes")
    assert found.returncode == 1 and "nothing was changed, try again" in found.stderr
    assert "no route to host" in found.stderr
    assert not cloud.calls("tpu-vm", "delete") + cloud.calls("queued-resources", "delete")
    cloud.mend()
    assert cloud.run("delete.sh", "--yes").returncode == 0


def test_logs_come_from_every_worker(cloud):
    cloud.install()
    assert cloud.run("run.sh", "--run", "mine", "doctor").returncode == 0
    found = cloud.run("fetch.sh", "--logs")
    assert found.returncode == 0, found.stderr
    for number in (0, 1):
        text = (cloud.root / f"logs/worker-{number}/mine/log").read_text()
        assert text == f"scores of worker-{number}\n"


def test_nothing_to_fetch_is_told(cloud):
    found = cloud.run("fetch.sh", "--from", "nowhere")
    assert found.returncode == 1 and "jaxheads/nowhere of worker 0" in found.stderr
    assert cloud.run("fetch.sh", "--from", "../.ssh").returncode == 2


PYTHON = '#!/bin/bash\nprintf "%s\\0" "$@" >"$HOME/smoked"\nexit "$(cat "$HOME/fails" || echo 0)"\n'


def test_smoke_asks_for_all_chips_of_the_type_and_scores_the_built_in_model(cloud):
    cloud.install()
    for worker in cloud.workers:
        cloud.write(worker / "jaxheads/venv/bin/python", PYTHON)
    found = cloud.run("smoke.sh", type="v4-32")
    assert found.returncode == 0 and "all is well" in found.stderr, found.stderr
    for worker in cloud.workers:
        flag, program, *rest = (worker / "smoked").read_text().split("\0")[:-1]
        compile(program, "smoke", "exec")
        assert [flag, *rest] == ["-c", "slice", "16"]
        told = (worker / "told").read_text().split("\0")
        assert told[:5] == ["score", "--model", "builtin:roberta", "--task", "grammar_mlm"]
    (cloud.workers[1] / "fails").write_text("1")
    found = cloud.run("smoke.sh")
    assert found.returncode == 1 and "the workers do not compute together" in found.stderr
