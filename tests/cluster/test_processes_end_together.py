"""How processes of several hosts end: the first last of all, and at once if they are told to."""

from __future__ import annotations

import signal
import sys
import textwrap

import pytest

from jaxheads.cli.main import main
from tests.cluster.test_two_processes_compute_as_one import ended, start, started
from tests.support.tiny_study import write_study

LATE = """
import sys, time
from unittest import mock

from jaxheads.cli import score
from jaxheads.cli.main import main
from jaxheads.parallel import processes

processes.LOST, saved = 3, score.save_scores


def late(*words):
    time.sleep(7)
    saved(*words)


coordinator, process, *words = sys.argv[1:]
where = ["--coordinator", coordinator, "--num-processes", "2", "--process-id", process]
with mock.patch.object(score, "save_scores", late):
    sys.exit(main([*words, *where]))
"""


@pytest.mark.slow
def test_a_first_process_that_writes_for_long_is_waited_for(sentiment, review_file, tmp_path):
    words = ["score", "--model", sentiment, "--task", "sst2", "--data", review_file]
    words += ["--out", tmp_path / "s.npz"]
    program = [sys.executable, "-c", textwrap.dedent(LATE)]
    statuses, said = ended(started(2, lambda at, n: [*program, at, str(n), *map(str, words)]))
    assert statuses == [0, 0], said
    assert (tmp_path / "s.npz").is_file()


def test_a_study_that_one_process_alone_can_run_is_rejected_on_several(tmp_path, monkeypatch):
    zhang = "Zhang2020((task('cola'),), SHORT)"
    config = write_study(tmp_path, zhang, models=1)
    monkeypatch.setattr("jax.process_count", lambda: 2)
    words = ["study", str(config), "--out", str(tmp_path / "out")]
    with pytest.raises(ValueError, match="expected one process for the study zhang2020, got 2"):
        main([*words, "--debug"])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_sigterm_ends_processes_that_have_nothing_to_save(sentiment, review_file, tmp_path):
    words = ["score", "--model", str(sentiment), "--task", "sst2", "--data", str(review_file)]
    words += ["--out", str(tmp_path / "s.npz"), "--batch-size", "8"]
    (tmp_path / "log").write_text("")
    script = [["stop", str(tmp_path / "log"), 0, -1], words]
    statuses, said = ended(start(tmp_path, 2, script))
    assert -signal.SIGTERM in statuses, said
    assert 0 not in statuses
    assert not (tmp_path / "s.npz").exists()
