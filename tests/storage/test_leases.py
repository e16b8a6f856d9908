"""Leases: one holder at a time, and a dead one is found out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from jaxheads.storage import leases
from jaxheads.storage.leases import Worker, WorkerWatch


def test_a_cell_has_one_holder_until_it_is_released(tmp_path):
    with Worker(tmp_path) as one, Worker(tmp_path) as two:
        assert one.claim("a") and not two.claim("a") and not one.claim("a")
        assert two.claim("b")
        assert WorkerWatch(tmp_path).held() == {"a": one.token, "b": two.token}
        assert one.others() == {two.token}
        one.release("a")
        assert two.claim("a")
    assert not list((tmp_path / "leases").iterdir()) + list((tmp_path / "workers").iterdir())


def test_names_with_dots_and_numbers_do_not_meet(tmp_path):
    with Worker(tmp_path) as one, Worker(tmp_path) as two:
        assert one.claim("a.1") and two.claim("a") and one.claim("a-1")


def dead_worker(folder, **changes) -> str:
    """A worker that left its lease of "a" behind."""
    script = (
        "import sys, os; from pathlib import Path; from jaxheads.storage.leases import Worker\n"
        "worker = Worker(Path(sys.argv[1])).__enter__(); assert worker.claim('a')\n"
        "print(worker.token, flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True)
    token = done.stdout.strip()
    path = folder / "workers" / token
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return token


def test_what_a_dead_process_holds_is_taken_over_by_one(tmp_path):
    token = dead_worker(tmp_path)
    assert WorkerWatch(tmp_path).held() == {}
    with Worker(tmp_path) as one, Worker(tmp_path) as two:
        assert one.others() == {two.token} and token not in WorkerWatch(tmp_path).alive()
        assert one.claim("a") and not two.claim("a")
        assert (tmp_path / "leases" / "a@1").read_text() == one.token
        one.release("a")
    assert not list((tmp_path / "leases").iterdir())


def test_a_process_of_the_same_number_is_not_the_dead_one(tmp_path):
    dead_worker(tmp_path, pid=os.getpid())
    with Worker(tmp_path) as worker:
        assert worker.claim("a")


def test_a_worker_of_another_host_lives_while_its_heart_is_seen_to_beat(tmp_path, monkeypatch):
    token = dead_worker(tmp_path, host="elsewhere")
    now = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    with Worker(tmp_path) as worker:
        assert not worker.claim("a")
        now[0] += leases.SILENT - 1
        assert not worker.claim("a")
        os.utime(tmp_path / "workers" / token, (5, 5))  # whatever its clock says
        now[0] += leases.SILENT - 1
        assert not worker.claim("a")
        now[0] += 2
        assert worker.claim("a") is False  # the new heartbeat was only now seen
        now[0] += leases.SILENT
        assert worker.claim("a")


def test_who_was_taken_for_dead_learns_that_the_cell_is_lost(tmp_path, monkeypatch):
    with Worker(tmp_path) as slow, Worker(tmp_path) as quick:
        assert slow.claim("a") and slow.holds("a")
        monkeypatch.setattr(WorkerWatch, "lives", lambda *_: False)
        assert quick.claim("a")
        assert quick.holds("a") and not slow.holds("a")
        slow.release("a")
        assert quick.holds("a")


def test_a_lease_without_a_name_yet_is_not_taken_at_once(tmp_path):
    with Worker(tmp_path) as worker:
        (tmp_path / "leases" / "a@0").touch()
        assert not worker.claim("a")


def test_two_who_looked_at_different_moments_do_not_both_hold_a_cell(tmp_path, monkeypatch):
    """One finds a lease that is then released, and the other takes the cell before it has."""
    with Worker(tmp_path) as one, Worker(tmp_path) as two, Worker(tmp_path) as three:
        assert one.claim("cell")
        lives, looked = three._watch.lives, []

        def late(token, lease):
            looked.append(token)
            if len(looked) > 1:
                return lives(token, lease)
            one.release("cell")
            assert two.claim("cell")
            return False

        monkeypatch.setattr(three._watch, "lives", late)
        assert not three.claim("cell")
        assert two.holds("cell")
        two.release("cell")
        assert three.claim("cell")


URL = "memory://runs/one"


def test_a_url_has_leases_as_a_folder_has(memory, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    with Worker(URL) as one, Worker(URL) as two:
        assert one.claim("a") and not two.claim("a") and two.claim("b") and one.holds("a")
        assert WorkerWatch(URL).held() == {"a": one.token, "b": two.token}
        assert not one.took_over("a") and one.others() == {two.token}
        memory.pipe("/runs/one/workers/far", b'{"host": "elsewhere", "pid": 1, "started": ""}')
        memory.pipe("/runs/one/leases/c@0", b"far")
        assert not one.claim("c")
        now[0] += leases.SILENT - 1
        memory.pipe("/runs/one/workers/far", b'{"host": "elsewhere", "pid": 1, "started": ""}')
        assert not one.claim("c")  # written anew
        now[0] += leases.SILENT + 1
        assert one.claim("c") and one.took_over("c") and not two.claim("c")
        memory.rm("/runs/one/workers/far")
    assert not memory.find("/runs")


def test_who_needs_a_folder_alone_waits_for_silence_and_is_rejected_by_a_sign_of_life(
    memory, monkeypatch
):
    """Another host's heart beats while it is watched; then it beats no more."""
    now, beats = [1000.0], [2]
    said = b'{"host": "elsewhere 7", "pid": 12, "started": ""}'

    def sleep(seconds):
        now[0] += seconds
        if beats[0]:
            beats[0] -= 1
            memory.pipe("/runs/one/workers/far", said)

    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(leases.time, "sleep", sleep)
    memory.pipe({"/runs/one/workers/far": said, "/runs/one/leases/all@0": b"far"})
    with Worker(URL) as worker:
        with pytest.raises(ValueError, match=r"got process 12 of elsewhere$"):
            worker.take("all")
        beats[0] = 0
        begin = now[0]
        worker._watch = WorkerWatch(URL)
        worker.take("all")
        assert leases.SILENT <= now[0] - begin <= leases.SILENT + 2 * leases.LOOK
        assert worker.holds("all")


def test_a_lease_whose_answer_was_lost_is_held(memory, monkeypatch):
    """A request that is sent again finds what it has made itself."""
    pipe = type(memory).pipe_file

    def twice(self, *words, **named):
        pipe(self, *words, **named)
        return pipe(self, *words, **named)

    with Worker(URL) as one, Worker(URL) as two:
        monkeypatch.setattr(type(memory), "pipe_file", twice)
        assert one.claim("a") and one.holds("a") and not two.claim("a")
        monkeypatch.undo()


def test_whatever_a_file_system_raises_is_an_os_error(memory, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no route")

    with Worker(URL) as worker:
        monkeypatch.setattr(type(memory), "ls", fails)
        with pytest.raises(OSError, match="leases: no route"):
            worker.claim("a")
        monkeypatch.undo()
