"""Damaged checkpoints, full disks, a loss that is no number: what was saved still loads."""

from __future__ import annotations

import errno
import logging
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jaxheads.data.loader import training_batches
from jaxheads.training.watch import Diverged
from tests.support.cases import LENGTHS
from tests.training.runs import Crash, assert_same, steps, train


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


LATER = {"a bit flipped", "no state", "nothing in it"}


@pytest.mark.parametrize(
    "damage", [pytest.param(d, marks=[pytest.mark.slow] if d in LATER else []) for d in DAMAGE]
)
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
