"""The study of constituents on planted heads: which is named, on which section, and what changes.

Two kinds of sentences have words of their own, so that a head may know the one and not the other.
Tune is mostly of the first kind, test of the second: their best heads differ. No model is trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats

from jaxheads.importance import load_scores
from jaxheads.pruning.mask import mask_from_scores, random_mask, shuffled_in_layers
from jaxheads.records.head_maps import load_halves, load_maps, map_name
from jaxheads.storage.store import Store
from jaxheads.studies.settings import Luo2021
from tests.planted.heads import (
    BAD,
    GOOD,
    HEADS,
    LAYERS,
    SHAPE,
    Looks,
    alike,
    everywhere,
    planted,
    run_study,
    save,
    tiny_run,
    together,
)
from tests.support.found import having, metrics, value_of
from tests.support.reviews import write_jsonl

pytestmark = pytest.mark.slow  # a whole study

TREES = {
    "even": "(S (NP (NN dog) (NN cat)) (VP (NN fox) (NN pig)))",
    "left": "(S (NP (NP (NN lion) (NN bird)) (NN duck)) (NN horse))",
    "long": "(S (NP (NN mouse) (NN goose)) (VP (NN girl) (NP (NN king) (NP (NN shop) (NN barn)))))",
}
SECTIONS = {  # the test section's halves differ too
    "tune": ("even",) * 6 + ("left",) * 2,
    "test": ("even",) * 2 + ("left",) * 6 + ("long",),
}
WORDS = {"even": "dog cat fox pig", "left": "lion bird duck horse"}
WORDS |= {"long": "mouse goose girl king shop barn"}


def halved(kind: str) -> Looks:
    """Two words and two words: those of a half look at its first."""
    one, two, three, four = WORDS[kind].split()
    return {one: alike(one), two: alike(one), three: alike(three), four: alike(three)}


def right(words: list[str]) -> Looks:
    """Each word looks at itself and all before, so that the first differ most."""
    return {word: alike(*words[: place + 1]) for place, word in enumerate(words)}


def left(words: list[str]) -> Looks:
    """Each word looks at itself and all after."""
    return {word: alike(*words[place:]) for place, word in enumerate(words)}


RIGHT = {word: seen for kind in WORDS.values() for word, seen in right(kind.split()).items()}
EVEN, HALF_LEFT, LEFT = halved("even"), halved("left"), left(WORDS["left"].split())
WRONG = {"dog": alike("dog", "cat"), "cat": alike("cat"), "fox": alike("cat"), "pig": alike("pig")}
LONG = {"mouse": alike("mouse"), "goose": alike("mouse"), **right(WORDS["long"].split()[2:])}
A, B, C, D, E = (0, 1), (1, 2), (2, 3), (2, 2), (0, 3)
BASE = {A: EVEN, B: LEFT, C: HALF_LEFT | LONG}
TUNED = {  # C forgets and A too with one seed; D learns, and E with one seed
    ("mrpc", 0): {A: EVEN, B: LEFT, C: WRONG},
    ("mrpc", 1): {B: LEFT, C: WRONG},
    ("rte", 0): BASE | {D: EVEN | HALF_LEFT | LONG},
    ("rte", 1): BASE | {D: EVEN | HALF_LEFT | LONG, E: LEFT},
}
CARRIES = {("mrpc", 0): C, ("mrpc", 1): C, ("rte", 0): A, ("rte", 1): E}  # the head that is needed
TASKS = ("mrpc", "rte")
MAJORITY = 5 / 8  # of the held-out labels; those of the training examples are turned round


def f1_of(looks: Looks) -> dict[str, float]:
    """Of each kind of sentence, by hand, for a head that looks so and else to the right."""

    def knows(wishes: Looks) -> bool:
        return wishes.items() <= looks.items()

    return {
        "even": 1.0 if knows(EVEN) else 0.0 if knows(WRONG) else 0.5,
        "left": 1.0 if knows(LEFT) else 0.5 if knows(HALF_LEFT) else 0.0,
        "long": 1.0 if knows(LONG) else 0.75,
    }


def f1_map(heads: Mapping, section: str = "test", part: slice = slice(None)) -> np.ndarray:
    """The mean over the sentences of a section."""
    by_kind = (f1_of(heads.get(head, {})) for head in np.ndindex(*SHAPE))
    means = [np.mean([own[kind] for kind in SECTIONS[section][part]]) for own in by_kind]
    return np.reshape(means, SHAPE)


def write_pairs(path, labels):
    pairs = [
        {"sentence1": f"bus {GOOD if good else BAD}", "sentence2": "map", "label": label}
        for good, label in labels
    ]
    return write_jsonl(path, pairs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted_luo")
    for section, kinds in SECTIONS.items():
        (folder / f"{section}.mrg").write_text("\n".join(TREES[kind] for kind in kinds))
    write_pairs(folder / "train.jsonl", [(n % 2, 1 - n % 2) for n in range(8)])
    write_pairs(folder / "held_out.jsonl", [(n < 3, int(n < 3)) for n in range(8)])
    out = folder / "out"
    for (task, seed), heads in TUNED.items():
        model = planted(everywhere(heads, RIGHT), {CARRIES[task, seed]: 0.5}, labels=("0", "1"))
        save(model, out / "models" / f"roberta-{task}-{seed}")
    save(planted(everywhere(BASE, RIGHT)), folder / "model")
    return folder


@pytest.fixture(scope="module")
def rows(folder):
    settings = Luo2021(
        tune=folder / "tune.mrg", test=folder / "test.mrg", measures=("jsd",), biases=(0.0,),
        controls=2, examples=2,
    )  # fmt: skip
    return run_study(tiny_run(settings, folder, TASKS), folder / "out")


def best(rows, stage="best head", **what):
    """The best head by F1 and its score."""
    (row,) = having(rows, stage=stage, metric="sentence F1", **what)
    return (row.layer, row.head), row.value


def test_the_head_is_chosen_on_the_tune_section_and_scored_on_the_test_section(rows):
    assert f1_map(BASE).argmax() == f1_map(BASE, "tune").argmax() + 5  # B is the best of the test
    for task, seed, heads, head in (
        ("mlm", 0, BASE, A), ("mrpc", 0, TUNED["mrpc", 0], A), ("mrpc", 1, TUNED["mrpc", 1], B),
        ("rte", 0, TUNED["rte", 0], D), ("rte", 1, TUNED["rte", 1], D),
    ):  # fmt: skip
        found = best(rows, task=task, seed=seed)
        assert found == (head, pytest.approx(f1_map(heads)[head]))
        found = best(rows, "best head, tune", task=task, seed=seed)
        assert found == (head, pytest.approx(f1_map(heads, "tune")[head]))


def test_all_seeds_have_one_interval_together(rows):
    together(rows, "best head", "reading")
    for stage in ("mean of layer", "averaged layer"):
        together(rows, stage, "reading", "layer")


def test_margins_layers_and_ensembles_are_those_of_the_heads_that_the_tune_section_ranks(rows):
    right, balanced = f1_map({})[A], np.mean([1] * 2 + [0.5] * 7)
    for null, value in (("right", right), ("balanced", balanced)):
        found = value_of(
            rows, stage="best head less baseline", metric="sentence F1",
            reading="jsd", method="best head", other_method=null,
        )  # fmt: skip
        assert found == pytest.approx(f1_map(BASE)[A] - value)
    for layer, mean in enumerate(f1_map(BASE).mean(1)):
        what = {"stage": "mean of layer", "reading": "jsd", "layer": layer}
        assert value_of(rows, task="mlm", **what) == pytest.approx(mean)
    what = {"stage": "ensembles", "reading": "jsd", "method": "F1 on tune"}
    first = value_of(rows, budget=1, **what)
    assert first == pytest.approx(f1_map(BASE)[A])
    assert value_of(rows, budget=2, **what) > first


def test_other_trees_are_of_models_with_random_weights(rows):
    what = {"stage": "random weights", "metric": "sentence F1"}
    found = having(rows, reading="jsd", method="mean of heads", **what)
    assert [row.seed for row in found] == [0, 1]
    assert len({f1_map(BASE).mean(), *(row.value for row in found)}) == 3


def test_maps_are_of_the_test_section_and_its_halves(rows, folder):
    for what, heads in (
        ("spans", BASE),
        *((f"spans.{task}", TUNED[task, 1]) for task in TASKS),
    ):
        seed = 0 if what == "spans" else 1
        maps = load_maps(Store(folder / "out"), "roberta", what, seed)
        np.testing.assert_allclose(maps["F1"], f1_map(heads), atol=1e-6)
        both = load_halves(Store(folder / "out"), map_name("roberta", what, seed))["F1"]
        for half_LH, part in zip(both, (slice(4), slice(4, None)), strict=True):
            np.testing.assert_allclose(half_LH, f1_map(heads, part=part), atol=1e-6)


def test_rankings_without_labels_are_of_the_tune_section_against_the_test_section(rows, folder):
    maps = load_maps(Store(folder / "out"), "roberta", "spans", 0)
    for name in ("contrast", "sharpness"):
        expected = stats.spearmanr(maps[name].ravel(), f1_map(BASE).ravel()).statistic
        what = {"stage": "rankings", "metric": "spearman"}
        found = value_of(rows, reading="jsd", method=name, **what)
        assert found == pytest.approx(expected)
        assert (
            abs(found - stats.spearmanr(maps[name].ravel(), f1_map(BASE, "tune").ravel()).statistic)
            > 0.01
        )


def test_focus_is_of_words_and_of_the_same_halves(rows, folder):
    """A looks at one word in even sentences, and at all up to itself in others."""
    maps = load_maps(store := Store(folder / "out"), "roberta", "attention", 0)
    log_4, log_6 = (-np.log(np.arange(1, words + 1)).mean() for words in (4, 6))
    assert maps["focus (minus entropy)"][A] == pytest.approx((6 * log_4 + log_6) / 9, rel=1e-4)
    both = load_halves(store, map_name("roberta", "attention", 0))
    expected = (2 * log_4 / 4, (4 * log_4 + log_6) / 5)
    assert both["focus (minus entropy)"][(slice(None), *A)] == pytest.approx(expected, rel=1e-4)


def test_the_head_that_is_drawn_is_the_best_of_the_tune_section(rows, folder):
    (drawn,) = json.loads((folder / "out" / "trees" / "roberta.json").read_text())
    assert (drawn["head"], drawn["words"]) == (f"layer {A[0]} head {A[1]}", WORDS["long"].split())
    assert drawn["f1"] == pytest.approx(0.75)


# -- what fine-tuning changes


def layer_changes(task: str) -> np.ndarray:
    """Fine-tuned less pre-trained, the mean over seeds and a layer's heads, from the tables."""
    return np.mean([f1_map(TUNED[task, seed]) - f1_map(BASE) for seed in (0, 1)], axis=0).mean(1)


