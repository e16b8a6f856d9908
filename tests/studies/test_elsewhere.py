"""Studies and trainings whose folders lie elsewhere: taken up from there as from a local one."""

from __future__ import annotations

from pathlib import Path

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
