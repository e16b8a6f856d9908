"""Remote inputs and outputs, in fsspec's file system that lies in memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import fsspec
import pytest

from jaxheads.cli import main
from jaxheads.options import PruneOptions, ScoreOptions
from jaxheads.remote import localised, url_of


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


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
        model="memory://in/model", data=Path("memory://in/d.jsonl"),
        out=Path("memory://results/one/scores.npz"),
    )  # fmt: skip
    with localised(options) as local:
        assert Path(local.model, "deep", "weights").read_bytes() == b"w"
        assert local.data is not None and local.data.read_bytes() == b"1"
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
    assert order[-1].endswith(".config.json.draft") and len(order) == 3
    assert sorted(memory.find("/models")) == [
        "/models/small/config.json", "/models/small/tokenizer.json", "/models/small/weights"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="expected a free place"), localised(options):
        raise AssertionError


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


def test_paths_without_a_role_are_refused_where_they_are_remote(capsys):
    assert main(["study", "a.py", "--out", "gs://bucket/out"]) == 2
    assert "expected a local path" in capsys.readouterr().err


def test_every_role_is_known():
    roles = {field.metadata.get("role") for field in dataclasses.fields(ScoreOptions)}
    assert roles == {None, "in", "out"}
