"""The study of headlines end to end: a planted head is found, localised, and matters."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.data.headlines.pairs import is_small_edit, read_pairs
from jaxheads.records.head_maps import load_maps
from jaxheads.records.rows import Row
from jaxheads.report.folder import read_study
from jaxheads.storage.store import Store
from tests.studies.peyrard2021.planted_humor import HEAD, LAYER, save_planted, write_pairs
from tests.support.found import having, value_of
from tests.support.tiny_study import found, study

pytestmark = pytest.mark.slow  # a minute of one core, most of it compiling

CONFIG = '''"""Animals as jokes, with a model that has a head for animals."""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings, Peyrard2021, ModelSettings, Run, ScoringSettings, TextSettings
)

HERE = Path({folder!r})
RUN = Run(
    name="planted",
    models=(ModelSettings("roberta", source=str(HERE / "model")),),
    text=TextSettings(length=32),
    seeds=(0,),
    study=Peyrard2021(
        HERE / "train.jsonl", HERE / "validation.jsonl", HERE / "test.jsonl", length=32,
        permutations=999, sizes=(0.2,), views=2,
        finetune=TrainingConfig(
            steps=80, batch_size=16, dropout=0.0, optimizer=OptimizerConfig(learning_rate=3e-3)
        ),
    ),
    scoring=ScoringSettings(examples=32, ablated=0, rescored=0, batch_size=32),
    curve=CurveSettings(batch_size=32, readings=()),
    devices=1,
)
'''
COUNTS = {"train": 60, "validation": 16, "test": 24}
TASKS = ("humor_single", "humor_pair")
ODD = {
    "test": [  # read and classified, but not for the analysis of heads
        {"id": "one", "group": "one", "funny": "dog", "serious": "farmer"},
        {"id": "less", "group": "less", "funny": "the dog is a farmer", "serious": "the farmer"},
        # the same word on other places too: only the edited place counts
        {"id": "twice", "group": "twice", "funny": "the baker sees the cat and the baker",
         "serious": "the baker sees the miner and the baker"},
        # the language's own sentences end in a full stop
        {"id": "last", "group": "last", "funny": "the sailor sees the dog",
         "serious": "the sailor sees the miner"},
    ],
    "train": [{"id": "long", "group": "long", "funny": "dog " * 40, "serious": "farmer"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    more = {s: [{**each, "mean_seriousness": None} for each in e] for s, e in ODD.items()}
    write_pairs(folder, COUNTS, more)
    save_planted(folder / "model")
    (folder / "planted.py").write_text(CONFIG.format(folder=str(folder)))
    return folder


@pytest.fixture(scope="module")
def finished(folder):
    out = folder / "out"
    assert study(folder / "planted.py", out) == 0
    return out


def value(rows: list[Row]) -> dict[str, float]:
    return {row.metric: row.value for row in rows}


def test_pairs_are_counted_and_those_that_are_too_long_left_out(finished, folder):
    count = {
        row.method: value(found(finished, stage="pairs of headlines", method=row.method))
        for row in found(finished, stage="pairs of headlines", metric="pairs")
    }
    assert (count["train"]["pairs"], count["train"]["left out as too long"]) == (60, 1)
    assert (count["test"]["pairs"], count["test"]["left out as too long"]) == (28, 0)
    assert (count["test"]["small edits"], count["validation"]["small edits"]) == (26, 16)
    (questions,) = found(
        finished, stage="accuracy on headlines", method="rated serious by all",
        metric="questions", task="humor_pair",
    )  # fmt: skip
    assert questions.value == 12


@pytest.mark.parametrize("task", TASKS)
def test_the_planted_head_is_found_and_no_other_is_certain(finished, task):
    for who in ("all tokens", "first token"):
        rows = found(finished, stage="head", task=task, method=who)
        assert {(row.layer, row.head) for row in rows} == {(LAYER, HEAD)}
        head = value(rows)
        assert head["p"] == head["corrected p"] / 8 == 0.001
        assert head["edited, funny"] > 0.9
        assert head["other, funny"] < 0.02
        assert head["edited, serious"] < head["edited, funny"] / 2  # there is no animal to look at
        assert (head["heads"], head["pairs"]) == (8, 26)
    (contrast,) = found(finished, stage="head", task=task, method="all tokens", metric="contrast")
    assert 0.5 < contrast.low < contrast.value < contrast.high < 1  # of all attention; 1 at most


@pytest.mark.parametrize("task", TASKS)
def test_the_gate_of_the_planted_head_matters_and_others_do_not(finished, task):
    (whole,) = found(finished, stage="whole", task=task, metric="accuracy")
    assert whole.value > 0.9
    rows = found(finished, stage="gated", task=task, metric="accuracy")
    by_head = {(row.layer, row.head): row for row in rows if not row.method}
    assert by_head.keys() == {(LAYER, number) for number in range(4)}
    gated = {(row.method, row.other_method): row for row in rows if row.method}
    head, others = ("head", ""), ("others of its layer", "")
    less = ("head", "others of its layer")
    assert gated.keys() == {head, others, less}
    same = dataclasses.replace(by_head[LAYER, HEAD], method="head", layer=None, head=None)
    assert repr(gated[head]) == repr(same)
    # without it a guess is a coin or always the same, some way from the whole model's
    assert gated[head].value < -0.25
    assert abs(gated[others].value) < 0.05
    for each in (head, less):
        if gated[each].value == -0.5:  # each original loses one of two answers: nothing varies
            assert np.isnan(gated[each].high)
        else:
            assert gated[each].high < -0.1
    (rank,) = found(finished, stage="gated", task=task, metric="rank of loss in its layer")
    assert rank.value == 1


def test_the_edited_word_is_localised_beside_rules_counted_by_hand(finished, folder):
    small = [p for p in read_pairs(folder / "test.jsonl") if is_small_edit(p)]
    last = [len(pair.funny) - 1 in pair.funny_edits for pair in small]
    rows = found(finished, stage="localisation", task="humor_single")
    share = {(row.method, row.metric): row.value for row in rows if not row.other_method}
    assert share["headlines", "all"] == len(small)
    assert share["headlines", "final"] == sum(last) == 1
    assert share["final word", "all"] == pytest.approx(np.mean(last))
    assert share["random word", "all"] == pytest.approx(np.mean([1 / len(p.funny) for p in small]))
    assert share["head", "all"] == share["head", "not final"] == 1.0
    assert share["head, special tokens too", "all"] == share["head, first token", "all"] == 1.0
    less = value_of(rows, method="head", other_method="final word", metric="all")
    assert less == pytest.approx(1 - np.mean(last))
    assert 0 < share["headlines", "answered right"] <= len(small)


def test_controls_tell_the_task_from_the_word(finished):
    rows = found(finished, stage="control", task="humor_single", metric="contrast")
    contrast = {row.method: row for row in rows if not row.other_method}
    assert {"itself", "untuned", "labels shuffled", "fine-tuned", "random word"} <= contrast.keys()
    assert contrast["fine-tuned"].other_task == "humor_pair"
    # the head was there before the task, so that the untuned model has it
    assert contrast["untuned"].low > 0.7
    # a random word of the headlines is an animal only now and then
    assert contrast["random word"].value < 0.6
    (less,) = having(rows, method="itself", other_method="random word")
    assert less.low > 0.2
    what = {"stage": "control, best head", "method": "untuned", "task": "humor_single"}
    assert {(row.layer, row.head) for row in found(finished, **what)} == {(LAYER, HEAD)}


@pytest.mark.parametrize("task", TASKS)
def test_what_learned_shuffled_labels_does_not_know_the_answers(finished, task):
    (shuffled,) = found(finished, stage="labels shuffled", task=task, metric="accuracy")
    (whole,) = found(finished, stage="whole", task=task, metric="accuracy")
    assert shuffled.value < 0.7 < whole.value


def test_distances_are_those_of_each_layer(finished):
    rows = found(finished, stage="attention distance")
    distance = {(row.method, row.layer, row.metric): row.value for row in rows}
    assert {key[:2] for key in distance if key[2] == "from untuned"} == {
        (variant, layer)
        for variant in (*TASKS, *(f"{task}_shuffled" for task in TASKS))
        for layer in (0, 1)
    }
    assert all(0 < each < 0.8326 for each in distance.values())
    assert distance["untuned", 1, "funny to serious"] > 0.1


def test_the_contrast_meets_importance_and_says_how_far_it_repeats(finished):
    rows = found(finished, stage="map agreement", metric="spearman")
    what = {"method": "humor", "reading": "contrast", "other_task": "humor_pair"}
    assert {(row.task, row.seed) for row in having(rows, **what)} == {("humor_pair", 0)}
    (ceiling,) = found(
        finished, stage="map agreement", metric="ceiling", task="humor_pair", **what
    )  # fmt: skip
    assert 0 <= ceiling.value <= 1


def test_maps_and_views_are_left_for_the_report(finished):
    maps = load_maps(Store(finished), "roberta", "humor.humor_pair", 0)
    assert set(maps) >= {"edited, funny", "contrast", "contrast, first token"}
    assert next(iter(maps)) == "contrast"  # which sums the others up
    parts = [maps[f"{who}, {side}"] for side in ("funny", "serious") for who in ("edited", "other")]
    np.testing.assert_allclose(
        maps["contrast"], parts[0] - parts[1] - (parts[2] - parts[3]), atol=1e-6
    )
    assert np.unravel_index(maps["contrast"].argmax(), (2, 4)) == (LAYER, HEAD)
    (file,) = (finished / "views").glob("roberta-humor.humor_single-0.json")
    views = json.loads(file.read_text())
    assert [view["title"] for view in views] == [
        "funny (finds the edit)",
        "serious (finds the edit)",
    ]
    assert views[0]["words"][0] == "<s>"
    marked = [views[0]["words"][number] for number in views[0]["marked"]]
    assert len(marked) == 1
    np.testing.assert_allclose(np.sum(views[0]["weights"], 1), 1, atol=1e-3)
    assert len(read_study(finished).views) == 4


def test_what_cannot_be_studied_is_rejected_before_the_work(folder, tmp_path, capsys):
    def refused(**settings) -> str:
        out = tmp_path / str(len(list(tmp_path.iterdir())))  # a folder belongs to its settings
        assert study(folder / "planted.py", out, **settings) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "'group train0'" in refused(study__test=folder / "train.jsonl")
    assert "expected at least 159 to test the heads of roberta" in refused(study__permutations=99)
    assert "there is no" in refused(study__test=tmp_path / "none.jsonl")
    assert "sizes: expected Jaccard distances" in refused(study__sizes="2")
    assert "expected three files or none" in refused(study__test="none")
    assert main(["study", str(folder / "planted.py"), "--set", "study.length=2"]) == 2
