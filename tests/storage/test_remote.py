"""Remote inputs and outputs, in fsspec's file system that lies in memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jaxheads.cli.main import main
from jaxheads.cli.options.other import PruneOptions
from jaxheads.cli.options.score import ScoreOptions
from jaxheads.cli.options.study import ReportOptions, StudyOptions
from jaxheads.cli.options.train import TrainOptions
from jaxheads.config import TrainingConfig
from jaxheads.storage.remote import fetched, localised, outputs
from jaxheads.storage.urls import url_of
from jaxheads.studies.settings import Chiang2021, ModelSettings, Run, TaskSettings, TextSettings


def score(**changes) -> ScoreOptions:
    named = {"model": "builtin:roberta", "task": "sst2", "out": Path("a.npz"), **changes}
    return ScoreOptions(**named)


def test_urls_survive_being_paths():
    assert url_of(Path("gs://bucket/a b/x.npz")) == "gs://bucket/a b/x.npz"
    assert url_of("memory://a/b") == "memory://a/b"
    for local in ("a/b", "/a/b", "builtin:roberta", "C:/models", "roberta-base", "a:b", ""):
        assert url_of(local) is None


def test_local_options_are_left_as_they_are():
    options = score()
    with localised(options) as local:
        assert local is options


def test_what_is_read_is_fetched_and_what_is_written_is_put_at_the_end(memory):
    memory.pipe(
        {"/in/model/config.json": b"{}", "/in/model/deep/weights": b"w", "/in/d.jsonl": b"1"}
    )
    options = score(
        model="memory://in/model", data="memory://in/d.jsonl",
        out=Path("memory://results/one/scores.npz"),
    )  # fmt: skip
    with localised(options) as local:
        assert Path(local.model, "deep", "weights").read_bytes() == b"w"
        assert local.data is not None and Path(local.data).read_bytes() == b"1"
        assert local.out.suffix == ".npz" and local.out.parent.is_dir()
        local.out.write_bytes(b"scores")
        local.out.with_name("scores.log").write_bytes(b"beside")
        assert not memory.exists("/results/one/scores.npz")
    assert memory.cat("/results/one/scores.npz") == b"scores"
    assert memory.cat("/results/one/scores.log") == b"beside"
    assert not [name for name in memory.find("/results") if "draft" in name]
    assert not local.out.parent.exists()


def test_a_directory_is_put_with_its_config_last(memory, monkeypatch):
    order = []
    put = type(memory).put
    monkeypatch.setattr(
        type(memory), "put", lambda self, one, two: (order.append(two), put(self, one, two))
    )
    options = PruneOptions(
        model="a", scores=Path("s.npz"), budget=3, out=Path("memory://models/small")
    )
    with localised(options) as local:
        for name in ("config.json", "weights", "tokenizer.json"):
            local.out.mkdir(exist_ok=True)
            (local.out / name).write_text(name)
    assert ".config.json." in order[-1] and order[-1].endswith(".draft") and len(order) == 3
    assert sorted(memory.find("/models")) == [
        "/models/small/config.json", "/models/small/tokenizer.json", "/models/small/weights"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="expected a free place"), localised(options):
        raise AssertionError


def test_a_training_that_is_resumed_may_have_ended_before(memory):
    memory.pipe({"/models/tuned/config.json": b"{}", "/models/tuned/weights": b"old"})
    named = {"model": "a", "task": "sst2", "steps": 4, "checkpoints": Path("kept"), "save_every": 2}
    options = TrainOptions(out=Path("memory://models/tuned"), **named)
    with pytest.raises(ValueError, match="expected a free place"), localised(options):
        raise AssertionError
    with localised(dataclasses.replace(options, resume=True)) as local:
        local.out.mkdir()
        for name in ("config.json", "weights"):
            (local.out / name).write_text("new")
    assert memory.cat("/models/tuned/weights") == b"new"


def test_nothing_is_put_where_the_command_failed(memory):
    options = score(out=Path("memory://results/scores.npz"))
    with pytest.raises(ZeroDivisionError), localised(options) as local:
        local.out.write_bytes(b"half")
        raise ZeroDivisionError
    assert not memory.find("/results")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("memory://nowhere/x.jsonl", "memory://nowhere/x.jsonl: no such file or directory"),
        ("warez://a/b.jsonl", "warez://a/b.jsonl: expected a protocol that fsspec opens"),
    ],
)
def test_what_cannot_be_read_is_one_line(place, said, capsys):
    words = ["score", "--model", "builtin:roberta", "--task", "sst2", "--out", "a.npz"]
    assert main([*words, "--data", place]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_file_system_that_cannot_be_asked_is_one_line(memory, monkeypatch, capsys):
    def fails(*_, **__):
        raise RuntimeError("no route")

    monkeypatch.setattr(type(memory), "isdir", fails)
    words = ["score", "--model", "builtin:roberta", "--task", "sst2", "--out"]
    for more in (["a.npz", "--data", "memory://in/d.jsonl"], ["memory://runs/a.npz"]):
        assert main([*words, *more]) == 2
        error = capsys.readouterr().err
        assert ": no route" in error and error.count("\n") == 1


def test_paths_without_a_role_are_rejected_where_they_are_remote(capsys):
    assert main(["bench", "--out", "gs://bucket/out"]) == 2
    assert "--out: expected a local path, got 'gs://bucket/out'" in capsys.readouterr().err


def test_the_url_of_a_local_file_is_its_path(tmp_path, capsys):
    assert main(["study", "quickstart", "--status", "--out", f"file://{tmp_path}/a"]) == 2
    assert f"error: {tmp_path}/a: expected a study that was begun" in capsys.readouterr().err


def test_every_role_is_known():
    roles = {
        field.metadata.get("role")
        for options in (ScoreOptions, TrainOptions, StudyOptions, ReportOptions)
        for field in dataclasses.fields(options)
    }
    assert roles == {None, "in", "out", "folder", "report"}


# -- places that commands work in


def test_a_place_to_work_in_is_left_as_it_is(memory):
    study = StudyOptions(config=Path("a.py"), out=Path("memory://runs/one"))
    with localised(study) as local:
        assert local is study
    assert outputs(study) == ["memory://runs/one"]
    assert outputs(dataclasses.replace(study, status=True)) == []
    assert not memory.find("/runs")


def test_a_report_leaves_the_models_where_they_are(memory):
    memory.pipe(
        {
            "/runs/one/models/m/config.json": b"{}",
            "/runs/one/rows.jsonl": b"r",
            "/runs/one/scores/a.npz": b"s",
            "/runs/one/scores/kept/a.npy": b"k",
        }
    )
    with localised(ReportOptions(folder=Path("memory://runs/one"))) as local:
        found = sorted(path.name for path in local.folder.rglob("*"))
        assert found == ["a.npz", "rows.jsonl", "scores"]
        (local.folder / "report").mkdir()
        (local.folder / "report" / "index.html").write_text("page")
    assert memory.cat("/runs/one/report/index.html") == b"page"
    assert len(memory.find("/runs")) == 5


def test_settings_at_any_depth_are_fetched(memory):
    memory.pipe({"/data/train.jsonl": b"1", "/data/held/train.jsonl": b"2"})
    memory.pipe({"/m/config.json": b"{}"})
    run = Run(
        study=Chiang2021(),
        name="a",
        models=(ModelSettings("m", source="memory://m"),),
        text=TextSettings("grammar_mlm", length=24),
        tasks=(
            TaskSettings("sst2", train=Path("memory://data/train.jsonl"), length=8),
            TaskSettings("cola", held_out=Path("memory://data/held/train.jsonl"), length=8),
        ),
        finetune=TrainingConfig(steps=1),
        probe=TrainingConfig(steps=1),
    )
    with fetched(run) as local:
        one, two = local.tasks
        assert one.train.read_bytes() == b"1" and two.held_out.read_bytes() == b"2"
        assert two.held_out.name == "train.jsonl"
        assert Path(local.models[0].source, "config.json").read_bytes() == b"{}"
        assert local.text is run.text
    assert not one.train.exists()
    with fetched(run.text) as same:
        assert same is run.text
