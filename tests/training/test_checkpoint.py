"""A run that was stopped, by whatever, ends in the same bits as one that was not."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import shutil
import signal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.data.loader import training_batches
from jaxheads.mesh import make_mesh
from jaxheads.training.checkpoint import Checkpoints
from jaxheads.training.fit import Fitted, fit
from jaxheads.training.preempt import Preempted
from jaxheads.training.saving import load_params
from jaxheads.training.watch import Diverged
from tests.training.conftest import LENGTHS, V, sentences, word_case

CONFIG = TrainingConfig(
    steps=30,
    batch_size=10,
    log_every=4,
    save_every=3,
    optimizer=OptimizerConfig(rate=1e-2, warmup=0.1),
)


class Crash(Exception):
    """What stands for the end of the process."""


@dataclasses.dataclass
class Calls:
    """A source that does something when the batch of a step is asked for."""

    source: object
    at: int
    act: object
    calls: int = 0

    @property
    def lengths(self):
        return self.source.lengths

    def rows(self, *args):
        if self.calls == self.at:
            self.act()
        self.calls += 1
        return self.source.rows(*args)


def crash():
    raise Crash


def noisy(case):
    """The objective with dropout: some examples drop out of the loss."""

    def objective(params, gate, batch, key):
        outcome = case.objective(params, gate, batch, key)
        stays_B = jax.random.bernoulli(key, 0.7, outcome.loss_B.shape)
        return outcome._replace(loss_B=outcome.loss_B * stays_B)

    return case._replace(objective=objective)


def train(
    case, folder, *, resume=False, about=None, log=None, mesh=None, act=crash, at=-1, judge=None,
    **changes,
) -> Fitted:  # fmt: skip
    config = dataclasses.replace(CONFIG, **changes)
    return fit(
        case.objective, case.params, Calls(case.source, at, act), config, lengths=LENGTHS,
        log=log, mesh=mesh, judge=judge, name="tuning",
        checkpoints=Checkpoints(folder, resume, about or {}),
    )  # fmt: skip


def record(folder: Path, step: int = CONFIG.steps) -> dict:
    return json.loads((folder / str(step) / "run" / "metadata").read_text())


def steps(folder: Path) -> list[int]:
    return sorted(int(place.name) for place in folder.iterdir() if place.name.isdecimal())


def timeless(lines):
    return [{k: v for k, v in line.items() if k != "examples_per_s"} for line in lines]


def logged(path: Path):
    return timeless(map(json.loads, path.read_text().splitlines()))


def equal(one, two) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A case with dropout, and the run of it that nothing has stopped."""
    case, place = noisy(word_case()), tmp_path_factory.mktemp("finished")
    return case, train(case, place / "whole", log=place / "whole.jsonl"), place


@pytest.fixture
def whole(finished, tmp_path):
    """The same, in a folder that a test may damage."""
    shutil.copytree(finished[2], tmp_path, dirs_exist_ok=True)
    return *finished[:2], tmp_path


def assert_same(whole, fitted, folder, log):
    _, expected, place = whole
    assert equal(fitted.params, expected.params)
    assert record(folder)["bits"] == record(place / "whole")["bits"]  # of the moments, too
    assert logged(log) == logged(place / "whole.jsonl")
    assert timeless(p._asdict() for p in fitted.log) == timeless(p._asdict() for p in expected.log)


def test_a_run_that_crashes_again_and_again_ends_as_one_that_never_did(whole):
    case, _, place = whole
    folder, log, rng = place / "crashed", place / "crashed.jsonl", np.random.default_rng(0)
    crashes = [int(at) for at in rng.integers(0, 9, 10)]
    for number, at in enumerate(crashes):
        with pytest.raises(Crash):
            train(case, folder, resume=number > 0, log=log, at=at)
    assert steps(folder)  # else it would only have begun anew each time
    fitted = train(case, folder, resume=True, log=log)
    assert_same(whole, fitted, folder, log)


