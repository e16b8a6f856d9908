"""The comparison of ways to choose heads: every method at every budget, and what it costs."""

from __future__ import annotations

import dataclasses
import json
from unittest import mock

import numpy as np
import pytest

from jaxheads.cli.main import VERBS, main
from jaxheads.cli.overrides import load_config
from jaxheads.storage.store import Store
from jaxheads.studies.li2021 import compare, learning_rates, selection
from jaxheads.studies.li2021 import study as li2021
from jaxheads.studies.li2021.selection import METHODS
from jaxheads.studies.runner.cells import needs_by_name
from jaxheads.studies.settings import Compare, Li2021
from jaxheads.studies.workbench import latency
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.scorer import Scorer
from tests.support.cases import sentences
from tests.support.tiny_study import found, write_study

ASKED = ("gradient", "gradient, iterative", "random, per layer", "magnitude", "refined, rescaled",
         "subset, joint", "straight-through, pipelined", "L0, pipelined")  # fmt: skip
GATED = {"subset, joint", "straight-through, pipelined", "L0, pipelined"}


def write_comparison(folder):
    asked = f"Compare({ASKED!r}, shares=(0.75, 0.5), batches=(1,), repeats=1)"
    return write_study(folder, asked, models=1)


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
    extra = 4 * 4  # of each seed and budget, more draws of a random mask
    measured = found(out, stage="pruned", metric="accuracy", task="sst2")
    assert len(measured) == len(rows) + extra
    assert len(found(out, stage="trained again", metric="accuracy", task="sst2")) == len(rows)
    stage = "heads of the last sample"
    kept, on = (
        found(out, stage=stage, metric=metric, task="sst2")
        for metric in ("heads kept of them", "heads")
    )
    assert {row.method for row in kept} == GATED
    assert all(0 <= row.value <= (row.budget or 0) for row in kept)
    assert all(0 <= each.value <= both.value <= 8 for each, both in zip(kept, on, strict=True))
    rows = found(out, stage="pruned, contrast", task="sst2")
    pairs = {(row.method, row.other_method) for row in rows}
    assert pairs == {(name, "gradient") for name in ASKED[1:]} | {
        (ours, subset)
        for ours in ("gradient, iterative", "refined, rescaled")
        for subset in ("subset, joint", "straight-through, pipelined")
    }
    rows = found(out, stage="equal cost, contrast", task="sst2")
    assert {(row.method, row.other_method) for row in rows} == {
        (ours, "straight-through, pipelined")
        for ours in ("gradient, iterative", "refined, rescaled")
    }
    again = found(out, stage="cost", metric="steps, trained again", task="sst2")
    assert {row.method: row.value for row in again}["L0, pipelined"] == 18
    trials = found(out, stage="choice of learning rate", metric="steps of all trials", task="sst2")
    assert {row.method: row.value for row in trials} == {
        name: 24 + 6 * name.endswith("pipelined") for name in GATED
    }
    scaled = found(out, stage="all heads, scaled", metric="accuracy", task="sst2")
    assert {(row.budget, row.seed) for row in scaled} == {(6, 0), (6, 1), (4, 0), (4, 1)}
    chosen = found(out, stage="choice of learning rate", metric="learning rate", task="sst2")
    assert {row.method for row in chosen} == GATED
    sizes = found(out, stage="cut, compared", metric="parameters", task="sst2")
    assert {row.budget for row in sizes} == {4}
    lines = [line for path in out.glob("speeds/*") for line in json.loads(path.read_text())]
    assert {(line["what"], line["unit"], line["batch"]) for line in lines} >= {
        ("selection", "seconds", None), ("fine-tuning", "seconds", None),
        ("one pass of the gradient", "seconds", None), ("speed-up", "x", 1),
    }  # fmt: skip
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
        ({"learning_rates": (0.0,)}, "learning_rates: expected positive numbers"),
        ({"draws": 0}, "draws: expected at least 1"),
        ({"chosen_on": 1.0}, "chosen_on: expected a share between 0 and 1"),
    ],
)
def test_settings_that_cannot_be_are_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        Compare(**{"methods": ("gradient",), **changes})


def test_shares_are_the_budgets_of_the_paper_scaled_to_the_model():
    shares = Compare(("gradient",)).shares
    assert [round(144 * share) for share in shares] == list(range(132, 0, -12))


def test_every_gate_is_there_jointly_and_pipelined():
    for name in selection.GATED:
        assert {f"{name}, joint", f"{name}, pipelined"} <= METHODS.keys()
    for name in ("gradient", "random, per layer", "refined, rescaled"):
        assert not METHODS[name].gate