def test_change_is_after_less_before_in_every_layer_and_half(rows):
    assert layer_changes("mrpc").mean() < 0 < layer_changes("rte").mean()
    for task in TASKS:
        change = layer_changes(task)
        for layer in range(LAYERS):
            found = value_of(rows, stage="change", task=task, layer=layer, reading="jsd")
            assert found == pytest.approx(change[layer], abs=1e-6)
        places = {"all layers": change.mean(), "lower layers": change[0]}
        places["upper layers"] = change[1:].mean()  # of three the middle one is upper
        for place, value in places.items():
            found = value_of(rows, stage="change", task=task, place=place, reading="jsd")
            assert found == pytest.approx(value, abs=1e-6), place


def test_heads_that_change_alike_with_every_seed_are_counted_on_their_side(rows):
    for task, higher, lower in (("mrpc", 0, 1), ("rte", 1, 0)):
        found = metrics(rows, stage="changed heads", task=task)
        assert found == {"heads": LAYERS * HEADS, "higher": higher, "lower": lower}


def test_kinds_of_tasks_are_told_apart(rows):
    """MRPC asks for similarity, RTE for entailment."""
    one, two = layer_changes("mrpc"), layer_changes("rte")
    kinds = (("similarity", "", one), ("entailment", "", two))
    for kind, other, change in (*kinds, ("similarity", "entailment", one - two)):
        for place, value in (("all layers", change.mean()), ("upper layers", change[1:].mean())):
            what = {"reading": "jsd", "method": kind, "other_method": other, "place": place}
            found = value_of(rows, stage="change by kind", **what)
            assert found == pytest.approx(value, abs=1e-6), what


