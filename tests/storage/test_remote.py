"""Remote inputs and outputs, in fsspec's file system that lies in memory."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from jaxheads.cli.main import main
from jaxheads.cli.options.other import PruneOptions
from jaxheads.cli.options.score import ScoreOptions
from jaxheads.cli.options.study import ReportOptions, StudyOptions
from jaxheads.cli.options.train import TrainOptions
from jaxheads.config import TrainingConfig
from jaxheads.storage import leases
from jaxheads.storage.leases import Worker
from jaxheads.storage.remote import claim_mirrors, fetched, localised, outputs, put_mirrors
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


def test_every_role_is_known():
    roles = {
        field.metadata.get("role")
        for options in (ScoreOptions, TrainOptions, StudyOptions, ReportOptions)
        for field in dataclasses.fields(options)
    }
    assert roles == {None, "in", "out", "folder", "report"}


# -- folders that commands work in


def study_at(url: str) -> StudyOptions:
    return StudyOptions(config=Path("a.py"), out=Path(url))


def write(path: Path, text: str, *, second: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (second, second))


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def test_a_folder_is_put_as_it_grows_and_fetched_by_the_next_command(memory):
    with localised(study_at("memory://runs/one")) as local:
        assert list(local.out.iterdir()) == []
        write(local.out / "cells/a.jsonl", "a", second=1)
        write(local.out / "times.jsonl", "1", second=2)
        put_mirrors()
        assert memory.cat("/runs/one/cells/a.jsonl") == b"a"
        write(local.out / "times.jsonl", "12", second=3)
        write(local.out / "failed/b.json", "b", second=3)
        put_mirrors()
        assert memory.cat("/runs/one/times.jsonl") == b"12"
        (local.out / "failed/b.json").unlink()
        write(local.out / "rows.jsonl", "r", second=4)
    assert not local.out.exists()
    assert sorted(memory.find("/runs")) == [
        "/runs/one/cells/a.jsonl", "/runs/one/rows.jsonl", "/runs/one/times.jsonl"
    ]  # fmt: skip
    with localised(study_at("memory://runs/one")) as local:
        assert (local.out / "times.jsonl").read_text() == "12"


def test_only_what_changed_is_put_and_files_in_the_order_they_were_written(memory, monkeypatch):
    memory.pipe({"/runs/one/run.json": b"{}"})
    order = []
    put = type(memory).put
    monkeypatch.setattr(
        type(memory),
        "put",
        lambda self, one, two: (order.append(Path(two).name), put(self, one, two)),
    )
    with localised(study_at("memory://runs/one")) as local:
        write(local.out / "cells/a.jsonl", "a", second=9)
        write(local.out / "models/m/config.json", "{}", second=5)
        write(local.out / "models/m/model.safetensors", "w", second=5)
        write(local.out / "scores/a.npz", "s", second=7)
    names = ("model.safetensors", "config.json", "a.npz", "a.jsonl")
    drafts = zip(order, names, strict=True)
    assert all(each.startswith(f".{name}.") and each.endswith(".draft") for each, name in drafts)


def test_what_is_being_written_or_of_this_machine_stays_here(memory):
    with localised(study_at("memory://runs/one")) as local:
        for name in (
            "leases/a@1", "workers/7", ".run.1.draft.json", "models/.m.2.draft/config.json",
            "checkpoints/x/3.orbax-checkpoint-tmp-1/d", "run.json",
        ):  # fmt: skip
            write(local.out / name, "x", second=1)
    assert memory.find("/runs") == ["/runs/one/run.json"]


def test_a_model_whose_last_file_is_missing_is_not_fetched(memory):
    memory.pipe(
        {
            "/runs/one/models/half/model.safetensors": b"w",
            "/runs/one/models/half/tokenizer.json": b"t",
            "/runs/one/models/whole/model.safetensors": b"w",
            "/runs/one/models/whole/config.json": b"{}",
        }
    )
    with localised(study_at("memory://runs/one")) as local:
        assert [path.name for path in (local.out / "models").iterdir()] == ["whole"]


def test_a_report_leaves_the_models_where_they_are(memory):
    memory.pipe({"/runs/one/models/m/config.json": b"{}", "/runs/one/rows.jsonl": b"r"})
    with localised(ReportOptions(folder=Path("memory://runs/one"))) as local:
        assert [path.name for path in local.folder.iterdir()] == ["rows.jsonl"]
        write(local.folder / "report/index.html", "page", second=1)
    assert memory.cat("/runs/one/report/index.html") == b"page"
    assert memory.exists("/runs/one/models/m/config.json")


def test_a_folder_is_put_even_where_the_command_fails(memory):
    with pytest.raises(ZeroDivisionError), localised(study_at("memory://runs/one")) as local:
        write(local.out / "cells/a.jsonl", "a", second=1)
        raise ZeroDivisionError
    assert memory.exists("/runs/one/cells/a.jsonl") and not local.out.exists()


def test_what_cannot_be_put_is_tried_again_and_is_not_lost(memory, monkeypatch, caplog):
    def fails(*_):
        raise OSError("no route")

    put = type(memory).put
    monkeypatch.setattr(type(memory), "put", fails)
    with localised(study_at("memory://runs/one")) as local:
        write(local.out / "cells/a.jsonl", "a", second=1)
        put_mirrors()
        assert "memory://runs/one: not put yet, no route" in caplog.text
        monkeypatch.setattr(type(memory), "put", put)
    assert memory.exists("/runs/one/cells/a.jsonl")
    monkeypatch.setattr(type(memory), "put", fails)
    with pytest.raises(OSError, match="no route; what was made is in"):
        with localised(study_at("memory://runs/two")) as local:
            write(local.out / "cells/a.jsonl", "a", second=1)
    assert (local.out / "cells/a.jsonl").read_text() == "a"


def test_a_look_at_a_study_fetches_what_it_tells_and_puts_nothing(memory):
    kept = ("plan.json", "times/a.json", "cells/a.jsonl", "failed/b.json")
    heavy = ("models/m/config.json", "scores/a.npz", "scores/kept/a.npy", "checkpoints/x/3/d")
    memory.pipe({f"/runs/one/{name}": b"{}" for name in (*kept, *heavy)})
    status = dataclasses.replace(study_at("memory://runs/one"), status=True)
    with localised(status) as local:
        assert sorted(names(local.out)) == sorted(kept)
        write(local.out / "cells/new.jsonl", "x", second=1)
    assert not memory.exists("/runs/one/cells/new.jsonl") and not outputs(status)


def test_a_folder_where_a_command_works_is_rejected_to_another(memory):
    with localised(study_at("memory://runs/one")) as local:
        claim_mirrors()
        with Worker("memory://runs/one") as other:
            with pytest.raises(ValueError, match=r"no other command works, got process \d+ of \S"):
                other.take("all")
        assert [path.name for path in local.out.iterdir()] == []
    assert not memory.find("/runs")


def test_who_has_been_taken_for_dead_puts_nothing(memory, monkeypatch):
    with pytest.raises(OSError, match="memory://runs/one: was taken over by another command"):
        with localised(study_at("memory://runs/one")) as local:
            claim_mirrors()
            with Worker("memory://runs/one") as other:
                monkeypatch.setattr(leases.WorkerWatch, "lives", lambda *_: False)
                other.take("all")
                write(local.out / "cells/a.jsonl", "a", second=1)
                put_mirrors()
                local.out.joinpath("rows.jsonl").touch()
                raise ZeroDivisionError
    assert not memory.exists("/runs/one/cells/a.jsonl")


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
