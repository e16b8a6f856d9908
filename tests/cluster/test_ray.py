"""Cells on a real Ray cluster of two nodes, on this machine."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import pytest

from jaxheads.cli.main import main
from jaxheads.records.rows import Row, read_rows
from jaxheads.storage.store import Store
from jaxheads.studies.runner import ray_cluster
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.runner.driver import run_cells
from jaxheads.studies.runner.local_workers import take_cores
from jaxheads.studies.runner.ray_cluster import RayCluster
from tests.support.paths import ROOT
from tests.support.sleeping import ALL, LINKS, cells, counted, processes
from tests.support.tiny_study import write_study

NODE: Any = {"num_cpus": 1}
SHORT = ["--set", "seeds=0", "--set", "curve.draws=1"]


def slow(test):
    """A test of a real cluster, where there is Ray."""
    without = importlib.util.find_spec("ray") is None
    test = pytest.mark.filterwarnings("default")(test)  # Ray's own
    return pytest.mark.slow(pytest.mark.skipif(without, reason="needs ray")(test))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator:
    """Two nodes of a core each, whose processes know the tests."""
    from ray.cluster_utils import Cluster

    changed = {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "XLA_FLAGS": ""}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        made.add_node(**NODE)
        yield made
        made.shutdown()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def joined(cluster, load, resources=None, machine: Any = dict) -> Iterator[RayCluster]:
    off = mock.patch.object(ray_cluster, "_check_answers")  # the network is off in tests
    with off, RayCluster(load, cluster.address, resources, machine) as engine:
        yield engine


def run(cluster, made: dict[str, Cell], out: Path, load, resources=None) -> None:
    with joined(cluster, load, resources) as engine:
        run_cells(Store(out), list(made.values()), engine)


@slow
def test_a_study_has_the_rows_of_local_processes_with_as_many_cores(cluster, tmp_path, capfd):
    config = str(write_study(tmp_path, "Michel2019()", models=1))
    out = {name: str(tmp_path / name) for name in ("local", "ray")}
    words = ["study", config, *SHORT, "--out"]
    program = [sys.executable, "-m", "jaxheads"]
    local = [*program, *words, out["local"], "--workers", "2"]
    assert subprocess.run(local, cwd=ROOT).returncode == 0
    there = [*program, *words, out["ray"], "--ray", cluster.address]
    assert subprocess.run(there, cwd=ROOT).returncode == 0
    one, two = ((Path(place) / "rows.jsonl").read_bytes() for place in out.values())
    assert one == two
    said = capfd.readouterr().out
    assert "ray: 2 nodes with 2 CPU; a cell takes CPU=1" in said
    assert "put at" not in said and "report  " in said
    assert main([*words, out["ray"], "--ray", cluster.address, "--status"]) == 0
    assert "11 of 11 cells done" in capfd.readouterr().out


@slow
def test_a_node_that_is_killed_costs_its_cells_which_are_tried_again(cluster, tmp_path):
    log = tmp_path / "log"
    load = functools.partial(cells, log, seconds=0.5)
    lost = cluster.add_node(**NODE)

    def kill() -> None:
        while len(counted(log, "begin")) < 6:
            time.sleep(0.02)
        cluster.remove_node(lost, allow_graceful=False)

    threading.Thread(target=kill, daemon=True).start()
    run(cluster, load(), tmp_path / "out", load)
    rows = read_rows(tmp_path / "out" / "rows.jsonl")
    assert len(rows) == ALL and len({row.task for row in rows}) == ALL
    assert len(counted(log, "end")) == ALL


@slow
def test_a_failed_cell_is_recorded_and_the_others_go_on(cluster, tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    load = functools.partial(cells, log, failing=("1-2",))
    with pytest.raises(ValueError, match=r"^cell 1-2-asleep: 1-2 cannot be computed; 2 further"):
        run(cluster, load(), out, load)
    assert "RuntimeError: 1-2 cannot" in (out / "failed" / "1-2-asleep.json").read_text()
    load = functools.partial(cells, log)
    run(cluster, load(), out, load)
    assert set(counted(log, "end").values()) == {1} and len(counted(log, "end")) == ALL


DRIVER = """
import functools, sys
from pathlib import Path