# -- what tasks need


def accuracy(rows, task: str, seed: int, method: str) -> list[float]:
    """By budget, the largest first."""
    found = having(
        rows, stage="masked by ability", task=task, seed=seed, method=method, metric="accuracy"
    )
    return [row.value for row in sorted(found, key=lambda row: -row.budget)]


def mask_by(order: str, draw: int, ability_LH: np.ndarray, budget: int) -> np.ndarray:
    """What an order by its name in records keeps, which goes by chance in some."""
    layered = order.endswith(" of layer")
    name = order.removesuffix(" of layer")
    if name == "random":
        return random_mask(*SHAPE, budget, draw, per_layer=layered)
    if name.startswith("like "):
        like = name.removeprefix("like ")
        return shuffled_in_layers(mask_by(like, draw, ability_LH, budget), draw)
    score_LH = ability_LH if name == "worst" else -ability_LH
    return mask_from_scores(score_LH, budget, per_layer=layered)


@pytest.mark.parametrize(("task", "seed"), TUNED)
def test_a_task_falls_where_an_order_masks_the_head_that_it_needs(rows, task, seed):
    """MRPC needs the worst head of its models, RTE a middling one, or one of the best."""
    first, last = [1, *[MAJORITY] * 4], [1, 1, 1, 1, MAJORITY]
    if (task, seed) != ("rte", 0):
        best, worst = (last, first) if task == "mrpc" else (first, last)
        assert accuracy(rows, task, seed, "best") == best
        assert accuracy(rows, task, seed, "worst") == worst
    ability_LH, head = f1_map(TUNED[task, seed]), CARRIES[task, seed]
    found = having(rows, stage="masked by ability", task=task, seed=seed, metric="accuracy")
    assert len({(row.method, row.draw) for row in found}) == 4 + 4 * 3
    for row in found:
        kept = mask_by(row.method, row.draw, ability_LH, row.budget)[head]
        assert row.value == (1 if kept else MAJORITY), (row.method, row.budget)
    for layer in range(LAYERS):
        what = {"stage": "layer masked", "layer": layer, "metric": "accuracy"}
        found = value_of(rows, task=task, seed=seed, **what)
        assert found == (MAJORITY if layer == head[0] else 1)


