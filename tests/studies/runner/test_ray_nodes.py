"""What a Ray cluster offers to cells, and what is told where it does not do; without a cluster."""

from __future__ import annotations

from unittest import mock

import jax
import pytest

from jaxheads.cli.main import main
from jaxheads.cli.overrides import load_config
from jaxheads.storage.store import Store
from jaxheads.studies.registry import load_cells
from jaxheads.studies.runner import ray_tasks
from jaxheads.studies.runner.folder import packages
from jaxheads.studies.runner.ray_cluster import Slices, offered, slices_of
from jaxheads.studies.runner.ray_tasks import Where, compute_alone
from jaxheads.studies.settings import Run
from tests.support.tiny_study import write_study


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
    assert (slices_of(cpus), offered(cpus, None)) == (None, {"CPU": 1})
    assert offered([*cpus, node({"CPU": 8.0, "GPU": 4.0})], None) == {"GPU": 1}
    single = [node({"CPU": 8.0, "TPU": 8.0}, topology="2x4", **{"pod-type": "v6e-8"})]
    assert slices_of([*cpus, *single]) is None
    assert offered([*cpus, *single], None) == {"TPU": 8}
    labels = {"topology": "4x4", "pod-type": "v6e-16"}
    hosts = [node({"CPU": 8.0, "TPU": 4.0}, **labels) for _ in range(4)]
    slices = slices_of([*single, *hosts])  # of chips of their own
    assert slices == Slices("4x4", "v6e", 4)
    assert offered([*single, *hosts], slices) == {"TPU": 4, "hosts": 4}


def test_a_study_that_a_node_does_not_see_is_named(tmp_path):
    run = load_config(write_study(tmp_path, models=1))
    assert isinstance(run, Run)
    with pytest.raises(ValueError, match=f"{tmp_path}/out: expected a place that every node"):
        load_cells(run, Store(tmp_path / "out"))


def test_a_node_with_other_packages_fails_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_tasks, "_prepare", lambda _: None)
    where = Where("s", None, 0, dict, {**packages(), "jax": "0.1"})
    said = f"expected the same packages on all nodes, got jax 0.1 and {jax.__version__} on "
    assert compute_alone(where, dict, "a").error.startswith(said)
    assert compute_alone(where._replace(packages=packages()), dict, "a").error == "'a'"


def test_another_version_of_ray_is_told_in_one_line(tmp_path, capsys, monkeypatch):
    ray = pytest.importorskip("ray")
    told = "Version mismatch: The cluster was started with:\n    Ray: 2.1\n    Python: 3.9\n"
    monkeypatch.setattr(ray, "init", mock.Mock(side_effect=RuntimeError(told)))
    words = ["study", str(write_study(tmp_path, models=1)), "--ray", "auto"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "was started with: Ray: 2.1 Python: 3.9" in said and said.count("\n") == 1
