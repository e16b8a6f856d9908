"""A run that was stopped, by whatever, is bit-identical to one that was not."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jaxheads.parallel.mesh import make_mesh
from jaxheads.training.fit import fit
from jaxheads.training.saving import Preempted
from tests.support.cases import LENGTHS, V, sentences
from tests.training.runs import CONFIG, Crash, assert_same, equal, steps, timeless, train


@pytest.mark.long
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
        Preempted, match=r"^stopped at step 8 of 30; .*/stopped/8, from which it can be resumed"
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


def test_a_used_place_is_rejected_unless_one_resumes(whole):
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


@pytest.mark.slow
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


# -- what is rejected


def test_the_checkpoint_of_another_run_is_rejected_with_every_difference(whole, classifier):
    case, _, place = whole
    optimizer = dataclasses.replace(CONFIG.optimizer, learning_rate=0.02)
    with pytest.raises(ValueError, match="expected a checkpoint of this very run") as error:
        train(
            case, place / "whole", resume=True, seed=3, optimizer=optimizer,
            about={"encoder": {"kept": [[0, 1]]}},
        )  # fmt: skip
    assert str(error.value) == (
        f"{place / 'whole' / '30'}: expected a checkpoint of this very run, got about.encoder none "
        "and here {'kept': [[0, 1]]}; training.optimizer.learning_rate 0.01 and here 0.02; "
        "training.seed 0 and here 3"
    )
    assert steps(place / "whole") == [27, 30]


def test_a_checkpoint_from_before_a_setting_was_there_is_rejected_in_one_line(whole):
    case, _, place = whole
    folder = shutil.copytree(place / "whole", place / "older")
    for record in folder.glob("*/run/metadata"):
        said = json.loads(record.read_text())
        del said["settings"]["training"]["label_smoothing"]
        record.write_text(json.dumps(said))
    with pytest.raises(ValueError, match="expected a checkpoint of this very run") as error:
        train(case, folder, resume=True)
    assert str(error.value).endswith("got training.label_smoothing none and here 0.0")
    assert steps(folder) == [27, 30]  # rejected is not broken


def test_other_data_and_other_shapes_are_rejected(whole):
    case, _, place = whole
    with pytest.raises(ValueError, match=r"data\.lengths \d+ and here \d+; data\.tokens \d+ and"):
        train(case._replace(source=sentences(seed=1)), place / "whole", resume=True)
    other = case._replace(params={**case.params, "table": jnp.zeros(V + 1)})
    with pytest.raises(ValueError, match=r"params/table \[40\] and here \[41\]$"):
        train(other, place / "whole", resume=True)
    assert steps(place / "whole") == [27, 30]  # rejected is not broken


def test_how_often_and_how_many_are_saved_may_change(whole):
    case, _, place = whole
    fitted = train(case, place / "whole", resume=True, save_every=7, keep_last=5)
    assert len(fitted.log) == 8
