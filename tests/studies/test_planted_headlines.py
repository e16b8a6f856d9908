"""The study of headlines on planted heads: validation names the head, test says what it is worth.

Two kinds of pairs have edited words of their own, and a head for each; validation pairs are mostly
of the first kind, test pairs of the second. Where its word is absent a head looks at the first word
of the headline. All models are made, none is trained.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from jaxheads.data.humor import paired_questions
from jaxheads.data.pairs import read_pairs, with_random_words
from jaxheads.settings import HumorSettings
from jaxheads.studies.maps import load_halves, load_maps, map_path
from tests.studies.conftest import write_jsonl
from tests.studies.planted_heads import (
    SEEN,
    START,
    Head,
    Looks,
    alike,
    having,
    named,
    planted,
    run_study,
    save,
    tiny_run,
    value_of,
)

pytestmark = pytest.mark.slow  # a whole study

EDITS = {  # of the funny and of the serious side, by kind
    "one": (("dog", "cat"), ("fox", "pig")),
    "two": (("lion", "bird"), ("duck", "horse")),
    "none": (("goose",), ("barn",)),  # no head knows these
}
CONTEXT = {"train": ["king", "girl", "shop"], "validation": ["girl", "shop", "king"]}
CONTEXT |= {"test": ["shop", "king", "girl"]}  # so that no headline is in two splits
SPLITS = {
    "train": ["one", "two"] * 4,
    "validation": ["one"] * 6 + ["two"] * 2,
    "test": ["odd", *["one"] * 4, *["two"] * 12, *["none"] * 4],  # the first is for no head
}
SMALL = SPLITS["test"][1:]
SAYS = {word: 1 for kind in ("one", "two") for word in EDITS[kind][0]}
SAYS |= {word: -1 for kind in ("one", "two") for word in EDITS[kind][1]}


def words_of(split: str, kind: str, edit: str) -> list[str]:
    """A headline of five words, or of seven."""
    one, two, three = CONTEXT[split]
    return {
        "one": ["map", edit, one, two, three],
        "two": ["map", one, edit, two, three],
        "none": ["map", one, two, three, edit, "bus", "mouse"],
    }[kind]


def looking(*wanted: str) -> Looks:
    """All tokens look at some words, where those are absent at the first word."""
    return {token: {**alike(*wanted), "map": 1e-6} for token in SEEN}


ONE, TWO = looking(*EDITS["one"][0]), looking(*EDITS["two"][0])
# Where the first token alone looks the contrast of all tokens is small, that of the first large.
START_ALONE = looking() | {START: looking(*EDITS["one"][0], *EDITS["two"][0])[START]}
A: dict[tuple[str, int], Head] = {  # the head for the first kind, by task and seed
    ("humor_single", 0): (0, 1), ("humor_single", 1): (1, 2),
    ("humor_pair", 0): (0, 2), ("humor_pair", 1): (1, 0),
    ("humor_single_shuffled", 0): (1, 3), ("humor_single_shuffled", 1): (1, 3),
    ("humor_pair_shuffled", 0): (0, 3), ("humor_pair_shuffled", 1): (0, 3),
}  # fmt: skip
B, FIRST, UNTUNED_B = (2, 3), (1, 1), (2, 2)
TUNED = [key for key in A if not key[0].endswith("shuffled")]
tuned = pytest.mark.parametrize(("task", "seed"), TUNED)


def write_split(folder, split: str) -> None:
    records = []
    for number, kind in enumerate(SPLITS[split]):
        record = {"id": str(number), "group": f"{split}{number}"}
        if kind == "odd":
            sides = {"funny": "map goose king", "serious": "map king"}
        else:
            funny, serious = (words[number % len(words)] for words in EDITS[kind])
            sides = {"funny": " ".join(words_of(split, kind, funny))}
            sides["serious"] = " ".join(words_of(split, kind, serious))
        rating = 1 if kind in ("one", "two") else 0.5
        records.append({**record, **sides, "mean_seriousness": rating})
    write_jsonl(folder / f"{split}.jsonl", records)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted_humor")
    for split in SPLITS:
        write_split(folder, split)
    save(planted({UNTUNED_B: TWO}, says=SAYS), folder / "model")
    for (variant, seed), head in A.items():
        shuffled = variant.endswith("shuffled")
        model = planted(
            {head: ONE} if shuffled else {head: ONE, B: TWO, FIRST: START_ALONE},
            {} if shuffled else {head: 0.5, B: 0.5},
            labels=("0", "1"), says=SAYS, apart="pair" in variant,
        )  # fmt: skip
        save(model, folder / "out" / "models" / f"roberta-{variant}-{seed}")
    return folder


@pytest.fixture(scope="module")
def pairs(folder):
    return read_pairs(folder / "test.jsonl")


@pytest.fixture(scope="module")
def rows(folder):
    files = (folder / f"{split}.jsonl" for split in ("train", "validation", "test"))
    humor = HumorSettings(*files, length=12, permutations=999, sizes=(0.3,), views=2)
    run = tiny_run("peyrard2021", folder, probe=None, humor=humor)
    return run_study(run, folder / "out")


def metrics(rows, **what) -> dict[str, float]:
    return {row.metric: row.value for row in having(rows, **what)}


def contrast(kinds: list[str], wanted: str) -> float:
    """Of a head for one kind: all on the edited word, which is no other's; else nothing."""
    return float(np.mean([1.25 if kind == wanted else 0.0 for kind in kinds]))


