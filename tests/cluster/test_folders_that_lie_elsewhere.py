"""Studies and trainings whose folders lie elsewhere: resumed from there as from a local one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
        env={**os.environ, "SHELF": str(shelf), "PYTHONPATH": f"{os.getcwd()}:{shelf}"},
        text=True, cwd=shelf,
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
    said = ended(command(shelf, "report", "shelf://runs/tiny"))
    assert "shelf://runs/tiny/report/index.html" in said and str(tmp_path) not in said
    assert (there / "report" / "index.html").is_file()


@pytest.mark.slow
def test_a_study_is_right_where_files_come_late_and_puts_fail(tmp_path):
    config, shelf = write_study(tmp_path, MICHEL, models=1), tmp_path / "shelf"
    shelf.mkdir()
    ended(begin(config, shelf, "--out", str(tmp_path / "local"), "--workers", "2"))
    (shelf / "faults").write_text("0.2 0.1")
    (shelf / "sitecustomize.py").write_text("import tests.cluster.shelf\n")  # for the workers
    ended(begin(config, shelf, "--out", "shelf://tiny", "--workers", "2"))
    local, there = tmp_path / "local", shelf / "tiny"
    assert (local / "rows.jsonl").read_bytes() == (there / "rows.jsonl").read_bytes()
    count = len(list((local / "cells").iterdir()))
    (shelf / "faults").unlink()
    said = ended(begin(config, shelf, "--out", "shelf://tiny", "--status"))
    assert (
        f"shelf://tiny: {count} of {count} cells done" in said
        and count == 11
        and "put at" not in said
    )
    other = begin(config, shelf, "--out", "shelf://tiny", "--set", "curve.points=7")
    refused = other.communicate(timeout=120)[1]
    assert other.returncode == 2 and "holds a study with other settings" in refused, refused
