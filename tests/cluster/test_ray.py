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
from jaxheads.studies.runner.ray_cluster import RayCluster, offered, slice_of
from tests.support.paths import ROOT
from tests.support.sleeping import ALL, LINKS, cells, counted, processes
from tests.support.tiny_study import write_study

needs_ray = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray"),
    pytest.mark.filterwarnings("default"),  # Ray's own
]
on_ray = pytest.mark.usefixtures("cluster")
NODE = {"num_cpus": 1}
SHORT = ["--set", "seeds=0", "--set", "curve.draws=1"]


def slow(test):
    for mark in needs_ray:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator:
    """Two nodes of a core each, whose processes know the tests."""
    from ray.cluster_utils import Cluster

    changed = {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "XLA_FLAGS": ""}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        made = Cluster(initialize_head=True, head_node_args=NODE)
        made.add_node(**NODE)
        yield made
        made.shutdown()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run(cluster, made: dict[str, Cell], out: Path, load, resources=None) -> None:
    off = mock.patch.object(ray_cluster, "_check_answers")  # the network is off in tests
    with off, RayCluster(load, cluster.address, resources, dict) as engine:
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


def test_where_no_cluster_is_the_command_ends_in_one_line(tmp_path, capsys):
    pytest.importorskip("ray")
    config = write_study(tmp_path, models=1)
    words = ["study", str(config), "--out", str(tmp_path / "out"), "--ray", "127.0.0.1:1"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "--ray: expected a cluster at '127.0.0.1:1', got none" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def node(resources: dict[str, float], **labels: str) -> dict:
    return {"Resources": resources, "Labels": {f"ray.io/tpu-{k}": v for k, v in labels.items()}}


def test_a_cell_takes_what_the_nodes_offer():
    cpus = [node({"CPU": 8.0}), node({"CPU": 2.0})]
    assert (slice_of(cpus), offered(cpus, None)) == (None, {"CPU": 1})
    assert offered([*cpus, node({"CPU": 8.0, "GPU": 4.0})], None) == {"GPU": 1}
    single = [node({"CPU": 8.0, "TPU": 4.0}, topology="2x2x1")]
    assert slice_of([*cpus, *single]) is None
    assert offered([*cpus, *single], None) == {"TPU": 4, "hosts": 1}
    labels = {"topology": "4x4", "pod-type": "v6e-16"}
    hosts = [node({"CPU": 8.0, "TPU": 4.0}, **labels) for _ in range(4)]
    assert slice_of(hosts) == ("4x4", "v6e")
    assert offered(hosts, ("4x4", "v6e")) == {"TPU": 4, "hosts": 4}


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
