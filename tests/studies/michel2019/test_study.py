"""The tables of Michel et al. 2019 on a tiny model, beside what is counted by hand."""

from __future__ import annotations

import json
import types
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats

from jaxheads.config import ReadoutConfig
from jaxheads.data.loader import batches
from jaxheads.data.tasks.named import TASKS
from jaxheads.importance import load_scores
from jaxheads.inference.evaluate import Answers, Evaluation
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Model
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.michel2019 import study as michel2019
from jaxheads.studies.settings import Michel2019, ModelSettings, Run, TextSettings
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.tasks import PreparedTask
from tests.support.cases import sentences
from tests.support.tiny_study import bounded, found, study, write_study

slow = pytest.mark.slow  # a whole study of a tiny model


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("michel")
    config = write_study(folder, "Michel2019()", models=1)
    other = folder / "sst2.train.jsonl"  # as a second data set
    settings = {"seeds": "0", "tasks__sst2__other_held_out": other}
    settings |= {"curve__timed": "1,2"}
    assert study(config, folder / "out", **settings) == 0
    return folder / "out"


def metric(rows: list[Row]) -> dict[str, float]:
    return {row.metric: row.value for row in rows}


@slow
def test_every_head_is_removed_once(finished):
    rows = found(finished, stage="one head removed", task="sst2")
    assert {(row.layer, row.head) for row in rows} == set(np.ndindex(2, 4))
    assert all(map(bounded, rows))
    summary = metric(found(finished, stage="one head removed, summary", task="sst2"))
    near = sum(abs(row.value) <= 0.002 for row in rows)
    assert (summary["heads"], summary["heads within 0.2 points"]) == (8, near)
    assert summary["significant at 1%"] <= sum(row.low > 0 or row.high < 0 for row in rows)
    assert summary["expected by chance at 1%"] == pytest.approx(8 / 100)


@slow
def test_a_change_is_one_of_whole_examples(finished):
    """Of the 24 held-out ones, for the head with the highest score."""
    score_LH = load_scores(finished / "scores" / "roberta-sst2-0.npz").score_LH
    layer, head = np.unravel_index(np.argmax(score_LH), score_LH.shape)
    what = {"stage": "one head removed", "task": "sst2"}
    (row,) = found(finished, layer=layer, head=head, **what)
    (whole,) = found(finished, stage="whole", task="sst2", metric="accuracy")
    assert 0 <= whole.value + row.value <= 1
    assert (whole.value + row.value) * 24 == pytest.approx(round((whole.value + row.value) * 24))


@slow
def test_each_layer_has_a_head_that_stays(finished):
    rows = found(finished, stage="one head kept", task="sst2")
    change = {(row.layer, row.method): row.value for row in rows}
    ways = ("", "by the metric", "best of all")
    assert change.keys() == {(layer, way) for layer in (0, 1) for way in ways}
    for layer, way in change:
        assert change[layer, way] <= change[layer, "best of all"]


@slow
def test_orders_of_every_reading_are_masked_along(finished):
    for task in ("sst2", "cola"):
        assert found(finished, stage="masked", task=task, method="gradient", reading="l2")


@slow
def test_a_model_cut_to_half_of_its_heads_is_timed_beside_the_whole_one(finished):
    lines = [line for path in finished.glob("speeds/*") for line in json.loads(path.read_text())]
    assert {(each["task"], each["budget"], each["seed"]) for each in lines} == {
        ("sst2", 4, 0), ("cola", 4, 0)
    }  # fmt: skip
    what = {
        (each["what"], each["batch"]): each["value"]
        for each in lines if (each["task"], each["unit"]) == ("sst2", "ms")
    }  # fmt: skip
    assert all(what[name, batch] > 0 for name in ("whole", "cut") for batch in (1, 2))
    found = metric(found_rows := found_at(finished))
    model = load_model(finished / "models" / "roberta-sst2-0")
    whole = sum(leaf.size for leaf in jax.tree.leaves(model.params))
    assert found["parameters of the whole"] == whole
    assert found["parameters"] == whole - 4 * (4 * 16 * 4 + 3 * 4)  # of four heads
    assert {row.budget for row in found_rows} == {4}
    # multiply-adds of a layer of 16 tokens: projections, queries with keys twice, two of 16 x 16
    head, rest = 4 * 16 * (4 * 16 + 2 * 16), 2 * 16 * 16 * 16
    assert found["ideal speed-up"] == pytest.approx(2 * (4 * head + rest) / (4 * head + 2 * rest))


def found_at(finished) -> list[Row]:
    return found(finished, stage="half cut", task="sst2")