def test_a_checkpoint_that_is_written_late_has_no_later_lines_of_the_log(whole, monkeypatch):
    case, _, place = whole
    records, real = [], ocp.args.JsonSave
    monkeypatch.setattr(ocp.args, "JsonSave", lambda item: records.append(item) or real(item))
    train(case, place / "late")
    assert [record["step"] for record in records] == list(range(3, 31, 3))
    for record in records:
        assert [line["step"] for line in record["lines"]] == [
            step for step in (*range(4, 29, 4), 30) if step <= record["step"]
        ]


def test_checkpoints_change_nothing_of_the_training(whole):
    case, fitted, _ = whole
    config = dataclasses.replace(CONFIG, save_every=0)
    plain = fit(case.objective, case.params, case.source, config, lengths=LENGTHS)
    assert equal(plain.params, fitted.params)
    assert timeless(p._asdict() for p in plain.log) == timeless(p._asdict() for p in fitted.log)


def test_a_request_to_stop_saves_the_step_and_is_resumed(whole):
    case, _, place = whole
    folder, log = place / "stopped", place / "stopped.jsonl"
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(
        Preempted, match=r"^stopped at step 8 of 30; .*/stopped/8, from which --res"
    ):
        train(
            case, folder, log=log, at=7, save_every=0, act=lambda: signal.raise_signal(15)
        )  # during the eighth step
    assert signal.getsignal(signal.SIGTERM) == before
    assert (steps(folder), Preempted.status) == ([8], 143)
    assert_same(whole, train(case, folder, resume=True, log=log), folder, log)


def test_a_finished_run_resumes_without_a_step(whole):
    case, _, place = whole
    fitted = train(case, place / "whole", resume=True, log=place / "again.jsonl", at=0)
    assert_same(whole, fitted, place / "whole", place / "again.jsonl")


def test_resuming_from_nothing_begins(whole):
    case, _, place = whole
    fitted = train(case, place / "new" / "deep", resume=True, log=place / "new.jsonl")
    assert_same(whole, fitted, place / "new" / "deep", place / "new.jsonl")


def test_a_used_place_is_refused_unless_one_resumes(whole):
    case, _, place = whole
    with pytest.raises(ValueError, match=r"/whole: expected a place without .* the steps 27, 30;"):
        train(case, place / "whole")


def test_as_many_checkpoints_stay_as_asked(whole):
    case, _, place = whole
    assert steps(place / "whole") == [27, 30]
    train(case, place / "one", keep_last=1)
    assert steps(place / "one") == [30]
    train(case, place / "last", save_every=0)
    assert steps(place / "last") == [30]


# -- another number of devices