from jaxheads.storage.store import Store
from jaxheads.studies.runner.driver import run_cells
from jaxheads.studies.runner.ray_cluster import RayCluster
from tests.support.sleeping import cells

log, out = map(Path, sys.argv[1:3])
load = functools.partial(cells, log, seconds=0.3)
with RayCluster(load, sys.argv[3], None, dict) as engine:
    run_cells(Store(out), list(load().values()), engine)
"""


@slow
def test_a_driver_that_is_killed_is_resumed_by_the_same_command(cluster, tmp_path):
    log = tmp_path / "log"
    words = [sys.executable, "-c", DRIVER, str(log), str(tmp_path / "out"), cluster.address]
    driver = subprocess.Popen(words, cwd=ROOT)
    while len(counted(log, "end")) < 4:
        time.sleep(0.02)
        assert driver.poll() is None
    driver.send_signal(signal.SIGKILL)
    driver.wait(timeout=30)
    done = len(list((tmp_path / "out" / "cells").iterdir()))
    assert 0 < done < ALL
    assert subprocess.run(words, cwd=ROOT, timeout=120).returncode == 0
    assert len(read_rows(tmp_path / "out" / "rows.jsonl")) == ALL
    assert sum(count - 1 for count in counted(log, "begin").values()) <= 4  # what was under way


@slow
def test_many_trivial_cells_cost_little_beside_their_work(cluster, tmp_path):
    load = functools.partial(cells, tmp_path / "log", seconds=0.0, chains=50)
    made, begin = load(), time.monotonic()
    assert len(made) == 50 * LINKS + 1
    run(cluster, made, tmp_path / "out", load)
    assert time.monotonic() - begin < 20
    assert len(processes(tmp_path / "log")) <= 4  # which go on from cell to cell


def together(number: int) -> list[Row]:
    """What one of several processes sees."""
    from jax.experimental import multihost_utils

    own = jax.numpy.asarray([10.0 ** jax.process_index() * number])
    total = multihost_utils.process_allgather(own).sum()
    return [Row("s", "m", str(number), "processes", float(jax.process_count())),
            Row("s", "m", str(number), "sum", float(total))]  # fmt: skip


def of_two() -> dict[str, Cell]:
    made = [cell(together, number) for number in (1, 2, 3)]
    return {each.name: each for each in made}


@slow
def test_two_nodes_compute_a_cell_together(cluster, tmp_path, capfd):
    run(cluster, of_two(), tmp_path / "out", of_two, {"CPU": 1.0, "hosts": 2.0})
    rows = read_rows(tmp_path / "out" / "rows.jsonl")
    assert [row.value for row in rows] == [2, 11, 2, 22, 2, 33]
    assert "a cell takes CPU=1 on each of 2 nodes" in capfd.readouterr().out


@slow
def test_what_no_node_has_is_told_as_waited_for(cluster, capfd):
    with joined(cluster, of_two, {"GPU": 1.0}) as engine:
        engine._check_offered()
    assert capfd.readouterr().out.count("ray: waiting for a node with GPU=1\n") == 1
    with joined(cluster, of_two, {"hosts": 3.0}):  # and what is offered
        pass
    assert "ray: waiting for 3 nodes with CPU=1\n" in capfd.readouterr().out


@slow
def test_a_task_that_cannot_begin_is_told_and_was_not_lost(cluster, tmp_path):
    made = of_two()
    with pytest.raises(ValueError, match=r"cell 1-together: .*cannot be read here") as told:
        run(cluster, made, tmp_path / "out", Unreadable())
    assert "without an answer" not in str(told.value)


class Unreadable:
    """What makes cells, as where jaxheads is not installed."""

    def __reduce__(self):
        return unreadable, ()

    def __call__(self):
        return of_two()


def unreadable():
    raise ModuleNotFoundError("cannot be read here")


def here() -> dict:
    return {"devices": jax.process_count()}


@slow
def test_the_hosts_of_a_slice_compute_a_cell_together(cluster, tmp_path, capfd):
    """Nodes that are labelled as Ray labels the hosts of a slice, and have no TPU."""
    labels = {"ray.io/tpu-topology": "2x2x2", "ray.io/tpu-pod-type": "v4-16"}
    hosts = [
        cluster.add_node(
            num_cpus=1,
            env_vars={"TPU_NAME": "one"},
            resources={"TPU": 4, **({} if number else {"TPU-v4-16-head": 1})},
            labels={
                **labels, "ray.io/tpu-slice-name": "one", "ray.io/tpu-worker-id": str(number)
            },
        )
        for number in range(2)
    ]  # fmt: skip
    try:
        with joined(cluster, of_two, machine=here) as engine:
            assert engine.hosts == 2 and engine.machine() == {"devices": 2, "nodes": 4}
            run_cells(Store(tmp_path / "out"), list(of_two().values()), engine)
        with pytest.raises(ValueError, match="expected TPU=4,hosts=2, all of a slice"):
            with joined(cluster, of_two, {"TPU": 4.0}):
                pass
    finally:
        for each in hosts:
            cluster.remove_node(each)
    rows = read_rows(tmp_path / "out" / "rows.jsonl")
    assert [row.value for row in rows] == [2, 11, 2, 22, 2, 33]
    assert "a cell takes TPU=4 on each of 2 nodes" in capfd.readouterr().out


@slow
def test_a_job_that_is_submitted_to_the_cluster_runs_the_command(tmp_path):
    """As `ray job submit` does it: the driver on the head, which finds the cluster by itself."""
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    places = {"RAY_TMPDIR": "/tmp", "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    environment = {**os.environ, **places, **token, "RAY_USAGE_STATS_ENABLED": "0"}
    config = str(write_study(tmp_path, "Pretrain()", models=1))
    # the other cluster of this machine has the usual port of the agent that runs jobs
    ports = ["--port=6399", "--dashboard-port=8299", "--dashboard-agent-listen-port=0"]
    head = [*ray, "start", "--head", "--block", "--num-cpus=1", *ports]
    started = subprocess.Popen(head, env=environment, stdout=subprocess.DEVNULL)
    try:
        study = [sys.executable, "-m", "jaxheads", "study", config, "--out", str(tmp_path / "out")]
        job = [*ray, "job", "submit", "--address=http://127.0.0.1:8299", "--"]
        words, limit = [*job, *study, "--ray", "auto"], time.monotonic() + 120
        while True:
            said = subprocess.run(words, env=environment, capture_output=True, text=True)
            early = "Failed to connect" in said.stderr or "No available agent" in said.stderr
            if not early or time.monotonic() > limit:
                break
        assert said.returncode == 0 and "[3/3] " in said.stdout, said.stdout + said.stderr
        assert (tmp_path / "out" / "rows.jsonl").is_file()
        without = {name: value for name, value in environment.items() if name not in token}
        words = [*study, "--ray", "127.0.0.1:6399"]
        said = subprocess.run(words, env=without, capture_output=True, text=True)
        assert said.returncode == 2 and said.stderr.count("\n") == 1, said.stderr
        assert "got none: RAY_AUTH_MODE=token and its token" in said.stderr
    finally:
        started.terminate()  # which ends what it has started, and no other Ray of this machine
        started.wait(timeout=60)


def test_processes_of_a_node_take_cores_of_their_own(tmp_path):
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("needs two cores")
    held = contextlib.ExitStack()
    try:
        held.enter_context(take_cores(1, tmp_path))
        (first,) = os.sched_getaffinity(0)
        os.sched_setaffinity(0, before)
        held.enter_context(take_cores(1, tmp_path))
        (second,) = os.sched_getaffinity(0)
        assert first != second
        os.sched_setaffinity(0, {first, second})
        take_cores(1, tmp_path)  # none is left: all of them
        assert os.sched_getaffinity(0) == {first, second}
    finally:
        held.close()
        os.sched_setaffinity(0, before)
