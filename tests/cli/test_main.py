"""The command line rejects what it does not know, in one line, and starts nothing it need not."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import os
import re
import subprocess
import sys
import typing
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxheads.cli import main as cli
from jaxheads.cli.main import VERBS, main
from jaxheads.cli.options.fields import MeshShape, parse_mesh
from jaxheads.cli.options.other import PruneOptions
from jaxheads.cli.options.score import ScoreOptions
from jaxheads.cli.options.study import StudyOptions
from jaxheads.cli.score import METHODS
from jaxheads.data.tasks.named import TASKS
from jaxheads.importance import UNITS

SCORE = ["score", "--model", "m", "--task", "sst2", "--out", "s.npz"]
TRAIN = ["train", "--model", "m", "--task", "sst2", "--steps", "1", "--out", "d"]


@pytest.fixture
def seen(monkeypatch):
    """What verbs were called with; the verbs themselves do not run."""
    calls = []
    monkeypatch.setattr(cli, "_load", lambda name: calls.append)
    return calls


def fails_with(capsys, words, status=2):
    """Run a command that must fail; return its one line."""
    assert main(words) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.strip()


def test_score_has_sensible_defaults(seen):
    assert main(SCORE) == 0
    assert seen == [ScoreOptions(model="m", task="sst2", out=Path("s.npz"))]
    assert seen[0].mesh == MeshShape(data=None, model=1)
    assert (seen[0].method, seen[0].unit, seen[0].limit) == ("gradient", None, None)


def test_every_score_option_arrives_typed(seen):
    words = [*SCORE, "--data", "d.jsonl", "--method", "fisher", "--unit", "token", "--seed", "3"]
    words += ["--normalize", "l2", "--limit", "5", "--batch-size=7", "--dtype", "bfloat16"]
    words += ["--mesh", "data=4,model=2", "--max-length", "64", "--long", "truncate"]
    words += ["--split", "validation", "--keep-gradients", "g.npy"]
    words += ["--coordinator", "host:1", "--num-processes", "2", "--process-id", "1"]
    assert main(words) == 0
    assert seen == [
        ScoreOptions(
            model="m",
            task="sst2",
            out=Path("s.npz"),
            data="d.jsonl",
            method="fisher",
            unit="token",
            seed=3,
            normalize="l2",
            limit=5,
            batch_size=7,
            dtype="bfloat16",
            mesh=MeshShape(4, 2),
            max_length=64,
            long="truncate",
            split="validation",
            keep_gradients=Path("g.npy"),
            coordinator="host:1",
            num_processes=2,
            process_id=1,
        )
    ]


def test_prune_and_study_options_arrive_typed(seen):
    words = ["--model", "m", "--scores", "s.npz", "--budget", "0", "--out", "d"]
    assert main(["prune", *words, "--per-layer", "--floor", "2"]) == 0
    assert main(["study", "c.py", "--set", "a.b=1", "--set", "c=--x", "--out", "o"]) == 0
    assert seen == [
        PruneOptions(
            model="m", scores=Path("s.npz"), budget=0, per_layer=True, floor=2, out=Path("d")
        ),
        StudyOptions(config=Path("c.py"), set=("a.b=1", "c=--x"), out=Path("o")),
    ]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["scroe"], "unknown verb 'scroe'; did you mean score?"),
        (["--verbose"], "unknown option '--verbose'"),
        (["score", "--modle", "m"], "unknown argument '--modle'; did you mean --model?"),
        ([*SCORE, "--batch", "3"], "unknown argument '--batch'"),  # no abbreviations
        ([*SCORE, "--limits=3"], "unknown argument '--limits'; did you mean --limit?"),
        ([*SCORE, "stray"], "unknown argument 'stray'"),
        (["score", "--model", "m"], "score: expected --out; see `jaxheads score --help`"),
        (["evaluate", "--model", "m"], "expected --task; see `jaxheads evaluate --help`"),
        (SCORE[:3] + SCORE[5:], "expected --task for the method gradient"),
        ([*SCORE, "--limit", "many"], "--limit: expected an integer, got 'many'"),
        ([*SCORE, "--limit"], "--limit: expected one argument"),
        ([*SCORE, "--dtype", "float16"], "expected one of float32, bfloat16, got 'float16'"),
        ([*SCORE, "--mesh", "data=0"], "expected data=N,model=M with sizes from 1, got 'data=0'"),
        (
            [*SCORE, "--limit", "0", "--batch-size", "-2"],
            "--limit: expected at least 1, got 0; --batch-size: expected at least 1, got -2",
        ),
        (
            [*SCORE, "--coordinator", "h:1", "--num-processes", "2", "--process-id", "2"],
            "--process-id: expected a number below 2, got 2",
        ),
        ([*SCORE, "--out", "s.csv"], "--out: expected a name that ends in .npz, got s.csv"),
        ([*SCORE, "--keep-gradients", "g"], "expected a name that ends in .npy, got g"),
        (["study"], "study: expected CONFIG"),
        (["study", "a.py", "b.py"], "unknown argument 'b.py'"),
        (["bench", "--json=yes"], "ignored explicit argument 'yes'"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(seen, capsys, words, problem):
    line = fails_with(capsys, words)
    assert line.startswith("jaxheads: error: ")
    assert problem in line
    assert seen == []


HOSTS = {"--coordinator": "h:1", "--num-processes": "2", "--process-id": "1"}


@pytest.mark.parametrize(
    "some", [some for count in (1, 2) for some in itertools.combinations(HOSTS, count)]
)
@pytest.mark.parametrize("words", [SCORE, TRAIN, ["study", "c.py"]], ids=lambda words: words[0])
def test_what_several_hosts_need_is_named_where_it_is_missing(seen, capsys, words, some):
    line = fails_with(capsys, [*words, *(word for flag in some for word in (flag, HOSTS[flag]))])
    missing = ", ".join(flag for flag in HOSTS if flag not in some)
    assert line == (
        f"jaxheads: error: several hosts: expected all of {', '.join(HOSTS)}, got no {missing}"
    )
    assert seen == []


@given(st.lists(st.text(max_size=8).filter(lambda word: word != "--debug"), max_size=5))
def test_no_words_whatever_make_a_traceback(words):
    assert main(words) in (0, 2)


@given(st.text())
def test_any_mesh_text_is_a_shape_or_a_valueerror(text):
    try:
        shape = parse_mesh(text)
    except ValueError:
        return
    assert shape.model >= 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("weights:\n  a: missing\n\n  b: missing"), "weights:; a: missing; b: missing"),
        (FileNotFoundError(2, "No such file or directory", "d.jsonl"), "d.jsonl: No such file or"),
        (ConnectionError("no network"), "no network"),
        (ValueError(), "ValueError"),
    ],
)
def test_bad_input_is_one_line(monkeypatch, capsys, error, line):
    def fail(options):
        raise error

    monkeypatch.setattr(cli, "_load", lambda name: fail)
    assert fails_with(capsys, ["bench"]).startswith(f"jaxheads: error: {line}")
    with pytest.raises(type(error)):
        main(["bench", "--debug"])


def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(cli, "_load", lambda name: lambda options: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main(["bench"])


def test_ctrl_c_is_status_130(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_load", lambda name: interrupt)
    assert fails_with(capsys, ["bench"], status=130) == "jaxheads: interrupted"


def test_a_verb_decides_its_status(monkeypatch):
    monkeypatch.setattr(cli, "_load", lambda name: lambda options: 7)
    assert main(["bench"]) == 7


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("jaxheads.cli.bench", "bench is not built yet: there is no jaxheads.cli.bench"),
        ("matplotlib", "bench needs the package matplotlib; `jaxheads doctor` says how"),
    ],
)
def test_a_missing_module_is_explained(monkeypatch, capsys, missing, line):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(importlib, "import_module", absent)
    assert line in fails_with(capsys, ["bench"])


def test_our_own_missing_module_is_a_bug(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError("No module named 'jaxheads.x'", name="jaxheads.x")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ModuleNotFoundError):
        main(["bench"])


@pytest.mark.parametrize("name", VERBS)
def test_help_names_every_option(capsys, name):
    assert main([name, "--help"]) == 0
    text = "".join(capsys.readouterr().out.split())  # the terminal's width breaks lines
    for field in dataclasses.fields(VERBS[name].options):
        what = field.metadata
        if what.get("hidden"):
            continue
        flag = "" if what["positional"] else f"--{field.name.replace('_', '-')}"
        assert "".join(f"{flag}{what['metavar']}".split()) in text
        assert "".join(what["help"].replace("%%", "%").split()) in text


def test_help_names_every_task_method_and_unit(capsys):
    main(["score", "--help"])
    words = set(re.findall(r"\w+", capsys.readouterr().out))
    assert {*TASKS, *METHODS, *UNITS} - {"none"} <= words


def test_the_overview_names_every_verb(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in VERBS)
    assert main([]) == 2
    assert capsys.readouterr().err == text


def test_the_version_is_the_package_s(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxheads {metadata.version('jaxheads')}\n"


@pytest.mark.parametrize("name", VERBS)
def test_options_are_frozen_and_every_type_can_be_parsed(name):
    options = VERBS[name].options
    assert options.__dataclass_params__.frozen
    assert typing.get_type_hints(options).keys() == {
        field.name for field in dataclasses.fields(options)
    }


def test_a_closed_pipe_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "jaxheads", "--help"]
    ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, "")