def test_layers_that_share_their_weights_are_not_rescaled_one_by_one(tmp_path, capsys):
    path = write_comparison(tmp_path)
    path.write_text(path.read_text().replace("encoder=ROBERTA", "encoder=ALBERT"))
    assert main(["study", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "expected no 'refined, rescaled' for" in capsys.readouterr().err


def test_the_sweep_is_at_the_rate_that_was_chosen_for_it(tmp_path):
    run = load_config(write_comparison(tmp_path))
    how = Li2021(**vars(run.study), strengths=(0.5,))
    swept = [
        cell
        for cell in li2021.cells(dataclasses.replace(run, study=how), Store(tmp_path))
        if cell.name.endswith("-swept")
    ]
    assert len(swept) == len(run.seeds) * len(run.tasks)
    for cell in swept:
        assert cell.needs is not None
        assert any(need.name.endswith("L0-pipelined-choose-learning-rate") for need in cell.needs)
    alone = dataclasses.replace(how, methods=("gradient",))
    with pytest.raises(ValueError, match="strengths: expected L0, pipelined among methods"):
        list(li2021.cells(dataclasses.replace(run, study=alone), Store(tmp_path)))


def test_reading_a_model_that_is_there_is_not_timed_as_its_training(tmp_path, monkeypatch):
    run, noted = load_config(write_comparison(tmp_path)), []
    model = StudyModel(run, run.models[0], Store(tmp_path))
    for name in ("tuned", "task"):
        monkeypatch.setattr(StudyModel, name, lambda *_: None)
    monkeypatch.setattr(Scorer, "score", lambda *_: None)
    monkeypatch.setattr(compare, "finetuned", lambda *_: [])
    monkeypatch.setattr(
        latency, "note_speed", lambda *words: noted.extend(each.what for each in words[-1])
    )
    compare.whole(model, "sst2", 0)
    (tmp_path / "models" / "roberta-sst2-0").mkdir(parents=True)
    compare.whole(model, "sst2", 0)
    assert noted == ["fine-tuning", "one pass of the gradient", "one pass of the gradient"]


EVERYTHING = """
import dataclasses

from jaxheads.config import PrunerConfig
from jaxheads.studies.settings import Li2021, MetaSettings

RUN = dataclasses.replace(
    RUN, tasks=RUN.tasks[:1], seeds=(0,), scoring=dataclasses.replace(RUN.scoring, ablated=0),
    study=Li2021(
        {methods}, shares=(0.5,), learning_rates=(0.1,), strengths=(0.5,), again=False, draws=1,
        timed=(), meta=MetaSettings(
            RUN.tasks[1:], dataclasses.replace(SHORT, accumulate=2, steps=2),
            PrunerConfig(frame=16, width=2),
        ),
    ),
)
"""


@pytest.mark.slow
def test_all_methods_and_a_sweep_run_to_their_rows(tmp_path):
    path, out = write_study(tmp_path, models=1), tmp_path / "out"
    path.write_text(path.read_text() + EVERYTHING.format(methods=tuple(METHODS)))
    with mock.patch.dict(VERBS, study=VERBS["study"]._replace(then="")):
        assert main(["study", str(path), "--out", str(out)]) == 0
    assert {row.method for row in found(out, stage="pruned", task="sst2")} == set(METHODS)
    swept = found(out, stage="sweep of strengths", metric="heads open", task="sst2")
    assert [(row.method, row.setting) for row in swept] == [("L0", 0.5)]
    assert 0 <= swept[0].value <= 8


def test_rates_are_tried_on_a_model_that_has_not_seen_what_they_are_chosen_on(tmp_path):
    run = load_config(write_comparison(tmp_path))
    needs = needs_by_name(list(compare.cells(run, Store(tmp_path))))
    for name in ("straight-through-pipelined", "L0-pipelined"):
        assert needs[f"roberta-sst2-{name}-choose-learning-rate"] == (
            "roberta-sst2-tuned-for-trials",
        )
    model = StudyModel(run, run.models[0], Store(tmp_path))
    choice = selection.choice_of(model, model.task("sst2")._replace(name="other"), 0, 4, 0.1)

    def refuse(_, task, seed):
        raise LookupError(f"{task.name} {seed}")

    with (
        mock.patch.object(StudyModel, "trained", refuse),
        pytest.raises(LookupError, match="other 0"),
    ):
        _ = choice.tuned


def test_the_examples_that_rates_are_chosen_on_are_those_that_were_left_out():
    source = sentences(50)
    kept, rest = learning_rates.parted(source, 0.1)
    assert (len(kept.lengths), len(rest.lengths)) == (45, 5)
    every = [_texts(each) for each in (source, kept, rest)]
    assert sorted(every[1] + every[2]) == sorted(every[0])
    assert every[2] != every[0][-5:]  # a file may be sorted
    again = [_texts(each) for each in learning_rates.parted(source, 0.1)]
    assert again == every[1:]


def test_pairs_are_parted_whole():
    source = dataclasses.replace(sentences(40), sentences=2, labels=np.arange(20))
    for part in learning_rates.parted(source, 0.25):
        for row, label in enumerate(part.labels):
            found = part.rows(np.array([row]), np.zeros(1, int), 8)
            whole = source.rows(np.array([label]), np.zeros(1, int), 8)
            assert np.array_equal(found.tokens_BT, whole.tokens_BT)


def _texts(source) -> list[tuple]:
    """The tokens of each example with its label."""
    found = source.rows(np.arange(len(source.lengths)), np.zeros(len(source.lengths), int), 8)
    return [(*map(int, row), int(y)) for row, y in zip(found.tokens_BT, found.labels, strict=True)]
