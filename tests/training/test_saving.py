"""What an evaluation finds during training is logged, and the best checkpoint stays."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.training.saving import load_trained
from tests.training.runs import Crash, equal, logged, steps, train


def test_what_a_judge_says_is_logged_and_the_best_is_kept(simple, tmp_path):
    seen = []

    def evaluate(params, theta):
        seen.append(np.asarray(params["table"]).copy())
        return {"accuracy": [0.1, 0.9, 0.5, 0.9][len(seen) - 1], "loss": 1.0}

    log, changes = tmp_path / "log.jsonl", {"eval_every": 10, "steps": 35, "save_every": 0}
    fitted = train(simple, tmp_path / "a", evaluate=evaluate, log=log, keep_last=1, **changes)
    assert [(line.step, line.metrics["accuracy"]) for line in fitted.evals] == [
        (10, 0.1), (20, 0.9), (30, 0.5), (35, 0.9)
    ]  # fmt: skip
    where = [(line["step"], "metrics" in line) for line in logged(log)]
    assert where == sorted(where)
    assert fitted.best_step == 35
    assert steps(tmp_path / "a") == [35]


def test_the_lowest_loss_is_the_best_and_its_parameters_can_be_had(simple, tmp_path):
    seen = []

    def evaluate(params, theta):
        seen.append(np.asarray(params["table"]).copy())
        return {"loss": [3.0, 1.0, 2.0][len(seen) - 1]}

    changes = {"eval_every": 10, "save_every": 0, "keep_last": 1}
    fitted = train(simple, tmp_path / "a", evaluate=evaluate, **changes)
    assert (fitted.best_step, steps(tmp_path / "a")) == (20, [20, 30])
    best = load_trained(tmp_path / "a", simple.params, step=20)[0]
    assert np.array_equal(best["table"], seen[1])
    assert equal(load_trained(tmp_path / "a", simple.params)[0], fitted.params)
    with pytest.raises(ValueError, match="expected a checkpoint, got none"):
        load_trained(tmp_path / "b", simple.params)


def test_a_evaluated_run_resumes_with_its_judgements(whole):
    case, _, place = whole

    def evaluate(params, theta):
        return {"size": float(np.abs(params["table"]).sum())}

    changes = {"eval_every": 5, "evaluate": evaluate}
    expected = train(case, place / "j", log=place / "j.jsonl", **changes)
    for at in (13, -1):
        try:
            fitted = train(case, place / "k", resume=True, log=place / "k.jsonl", at=at, **changes)
        except Crash:
            continue
    assert fitted.evals == expected.evals
    assert fitted.best_step == expected.best_step
    assert logged(place / "k.jsonl") == logged(place / "j.jsonl")
