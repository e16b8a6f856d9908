"""Workers on one folder: each cell once, also where one of them is killed or a cell fails."""

from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxheads.cli.options.fields import Shard, parse_shard
from jaxheads.cli.status import describe, seconds_left
from jaxheads.studies.runner.progress import read_plan, read_progress, read_times
from jaxheads.studies.runner.workers import Hosts, run_cells
from tests.cluster.worker_of_many import cells

WORKER = Path(__file__).with_name("worker_of_many.py")
ALL = 17


def start(
    folder: Path, *shards: str, place: str | None = None, failing: tuple[str, ...] = ()
) -> list[subprocess.Popen]:
    """Workers that begin at the same time, on a folder or by way of a URL."""
    workers = [
        subprocess.Popen(
            [sys.executable, WORKER, folder, shard, place or folder, *failing], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "SHELF": str(folder.parent)},
        )
        for shard in shards
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    return workers


def counted(folder: Path, kind: str) -> collections.Counter[str]:
    lines = Path(f"{folder}.log").read_text().splitlines()
    return collections.Counter(line.split()[1] for line in lines if line.startswith(kind))


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> bytes:
    """The rows of one worker."""
    folder = tmp_path_factory.mktemp("alone") / "out"
    assert run_cells(folder, cells(Path(f"{folder}.log")))
    return (folder / "rows.jsonl").read_bytes()


PLACES = pytest.mark.parametrize("place", [None, "shelf://out"], ids=["folder", "url"])


@PLACES
def test_two_workers_run_every_cell_once(alone, tmp_path, place):
    out = tmp_path / "out"
    (tmp_path / "out.meet").touch()
    workers = start(out, "1/2", "2/2", place=place)
    said = [worker.communicate(timeout=60) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert counted(out, "begin") == counted(out, "end")
    assert set(counted(out, "end").values()) == {1} and len(counted(out, "end")) == ALL
    lines = Path(f"{out}.log").read_text().splitlines()
    assert len({line.split()[2] for line in lines}) == 2  # both had a part
    assert (out / "rows.jsonl").read_bytes() == alone
    assert len(read_times(out)) == ALL
    assert not list((out / "leases").iterdir()) + list((out / "workers").iterdir())


@PLACES
def test_a_killed_worker_loses_no_cell_and_repeats_only_the_one_it_was_at(alone, tmp_path, place):
    out = tmp_path / "out"
    (tmp_path / "out.meet").touch()
    one, two = start(out, "1/2", "2/2", place=place)
    log = Path(f"{out}.log")
    while not log.is_file() or log.read_text().count(f" {one.pid}\n") < 5:  # within its third cell
        assert one.poll() is None
        time.sleep(0.005)
    one.send_signal(signal.SIGKILL)
    one.communicate(timeout=60)
    said = two.communicate(timeout=60)
    assert two.returncode == 0, said
    assert set(counted(out, "end").values()) == {1} and len(counted(out, "end")) == ALL
    again = counted(out, "begin") - counted(out, "end")
    assert sum(again.values()) <= 1
    assert (out / "rows.jsonl").read_bytes() == alone
    assert not list((out / "leases").iterdir())


def test_a_failed_cell_is_recorded_and_stops_only_what_needs_it(alone, tmp_path, capsys):
    out, log = tmp_path / "out", tmp_path / "out.log"
    with pytest.raises(ValueError, match="2 further cells need what failed") as refused:
        run_cells(out, cells(log, ("m-1-2",)))
    assert str(refused.value).startswith("cell m-1-2: m-1-2 cannot be computed; 2 ")
    found = read_progress(out, read_plan(out))
    assert len(found.done) == ALL - 3 and set(found.failed) == {"m-1-2"}
    assert "traceback" in (out / "failed" / "m-1-2.json").read_text()
    assert not (out / "rows.jsonl").exists()
    text = describe(out)
    assert "14 of 17 cells done, 0 workers" in text
    assert "failed: m-1-2: m-1-2 cannot be computed" in text
    assert "to do: 2 (m-1-3, m-all)" in text
    assert run_cells(out, cells(log))
    assert (out / "rows.jsonl").read_bytes() == alone
    assert not list((out / "failed").iterdir())
    assert counted(out, "begin")["m-1-2"] == 2 and set(counted(out, "end").values()) == {1}
    assert "17 of 17 cells done" in describe(out) and "left" not in describe(out)


def test_what_fails_in_a_process_that_follows_is_recorded(tmp_path):
    told = iter([0, 1])
    hosts = Hosts(size=2, is_primary=False, broadcast_int=lambda _: next(told))
    with pytest.raises(ValueError, match="cell m-0-1: m-0-1 cannot be computed"):
        run_cells(tmp_path / "out", cells(tmp_path / "out.log", ("m-0-1",)), hosts=hosts)
    failed = (tmp_path / "out" / "failed" / "m-0-1.json").read_text()
    assert "RuntimeError: m-0-1 cannot be computed" in failed


def test_what_another_worker_writes_at_its_start_is_left_to_it(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    new, old, half = (out / f".{name}.1-ab.draft.json" for name in ("run", "run.old", "plan"))
    for draft in (new, old, half):
        draft.touch()
    os.utime(old, (0, 0))
    assert run_cells(out, cells(tmp_path / "out.log"))
    assert [draft.exists() for draft in (new, old, half)] == [True, False, False]


@PLACES
def test_only_one_of_several_workers_tries_a_failed_cell_again(tmp_path, place):
    out = tmp_path / "out"
    for tries in (1, 2):
        workers = start(out, "1/2", "2/2", place=place, failing=("m-3-0",))
        said = [worker.communicate(timeout=60) for worker in workers]
        assert all("m-3-0 cannot be computed" in error for _, error in said), said
        assert tries <= counted(out, "begin")["m-3-0"] <= 2 * tries


def test_status_tells_what_runs(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="expected a study that was begun"):
        describe(out)
    (worker,) = start(out, "1/1")
    seen = set()
    while worker.poll() is None:
        if (out / "plan.json").is_file():
            text = describe(out)
            seen |= {line.partition(":")[0] for line in text.splitlines()[1:]}
            if "running: 1" in text:
                assert "1 worker" in text
        time.sleep(0.02)
    worker.communicate()
    assert {"running", "to do"} <= seen
    assert "about 0" in seen  # hours


def test_the_rest_is_estimated_from_like_cells_and_the_longest_chain():
    needs = {"a-0-x": (), "a-1-x": (), "b-9-x": (), "a-0-y": ("a-1-x", "b-9-x"), "z": ("a-0-y",)}
    times = {"a-0-x": 10.0}
    done = read_progress(Path("nowhere"), needs)._replace(done=frozenset({"a-0-x"}))
    # a-1-x and b-9-x take 10 s each as their like, the others 10 s as all do
    assert seconds_left(needs, done, times, workers=1) == 40
    assert seconds_left(needs, done, times, workers=4) == 30  # x, y, z one after the other
    assert seconds_left(needs, done, {}, workers=1) is None


def test_a_shard_is_a_part_of_its_number():
    assert parse_shard("3/16") == Shard(3, 16)
    for wrong in ("0/4", "5/4", "4", "a/b", "1/0", "-1/2"):
        with pytest.raises(ValueError, match="expected a share as 3/16"):
            parse_shard(wrong)
