"""Several processes of one machine: its cores divided, and what becomes of those that are lost."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from jaxheads.cli.main import main
from jaxheads.records.rows import read_rows
from jaxheads.storage.store import Store
from jaxheads.studies.runner import local_workers
from jaxheads.studies.runner.driver import run_cells
from jaxheads.studies.runner.local_workers import LocalWorkers
from jaxheads.studies.runner.progress import read_times
from tests.support.sleeping import ALL, cells, counted, processes
from tests.support.tiny_study import study, write_study

SHORT, MICHEL = {"seeds": "(0, 1)", "curve__draws": 1}, "Michel2019()"


@pytest.mark.parametrize(
    ("cores", "workers", "expected"),
    [
        ([0, 1], 2, [[0], [1]]),
        ([0, 1, 4, 5, 6], 2, [[0, 4, 6], [1, 5]]),
        ([3], 2, [[3], [3]]),
        ([], 3, [[], [], []]),
    ],
)
def test_all_cores_are_used_and_none_twice_unless_there_are_too_few(cores, workers, expected):
    assert local_workers.shares(cores, workers) == expected


def test_workers_take_no_accelerator(tmp_path, capsys, monkeypatch):
    config = write_study(tmp_path, models=1)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    before = os.sched_getaffinity(0)
    assert main(["study", str(config), "--out", str(tmp_path / "out"), "--workers", "2"]) == 2
    assert "--workers: expected 1 on a gpu, got 2" in capsys.readouterr().err
    assert os.sched_getaffinity(0) == before
    assert not (tmp_path / "out").exists()


@pytest.fixture
def no_programs():
    """As for a user who keeps no compiled programs."""
    name = "jax_compilation_cache_dir"
    before = jax.config.values[name]
    jax.config.update(name, None)
    yield
    jax.config.update(name, before)
    compilation_cache.reset_cache()


def test_workers_share_programs_in_a_folder_that_goes_away_or_in_their_users(no_programs, tmp_path):
    with local_workers._programs() as folder:
        assert os.path.isdir(folder)
    assert not os.path.exists(folder)
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    with local_workers._programs() as folder:
        assert folder == str(tmp_path)
    assert tmp_path.is_dir()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--workers", "2", "--ray", "auto"], "expected one of --workers, --ray, got all of them"),
        (["--ray", "local"], "--ray: expected auto, or HOST:PORT of the head, got 'local'"),
        (["--ray", "ray://a:10001"], "--ray: expected auto, or HOST:PORT of the head"),
        (["--cell-resources", "cpu=1"], "--cell-resources: expected --ray with it"),
        (["--ray", "auto", "--cell-resources", "cpu"], "expected NAME=N"),
    ],
)
def test_what_does_not_go_together_is_rejected(words, said, tmp_path, capsys):
    assert main(["study", str(write_study(tmp_path)), *words]) == 2
    assert said in capsys.readouterr().err


def sleeping(tmp_path: Path, count: int = 2, **how) -> LocalWorkers:
    return LocalWorkers(functools.partial(cells, tmp_path / "log", **how), count, dict)


@pytest.mark.slow
def test_a_killed_worker_loses_no_cell_and_repeats_only_the_one_it_was_at(tmp_path):
    log, made = tmp_path / "log", cells(tmp_path / "log")
    store = Store(tmp_path / "out")

    def kill() -> None:
        while len(counted(log, "end")) < 5:
            time.sleep(0.005)
        os.kill(processes(log)[0], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with sleeping(tmp_path, seconds=0.1) as engine:
        run_cells(store, list(made.values()), engine)
    assert set(counted(log, "end").values()) == {1} and len(counted(log, "end")) == ALL
    again = counted(log, "begin") - counted(log, "end")
    assert sum(again.values()) <= 1 and len(processes(log)) == 3
    assert len(read_rows(tmp_path / "out" / "rows.jsonl")) == ALL


def deadly(log: Path) -> dict:
    """Cells of which one ends its process."""
    made = cells(log, seconds=0.0)
    end = dataclasses.replace(made["1-1-asleep"], run=functools.partial(os._exit, 9))
    return made | {"1-1-asleep": end}


@pytest.mark.slow
def test_a_cell_that_ends_its_process_every_time_fails_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(local_workers, "TRIES", 2)
    made, load = cells(tmp_path / "log"), functools.partial(deadly, tmp_path / "log")
    with pytest.raises(ValueError, match=r"cell 1-1-asleep: its process .* 2 times; 3 further"):
        with LocalWorkers(load, 2, dict) as engine:
            run_cells(Store(tmp_path / "out"), list(made.values()), engine)
    assert len(list((tmp_path / "out" / "cells").iterdir())) == ALL - 4


def broken() -> dict:
    raise ValueError("no such file")


@pytest.mark.slow
def test_cells_that_cannot_be_made_in_a_worker_fail_with_its_words(tmp_path):
    made = cells(tmp_path / "log")
    with pytest.raises(ValueError, match="cell 0-0-asleep: no such file; "):
        with LocalWorkers(broken, 2, dict) as engine:
            run_cells(Store(tmp_path / "out"), list(made.values()), engine)


DRIVER = """
import functools, sys
from pathlib import Path

