"""Studies and trainings whose folders lie elsewhere: taken up from there as from a local one."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxheads.cli import main
from jaxheads.records import read_rows
from tests.studies.tiny_study import study, write_study


@pytest.mark.slow
def test_a_study_elsewhere_is_taken_up_and_ends_in_the_rows_of_a_local_one(
    memory, tmp_path, capsys
):
    config = write_study(tmp_path, models=1)
    data = {str(path): f"/data/{path.name}" for path in tmp_path.glob("*.jsonl")}
    for here, there in data.items():
        memory.put(here, there)
    settings = {"study": "michel2019", "seeds": "(0,)", "curve__draws": 1}
    settings |= {"tasks.sst2.held_out": "memory://data/sst2.held_out.jsonl"}
    assert study(config, tmp_path / "local", **settings) == 0
    out = Path("memory://runs/tiny")
    assert study(config, out, **settings) == 0
    assert "put at memory://runs/tiny" in capsys.readouterr().out
    wanted = (tmp_path / "local/rows.jsonl").read_bytes()
    assert memory.cat("/runs/tiny/rows.jsonl") == wanted
    assert memory.find("/runs/tiny/models")
    for path in memory.find("/runs/tiny/cells")[2:]:
        memory.rm(path)
    memory.rm("/runs/tiny/rows.jsonl")
    assert study(config, out, **settings) == 0
    assert memory.cat("/runs/tiny/rows.jsonl") == wanted
    assert capsys.readouterr().out.count("] ") < len(memory.find("/runs/tiny/cells"))
    assert main(["report", "memory://runs/tiny"]) == 0
    assert memory.exists("/runs/tiny/report/index.html")
    assert read_rows(tmp_path / "local/rows.jsonl")


SHORT = ("study=michel2019", "seeds=(0,)", "curve.draws=1")


def begin(config: Path, shelf: Path, *words: str) -> subprocess.Popen:
    """A study's command of its own process, which knows the shelf and works in it."""
    shelf.mkdir(exist_ok=True)
    changes = [word for change in SHORT for word in ("--set", change)]
    program = "import sys, tests.studies.shelf; from jaxheads.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, "study", str(config), *words, *changes],
        env={**os.environ, "SHELF": str(shelf), "PYTHONPATH": os.getcwd()}, text=True, cwd=shelf,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.slow
def test_two_machines_share_a_study_by_way_of_a_url(tmp_path):
    config, shelf = write_study(tmp_path, models=1), tmp_path / "shelf"
    out, there = ["--out", "shelf://runs/tiny"], shelf / "runs" / "tiny"
    workers = [begin(config, shelf, *out, "--shard", shard) for shard in ("1/2", "2/2")]
    said = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    ended = re.findall(r"^\[\d+/(\d+)\] (\S+) ", said[0][0] + said[1][0], re.MULTILINE)
    cells = {path.stem for path in (there / "cells").iterdir()}
    assert sorted(name for _, name in ended) == sorted(cells)  # each once, by one of the two
    assert all("] " in text for text, _ in said) and len(cells) == int(ended[0][0])
    alone = begin(config, shelf, "--out", str(tmp_path / "alone"))
    alone.communicate(timeout=300)
    assert alone.returncode == 0
    one, two = (read_rows(folder / "rows.jsonl") for folder in (tmp_path / "alone", there))
    assert [dataclasses.replace(row, value=0.0) for row in one] == [
        dataclasses.replace(row, value=0.0) for row in two
    ]
    np.testing.assert_allclose([r.value for r in one], [r.value for r in two], rtol=1e-3, atol=1e-4)
    assert (there / "report" / "index.html").is_file()
    assert not list(shelf.rglob("*.draft")) + list((there / "leases").iterdir())


@pytest.mark.slow
def test_workers_of_one_machine_share_a_study_elsewhere_and_others_look_on(tmp_path):
    config, there = write_study(tmp_path, models=1), tmp_path / "runs" / "tiny"
    out = ["--out", "local://runs/tiny"]  # which every new process knows
    crew = begin(config, tmp_path, *out, "--workers", "2")
    while len(list(there.glob("cells/*.jsonl"))) < 2:
        assert crew.poll() is None, crew.communicate()
        time.sleep(0.05)
    look, other = (
        begin(config, tmp_path, *out, "--status"),
        begin(config, tmp_path, *out, "--set", "curve.points=7"),
    )
    said, refused = look.communicate(timeout=60)[0], other.communicate(timeout=60)[1]
    assert look.returncode == 0 and "cells done, 2 workers" in said, said
    assert other.returncode == 2 and "holds a study with other settings" in refused, refused
    said, error = crew.communicate(timeout=300)
    assert crew.returncode == 0, error
    assert (there / "rows.jsonl").is_file() and (there / "report" / "index.html").is_file()
    assert "put at local://runs/tiny" in said
