"""What one of several processes cannot begin with ends all of them, soon and with its words."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.cluster.test_two_processes_compute_as_one import ended, started, write_data
from tests.support.reviews import reviews, write_jsonl

pytestmark = pytest.mark.slow
IN_TIME = 60  # seconds
# Unlike `host_of_many.py`, it lets the command join the others. Each has a shelf of its own.
PROGRAM = """
import os, sys

coordinator, process, *shelves = sys.argv[1:3] + sys.argv[3].split(",")
os.environ["SHELF"] = shelves[int(process)]
import tests.cluster.shelf
from jaxheads.cli.main import main

where = ["--coordinator", coordinator, "--num-processes", "2", "--process-id", process]
sys.exit(main([word.replace("SHELF", os.environ["SHELF"]) for word in sys.argv[4:]] + where))
"""


def run_two(shelves: list[Path], *words: str) -> tuple[list[int], list[str], float]:
    """Their exit statuses, what they said of errors, and how long it took."""
    begin, program = time.monotonic(), [sys.executable, "-c", textwrap.dedent(PROGRAM)]
    given = [",".join(map(str, shelves)), *words]
    statuses, said = ended(started(2, lambda at, n: [*program, at, str(n), *given]))
    assert "Traceback" not in said
    errors = [line for line in said.splitlines() if line.startswith("jaxheads: error: ")]
    return statuses, errors, time.monotonic() - begin


@pytest.fixture
def shelves(sentiment, tmp_path) -> list[Path]:
    """The first has a model, the second has not."""
    full, other = tmp_path / "full", tmp_path / "other"
    shutil.copytree(sentiment, full / "in" / "model")
    (other / "in").mkdir(parents=True)
    for shelf in (full, other):
        write_jsonl(shelf / "in" / "sst2.train.jsonl", reviews(24))
    return [full, other]


@pytest.mark.parametrize("lacking", [0, 1])
@pytest.mark.parametrize("verb", ["score", "train"])
def test_a_model_that_one_host_cannot_fetch_ends_all(shelves, verb, lacking):
    words = [verb, "--model", "shelf://in/model", "--task", "sst2"]
    words += ["--data", "shelf://in/sst2.train.jsonl", "--batch-size", "8"]
    words += ["--out", {"score": "shelf://out/s.npz", "train": "shelf://out/tuned"}[verb]]
    words += {"score": [], "train": ["--steps", "2", "--learning-rate", "0.001"]}[verb]
    statuses, errors, seconds = run_two(shelves if lacking else shelves[::-1], *words)
    told = "shelf://in/model: no such file or directory"
    assert statuses == [2, 2]
    expected = [f"process {lacking}: {told}", told]
    assert sorted(errors) == sorted(f"jaxheads: error: {words}" for words in expected)
    assert seconds < IN_TIME
    assert not [path for shelf in shelves for path in shelf.glob("out/*")]


def test_a_config_that_one_host_has_not_ends_a_study_on_all(tmp_path):
    config = write_data(tmp_path) / "tiny.py"
    other = tmp_path / "other"
    other.mkdir()
    words = ["study", f"SHELF/{config.name}", "--out", str(tmp_path / "out")]
    statuses, errors, seconds = run_two([tmp_path, other], *words)
    assert statuses == [2, 2]
    assert len(errors) == 2 and all(str(other / config.name) in line for line in errors), errors
    assert seconds < IN_TIME
    assert not (tmp_path / "out").exists()
