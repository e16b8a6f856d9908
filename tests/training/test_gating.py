"""Gates that the loop trains: beside the parameters or alone, and resumed."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, cast

import jax
import numpy as np
import pytest

from jaxheads.importance.gates.gate import constant, describe
from jaxheads.importance.gates.hard_concrete import l0, lagrangian
from jaxheads.importance.gates.subset import PAPER, subset
from jaxheads.parallel.mesh import make_mesh
from jaxheads.training import step as step_module
from jaxheads.training import watch
from jaxheads.training.checkpoint import Checkpoints
from jaxheads.training.fit import Fitted, fit
from jaxheads.training.optimizer import GATES
from jaxheads.training.saving import load_trained
from tests.support.cases import LENGTHS, word_case
from tests.training.runs import CONFIG, Calls, Crash, crash, equal, logged, record

HEADS = (2, 4)
FAST = dataclasses.replace(GATES, learning_rate=0.2)


def gated_words():
    """The sum of words, whose first weight goes through the first head; noise on the others."""
    case = word_case()

    def objective(params, gate, batch, key):
        shared = 1.0 if gate is None else gate[0, 0] + 0.1 * gate[0, 1] - 0.05 * gate[1, 1]
        table = params["table"] * shared
        outcome = case.objective({**params, "table": table}, gate, batch, key)
        stays_B = jax.random.bernoulli(key, 0.7, outcome.loss_B.shape)
        return outcome._replace(loss_B=outcome.loss_B * stays_B)

    return case._replace(objective=objective)


def train(case, folder=None, *, gate, at=-1, log=None, resume=False, **settings) -> Fitted:
    kept = None if folder is None else Checkpoints(folder, resume)
    return fit(
        case.objective, case.params, cast(Any, Calls(case.source, at, crash)), CONFIG,
        lengths=LENGTHS, gate=gate, gates=FAST, log=log, checkpoints=kept, **settings,
    )  # fmt: skip


GATE = {
    "bounded": subset(HEADS, 3, steps=30),
    "chained": subset(HEADS, 3, steps=30, relaxation="chained", annealing=PAPER),
    "straight_through": subset(HEADS, 3, steps=30, relaxation="straight_through"),
    "l0": l0(HEADS, 0.02),
    "lagrangian": lagrangian(HEADS, 3),
}


@pytest.mark.slow
def test_a_run_with_gates_that_crashes_ends_in_the_same_bits(tmp_path):
    case, gate = gated_words(), GATE["bounded"]
    whole = train(case, tmp_path / "a", gate=gate, log=tmp_path / "a.jsonl")
    with pytest.raises(Crash):
        train(case, tmp_path / "b", gate=gate, at=17)
    again = train(case, tmp_path / "b", gate=gate, resume=True, log=tmp_path / "b.jsonl")
    assert equal((whole.params, whole.theta), (again.params, again.theta))
    assert record(tmp_path / "a")["bits"] == record(tmp_path / "b")["bits"]
    assert logged(tmp_path / "a.jsonl") == logged(tmp_path / "b.jsonl")
    params, theta = load_trained(tmp_path / "b", whole.params, whole.theta)
    assert equal((whole.params, whole.theta), (params, theta))


def test_a_checkpoint_of_another_gate_is_rejected(tmp_path):
    case = gated_words()
    train(case, tmp_path, gate=GATE["bounded"])
    with pytest.raises(ValueError, match="expected a checkpoint of this very run") as error:
        train(case, tmp_path, gate=subset(HEADS, 4, steps=60), resume=True)
    assert "gate.sample.budget 3 and here 4" in str(error.value)
    assert "gate.sample.cooldown 24.0 and here 48.0" in str(error.value)


def test_a_gate_is_told_by_its_functions_and_its_numbers():
    assert describe(constant(np.ones((1, 2))))["sample"] == {
        "function": "_given", "gate_LH": [[1.0, 1.0]]
    }  # fmt: skip
    told = [describe(gate) for gate in GATE.values()]
    assert all(one != two for n, one in enumerate(told) for two in told[:n])


def test_gates_alone_leave_every_parameter_and_no_gate_none(tmp_path):
    case = gated_words()
    case = case._replace(params=jax.tree.map(lambda x: x + 0.3, case.params))
    alone = train(case, gate=GATE["bounded"], only="gates")
    assert equal(alone.params, case.params)
    gates = GATE["bounded"]
    start = gates.init(step_module.gate_key(CONFIG.seed))
    assert np.abs(alone.theta["weight"] - start["weight"]).max() > 0.5
    both = train(case, gate=GATE["bounded"])
    assert not equal(both.params, case.params)
    none = train(case, gate=constant())
    assert none.theta == {}
    assert none.gated == ()


def test_the_log_says_how_far_the_sample_is_what_would_be_kept(tmp_path):
    case = gated_words()
    fitted = train(case, gate=GATE["bounded"], log=tmp_path / "log.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    seen = [line for line in lines if "gates" in line]
    assert [line["step"] for line in seen] == [point.step for point in fitted.log]
    assert [line["gates"] for line in seen] == [each.gates for each in fitted.gated]
    for line in seen:
        assert line["gates"]["open"] == pytest.approx(3, abs=1e-3)
    key = step_module.gate_key(np.uint32(CONFIG.seed), 29)
    sample = np.asarray(GATE["bounded"].sample(fitted.theta, key, 29)).ravel()
    score = np.asarray(GATE["bounded"].score(fitted.theta)).ravel()
    both = set(np.argsort(sample)[-3:]) & set(np.argsort(score)[-3:])
    assert seen[-1]["gates"]["overlap"] == pytest.approx(len(both) / 3)


def test_heads_that_a_model_lacks_are_no_overlap():
    """Their score is 0, above that of heads with negative weights."""
    present = np.array([[True, True, False, False], [False, True, False, False]])
    gate = subset(HEADS, 3, steps=30, present=present)
    theta = {"weight": gate.init(step_module.gate_key(0))["weight"] - 9}
    assert watch._agreement(gate, theta, np.uint32(0), 29)["overlap"] == 1.0


@pytest.mark.slow
def test_eight_devices_train_gates_as_one():
    case = word_case()
    gated = gated_words()

    def objective(params, gate, batch, key):  # no dropout: its draws follow the rows
        table = params["table"] * (gate[0, 0] + 0.1 * gate[0, 1])
        return case.objective({**params, "table": table}, gate, batch, key)

    gated = gated._replace(objective=objective)
    one = train(gated, gate=GATE["bounded"])
    eight = train(gated, gate=GATE["bounded"], mesh=make_mesh(4, 2))
    np.testing.assert_allclose(one.theta["weight"], eight.theta["weight"], atol=1e-3)
