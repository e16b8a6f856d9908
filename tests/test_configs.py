"""The shipped configs: all of them load, and the one that a newcomer runs first runs tiny."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxheads.cli import main
from jaxheads.overrides import load_config
from jaxheads.records import read_rows
from jaxheads.settings import Run
from jaxheads.studies.study import STUDIES

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.py"))
TINY = (
    "seeds=0,1", "text.paragraphs=200", "text.held_out_blocks=8", "scoring.examples=16",
    "scoring.ablated=8", "scoring.rescored=8", "scoring.splits=2", "curve.points=2",
    "curve.draws=2", "finetune.steps=2", "probe.steps=2", "pruning.kept=0.5",
    "models.albert.finetune.steps=2",
    *(
        f"tasks.{task}.{what}"
        for task in ("grammar_sentiment", "grammar_incongruity")
        for what in ("examples=64", "held_out_examples=32", "finetune.steps=2")
    ),
)  # fmt: skip


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_and_is_named_as_its_file(path):
    run = load_config(path)
    assert isinstance(run, Run)
    assert run.name == path.stem
    assert run.study in STUDIES


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_nothing_held_out_is_trained_or_scored_on(path):
    run = load_config(path)
    for part in (run.text, *run.tasks):
        files = [part.train, part.held_out, getattr(part, "other_held_out", None)]
        there = [file for file in files if file is not None]
        assert len(set(there)) == len(there)


@pytest.mark.slow
def test_the_quickstart_runs_tiny_and_draws_its_report(tmp_path, capsys):
    out = tmp_path / "out"
    (config,) = [path for path in CONFIGS if path.stem == "quickstart"]
    words = [word for setting in TINY for word in ("--set", setting)]
    assert main(["study", str(config), "--out", str(out), *words]) == 0
    assert str(out / "report" / "index.html") in capsys.readouterr().out
    rows = read_rows(out / "rows.jsonl")
    assert {row.model for row in rows} == {"roberta", "albert"}
    floors = [row for row in rows if row.metric == "bag of words"]
    assert len(floors) == 3  # of two tasks and one
    page = (out / "report" / "index.html").read_text()
    assert "grammar_sentiment" in page
