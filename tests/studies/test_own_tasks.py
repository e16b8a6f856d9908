"""Studies on tasks of one's own, of every kind: from their files to the page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from jaxheads.cli.main import main
from jaxheads.records.rows import read_rows
from tests.support.found import having
from tests.support.reviews import NOUNS, reviews, write_jsonl
from tests.support.tiny_study import write_study

OWN = """
import dataclasses
from jaxheads.config import PrunerConfig
from jaxheads.data.tasks.task import Task


def own(name, task):
    files = DATA / f"{{name}}.train.jsonl", DATA / f"{{name}}.held_out.jsonl"
    return TaskSettings(name, *files, length=16, task=task)


OWN = (
    own("topics", Task("multilabel", "review", "topics")),
    own("words", Task("tag", "words", "tags")),
)
RUN = dataclasses.replace(RUN, tasks=OWN, seeds=(0,), study={study})
"""
ZHANG = """Zhang2020(
    tasks=(*OWN, task("sst2")),
    training=dataclasses.replace(SHORT, accumulate=2, steps=2),
    pruner=PrunerConfig(frame=16, width=2),
    draws=1,
)"""


def row_of(row: dict) -> dict:
    """A review with all that may be asked about it."""
    words = row["sentence"].split()
    marks = {"fine": "B-GOOD", "warm": "B-GOOD"} | dict.fromkeys(NOUNS, "B-NOUN")
    return {
        "review": row["sentence"],
        "topics": [word for word in words if word in ("fine", "film", "dull")],
        "words": words,
        "tags": [marks.get(word, "O") for word in words],
    }


def own_study(folder: Path, study: str) -> Path:
    """Write the files and the config of a study."""
    config = write_study(folder, models=1)
    for part, rows in (("train", reviews(48)), ("held_out", reviews(24, start=60))):
        for name in ("topics", "words"):
            write_jsonl(folder / f"{name}.{part}.jsonl", [row_of(row) for row in rows])
    config.write_text(config.read_text() + OWN.format(study=study))
    return config


def test_what_is_wrong_with_a_file_is_told_before_the_first_cell(tmp_path, capsys):
    config, data = own_study(tmp_path, ZHANG), tmp_path / "words.held_out.jsonl"
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    write_jsonl(data, [*rows, {**rows[0], "tags": ["O"]}])
    assert main(["study", str(config), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "words.held_out.jsonl:25: tags: expected a label for each of 5 words, got 1" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_task_without_pairs_has_no_likeness(tmp_path, capsys):
    config = own_study(tmp_path, ZHANG.replace("draws=1", "draws=1, similar=OWN"))
    assert main(["study", str(config), "--out", str(tmp_path / "out")]) == 2
    assert "similar: expected tasks of pairs, got topics" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_several_labels_and_words_are_compared_as_other_tasks_are(tmp_path):
    config, out = own_study(tmp_path, "Chiang2021(kept=(0.5,))"), tmp_path / "out"
    assert main(["study", str(config), "--out", str(out)]) == 0
    rows = read_rows(out / "rows.jsonl")
    for task, metrics in {
        "topics": ("f1_micro", "f1_macro", "accuracy"),
        "words": ("f1_macro", "accuracy", "span_f1", "span_precision", "span_recall"),
    }.items():
        whole = {r.metric: r.value for r in having(rows, stage="whole", task=task, seed=0)}
        assert {*metrics, "loss"} <= whole.keys()
        floors = {r.metric: r.value for r in having(rows, stage="floor", task=task)}
        assert floors["bag of words"] > 0.9  # each word says all, in the metric compared by
        contrasts = having(rows, stage="contrast", task=task)
        assert {row.metric for row in contrasts} == {metrics[0]}
        assert all(math.isfinite(row.value) for row in contrasts)
        assert task in (out / "report" / "index.html").read_text()


@pytest.mark.slow
@pytest.mark.long
def test_a_pruner_learns_on_tasks_of_ones_own(tmp_path):
    config, out = own_study(tmp_path, ZHANG), tmp_path / "out"
    assert main(["study", str(config), "--out", str(out)]) == 0
    rows = read_rows(out / "rows.jsonl")
    for task in ("topics", "words"):
        assert having(rows, stage="likeness lost", task=task)
        assert len(having(rows, stage="masked, fine-tuned", task=task, metric="f1_macro")) == 5
