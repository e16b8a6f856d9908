"""The study of headlines on planted heads: validation names the head, test says what it is worth.

Validation pairs prefer another head than test pairs. All models are made, none is trained.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from jaxheads.config import TrainingConfig
from jaxheads.data.headlines.encoded import encode_pairs, question_source
from jaxheads.data.headlines.humor import paired_questions
from jaxheads.data.headlines.pairs import read_pairs, with_random_words
from jaxheads.records.head_maps import load_halves, load_maps, map_name
from jaxheads.storage.store import Store
from jaxheads.studies.peyrard2021.headlines import humor_task, validated
from jaxheads.studies.settings import Peyrard2021
from jaxheads.studies.workbench.model import StudyModel
from tests.planted.heads import TOKENIZER, run_study, tiny_run, together
from tests.studies.peyrard2021.planted_headlines import (
    EDITS,
    FIRST,
    SMALL,
    SPLITS,
    TUNED_WORDS,
    TWO_WORDS,
    UNTUNED_B,
    A,
    B,
    attention_by_place,
    contrast,
    contrast_bounds,
    write_models,
    write_split,
)
from tests.support.found import having, metrics, value_of

pytestmark = pytest.mark.slow  # a whole study

TUNED = [key for key in A if not key[0].endswith("shuffled")]
tuned = pytest.mark.parametrize(("task", "seed"), TUNED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted_humor")
    for split in SPLITS:
        write_split(folder, split)
    write_models(folder)
    return folder


@pytest.fixture(scope="module")
def pairs(folder):
    return read_pairs(folder / "test.jsonl")


@pytest.fixture(scope="module")
def run(folder):
    files = (folder / f"{split}.jsonl" for split in ("train", "validation", "test"))
    humor = Peyrard2021(
        *files, length=12, permutations=999, sizes=(0.3,), views=2,
        paired=TrainingConfig(steps=2, batch_size=4),
    )  # fmt: skip
    return tiny_run(humor, folder, probe=None)


@pytest.fixture(scope="module")
def rows(run, folder):
    return run_study(run, folder / "out")


def place(rows) -> tuple[int, int]:
    (found,) = {(row.layer, row.head) for row in rows}
    return found


def named(row) -> str:
    of = f" on {row.other_task}" if row.other_task else ""
    return " - ".join(filter(None, (row.method, row.other_method))) + of


# -- the head


@tuned
def test_validation_names_the_head_and_test_says_what_it_is_worth(rows, task, seed):
    what = {"stage": "head", "method": "all tokens", "task": task, "seed": seed}
    found = metrics(rows, **what)
    assert place(having(rows, **what)) == A[task, seed]
    assert found["contrast on validation"] == pytest.approx(
        contrast(SPLITS["validation"], "one"), rel=1e-3
    )
    (row,) = having(rows, metric="contrast", **what)
    bounds = contrast_bounds(SMALL, "one")
    assert (row.value, row.low, row.high) == pytest.approx((0.25, *bounds), abs=2.5e-4)
    assert contrast(SMALL, "two") == 0.75  # the best of the test pairs
    other = [1 / 6 if kind == "none" else 1 / 4 for kind in SMALL]
    beside_edit = [0 if kind == "one" else each for kind, each in zip(SMALL, other, strict=True)]
    four = [np.mean([kind == "one" for kind in SMALL]), np.mean(beside_edit), 0, np.mean(other)]
    names = ("edited, funny", "other, funny", "edited, serious", "other, serious")
    assert [found[name] for name in names] == pytest.approx(four, abs=1e-3)
    assert 0.02 < found["p"] < 0.12  # of four pairs, 1 / 16
    beside = 16 / 7 if A[task, seed][0] == FIRST[0] else 0  # pairs, one token of their seven
    assert found["share of its layer's distance"] == pytest.approx(4 / (4 + beside), rel=0.01)
    assert 10 <= found["rank by the last word"] <= 12  # nine heads look everywhere
    assert found["heads with corrected p below 0.05"] == 2  # B of twelve pairs, FIRST of 16
    assert (found["heads"], found["pairs"]) == (12, 20)


@tuned
def test_the_first_tokens_attention_has_a_head_of_its_own(rows, task, seed):
    own = having(rows, stage="head", method="first token", task=task, seed=seed)
    found = metrics(own)
    assert place(own) == FIRST
    assert found["contrast on validation"] == pytest.approx(1.25, rel=1e-3)
    assert found["contrast"] == pytest.approx(1.25 * 16 / 20, rel=1e-3)


@tuned
def test_the_edited_word_is_localised_by_the_head_and_by_rules_of_validation(
    rows, pairs, task, seed
):
    found = {
        (named(row), row.metric): row.value
        for row in having(rows, stage="localisation", task=task, seed=seed)
    }
    assert found["most edited place", "place"] == 1
    assert found["most edited place", "all"] == found["head", "all"] == pytest.approx(4 / 20)
    assert found["head - most edited place", "all"] == pytest.approx(0)
    assert found["head, special tokens too", "all"] == pytest.approx(4 / 20)
    assert found["random word", "all"] == pytest.approx((16 / 5 + 4 / 7) / 20)
    assert found["head - random word", "all"] == pytest.approx(4 / 20 - (16 / 5 + 4 / 7) / 20)
    right = [kind != "none" for kind in SMALL]
    if task == "humor_pair":  # the two sides say nothing: the answer is that the second is funny
        questions = list(paired_questions(pairs, seed))[1:]
        right = [each or not q.label for each, q in zip(right, questions, strict=True)]
    assert found["headlines", "answered right"] == sum(right)
    assert found["head", "answered right"] == pytest.approx(4 / sum(right))


# -- controls


@tuned
def test_controls_look_at_the_same_head_in_other_models(rows, pairs, task, seed):
    found = {
        named(row): row.value
        for row in having(rows, stage="control", task=task, seed=seed, metric="contrast")
    }
    other = "humor_pair" if task == "humor_single" else "humor_single"
    replaced = [
        pair.funny[pair.funny_edits[0]] in EDITS["one"][0]
        for pair in with_random_words(pairs[1:], 0)
    ]
    random = np.mean(
        [each * (7 / 6 if k == "none" else 5 / 4) for each, k in zip(replaced, SMALL, strict=True)]
    )
    assert 0 < random != pytest.approx(0.25, abs=0.01)
    assert found == pytest.approx({
        "itself": 0.25, "untuned": 0, "labels shuffled": 0, f"fine-tuned on {other}": 0,
        "random word": random, "itself - random word": 0.25 - random, "itself - untuned": 0.25,
        "itself - labels shuffled": 0.25, f"itself - fine-tuned on {other}": 0.25,
    }, abs=2e-3)  # fmt: skip
    heads = {("untuned", ""): UNTUNED_B, ("fine-tuned", other): A[other, seed]}
    heads["labels shuffled", ""] = A[f"{task}_shuffled", seed]
    for (called, of), head in heads.items():
        what = {"stage": "control, best head", "method": called, "task": task, "seed": seed}
        what |= {"other_task": of}
        assert place(having(rows, **what)) == head
        expected = 0.75 if called == "untuned" else 0.25
        assert metrics(rows, **what)["contrast"] == pytest.approx(expected, abs=2e-3)


# -- classifiers


@tuned
def test_accuracy_is_of_test_and_of_the_pairs_it_says(rows, pairs, task, seed):
    if task == "humor_single":
        right = [one for k in SPLITS["test"] for one in (k in ("one", "two"), True)]
        sizes = [pair.size for pair in pairs for _ in range(2)]
    else:
        labels = [question.label for question in paired_questions(pairs, seed)]
        right = [
            k in ("one", "two") or not label
            for k, label in zip(SPLITS["test"], labels, strict=True)
        ]
        sizes = [pair.size for pair in pairs]
    what = {"task": task, "seed": seed, "metric": "accuracy"}
    for stage, method in (("whole", ""), ("accuracy on headlines", "all")):
        assert value_of(rows, stage=stage, method=method, **what) == pytest.approx(np.mean(right))
    rated = {"stage": "accuracy on headlines", "method": "rated serious by all"}
    assert value_of(rows, **rated, **what) == 1
    assert value_of(rows, stage="validation", **what) == 1
    small = np.array(sizes) <= 0.3
    for method, own in (("at most", small), ("above", ~small)):
        sized = {"stage": "accuracy by size of edit", "method": method, "setting": 0.3}
        found = value_of(rows, **sized, **what)
        assert found == pytest.approx(np.mean(np.array(right)[own]))
    kinds = np.repeat(SPLITS["test"], len(right) // 21)
    for name, own in (("one", kinds == "one"), ("none", kinds == "none"), ("any", kinds != "odd")):
        found = value_of(rows, stage="accuracy by opposition", method=name, **what)
        assert found == pytest.approx(np.mean(np.array(right)[own]))
    shuffled = value_of(rows, stage="labels shuffled", **what)  # says that none is funny
    share = 1 / 2 if task == "humor_single" else 1 - np.mean(labels)
    assert shuffled == pytest.approx(share)


@tuned
def test_the_gate_of_the_head_costs_what_it_alone_carries(rows, pairs, task, seed):
    gated = having(rows, stage="gated", task=task, seed=seed, metric="accuracy")
    found = {named(row): row.value for row in gated if row.method}
    by_head = {(row.layer, row.head): row.value for row in gated if not row.method}
    layer, head = A[task, seed]
    lost = -4 / 42
    if task == "humor_pair":
        kinds = zip(SPLITS["test"], paired_questions(pairs, seed), strict=True)
        lost = -sum(kind == "one" and question.label for kind, question in kinds) / 21
        assert lost < 0
    changes = {(layer, number): lost if number == head else 0 for number in range(4)}
    assert by_head == pytest.approx(changes)
    changes = {"head": lost, "others of its layer": 0, "head - others of its layer": lost}
    assert found == pytest.approx(changes)
    what = {"stage": "gated", "method": "head", "metric": "rank of loss in its layer"}
    assert value_of(rows, task=task, seed=seed, **what) == 1


@tuned
def test_decisions_hang_on_the_words_that_heads_carry(rows, pairs, task, seed):
    """Masked, the funny word of either kind says nothing, as do all other words in any case."""
    flips = [kind != "none" for kind in SMALL]
    if task == "humor_pair":  # else the answer was the one that is given without any joke
        questions = list(paired_questions(pairs, seed))[1:]
        flips = [flip and each.label for flip, each in zip(flips, questions, strict=True)]
        assert 0 < np.mean(flips) < 0.8
    masked = having(rows, stage="words masked", task=task, seed=seed)
    assert {(named(row), row.place): row.value for row in masked} == pytest.approx({
        ("edited", "funny"): np.mean(flips), ("other", "funny"): 0,
        ("edited - other", "funny"): np.mean(flips), ("edited", "serious"): 0,
        ("other", "serious"): 0, ("edited - other", "serious"): 0,
    })  # fmt: skip


def test_surface_leaks_are_learned_from_training_pairs(rows):
    """Those know the words of 16 test pairs; of the other five either side may be funny."""
    for task in ("humor_single", "humor_pair"):
        found = metrics(rows, stage="surface leak", task=task)
        assert found["naive Bayes"] == pytest.approx((16 + 5 / 2) / 21)
    assert found["longer is funny"] == pytest.approx((20 / 2 + 1) / 21)
    bag = value_of(rows, stage="floor", task="humor_single", metric="bag of words")
    assert bag == pytest.approx((16 + 5 / 2) / 21)


def test_tasks_train_on_train_pairs_and_are_measured_on_test_pairs(run, folder):
    model = StudyModel(run, run.models[0], Store(folder / "out"))
    pairs = {
        split: encode_pairs(TOKENIZER, read_pairs(folder / f"{split}.jsonl"), 12).pairs
        for split in SPLITS
    }

    def labels(batches) -> list[int]:
        found = {}
        for batch in batches:
            own = np.asarray(batch.weight_B) > 0
            found |= dict(zip(batch.index_B[own].tolist(), batch.labels[own].tolist(), strict=True))
        return [found[number] for number in sorted(found)]

    for task, seed in TUNED:
        own = {
            split: question_source(found, task, TOKENIZER.pad_id, seed=seed)
            for split, found in pairs.items()
        }
        real = humor_task(model, task, seed)
        control = humor_task(model, task, seed, shuffled=True)
        for each in (real, control):
            np.testing.assert_array_equal(each.train.tokens, own["train"].tokens)
            assert labels(each.held_out) == own["test"].labels.tolist()
        assert labels(validated(model, real, seed).held_out) == own["validation"].labels.tolist()
        np.testing.assert_array_equal(real.train.labels, own["train"].labels)
        assert (control.train.labels != own["train"].labels).any()
        assert real.training.steps == (2 if task == "humor_pair" else 1)


def test_all_seeds_have_one_interval_together(rows):
    both = ("method", "other_method")
    for stage in ("localisation", "control", "gated"):
        together(rows, stage, *both, *(("layer", "head") if stage == "gated" else ()))
    together(rows, "words masked", "place", *both)
    for stage in ("head", "control, best head", "accuracy on headlines"):
        together(rows, stage, "method")


# -- distances, places, maps and views


@pytest.mark.parametrize("variant", ["untuned", "humor_single"])
def test_attention_by_place_is_that_of_heads_that_look_where_they_are_planted(rows, pairs, variant):
    found = metrics(rows, stage="attention by place", method=variant, seed=0)
    looks = [TWO_WORDS] if variant == "untuned" else TUNED_WORDS
    assert found == pytest.approx(attention_by_place(pairs, looks), rel=1e-3)


def test_distances_are_means_over_sentences_and_heads(rows):
    """A looks at one word where the untuned model looks at all, and B has another place."""

    def from_everywhere(tokens: int) -> float:
        return jensenshannon(np.eye(tokens)[0], np.full(tokens, 1 / tokens))

    tokens = [5, 4, *(9 if kind == "none" else 7 for kind in SMALL for _ in range(2))]
    far = np.mean([from_everywhere(count) for count in tokens])
    turned = np.sqrt(np.log(2)) * np.array([SMALL.count("one"), SMALL.count("two")]) / 20
    for layer, untuned, sides in (
        (0, far / 4, turned[0] / 4), (1, far / 4, None), (2, 2 * far / 4, turned[1] / 4),
    ):  # fmt: skip
        what = {"stage": "attention distance", "layer": layer}
        found = metrics(rows, method="humor_single", seed=0, **what)
        assert found["from untuned"] == pytest.approx(untuned, rel=1e-3)
        if sides is not None:
            assert found["funny to serious"] == pytest.approx(sides, rel=1e-3)
    found = metrics(rows, method="untuned", **what)
    assert found == pytest.approx({"funny to serious": turned[1] / 4}, rel=1e-3)


@tuned
def test_maps_are_of_the_test_pairs_and_their_halves(rows, folder, task, seed):
    out, what = Store(folder / "out"), f"humor.{task}"
    maps = load_maps(out, "roberta", what, seed)
    both = load_halves(out, map_name("roberta", what, seed))
    for head, wanted in ((A[task, seed], "one"), (B, "two")):
        assert maps["contrast"][head] == pytest.approx(contrast(SMALL, wanted), rel=1e-3)
        halves = [contrast(part, wanted) for part in (SMALL[:10], SMALL[10:])]
        assert both["contrast"][(slice(None), *head)] == pytest.approx(halves, abs=1e-3)


@tuned
def test_one_headline_is_shown_that_the_head_finds_and_one_that_it_misses(rows, folder, task, seed):
    views = json.loads((folder / "out" / "views" / f"roberta-humor.{task}-{seed}.json").read_text())
    assert [view["title"] for view in views] == [
        f"{side} ({how} the edit)" for how in ("finds", "misses") for side in ("funny", "serious")
    ]
    for number, (view, words) in enumerate(zip(views, EDITS["one"] + EDITS["two"], strict=True)):
        assert (view["layer"], view["head"]) == A[task, seed]
        (marked,) = view["marked"]
        assert view["words"][marked] in words
        assert (np.argmax(view["weights"], 1) == (1 if number else marked)).all()  # 1: "map"