def test_a_run_goes_on_on_other_devices(simple, tmp_path):
    """8, then 4 x 2 with the table split in two, then 1 device: sums come in another order."""

    def objective(params, gate, batch, key):
        table = params["embeddings"]["word"]["table"]
        return simple.objective({"table": table, "bias": params["bias"]}, gate, batch, key)

    params = {"embeddings": {"word": {"table": jnp.zeros(V)}}, "bias": jnp.zeros(())}
    case = simple._replace(objective=objective, params=params)
    expected = train(case, tmp_path / "one")
    for shape, at in (((8, 1), 12), ((4, 2), 12), (None, -1)):
        mesh = None if shape is None else make_mesh(*shape)
        try:
            fitted = train(case, tmp_path / "a", resume=True, mesh=mesh, at=at)
        except Crash:
            continue
    assert steps(tmp_path / "a") == [27, 30]
    for one, two in zip(expected.log, fitted.log, strict=True):
        assert one.loss == pytest.approx(two.loss, rel=1e-5)
    for one, two in zip(*map(jax.tree.leaves, (expected.params, fitted.params)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


# -- what is refused


def test_the_checkpoint_of_another_run_is_refused_with_every_difference(whole, classifier):
    case, _, place = whole
    optimizer = dataclasses.replace(CONFIG.optimizer, rate=0.02)
    with pytest.raises(ValueError, match="expected a checkpoint of this very run") as error:
        train(
            case, place / "whole", resume=True, seed=3, optimizer=optimizer,
            about={"encoder": {"kept": [[0, 1]]}},
        )  # fmt: skip
    assert str(error.value) == (
        f"{place / 'whole' / '30'}: expected a checkpoint of this very run, got about.encoder none "
        "and here {'kept': [[0, 1]]}; training.optimizer.rate 0.01 and here 0.02; "
        "training.seed 0 and here 3"
    )
    assert steps(place / "whole") == [27, 30]


def test_other_data_and_other_shapes_are_refused(whole):
    case, _, place = whole
    with pytest.raises(ValueError, match=r"data\.lengths \d+ and here \d+; data\.tokens \d+ and"):
        train(case._replace(source=sentences(seed=1)), place / "whole", resume=True)
    other = case._replace(params={**case.params, "table": jnp.zeros(V + 1)})
    with pytest.raises(ValueError, match=r"params/table \[40\] and here \[41\]$"):
        train(other, place / "whole", resume=True)
    assert steps(place / "whole") == [27, 30]  # refused is not broken


def test_how_often_and_how_many_are_saved_may_change(whole):
    case, _, place = whole
    fitted = train(case, place / "whole", resume=True, save_every=7, keep_last=5)
    assert len(fitted.log) == 8


# -- damage


def biggest(folder: Path) -> Path:
    files = (path for path in folder.rglob("*") if path.is_file())
    return max(files, key=lambda path: path.stat().st_size)


def cut_short(place: Path):
    path = biggest(place / "state")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(place: Path):
    path = biggest(place / "state" / "d")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(place: Path):
    shutil.rmtree(place)
    place.mkdir()


DAMAGE = {
    "a file cut short": cut_short,
    "a bit flipped": flip,
    "no state": lambda place: shutil.rmtree(place / "state"),
    "half a text": lambda place: (place / "run" / "metadata").write_text('{"step": 3'),
    "nothing in it": empty,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(whole, damage, caplog, capfd):
    case, _, place = whole
    folder, log = place / "damaged", place / "damaged.jsonl"
    with pytest.raises(Crash):
        train(case, folder, at=14)
    assert steps(folder) == [9, 12]
    DAMAGE[damage](folder / "12")
    with caplog.at_level(logging.WARNING, "jaxheads"):
        fitted = train(case, folder, resume=True, log=log)
    assert_same(whole, fitted, folder, log)
    assert [r.getMessage() for r in caplog.records if r.name.startswith("jaxheads")] == [
        caplog.messages[-1]
    ]
    assert "/damaged: passed over what cannot be read: 12: " in caplog.messages[-1]
    assert (folder / "broken-12").is_dir()
    assert "Traceback" not in capfd.readouterr().err


def test_a_checkpoint_that_was_being_written_is_no_checkpoint(whole):
    case, _, place = whole
    folder, log = place / "half", place / "half.jsonl"
    with pytest.raises(Crash):
        train(case, folder, at=14)
    shutil.copytree(folder / "12", folder / "15.orbax-checkpoint-tmp")
    assert_same(whole, train(case, folder, resume=True, log=log), folder, log)


def test_damage_of_all_is_an_error(whole):
    case, _, place = whole
    for step in (27, 30):
        cut_short(place / "whole" / str(step))
    with pytest.raises(ValueError, match=r"/whole: no checkpoint can be read: 30: .*; 27: "):
        train(case, place / "whole", resume=True)


def test_a_full_disk_is_one_error_and_what_was_saved_still_loads(whole, monkeypatch):
    case, _, place = whole
    folder, log = place / "full", place / "full.jsonl"
    real = shutil.disk_usage

    def full(path):
        return real(path)._replace(free=100 if steps(Path(path)) else 10**9)

    monkeypatch.setattr(shutil, "disk_usage", full)
    with pytest.raises(OSError, match=r"/full: no .* the disk is full: .* good .* is .*/full/3$"):
        train(case, folder, log=log)
    monkeypatch.undo()
    assert steps(folder) == [3]
    assert_same(whole, train(case, folder, resume=True, log=log), folder, log)


def test_a_place_that_becomes_read_only_is_one_error_and_what_was_saved_loads(whole, monkeypatch):
    case, _, place = whole
    folder, log = place / "locked", place / "locked.jsonl"
    real = ocp.CheckpointManager.save

    def locked(self, step, **what):
        if step > 3:
            raise PermissionError(errno.EROFS, "Read-only file system", str(folder / "6"))
        return real(self, step, **what)

    monkeypatch.setattr(ocp.CheckpointManager, "save", locked)
    with pytest.raises(OSError, match=r"no checkpoint was written: .*Read-only.*good .*/locked/3$"):
        train(case, folder, log=log)
    monkeypatch.undo()
    assert_same(whole, train(case, folder, resume=True, log=log), folder, log)


def test_a_place_that_cannot_be_written_is_an_error_before_training(simple, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        train(simple, tmp_path / "file" / "in", at=0)


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(simple, tmp_path):
    order = training_batches(simple.source, 10, seed=0, start_step=4, lengths=LENGTHS)
    fifth = np.asarray(next(order).index_B)

    def breaks(params, gate, batch, key):
        outcome = simple.objective(params, gate, batch, key)
        bad = (batch.index_B == fifth).all()
        return outcome._replace(loss_B=jnp.where(bad, jnp.nan, outcome.loss_B))

    case = simple._replace(objective=breaks)
    with pytest.raises(Diverged, match=r"finite at step 4; .*; the last good .* is .*/a/4$"):
        train(case, tmp_path / "a", save_every=2, log_every=20)
    assert steps(tmp_path / "a") == [2, 4]


# -- judging


def test_what_a_judge_says_is_logged_and_the_best_is_kept(simple, tmp_path):
    seen = []

    def judge(params):
        seen.append(np.asarray(params["table"]).copy())
        return {"accuracy": [0.1, 0.9, 0.5, 0.9][len(seen) - 1], "loss": 1.0}

    log, changes = tmp_path / "log.jsonl", {"judge_every": 10, "steps": 35, "save_every": 0}
    fitted = train(simple, tmp_path / "a", judge=judge, log=log, keep_last=1, **changes)
    assert [(line.step, line.metrics["accuracy"]) for line in fitted.judged] == [
        (10, 0.1), (20, 0.9), (30, 0.5), (35, 0.9)
    ]  # fmt: skip
    where = [(line["step"], "metrics" in line) for line in logged(log)]
    assert where == sorted(where)
    assert fitted.best_step == 35
    assert steps(tmp_path / "a") == [35]


def test_the_lowest_loss_is_the_best_and_its_parameters_can_be_had(simple, tmp_path):
    seen = []

    def judge(params):
        seen.append(np.asarray(params["table"]).copy())
        return {"loss": [3.0, 1.0, 2.0][len(seen) - 1]}

    changes = {"judge_every": 10, "save_every": 0, "keep_last": 1}
    fitted = train(simple, tmp_path / "a", judge=judge, **changes)
    assert (fitted.best_step, steps(tmp_path / "a")) == (20, [20, 30])
    best = load_params(tmp_path / "a", simple.params, step=20)
    assert np.array_equal(best["table"], seen[1])
    assert equal(load_params(tmp_path / "a", simple.params), fitted.params)
    with pytest.raises(ValueError, match="expected a checkpoint, got none"):
        load_params(tmp_path / "b", simple.params)


def test_a_judged_run_resumes_with_its_judgements(whole):
    case, _, place = whole

    def judge(params):
        return {"size": float(np.abs(params["table"]).sum())}

    changes = {"judge_every": 5, "judge": judge}
    expected = train(case, place / "j", log=place / "j.jsonl", **changes)
    for at in (13, -1):
        try:
            fitted = train(case, place / "k", resume=True, log=place / "k.jsonl", at=at, **changes)
        except Crash:
            continue
    assert fitted.judged == expected.judged
    assert fitted.best_step == expected.best_step
    assert logged(place / "k.jsonl") == logged(place / "j.jsonl")
