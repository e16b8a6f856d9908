"""The loop learns, repeats itself exactly, and says where it went wrong."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.config import OptimizerConfig, ReadoutConfig, TrainingConfig
from jaxheads.data.loader import training_batches
from jaxheads.importance.gates.gate import constant
from jaxheads.objectives import objective_for
from jaxheads.parallel.mesh import make_mesh
from jaxheads.training import step as step_module
from jaxheads.training.boards import board_of
from jaxheads.training.fit import fit, learning_rates_of
from jaxheads.training.optimizer import GATES
from jaxheads.training.watch import Diverged
from tests.support.cases import LENGTHS

CONFIG = TrainingConfig(
    steps=30, batch_size=10, log_every=10, optimizer=OptimizerConfig(learning_rate=1e-2, warmup=0.1)
)


def train(
    case, objective=None, *, mesh=None, log=None, head_mask=None, only=None, board=None, **changes
):
    config = dataclasses.replace(CONFIG, **changes)
    return fit(
        objective or case.objective, case.params, case.source, config,
        lengths=LENGTHS, mesh=mesh, log=log, gate=constant(head_mask), only=only,
        board=board, name="tuning",
    )  # fmt: skip


def equal(one, two) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["simple", "classifier", "masked_lm"])
def test_training_lowers_the_loss(request, name):
    log = train(request.getfixturevalue(name)).log
    assert [point.step for point in log] == [10, 20, 30]
    assert log[-1].loss < log[0].loss - 0.05


def test_the_same_seed_repeats_every_bit_and_another_does_not(simple):
    once = train(simple).params
    assert equal(once, train(simple).params)  # and so the caller's parameters were not used up
    assert not equal(once, train(simple, seed=1).params)


def test_dropout_differs_from_step_to_step_and_not_from_run_to_run(simple):
    keys = []

    def spy(params, gate, batch, key):
        jax.debug.callback(lambda data: keys.append(tuple(data.tolist())), jax.random.key_data(key))
        return simple.objective(params, gate, batch, key)

    for _ in range(2):
        train(simple, spy)
    jax.effects_barrier()
    assert len(set(keys)) == CONFIG.steps
    assert sorted(keys[: CONFIG.steps]) == sorted(keys[CONFIG.steps :])


@pytest.mark.parametrize("shape", [(8, 1), pytest.param((4, 2), marks=pytest.mark.slow)])
def test_eight_devices_train_as_one(classifier, shape):
    """Batches of 10 rows become 16 on 8 devices. No dropout: its draws follow the rows."""
    one, eight = train(classifier), train(classifier, mesh=make_mesh(*shape))
    for a, b in zip(one.log, eight.log, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-4)
    # Sums over rows come in another order, 1e-7 apart, and grow over 30 steps. Adam divides each
    # gradient by its own size, so that key biases, whose true gradient is zero (softmax ignores
    # them), drift by rounding alone.
    away = jax.tree_util.tree_map_with_path(_distance, one.params, eight.params)
    assert max(jax.tree.leaves(away)) < 2e-3
    moved = jax.tree_util.tree_map_with_path(_distance, one.params, classifier.params)
    assert max(jax.tree.leaves(moved)) > 5e-2


def _distance(path, one, two) -> float:
    if jax.tree_util.keystr(path, simple=True, separator="/").endswith("key/bias"):
        return 0.0
    return float(np.abs(np.asarray(one) - np.asarray(two)).max())


def test_a_masked_model_is_trained_behind_its_mask(simple):
    def gated(params, gate, batch, key):
        return simple.objective({**params, "table": params["table"] * gate[0, 0]}, gate, batch, key)

    table = train(simple, gated, head_mask=np.zeros((1, 1))).params["table"]
    assert not np.asarray(table).any()
    assert np.asarray(train(simple, gated, head_mask=np.ones((1, 1))).params["table"]).any()


def test_an_encoder_is_frozen_for_its_first_steps_and_then_trains_at_its_own_rate(classifier):
    """SGD without clipping or decay: a step is the gradient times the rate of its group."""
    plain = OptimizerConfig(
        learning_rate=1e-2, encoder_learning_rate=1e-4, warmup=0.0, schedule="constant",
        weight_decay=0.0, clip_norm=None, optimizer="sgd",
    )  # fmt: skip
    seen = [classifier.params]

    def keep(params, theta):
        seen.append(jax.tree.map(np.array, params))
        return {"loss": 0.0}

    how = {"steps": 3, "frozen_steps": 2, "optimizer": plain}
    config = dataclasses.replace(CONFIG, eval_every=1, **how)
    fit(classifier.objective, classifier.params, classifier.source, config, lengths=LENGTHS,
        evaluate=keep)  # fmt: skip
    for step, encoder_moves in ((1, False), (2, False), (3, True)):
        before, after = seen[step - 1 : step + 1]
        assert equal(before["encoder"], after["encoder"]) != encoder_moves
        assert not equal(before["readout"], after["readout"])
    same = dataclasses.replace(plain, encoder_learning_rate=1e-2)
    fit(classifier.objective, classifier.params, classifier.source,
        dataclasses.replace(config, optimizer=same), lengths=LENGTHS, evaluate=keep)  # fmt: skip
    slow, fast = (
        jax.tree.leaves(jax.tree.map(np.subtract, after["encoder"], before["encoder"]))
        for before, after in (seen[2:4], seen[5:7])
    )
    for one, hundred in zip(slow, fast, strict=True):
        np.testing.assert_allclose(100 * one, hundred, rtol=0.05, atol=2e-5)


def test_the_rate_of_a_frozen_encoder_has_its_whole_schedule_afterwards():
    own = OptimizerConfig(learning_rate=8.0, encoder_learning_rate=2.0, warmup=0.5)
    rates = learning_rates_of(TrainingConfig(steps=8, frozen_steps=4, optimizer=own), GATES)
    assert [float(rates(step)["encoder"]) for step in range(8)] == [0, 0, 0, 0, 1, 2, 2, 1]
    assert [float(rates(step)["params"]) for step in range(8)] == [2, 4, 6, 8, 8, 6, 4, 2]


def test_a_loss_that_is_no_number_stops_with_its_step(simple):
    order = training_batches(simple.source, 10, seed=0, start_step=4, lengths=LENGTHS)
    fifth = np.asarray(next(order).index_B)

    def breaks(params, gate, batch, key):
        outcome = simple.objective(params, gate, batch, key)
        bad = (batch.index_B == fifth).all()
        return outcome._replace(loss_B=jnp.where(bad, jnp.nan, outcome.loss_B))

    with pytest.raises(
        Diverged,
        match=r"^tuning: .* not finite at step 4; a lower learning rate "
        r"than 0.01",
    ):
        train(simple, breaks, log_every=3)


def test_a_gradient_that_is_no_number_stops_too(simple):
    def flat_root(params, gate, batch, key):
        outcome = simple.objective(params, gate, batch, key)
        return outcome._replace(loss_B=outcome.loss_B + jnp.sqrt(0.0 * outcome.loss_B))

    with pytest.raises(Diverged, match="at step 0;"):
        train(simple, flat_root, steps=3)


def test_the_log_is_one_json_line_a_point(simple, tmp_path):
    path = tmp_path / "deep" / "log.jsonl"
    fitted = train(simple, log=path, steps=25)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 25]
    assert [tuple(line.values()) for line in lines] == list(fitted.log)
    assert all(line["examples_per_s"] > 0 for line in lines)
    # of step 9; 2 warm up
    assert lines[0]["learning_rate"] == pytest.approx(1e-2 * (25 - 9) / (25 - 2))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_of_compilation_and_of_steps(simple, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    train(simple, steps=25)
    said = terminal.getvalue().split("\r")
    first = next(line for line in said if "compiling" not in line and "tuning" in line)
    assert "tuning: compiling:   0%" in said[1] and "0/25" in said[1]
    assert "0/25" in first and "25/25" in said[-1] and "steps/s" in said[-1]


def test_the_loss_in_the_log_is_the_mean_since_the_line_before(simple):
    fine, coarse = train(simple, log_every=1).log, train(simple).log
    for end, point in zip((10, 20, 30), coarse, strict=True):
        mean = np.mean([each.loss for each in fine[end - 10 : end]])
        assert point.loss == pytest.approx(mean, rel=1e-5)


def test_no_step_waits_for_the_host(simple, monkeypatch):
    """What was summed up to a line of the log is read after the steps that follow were started.

    But on CPU, where they would have ended meanwhile.
    """
    order = []
    real_step, real_get = step_module.make_step, jax.device_get

    def spied(*args, **settings):
        step = real_step(*args, **settings)
        return lambda *inner: order.append("step") or step(*inner)

    monkeypatch.setattr("jaxheads.training.fit.make_step", spied)
    monkeypatch.setattr(jax, "device_get", lambda x: order.append("read") or real_get(x))
    train(simple, steps=9, log_every=3)
    assert "".join(word[0] for word in order) == "sssrsssrsssr"
    order.clear()
    monkeypatch.setattr("jaxheads.training.watch.jax.default_backend", lambda: "tpu")
    train(simple, steps=9, log_every=3)
    assert "".join(word[0] for word in order) == "ssssssrsssrr"


@jax.custom_vjp
def body(table):
    return table * 1.0


def no_gradient(*_):
    raise AssertionError("a gradient of what is held was computed")


body.defvjp(lambda table: (body(table), None), no_gradient)


@pytest.mark.parametrize("shape", [None, (4, 2)])
def test_one_group_alone_is_trained_and_no_gradient_of_the_rest_is_computed(simple, shape):
    def objective(params, gate, batch, key):
        return simple.objective(
            {"table": body(params["encoder"]["table"]), **params["readout"]}, gate, batch, key
        )

    table = jnp.linspace(-1.0, 1.0, 40)
    case = simple._replace(
        params={"encoder": {"table": table}, "readout": {"bias": jnp.zeros(()) + 0.5}}
    )
    mesh = None if shape is None else make_mesh(*shape)
    with pytest.raises(AssertionError, match="of what is held"):
        train(case, objective, mesh=mesh)
    fitted = train(case, objective, mesh=mesh, only="readout").params
    assert fitted["readout"]["bias"] != 0.5
    assert np.array_equal(fitted["encoder"]["table"], table)
    assert not table.is_deleted()


def test_a_group_that_is_not_there_or_empty_cannot_be_trained_alone(simple):
    case = simple._replace(params={**simple.params, "readout": {}})
    for name in ("readout", "gate"):
        with pytest.raises(ValueError, match=f"^only: expected one of table, bias, got {name}$"):
            train(case, only=name)


@pytest.mark.parametrize("shape", [None, (4, 2)])
def test_a_batch_in_parts_trains_as_the_whole(simple, shape):
    """10 rows in 4 parts on 4 devices: 16 rows, with padding rows in some parts only."""
    mesh = None if shape is None else make_mesh(*shape)
    whole, parts = train(simple), train(simple, mesh=mesh, accumulate=4)
    for one, two in zip(whole.log, parts.log, strict=True):
        assert one.loss == pytest.approx(two.loss, rel=1e-5)
    for one, two in zip(*map(jax.tree.leaves, (whole.params, parts.params)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def numbers(log):
    names = ("loss", "gradient_norm", "learning_rate", "examples_per_s")
    return [(f"train/{name}", getattr(point, name), point.step) for point in log for name in names]


def test_tensorboard_gets_the_numbers_of_the_log(simple, tmp_path, monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder):
            assert folder == str(tmp_path / "model.tensorboard")

        def add_scalar(self, *what):
            written.append(what)

        def close(self):
            written.append("closed")

    board = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "tensorboardX", board)
    log = train(simple, board=board_of("tensorboard", tmp_path / "model", {})).log
    assert written == [*numbers(log), "closed"]


def test_weights_and_biases_gets_the_numbers_of_the_log(simple, monkeypatch):
    written, about = [], {"task": "sst2"}
    run = types.SimpleNamespace(
        log=lambda values, step: written.extend((*pair, step) for pair in values.items()),
        finish=lambda: written.append("closed"),
    )
    begun = {"project": "jaxheads", "name": "model", "config": about}
    wandb = types.SimpleNamespace(init=lambda **how: run if how == begun else None, Error=OSError)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    log = train(simple, board=board_of("wandb", Path("out/model"), about)).log
    assert written == [*numbers(log), "closed"]

    def refused(**how):
        raise OSError("No API key\nconfigured")

    wandb.init = refused
    told = "wandb: No API key configured; run `wandb login`, or set WANDB_MODE=offline"
    with pytest.raises(ValueError, match=told):
        train(simple, board=board_of("wandb", Path("model"), {}))


@pytest.mark.parametrize(("kind", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_board_without_its_package_is_one_line_that_names_the_extra(
    kind, module, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, module, None)
    words = ["--model", "builtin:roberta", "--task", "grammar_sentiment", "--steps", "1"]
    out = ["--log", kind, "--out", str(tmp_path / "out")]
    assert main(["train", *words, *out]) == 2
    said = capsys.readouterr().err
    assert f"{kind} needs a package: pip install 'jaxheads[{kind}]'" in said
    assert len(said.splitlines()) == 1 and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_training_in_bfloat16_is_near_that_in_float32(classifier):
    half = objective_for(
        classifier.config, ReadoutConfig("classification", ("low", "high"), dropout=0.0),
        compute_dtype="bfloat16",
    )  # fmt: skip
    one, two = train(classifier), train(classifier, half, dtype="bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(two.params)} == {jnp.dtype("float32")}
    assert not equal(one.params, two.params)
    for a, b in zip(one.log, two.log, strict=True):
        assert a.loss == pytest.approx(b.loss, abs=0.02)  # bfloat16 has 3 digits
