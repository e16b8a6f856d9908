"""The tables of Michel et al. 2019 on models whose important heads are known, beside counts.

Of 40 held-out examples 16 are about words of the kind "main"; in 8 HARM turns them into their
opposite, in 8 ECHO does; 8 are about words of the kind "hint", with the opposite labels. A head
that is gone leaves the same guess for all examples that it alone told apart, right for half.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.planted.by_hand import measured
from tests.planted.words import ECHO, HARM, HINT, MAIN, Finished, finished
from tests.support.found import value_of

pytestmark = pytest.mark.slow  # a study of two tiny models, most of it compiling

TASKS = {
    "sst2": {
        "train": [("main", 8, False), ("hint", 8, False)],
        "held_out": [
            *(("main", 8, False), ("main harm", 4, False), ("main echo", 4, False)),
            ("hint", 4, True),
        ],
        "other": [("main", 10, False), ("hint", 6, False)],
    }
}
HEADS = [*np.ndindex(2, 4)]
CHANGES = {
    MAIN: -8 / 40,
    HARM: 8 / 40,
    ECHO: 8 / 40,
    HINT: 4 / 40,
}  # of the accuracy when the head is gone
ELSEWHERE = {MAIN: -10 / 32, HINT: -6 / 32}
WHAT = {"model": "roberta", "task": "sst2", "seed": 0, "metric": "accuracy"}


@pytest.fixture(scope="session")
def michel(tmp_path_factory) -> Finished:
    """The finished study."""
    models, settings = {"roberta": ("sst2",), "albert": ("sst2",)}, {"scoring__ablated": 32}
    return finished(tmp_path_factory, "Michel2019()", TASKS, settings, models=models, seeds=(0,))


def test_every_head_that_is_removed_changes_what_it_carries(michel):
    assert michel.value(stage="whole", **WHAT) == 16 / 40
    for head in HEADS:
        layer, number = head
        change = michel.value(stage="one head removed", layer=layer, head=number, **WHAT)
        assert change == pytest.approx(CHANGES.get(head, 0)), head


def test_the_use_of_a_shared_head_that_carries_the_label_is_the_one_that_counts(michel):
    what = {**WHAT, "model": "albert", "stage": "one head removed"}
    changes = {(row.layer, row.head): row.value for row in michel.rows(**what)}
    assert set(changes) == set(HEADS)
    assert min(changes, key=changes.__getitem__) == MAIN
    assert changes[1, MAIN[1]] == 0


def test_sure_changes_are_counted_on_the_side_where_they_are(michel):
    """That of HINT, four examples of 40, has p = 0.044."""
    what = {"model": "roberta", "task": "sst2", "seed": 0}
    rows = michel.rows(stage="one head removed, summary", **what)
    assert value_of(rows, metric="heads") == 8
    assert value_of(rows, metric="significant at 1%") == len({MAIN, HARM, ECHO})
    assert value_of(rows, metric="of these better without") == len({HARM, ECHO})
    assert value_of(rows, metric="heads within 0.2 points") == 4


def test_changes_are_set_against_the_gradient_and_another_data_set(michel):
    score_N = np.ravel(michel.scored("roberta-sst2-0"))
    change_N, there_N = (
        np.array([changes.get(head, 0) for head in HEADS]) for changes in (CHANGES, ELSEWHERE)
    )
    for stage, one, two in (
        ("gradient and ablation", score_N, -change_N),
        ("agreement of data sets", change_N, there_N),
    ):
        rows = michel.rows(stage=stage, model="roberta", task="sst2", seed=0)
        assert value_of(rows, metric="pearson") == pytest.approx(stats.pearsonr(one, two).statistic)
        assert value_of(rows, metric="spearman") == pytest.approx(
            stats.spearmanr(one, two).statistic
        )


@pytest.mark.parametrize("model", ["roberta", "albert"])
def test_the_head_that_stays_alone_is_the_best_on_training_examples(michel, model):
    """Or the best on held-out ones, which is another head where labels are the opposite there."""
    tuned, source = michel.tuned(model, "sst2", 0), michel.folder / model
    train, held_out = (michel.folder / f"sst2.{split}.jsonl" for split in ("train", "held_out"))
    whole = measured(tuned, source, held_out)["accuracy"]
    changes = {}
    for layer in range(2):
        masks_VLH = np.ones((4, 2, 4), bool)
        masks_VLH[:, layer] = np.eye(4)
        tried = [measured(tuned, source, train, mask_LH) for mask_LH in masks_VLH]
        found = [
            measured(tuned, source, held_out, mask_LH)["accuracy"] - whole for mask_LH in masks_VLH
        ]
        ways = {
            "": np.argmin([each["loss"] for each in tried]),
            "by the metric": np.argmax([each["accuracy"] for each in tried]),
            "best of all": np.argmax(found),
        }
        for way, head in ways.items():
            changes[way, layer] = michel.value(
                **{**WHAT, "model": model}, stage="one head kept", layer=layer, method=way
            )
            assert changes[way, layer] == pytest.approx(found[head])
    if model == "roberta":  # MAIN without HARM; HINT without ECHO, or neither
        assert changes["", 0] == changes["best of all", 0] == pytest.approx(8 / 40)
        assert changes["", 1] == pytest.approx(8 / 40)
        assert changes["best of all", 1] == pytest.approx(12 / 40)


def test_heads_go_in_the_order_of_the_gradient_and_of_chance(michel):
    what = {**WHAT, "stage": "masked"}
    assert michel.value(method="gradient", budget=4, **what) > 16 / 40  # without HARM
    assert michel.value(method="gradient", budget=2, **what) > 16 / 40
    assert michel.value(method="reversed", budget=6, **what) < 16 / 40
    assert {row.draw for row in michel.rows(budget=2, method="random", **what)} == {0, 1}
    for pair in (("gradient", "random"), ("random", "reversed")):
        named = dict(zip(("method", "other_method"), pair, strict=True))
        row = michel.value(
            stage="contrast", model="roberta", task="sst2", metric="accuracy", **named
        )
        one, two = (
            np.mean([row.value for row in michel.rows(budget=4, method=method, **what)])
            for method in pair
        )
        assert row == pytest.approx(one - two)
