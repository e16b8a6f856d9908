"""Several workers on one machine: the same study, its cores divided, and what becomes of them."""

from __future__ import annotations

import dataclasses
import os

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from jaxheads.cli.main import main
from jaxheads.records.rows import read_rows
from jaxheads.studies.runner import local_workers
from jaxheads.studies.runner.progress import read_times
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
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: jax.config.values[name] for name in names}
    jax.config.update(names[0], None)
    jax.config.update(names[1], 0.0)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_workers_share_programs_in_a_folder_that_goes_away(no_programs):
    jax.jit(lambda x: x * 3 + 1)(2.0)  # jax looks for a folder at the first compilation alone
    with local_workers._programs() as folder:
        jax.jit(lambda x: x * 5 - 2)(2.0)
        assert any(name.endswith("-cache") for name in os.listdir(folder))
    assert not os.path.exists(folder)
    assert jax.config.values["jax_compilation_cache_dir"] is None


def test_workers_keep_programs_where_their_user_does(no_programs, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    with local_workers._programs() as folder:
        assert folder == str(tmp_path)
    assert tmp_path.is_dir() and jax.config.values["jax_compilation_cache_dir"] == str(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--workers", "2", "--shard", "1/2"], "--workers: expected neither --shard nor"),
    ],
)
def test_what_does_not_go_together_is_rejected(words, said, tmp_path, capsys):
    assert main(["study", str(write_study(tmp_path)), *words]) == 2
    assert said in capsys.readouterr().err


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
    assert set(read_times(tmp_path / "two")) == set(read_times(tmp_path / "one"))


@pytest.mark.slow
def test_a_cell_that_fails_in_any_worker_is_named_once(tmp_path, capsys):
    config = write_study(tmp_path, MICHEL, models=1)
    (tmp_path / "sst2.held_out.jsonl").write_text("no json\n")
    assert study(config, tmp_path / "out", workers=2, **SHORT) == 2
    told = capsys.readouterr().err
    assert told.count("jaxheads: ") == 1 and "sst2.held_out.jsonl" in told