from jaxheads.storage.store import Store
from jaxheads.studies.runner.driver import ending_on_sigterm, run_cells
from jaxheads.studies.runner.local_workers import LocalWorkers
from tests.support.sleeping import cells

if __name__ == "__main__":
    log, out = map(Path, sys.argv[1:])
    load = functools.partial(cells, log, seconds=0.2)
    with LocalWorkers(load, 2, dict) as engine, ending_on_sigterm():
        run_cells(Store(out), list(load().values()), engine)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_driver_and_the_same_command_goes_on(tmp_path, sent):
    log, program = tmp_path / "log", tmp_path / "driver.py"
    program.write_text(DRIVER)
    words = [sys.executable, str(program), str(log), str(tmp_path / "out")]
    driver = subprocess.Popen(words, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})
    while len(counted(log, "end")) < 3:
        time.sleep(0.01)
        assert driver.poll() is None, driver.communicate()
    driver.send_signal(sent)
    driver.communicate(timeout=30)
    limit = time.monotonic() + 10
    while any(Path(f"/proc/{each}").exists() for each in processes(log)):
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert subprocess.run(words, timeout=120, env={**os.environ, "PYTHONPATH": "."}).returncode == 0
    assert len(read_rows(tmp_path / "out" / "rows.jsonl")) == ALL
    assert sum((counted(log, "begin") - counted(log, "end")).values()) <= 2


@pytest.mark.slow
@pytest.mark.long
def test_two_workers_leave_the_rows_of_one(tmp_path):
    config = write_study(tmp_path, MICHEL, models=1)
    assert study(config, tmp_path / "one", **SHORT) == 0
    assert study(config, tmp_path / "two", workers=2, **SHORT) == 0
    one, two = (read_rows(tmp_path / name / "rows.jsonl") for name in ("one", "two"))
    nothing = {"value": 0.0, "low": None, "high": None, "p_value": None}
    named = [[dataclasses.replace(row, **nothing) for row in rows] for rows in (one, two)]
    assert named[0] == named[1]
    # Sums are made in another order where a worker has fewer threads.
    np.testing.assert_allclose(
        [row.value for row in two], [row.value for row in one], rtol=1e-3, atol=1e-4
    )
    times = [set(read_times(Store(tmp_path / name))) for name in ("one", "two")]
    assert times[0] == times[1]


@pytest.mark.slow
def test_a_cell_that_fails_in_any_worker_is_named_once(tmp_path, capsys):
    config = write_study(tmp_path, MICHEL, models=1)
    (tmp_path / "sst2.held_out.jsonl").write_text("no json\n")
    assert study(config, tmp_path / "out", workers=2, **SHORT) == 2
    told = capsys.readouterr().err
    assert told.count("jaxheads: ") == 1 and "sst2.held_out.jsonl" in told
