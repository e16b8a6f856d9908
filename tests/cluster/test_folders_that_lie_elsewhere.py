"""Studies and trainings whose folders lie elsewhere: resumed from there as from a local one."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxheads.records.rows import read_rows
from tests.support.tiny_study import write_study

SHORT, MICHEL = ("seeds=(0,)", "curve.draws=1"), "Michel2019()"


def command(shelf: Path, *words: str) -> subprocess.Popen:
    """A command in a process of its own, which knows the shelf and works in it."""
    shelf.mkdir(exist_ok=True)
    program = (
        "import sys, tests.cluster.shelf; from jaxheads.cli.main import main; sys.exit(main())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        env={**os.environ, "SHELF": str(shelf), "PYTHONPATH": os.getcwd()}, text=True, cwd=shelf,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def begin(config: Path, shelf: Path, *words: str) -> subprocess.Popen:
    changes = [word for change in SHORT for word in ("--set", change)]
    return command(shelf, "study", str(config), *words, *changes)


def ended(running: subprocess.Popen) -> str:
    """What it printed; it must have ended well."""
    said, error = running.communicate(timeout=300)
    assert running.returncode == 0, error
    return said


@pytest.mark.slow
def test_a_study_elsewhere_is_taken_up_and_ends_in_the_rows_of_a_local_one(tmp_path):
    config, shelf = write_study(tmp_path, MICHEL, models=1), tmp_path / "shelf"
    there = shelf / "runs" / "tiny"
    (shelf / "data").mkdir(parents=True)
    shutil.copy(tmp_path / "sst2.held_out.jsonl", shelf / "data")
    data = ("--set", "tasks.sst2.held_out=shelf://data/sst2.held_out.jsonl")
    ended(begin(config, shelf, "--out", str(tmp_path / "local"), *data))
    out = ("--out", "shelf://runs/tiny", *data)
    assert "put at shelf://runs/tiny" in ended(begin(config, shelf, *out))
    wanted = (tmp_path / "local" / "rows.jsonl").read_bytes()
    assert wanted and (there / "rows.jsonl").read_bytes() == wanted
    assert list(there.rglob("model.safetensors"))
    for path in sorted((there / "cells").iterdir())[2:]:
        path.unlink()
    (there / "rows.jsonl").unlink()
    said = ended(begin(config, shelf, *out))
    assert (there / "rows.jsonl").read_bytes() == wanted
    assert said.count("] ") < len(list((there / "cells").iterdir()))
    shutil.rmtree(there / "report")
    ended(command(shelf, "report", "shelf://runs/tiny"))
    assert (there / "report" / "index.html").is_file()


@pytest.mark.slow
def test_two_machines_share_a_study_by_way_of_a_url(tmp_path):
    config, shelf = write_study(tmp_path, MICHEL, models=1), tmp_path / "shelf"
    for name in ("tiny", "again", "once_more"):  # one that begins late may find nothing left to do
        out, there = ["--out", f"shelf://runs/{name}"], shelf / "runs" / name
        workers = [begin(config, shelf, *out, "--shard", shard) for shard in ("1/2", "2/2")]
        said = [worker.communicate(timeout=300) for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], said
        finished = re.findall(r"^\[\d+/(\d+)\] (\S+) ", said[0][0] + said[1][0], re.MULTILINE)
        cells = {path.stem for path in (there / "cells").iterdir()}
        assert sorted(name for _, name in finished) == sorted(cells)  # each once, by one of the two
        assert len(cells) == int(finished[0][0])
        if both := all("] " in text for text, _ in said):
            break
    assert both
    ended(begin(config, shelf, "--out", str(tmp_path / "alone")))
    one, two = (read_rows(folder / "rows.jsonl") for folder in (tmp_path / "alone", there))
    assert [repr(dataclasses.replace(row, value=0.0)) for row in one] == [  # bounds may be NaN
        repr(dataclasses.replace(row, value=0.0)) for row in two
    ]
    np.testing.assert_allclose([r.value for r in one], [r.value for r in two], rtol=1e-3, atol=1e-4)
    assert (there / "report" / "index.html").is_file()
    assert not list(shelf.rglob("*.draft")) + list((there / "leases").iterdir())


@pytest.mark.slow
def test_workers_of_one_machine_share_a_study_elsewhere_and_others_look_on(tmp_path):
    config, there = write_study(tmp_path, MICHEL, models=1), tmp_path / "runs" / "tiny"
    out = ["--out", "local://runs/tiny"]  # which every new process knows
    workers = begin(config, tmp_path, *out, "--workers", "2")
    while len(list(there.glob("cells/*.jsonl"))) < 2:
        assert workers.poll() is None, workers.communicate()
        time.sleep(0.05)
    look, other = (
        begin(config, tmp_path, *out, "--status"),
        begin(config, tmp_path, *out, "--set", "curve.points=7"),
    )
    said, refused = look.communicate(timeout=60)[0], other.communicate(timeout=60)[1]
    assert look.returncode == 0 and "cells done, 2 workers" in said, said
    assert other.returncode == 2 and "holds a study with other settings" in refused, refused
    said = ended(workers)
    assert (there / "rows.jsonl").is_file() and (there / "report" / "index.html").is_file()
    assert "put at local://runs/tiny" in said