def place(found: dict[str, float]) -> str:
    return named((int(found["layer"]) - 1, int(found["head"]) - 1))


# -- the head


@tuned
def test_validation_names_the_head_and_test_says_what_it_is_worth(rows, task, seed):
    found = metrics(rows, stage="head", method="all tokens", task=task, seed=seed)
    assert place(found) == named(A[task, seed])
    assert found["contrast on validation"] == pytest.approx(
        contrast(SPLITS["validation"], "one"), rel=1e-3
    )
    assert found["contrast"] == pytest.approx(0.25, rel=1e-3)
    assert contrast(SMALL, "two") == 0.75  # the best of the test pairs
    other = [1 / 6 if kind == "none" else 1 / 4 for kind in SMALL]
    four = [
        np.mean([kind == "one" for kind in SMALL]),
        np.mean([0 if kind == "one" else each for kind, each in zip(SMALL, other, strict=True)]),
        0, np.mean(other),
    ]  # fmt: skip
    names = ("edited, funny", "other, funny", "edited, serious", "other, serious")
    assert [found[name] for name in names] == pytest.approx(four, abs=1e-3)
    assert 0.02 < found["p"] < 0.12  # of four pairs, 1 / 16
    assert found["heads with corrected p below 0.05"] == 2  # B of twelve pairs, FIRST of 16
    assert (found["heads"], found["pairs"]) == (12, 20)


@tuned
def test_the_first_tokens_attention_has_a_head_of_its_own(rows, task, seed):
    found = metrics(rows, stage="head", method="first token", task=task, seed=seed)
    assert place(found) == named(FIRST)
    assert found["contrast on validation"] == pytest.approx(1.25, rel=1e-3)
    assert found["contrast"] == pytest.approx(1.25 * 16 / 20, rel=1e-3)


@tuned
def test_the_edited_word_is_localised_by_the_head_and_by_rules_of_validation(
    rows, pairs, task, seed
):
    found = {
        (row.method, row.metric): row.value
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
        row.method: row.value
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
        "best head, untuned": 0.75, "best head, labels shuffled": 0.25,
        f"best head, fine-tuned on {other}": 0.25,
    }, abs=2e-3)  # fmt: skip
    heads = {
        "untuned": UNTUNED_B, "labels shuffled": A[f"{task}_shuffled", seed],
        f"fine-tuned on {other}": A[other, seed],
    }  # fmt: skip
    for called, head in heads.items():
        best = metrics(rows, stage="control", method=f"best head, {called}", task=task, seed=seed)
        assert place(best) == named(head)


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
    for method, own in (("at most 0.3", small), ("above 0.3", ~small)):
        found = value_of(rows, stage="accuracy by size of edit", method=method, **what)
        assert found == pytest.approx(np.mean(np.array(right)[own]))
    shuffled = value_of(rows, stage="labels shuffled", **what)  # says that none is funny
    share = 1 / 2 if task == "humor_single" else 1 - np.mean(labels)
    assert shuffled == pytest.approx(share)


