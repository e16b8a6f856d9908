"""The driver: each cell once, as soon as what it needs is there; failures, resuming, status."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from jaxheads.cli.options.fields import parse_resources
from jaxheads.cli.status import describe
from jaxheads.parallel.steps import PAUSE, StepBar
from jaxheads.records.rows import Row, read_rows
from jaxheads.storage.store import Store
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.runner.driver import (
    Stopped,
    alone_in,
    ending_on_sigterm,
    is_locked,
    run_cells,
)
from jaxheads.studies.runner.engines import END, Here, Outcome, follow
from jaxheads.studies.runner.local_workers import LocalWorkers
from jaxheads.studies.runner.progress import (
    Progress,
    note_running,
    read_plan,
    read_progress,
    read_times,
    seconds_left,
    write_plan,
)
from tests.support.sleeping import ALL, cells, counted

FAST = {"seconds": 0.0}


def run(out: Path, made: dict[str, Cell], **how) -> None:
    run_cells(Store(out), list(made.values()), Here(lambda: made, dict), **how)


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "log"


def test_every_cell_is_computed_once_and_the_rows_come_in_their_order(tmp_path, log, capsys):
    out, made = tmp_path / "out", cells(log, **FAST)
    run(out, made)
    assert set(counted(log, "end").values()) == {1} and len(counted(log, "end")) == ALL
    wanted = [name.removesuffix("-asleep") for name in made]
    assert [row.task for row in read_rows(out / "rows.jsonl")] == wanted
    assert len(read_times(Store(out))) == ALL
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("[1/17] 0-0-asleep 0.0 s  number 3.000")
    assert said[-1] == "[17/17] all-asleep 0.0 s  number 3.000"
    before = (out / "rows.jsonl").stat()
    run(out, made)
    assert (out / "rows.jsonl").stat() == before and counted(log, "begin")["all"] == 1


def test_what_is_finished_is_not_computed_again(tmp_path, log):
    out, made = tmp_path / "out", cells(log, **FAST)
    run(out, made)
    wanted = (out / "rows.jsonl").read_bytes()
    for name in ("2-3-asleep", "all-asleep"):
        (out / "cells" / f"{name}.jsonl").unlink()
    (out / "scores").mkdir()
    (out / "scores" / ".a.1-b.draft.npz").touch()  # as a killed process leaves it
    run(out, made)
    assert (out / "rows.jsonl").read_bytes() == wanted
    assert counted(log, "begin") - counted(log, "end") == {}
    assert {name for name, count in counted(log, "end").items() if count == 2} == {"2-3", "all"}
    assert not list(out.rglob(".*draft*"))


def test_a_failed_cell_is_recorded_and_stops_only_what_needs_it(tmp_path, log):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="2 further cells need what failed") as refused:
        run(out, cells(log, failing=("1-2",), **FAST))
    assert str(refused.value).startswith("cell 1-2-asleep: 1-2 cannot be computed; 2 ")
    store = Store(out)
    found = read_progress(store, read_plan(store))
    assert len(found.done) == ALL - 3
    assert found.failed == {"1-2-asleep": "1-2 cannot be computed"}
    assert "RuntimeError: 1-2 cannot" in (out / "failed" / "1-2-asleep.json").read_text()
    assert not (out / "rows.jsonl").exists()
    text = describe(out)
    assert "14 of 17 cells done" in text
    assert "failed: 1-2-asleep: 1-2 cannot be computed" in text
    assert "to do: 2 (1-3-asleep, all-asleep)" in text and "about 0:00:00 left" in text
    run(out, cells(log, **FAST))
    assert not list((out / "failed").iterdir())
    assert counted(log, "begin")["1-2"] == 2 and set(counted(log, "end").values()) == {1}
    assert "17 of 17 cells done" in describe(out) and "left" not in describe(out)


class Backwards:
    """An engine that ends what was started last, and loses the first answer of a cell."""

    places = 3
    machine = dict

    def __init__(self, made: dict[str, Cell]) -> None:
        self.made, self.started, self.most = made, [], 0

    def start(self, name: str) -> None:
        self.started.append(name)
        self.most = max(self.most, len(self.started))

    def ended(self) -> Outcome:
        name = self.started.pop()
        return Outcome(name, list(self.made[name].run()), 0.5)


def test_an_engine_is_given_no_more_than_it_has_places_for_and_nothing_too_early(tmp_path, log):
    made = cells(log, **FAST)
    engine = Backwards(made)
    run_cells(Store(tmp_path / "out"), list(made.values()), engine)
    assert engine.most == 3
    order = [line.split()[1] for line in log.read_text().splitlines() if line.startswith("begin")]
    for name, each in made.items():
        for need in each.needs:
            first, then = (n.name.removesuffix("-asleep") for n in (need, made[name]))
            assert order.index(first) < order.index(then)


def test_processes_that_compute_together_end_with_the_first_cell_that_fails(tmp_path, log):
    told: list[int] = []
    made = cells(log, failing=("0-1",), **FAST)
    engine = Here(lambda: made, dict, lambda number: told.append(number) or number)
    with pytest.raises(ValueError, match=r"cell 0-1-asleep: .*; 15 further cells need what failed"):
        run_cells(Store(tmp_path / "out"), list(made.values()), engine, fragile=True)
    assert told == [0, 1]
    heard = iter([0, 1, END])
    outcome = follow(made, lambda _: next(heard))
    assert outcome is not None and outcome.error == "0-1 cannot be computed"
    heard = iter([0, END])
    assert follow(made, lambda _: next(heard)) is None


def test_a_second_command_in_a_folder_is_rejected_in_one_line(tmp_path):
    store = Store(tmp_path / "out")
    with alone_in(store):
        (tmp_path / "out" / "run.json").touch()
        assert is_locked(tmp_path / "out")
        told = f"no other command works, got process {os.getpid()}; several machines .* --ray"
        with pytest.raises(ValueError, match=told), alone_in(store):
            pass
    assert not is_locked(tmp_path / "out")
    with alone_in(store):
        pass
    with pytest.raises(ZeroDivisionError), alone_in(Store(tmp_path / "new")):
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()  # nothing was begun


def test_a_second_command_at_a_url_is_rejected_on_the_same_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with alone_in(Store("memory://out")), alone_in(Store("memory://other")):
        told = f"memory://out: expected a place .*, got process {os.getpid()};"
        with pytest.raises(ValueError, match=told), alone_in(Store("memory://out")):
            pass
    with alone_in(Store("memory://out")):
        pass


class Overtaken(Backwards):
    """An engine during whose second cell a command of another machine begins."""

    def ended(self) -> Outcome:
        if len(self.told) == 1:
            note_running(Store("memory://runs/two"), [], "process 7 of elsewhere (abc)")
        self.told.append(super().ended())
        return self.told[-1]

    def __init__(self, made: dict[str, Cell]) -> None:
        super().__init__(made)
        self.told: list[Outcome] = []


def test_a_command_ends_with_its_next_cell_where_one_of_another_machine_began(memory, log):
    store, made = Store("memory://runs/two"), cells(log, **FAST)
    told = (
        r"memory://runs/two: expected no other command, got process 7 of elsewhere \(abc\), which "
        "began later and goes on; 1 cells in memory://runs/two/cells are finished and stay"
    )
    with pytest.raises(ValueError, match=told):
        run_cells(store, list(made.values()), Overtaken(made))
    assert len(store.names("cells")) == 1
    run_cells(store, list(made.values()), Backwards(made))  # the later one
    assert len(store.names("cells")) == ALL


def test_sigterm_is_told_where_a_library_makes_a_plain_interrupt_of_it():
    """As Ray does while it waits."""
    with pytest.raises(Stopped, match="the same command goes on"), ending_on_sigterm():
        try:
            signal.raise_signal(signal.SIGTERM)
        except Stopped:
            raise KeyboardInterrupt from None
    with pytest.raises(KeyboardInterrupt) as told, ending_on_sigterm():
        raise KeyboardInterrupt
    assert told.type is KeyboardInterrupt


def test_status_tells_what_runs_while_a_command_is_at_work(tmp_path):
    store = Store(tmp_path / "out")
    with pytest.raises(ValueError, match="expected a study that was begun"):
        describe(tmp_path / "out")
    with alone_in(store):
        (tmp_path / "out" / "run.json").touch()
        write_plan(store, {"a": (), "b": ("a",), "c": ()})
        note_running(store, ["a"], "me")
        assert "running: 1 (a)\nto do: 2 (b, c)\nno estimate" in describe(tmp_path / "out")
    assert "running" not in describe(tmp_path / "out")  # the command has gone, or was killed


def test_status_of_a_url_is_read_there(memory):
    store = Store("memory://runs/one")
    write_plan(store, {"a": (), "b": ("a",)})
    store.write_json("cells/a.jsonl", {})
    store.write_json("times/a.json", {"seconds": 3})
    note_running(store, ["b"], "me")
    text = describe(Path("memory://runs/one"))
    assert text.startswith("memory://runs/one: 1 of 2 cells done\nrunning at ")
    assert "1 (b)" in text and "about 0:00:03 left" in text


def test_the_rest_is_estimated_from_like_cells_and_the_longest_chain():
    needs = {"a-0-x": (), "a-1-x": (), "b-9-x": (), "a-0-y": ("a-1-x", "b-9-x"), "z": ("a-0-y",)}
    done, times = Progress(frozenset({"a-0-x"}), {}), {"a-0-x": 10.0}
    # a-1-x and b-9-x take 10 s each as their like, the others 10 s as all do
    assert seconds_left(needs, done, times, 1) == 40
    assert seconds_left(needs, done, times, 4) == 30  # x, y, z one after the other
    assert seconds_left(needs, done, {}, 1) is None


def test_resources_are_names_with_amounts():
    assert parse_resources("cpu=2,TPU=4, hosts=2") == {"CPU": 2, "TPU": 4, "hosts": 2}
    for wrong in ("", "cpu", "cpu=", "cpu=0", "=1", "gpu=-1", "TPU=x", "cpu=inf", "cpu=1,CPU=2"):
        with pytest.raises(ValueError, match="expected NAME=N"):
            parse_resources(wrong)
    with pytest.raises(ValueError, match="expected a whole number of hosts"):
        parse_resources("hosts=1.5")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def stepping(model: str, seed: int) -> list[Row]:
    """A cell that says how far it is."""
    with StepBar(f"{model} trains", 40, unit=" steps") as bar:
        bar.compiled()
        for loss in (0.75, 0.5):
            time.sleep(PAUSE * 1.1)
            bar.add(20, f"loss {loss}")
    return [Row("step", "none", model, "number", float(seed))]


def load_stepping() -> dict[str, Cell]:
    made = [cell(stepping, "bert", seed) for seed in (0, 1)]
    return {each.name: each for each in made}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_terminal_is_told_how_far_a_cell_is_in_words(workers, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with LocalWorkers(load_stepping, 2, dict) if workers == 2 else Here(load_stepping, dict) as own:
        run_cells(Store(tmp_path / "out"), list(load_stepping().values()), own)
    said = terminal.getvalue()
    for seed in (0, 1):
        assert re.search(rf"stepping \(bert, seed {seed}\):  50%.* 20/40 .*loss 0.75", said)
    assert "loss 0.5" in said and "bert trains" not in said
    assert re.search(r"study:  50%.* 1/2 cells .*about 0:00:0\d left", said)
    assert capsys.readouterr().out.startswith("[1/2] bert-")
    monkeypatch.setattr(sys, "stderr", quiet := io.StringIO())  # no terminal
    run_cells(Store(tmp_path / "two"), list(load_stepping().values()), Here(load_stepping, dict))
    assert not quiet.getvalue()