@pytest.mark.parametrize(("task", "metric"), [("mrpc", "f1"), ("rte", "accuracy")])
def test_contrasts_by_ability_are_the_first_less_the_second_at_half_of_the_heads(
    rows, task, metric
):
    def mean(kind: str) -> float:
        found = having(rows, stage="masked by ability", task=task, metric=metric, budget=6)
        seeds = [
            [row.value for row in found if (row.seed, row.method) == (seed, kind)]
            for seed in (0, 1)
        ]
        return float(np.mean([np.mean(values) for values in seeds]))

    contrasts = having(rows, stage="contrast by ability", task=task)
    assert len(contrasts) == 5
    for row in contrasts:
        assert row.value == pytest.approx(mean(row.method) - mean(row.other_method)), row
    if task == "mrpc":
        assert value_of(contrasts, method="worst of layer", other_method="best of layer") == -1
        assert value_of(contrasts, method="random", other_method="best") < 0


# -- and importance


def test_the_maps_of_a_fine_tuned_model_meet_the_scores_of_the_same_model(rows, folder):
    for task, seed in TUNED:
        score_LH = load_scores(folder / "out" / "scores" / f"roberta-{task}-{seed}.npz").score_LH
        assert score_LH.argmax() == np.ravel_multi_index(CARRIES[task, seed], SHAPE)
        for of, heads in ((task, TUNED[task, seed]), ("", BASE)):
            what = {"method": "spans", "reading": "F1", "other_task": of}
            found = value_of(
                rows, stage="map agreement", metric="spearman", task=task, seed=seed, **what
            )
            expected = stats.spearmanr(f1_map(heads).ravel(), score_LH.ravel()).statistic
            assert found == pytest.approx(expected), of
    one, two = load_halves(Store(folder / "out"), map_name("roberta", "spans", 0))["F1"]
    half = stats.spearmanr(one.ravel(), two.ravel()).statistic
    found = value_of(rows, stage="map reliability", method="spans", reading="F1", metric="halves")
    assert found == pytest.approx(2 * half / (1 + half))
