"""A study's folder as it is found: finished, unfinished, with files that are not what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jaxheads.records.rows import Row, write_rows
from jaxheads.report.folder import read_study, seconds_of


def row(value=0.5, *, model="roberta", task="sst2", metric="accuracy", **what) -> Row:
    return Row("a study", model, task, metric, value, **what)


def test_an_unfinished_study_is_read_from_its_cells(tmp_path):
    write_rows(tmp_path / "cells/b.jsonl", [row(0.2)])
    write_rows(tmp_path / "cells/a.jsonl", [row(0.1)])
    study = read_study(tmp_path)
    assert [r.value for r in study.rows] == [0.1, 0.2]
    assert not study.finished
    write_rows(tmp_path / "rows.jsonl", [row(0.3)])
    assert [r.value for r in read_study(tmp_path).rows] == [0.3]
    assert read_study(tmp_path).finished


def test_a_folder_without_rows_is_rejected(tmp_path):
    with pytest.raises(ValueError, match=r"expected a study's rows.jsonl or cells.*, got neither"):
        read_study(tmp_path)
    (tmp_path / "rows.jsonl").touch()
    with pytest.raises(ValueError, match="got no row in them"):
        read_study(tmp_path)


def test_models_and_tasks_come_in_the_order_of_the_settings(tmp_path):
    tasks = ("b", "a", "mlm", "", "all tasks", "c")
    write_rows(tmp_path / "rows.jsonl", [row(model=m, task=t) for m in "yx" for t in tasks])
    run = {"models": [{"name": "x"}, {"name": "y"}], "tasks": [{"name": "a"}, {"name": "z"}]}
    (tmp_path / "run.json").write_text(json.dumps({"run": run, "made_on": {"python": "3"}}))
    study = read_study(tmp_path)
    assert study.models == ["x", "y"]
    assert study.tasks == ["mlm", "a", "b", "c"]
    assert study.downstream == ["a", "b", "c"]
    assert study.machine == {"python": "3"}


def test_models_are_compared_by_the_first_metric_that_is_no_loss(tmp_path):
    metrics = ("loss", "f1", "accuracy")
    rows = [row(metric="accuracy", stage="floor")]
    rows += [row(metric=metric, stage="whole") for metric in metrics]
    write_rows(tmp_path / "rows.jsonl", rows)
    study = read_study(tmp_path)
    assert study.metric("sst2") == "f1"
    assert study.metric("another") == "loss"


def test_scores_of_whole_models_are_read_and_other_readings_passed_over(tmp_path):
    rows = [row(task=task, seed=seed, budget=3) for task in ("mlm", "sst2") for seed in (1, 2)]
    write_rows(tmp_path / "rows.jsonl", rows)
    (tmp_path / "scores").mkdir()
    names = ["roberta-sst2-1", "roberta-sst2-frozen-2", "roberta-sst2-1.token"]
    for name in [*names, "roberta-sst2-pruned8-1", "roberta-mlm-0", "mlm-0"]:
        np.savez(tmp_path / "scores" / f"{name}.npz", score=np.ones((2, 3)))
    study = read_study(tmp_path)
    assert [one[:3] for one in study.scores] == [
        ("roberta", "mlm", "fine-tuned"), ("roberta", "sst2", "fine-tuned"),
        ("roberta", "sst2", "linear probe"),
    ]  # fmt: skip
    assert study.heads("roberta") == 6
    assert study.heads("another") is None


@pytest.mark.parametrize("array", [np.ones(3), np.ones((2, 2), int), np.array([[{}]], object)])
def test_scores_that_are_none_are_rejected_by_name(tmp_path, array):
    write_rows(tmp_path / "rows.jsonl", [row()])
    (tmp_path / "scores").mkdir()
    np.savez(tmp_path / "scores/roberta-sst2-0.npz", score=array)
    with pytest.raises(ValueError, match=r"roberta-sst2-0.npz: expected"):
        read_study(tmp_path)
    (tmp_path / "scores/roberta-sst2-0.npz").write_bytes(b"not an npz")
    with pytest.raises(ValueError, match=r"roberta-sst2-0.npz: expected"):
        read_study(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"run": 1, "made_on": {}}', '{"run": {}}'])
def test_settings_that_are_none_are_rejected(tmp_path, text):
    write_rows(tmp_path / "rows.jsonl", [row()])
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run.json: expected"):
        read_study(tmp_path)


def test_times_are_added_up(tmp_path):
    assert seconds_of(tmp_path) is None
    (tmp_path / "times").mkdir()
    (tmp_path / "times" / "a.json").write_text('{"seconds": 1.5}\n')
    (tmp_path / "times" / "b.json").write_text('{"seconds": 2}\n')
    assert seconds_of(tmp_path) == 3.5
    (tmp_path / "times" / "b.json").write_text('{"cell": "a"}\n')
    with pytest.raises(ValueError, match=r"b.json: expected seconds, got"):
        seconds_of(tmp_path)
