"""The examples that a newcomer copies: commands on tasks of one's own, and the same in Python."""

from __future__ import annotations

import csv
import functools
import json
import re
import shlex
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.data.tokens import load_tokenizer
from jaxheads.importance import load_scores
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.model import logits
from tests.support.paths import ROOT

PARTS = ("train", "test")
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


def told(command: str) -> None:
    """Run a line of the page, on one device."""
    one = () if " prune " in command else ("--mesh", "data=1")
    assert main([*shlex.split(command)[1:], *one]) == 0, command


def metrics_of(command: str, model: str) -> dict:
    """What the page's command to evaluate `tuned` finds of another model."""
    told(command.replace("--model tuned", f"--model {model}") + f" --out {model}.json")
    found = json.loads(Path(f"{model}.json").read_text())
    (metrics,) = found["metrics"].values()
    return {"metrics": metrics, "baseline": found["majority_class_baseline"]}


@pytest.mark.torch
@pytest.mark.parametrize("kind", COMMANDS)
def test_a_newcomer_copies_the_commands(kind, tmp_path, monkeypatch):
    """With a classifier that transformers saved, whose classes stand in another order."""
    from tests.support.torch_scores import Reference

    for file in FOLDER.glob(f"{kind}.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    first, *commands = COMMANDS[kind]
    told(first.replace("--out first", "--out plain"))
    Reference(kind, Path("plain")).turned(Path("first"))
    labels = [load_model(name).readout.labels for name in ("plain", "first")]
    assert labels[0] != labels[1] and sorted(labels[0]) == sorted(labels[1])
    for command in commands:
        told(command)

    rows = {part: rows_of(kind, Path(f"{kind}.{part}.{OWN[kind][1]}")) for part in PARTS}
    wanted_LH = Reference(kind, Path("first")).scores(rows["train"])
    told(commands[0].replace("--model first", "--model plain").replace("scores.", "plain."))
    for file in ("scores.npz", "plain.npz"):
        found_LH = load_scores(file).score_LH
        np.testing.assert_allclose(found_LH, wanted_LH, atol=1e-5 * wanted_LH.max())

    assert load_model("tuned").config.kept is not None
    evaluate = next(line for line in commands if "evaluate --model tuned" in line)
    tuned, export = (metrics_of(evaluate, model) for model in ("tuned", "export"))
    assert tuned["metrics"] == pytest.approx(export["metrics"], abs=1e-5)
    metric = next(name for name in tuned["metrics"] if name not in ("loss", "accuracy"))
    assert tuned["metrics"][metric] > tuned["baseline"][metric] + 0.2
    assert_same_logits(kind, "tuned", "export", rows["test"])
    wanted = Reference(kind, Path("first")).spoiled(Path("spoiled"), rows["train"], metric)
    found = metrics_of(evaluate.replace(".test.", ".train."), "spoiled")["metrics"]
    assert 0.1 < wanted[metric] < 0.96
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-6)

    task, ending = OWN[kind]
    script = PYTHON.replace(OWN["topics"][0], task).replace(
        "topics.{part}.csv", f"{kind}.{{part}}.{ending}"
    )
    names: dict = {}
    exec(script, names)
    np.testing.assert_allclose(names["scores"].score_LH, wanted_LH, atol=1e-5 * wanted_LH.max())
    assert names["found"].metrics[metric] > names["found"].floors[metric]
    save_model(names["tuned"], "smaller_python", tokenizer=names["tokenizer"])
    assert_same_logits(kind, "smaller_python", "export_python", rows["test"])


def rows_of(kind: str, file: Path) -> list[tuple]:
    """Texts, or words, with their labels as a file has them."""
    lines = file.read_text().splitlines()
    if kind == "topics":
        return [(row["review"], row["topic"]) for row in csv.DictReader(lines)]
    if kind == "several":
        return [(row["review"], row["topics"]) for row in map(json.loads, lines)]
    sentences = file.read_text().strip().split("\n\n")
    return [tuple(zip(*map(str.split, each.splitlines()), strict=True)) for each in sentences]


def assert_same_logits(kind: str, cut: str, export: str, rows: list[tuple]) -> None:
    """Transformers computes with an export what we compute with the cut model."""
    from tests.support.torch_scores import Reference

    model, tokenizer, theirs = load_model(cut), load_tokenizer(cut), Reference(kind, Path(export))
    assert model.config.kept is not None and load_model(export).config.kept is None
    assert tuple(theirs.model.config.id2label.values()) == model.readout.labels
    compute = jax.jit(functools.partial(logits, model.config, model.readout))
    for text, _ in rows:
        words = not isinstance(text, str)
        ids = tokenizer.encode_words(text).ids if words else tokenizer.encode([text]).ids[0]
        found = np.asarray(compute(model.params, *inputs_of(ids)))[0]
        if words:
            of_piece = tokenizer.encode_words(text).word_of_piece
            found = found[[of_piece.index(place) for place in range(len(text))]]
        np.testing.assert_allclose(theirs.logits(text).detach(), found, atol=1e-5)


def inputs_of(ids: list[int]) -> tuple:
    """Tokens, real and types of one sentence, padded to one length."""
    row = np.zeros((3, 1, 48), np.int32)
    row[0, 0, : len(ids)], row[1, 0, : len(ids)] = ids, 1
    return jnp.asarray(row[0]), jnp.asarray(row[1] > 0), jnp.asarray(row[2])
