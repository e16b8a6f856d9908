"""The examples that a newcomer copies: commands on tasks of one's own, and the same in Python."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import pytest

from jaxheads.cli.main import main
from jaxheads.models.checkpoint.convert import load_model
from tests.support.paths import ROOT

FOLDER = ROOT / "configs" / "examples"
PAGE = (FOLDER / "README.md").read_text()
COMMANDS = {
    kind: block.strip().splitlines()
    for kind, block in zip(
        ("topics", "several", "words"), re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL), strict=True
    )
}
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OWN = {
    "topics": ('jh.Task("classify", text="review", label="topic")', "csv"),
    "several": ('jh.Task("multilabel", text="review", label="topics")', "jsonl"),
    "words": ('jh.Task("tag", text="1", label="2")', "conll"),
}


def test_the_examples_are_short():
    assert all(len(commands) <= 8 for commands in COMMANDS.values())
    assert len(PYTHON.splitlines()) <= 20
    assert all(task in PAGE for task, _ in OWN.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMMANDS)
def test_a_newcomer_copies_the_commands(kind, tmp_path, monkeypatch, capsys):
    for file in FOLDER.glob(f"{kind}.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS[kind]:
        one = () if " prune " in command else ("--mesh", "data=1")
        assert main([*shlex.split(command)[1:], *one]) == 0, command
    assert load_model("tuned").config.kept is not None
    assert load_model("export").config.kept is None
    evaluate = next(line for line in COMMANDS[kind] if "evaluate --model tuned" in line)
    assert main([*shlex.split(evaluate)[1:], "--out", "tuned.json"]) == 0
    exported = evaluate.replace("--model tuned", "--model export")
    assert main([*shlex.split(exported)[1:], "--out", "export.json"]) == 0
    found = json.loads((tmp_path / "tuned.json").read_text())
    again = json.loads((tmp_path / "export.json").read_text())
    (metrics,), (same,) = found["metrics"].values(), again["metrics"].values()
    assert metrics == pytest.approx(same, abs=1e-5)
    baseline = found["majority_class_baseline"]
    first = next(iter(metrics.keys() - {"loss", "accuracy"}))
    assert metrics[first] > baseline[first] + 0.2

    task, ending = OWN[kind]
    script = PYTHON.replace(OWN["topics"][0], task).replace(
        "topics.{part}.csv", f"{kind}.{{part}}.{ending}"
    )
    names: dict = {}
    exec(script, names)
    assert names["found"].metrics[first] > names["found"].floors[first]
    assert load_model("export_python").config.kept is None