@tuned
def test_the_gate_of_the_head_costs_what_it_alone_carries(rows, pairs, task, seed):
    found = {
        row.method: row.value
        for row in having(rows, stage="gated", task=task, seed=seed, metric="accuracy")
    }
    layer, head = A[task, seed]
    lost = -4 / 42
    if task == "humor_pair":
        kinds = zip(SPLITS["test"], paired_questions(pairs, seed), strict=True)
        lost = -sum(kind == "one" and question.label for kind, question in kinds) / 21
        assert lost < 0
    changes = {named((layer, number)): lost if number == head else 0 for number in range(4)}
    changes |= {"head": lost, "others of its layer": 0, "head - others of its layer": lost}
    assert found == pytest.approx(changes)
    what = {"stage": "gated", "method": "head", "metric": "rank of loss in its layer"}
    assert value_of(rows, task=task, seed=seed, **what) == 1


# -- distances, maps and views


def test_distances_are_means_over_sentences_and_heads(rows):
    """A looks at one word where the untuned model looks at all, and B has another place."""

    def from_everywhere(tokens: int) -> float:
        return jensenshannon(np.eye(tokens)[0], np.full(tokens, 1 / tokens))

    tokens = [5, 4, *(9 if kind == "none" else 7 for kind in SMALL for _ in range(2))]
    far = np.mean([from_everywhere(count) for count in tokens])
    turned = np.sqrt(np.log(2)) * np.array([SMALL.count("one"), SMALL.count("two")]) / 20
    for layer, untuned, sides in (
        (1, far / 4, turned[0] / 4), (2, far / 4, None), (3, 2 * far / 4, turned[1] / 4),
    ):  # fmt: skip
        found = metrics(
            rows, stage="attention distance", method=f"humor_single, layer {layer}", seed=0
        )
        assert found["from untuned"] == pytest.approx(untuned, rel=1e-3)
        if sides is not None:
            assert found["funny to serious"] == pytest.approx(sides, rel=1e-3)
    found = metrics(rows, stage="attention distance", method="untuned, layer 3")
    assert found == pytest.approx({"funny to serious": turned[1] / 4}, rel=1e-3)


@tuned
def test_maps_are_of_the_test_pairs_and_their_halves(rows, folder, task, seed):
    out, what = folder / "out", f"humor.{task}"
    maps, both = (
        load_maps(out, "roberta", what, seed), load_halves(map_path(out, "roberta", what, seed))
    )  # fmt: skip
    for head, wanted in ((A[task, seed], "one"), (B, "two")):
        assert maps["contrast"][head] == pytest.approx(contrast(SMALL, wanted), rel=1e-3)
        halves = [contrast(part, wanted) for part in (SMALL[:10], SMALL[10:])]
        assert both["contrast"][(slice(None), *head)] == pytest.approx(halves, abs=1e-3)


@tuned
def test_one_headline_is_shown_that_the_head_finds_and_one_that_it_misses(rows, folder, task, seed):
    views = json.loads((folder / "out" / "views" / f"roberta-{task}-{seed}.json").read_text())
    assert [view["title"] for view in views] == [
        f"{side} ({how} the edit)" for how in ("finds", "misses") for side in ("funny", "serious")
    ]
    for view, words in zip(views, (EDITS["one"] + EDITS["two"]), strict=True):
        assert named((view["layer"] - 1, view["head"] - 1)) == named(A[task, seed])
        (marked,) = view["marked"]
        assert view["words"][marked] in words
