"""The comparison of ways to choose heads: every method at every budget, and what it costs."""

from __future__ import annotations

import json
from unittest import mock

import numpy as np
import pytest

from jaxheads.cli import VERBS, main
from jaxheads.settings import CompareSettings
from jaxheads.studies import choosing, compare
from jaxheads.studies.choosing import METHODS, has_rate
from tests.studies.tiny_study import found, write_study

ASKED = ("gradient", "gradient, iterative", "random, per layer", "magnitude", "refined, rescaled",
         "subset, joint", "straight-through, pipelined", "L0, pipelined")  # fmt: skip


def write_comparison(folder):
    path = write_study(folder, models=1)
    text = path.read_text().replace('study="chiang2021"', 'study="compare"')
    text = text.replace("    CurveSettings, ", "    CompareSettings, CurveSettings, ")
    wanted = f"compare=CompareSettings({ASKED!r}, shares=(0.75, 0.5), batches=(1,), repeats=1),\n"
    path.write_text(text.replace("    devices=1,\n", f"    {wanted}    devices=1,\n"))
    return path


@pytest.mark.slow
@pytest.mark.long
def test_every_method_keeps_the_budget_and_says_what_it_cost(tmp_path):
    path, out = write_comparison(tmp_path), tmp_path / "out"
    words = ["study", str(path), "--out", str(out), "--set", "scoring.ablated=0"]
    with mock.patch.dict(VERBS, study=VERBS["study"]._replace(then="")):
        assert main(words) == 0
    rows = found(out, stage="cost", metric="steps", task="sst2")
    assert {(row.method, row.budget, row.seed) for row in rows} == {
        (method, budget, seed) for method in ASKED for budget in (6, 4) for seed in (0, 1)
    }
    steps = {row.method: row.value for row in rows}
    assert steps["gradient"] == 6  # of fine-tuning
    assert steps["subset, joint"] == 6
    assert steps["L0, pipelined"] == 12
    for stage in ("pruned", "trained again"):
        assert len(found(out, stage=stage, metric="accuracy", task="sst2")) == len(rows)
    chosen = found(out, stage="choice of rate", metric="rate", task="sst2")
    assert {row.method for row in chosen} == {name for name in ASKED if has_rate(name)}
    sizes = found(out, stage="cut, compared", metric="parameters", task="sst2")
    assert {row.budget for row in sizes} == {4}
    lines = [json.loads(line) for line in (out / "speed.jsonl").read_text().splitlines()]
    assert {line["what"] for line in lines} >= {"choosing, seconds", "speed-up, batch 1"}
    before = (out / "rows.jsonl").read_bytes()
    with mock.patch.dict(VERBS, study=VERBS["study"]._replace(then="")):
        assert main(words) == 0
    assert (out / "rows.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ()}, "methods: expected different names"),
        ({"shares": (0.5, 0.75)}, "shares: expected decreasing shares of 1"),
        ({"shares": (1.0,)}, "shares: expected decreasing shares of 1"),
        ({"rates": (0.0,)}, "rates, strengths: expected positive numbers"),
        ({"chosen_on": 1.0}, "chosen_on: expected a share between 0 and 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        CompareSettings(**{"methods": ("gradient",), **changes})


def test_shares_are_the_budgets_of_the_paper_scaled_to_the_model():
    shares = CompareSettings(("gradient",)).shares
    assert [round(144 * share) for share in shares] == list(range(132, 0, -12))


def test_every_gate_is_there_jointly_and_pipelined():
    for name in choosing.GATED:
        assert {f"{name}, joint", f"{name}, pipelined"} <= METHODS.keys()
    assert not any(map(has_rate, ("gradient", "random, per layer", "refined, rescaled")))


def test_the_examples_that_rates_are_chosen_on_are_those_that_were_left_out():
    from tests.training.conftest import sentences

    source = sentences(10)
    rest = compare._after(source, 7)
    whole = source.rows(np.arange(7, 10), np.zeros(3, int), 8)
    part = rest.rows(np.arange(3), np.zeros(3, int), 8)
    assert np.array_equal(whole.tokens_BT, part.tokens_BT)
    assert np.array_equal(whole.labels, part.labels)