# -- the head that stays, in a model that is made up: layer, head -> what it reaches alone

TRAINING = {"loss": [[0.5, 0.2, 0.9], [0.1, 0.3, 0.2]], "accuracy": [[0.6, 0.4, 0.8], [0.5] * 3]}
RIGHT = [[5, 3, 2], [4, 7, 9]]  # of ten held-out questions; all heads: 8
READOUT, SOURCE = ReadoutConfig("classification", ("negative", "positive")), sentences(4)
ENCODER = encoder_config(
    "bert", 10, hidden_size=6, num_layers=2, num_heads=3, intermediate_size=4, max_positions=8
)


def answered(right: int) -> Answers:
    """Of ten questions so many are right."""
    label_M = np.arange(10) % 2
    guess_M = np.where(np.arange(10) < right, label_M, 1 - label_M)
    return Answers(guess_M, label_M, np.arange(10))


class MadeUp(StudyModel):
    """Answers by the one head that a layer keeps; training examples are a list of one number."""

    reader = types.SimpleNamespace(placed=lambda *_: [0])

    def task(self, name):
        return PreparedTask(name, TASKS["sst2"], READOUT, SOURCE, SOURCE, [], (8,), None)

    def tuned(self, *_):
        return Model(ENCODER, READOUT, {})

    @property
    def scorer(self):
        saved = types.SimpleNamespace(score_LH=SCORE_LH)
        return types.SimpleNamespace(measure=self.measure, saved=lambda *_: saved)

    def measure(self, _, task, mask_LH=None):
        right, place = 8, None
        if mask_LH is not None:
            layer = int(np.argmin(mask_LH.sum(1)))
            place = layer, int(np.argmax(mask_LH[layer]))
            right = RIGHT[layer][place[1]]
        metrics = {"loss": 0.0, "accuracy": right / 10}
        if task.held_out and place:
            metrics = {name: values[place[0]][place[1]] for name, values in TRAINING.items()}
        return Evaluation(metrics, {}, 10, answered(right), np.zeros(10))


def made_up(kind: type[StudyModel], folder: Path) -> StudyModel:
    settings = ModelSettings("m", source="builtin:albert")
    return kind(Run(Michel2019(), "made up", (settings,), TextSettings()), settings, Store(folder))


def test_the_head_that_stays_is_chosen_by_loss_by_the_metric_or_where_it_is_measured(tmp_path):
    rows = michel2019.alone(made_up(MadeUp, tmp_path), "t", 0)
    change = {(row.layer, row.method): round(row.value * 10) for row in rows}
    assert change == {
        (0, ""): 3 - 8, (0, "by the metric"): 2 - 8, (0, "best of all"): 5 - 8,
        (1, ""): 4 - 8, (1, "by the metric"): 4 - 8, (1, "best of all"): 9 - 8,
    }  # fmt: skip


# -- heads removed from a model that is made up: right answers without each, on two data sets

HERE, THERE = [[5, 3, 2], [4, 7, 8]], [[6, 2, 3], [4, 9, 8]]
SCORE_LH = np.array([[3.0, 5.0, 9.0], [4.0, 1.0, 0.0]])
OTHER = list(batches(SOURCE, 4, lengths=(8,)))


class WithoutOne(MadeUp):
    """Answers by the one head that is masked; the task "two" alone has a second data set."""

    reader = types.SimpleNamespace(other_held_out=lambda task: OTHER if task.name == "two" else [])

    def measure(self, _, task, mask_LH=None):
        right = 8
        if mask_LH is not None:
            ((layer, head),) = np.argwhere(~mask_LH)
            right = (THERE if task.held_out is OTHER else HERE)[layer][head]
        return Evaluation({}, {}, 10, answered(right), np.zeros(10))


@pytest.mark.parametrize("task", ["one", "two"])
def test_effects_on_a_second_data_set_are_compared_where_there_is_one(tmp_path, task):
    rows = michel2019.removed(made_up(WithoutOne, tmp_path), task, 0)
    change_N, there_N = np.ravel(HERE) - 8, np.ravel(THERE) - 8
    compared = {"gradient and ablation": (SCORE_LH.ravel(), -change_N)}
    if task == "two":
        compared["agreement of data sets"] = (change_N, there_N)
    expected = {
        (stage, metric): correlate(*pair).statistic
        for stage, pair in compared.items()
        for metric, correlate in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr))
    }
    found = {(row.stage, row.metric): row.value for row in rows}
    own = {"one head removed", "one head removed, summary"}
    assert {key: v for key, v in found.items() if key[0] not in own} == pytest.approx(expected)
