"""The study of dependencies on planted heads: one half of the sentences chooses, the other scores.

Two kinds of sentences have words and trees of their own. The half that chooses heads is mostly of
the first kind, the other half of the second: their best heads differ. No model is trained.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping

import numpy as np
import pytest

from jaxheads.analysis.intervals import crossed
from jaxheads.analysis.specialists import halves
from jaxheads.records.head_maps import load_halves, load_maps, map_name
from jaxheads.storage.store import Store
from jaxheads.studies.settings import Htut2019
from tests.planted.heads import (
    BAD,
    GOOD,
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

SENTENCES = 20
CHOSEN = halves(SENTENCES, 0)
PLACE = np.where(CHOSEN, CHOSEN.cumsum(), (~CHOSEN).cumsum()) - 1  # in its half
FIRST = np.where(CHOSEN, 7, 2) > PLACE  # of the first kind: 7 of 10 that choose, 2 of the others
TREES = {  # word, head (from 1), relation
    True: (("dog", 2, "nsubj"), ("cat", 0, "root"), ("fox", 2, "obj"), ("pig", 3, "det"),
           ("map", 2, "punct")),
    False: (("lion", 0, "root"), ("bird", 3, "det"), ("duck", 1, "nsubj"), ("horse", 1, "obj"),
            ("bus", 1, "punct")),
}  # fmt: skip
STOPS = {"map": "dog fox pig", "bus": "bird duck horse"}  # and the words that hang on no stop
# A head that knows nothing: words look at the full stop, the full stop at them, the root at it.
NOTHING = {word: alike(stop) for stop, words in STOPS.items() for word in words.split()}
NOTHING |= {stop: alike(*words.split()) for stop, words in STOPS.items()}
NOTHING |= {"cat": alike("map"), "lion": alike("bus")}
FAINT = {stop: dict.fromkeys(words.split(), 1e-3) for stop, words in STOPS.items()}
# From dependents to heads, as MAX finds them: all of a kind, the objects of both, of the first.
UP_ONE = {"dog": alike("cat"), "fox": alike("cat"), "pig": alike("fox")}
UP_ONE |= {"map": {"cat": 1.0, **FAINT["map"]}}
UP_TWO = {"duck": alike("lion"), "horse": alike("lion"), "bird": alike("duck")}
UP_TWO |= {"bus": {"lion": 1.0, **FAINT["bus"]}}
OBJECTS = {"fox": alike("cat"), "horse": alike("lion")}
OBJECT = {"fox": alike("cat")}
# From heads to dependents, as trees have them.
DOWN_ONE = {"cat": {"dog": 0.6, "fox": 0.4}, "fox": alike("pig")}
DOWN_TWO = {"lion": {"duck": 0.6, "horse": 0.4}, "duck": alike("bird")}
DOWN_OBJECT = {"cat": alike("fox")}
ALL, MOST = {"nsubj", "obj", "det"}, {"nsubj", "det"}
FOUND = {  # by hand: relations that a head finds in sentences of the first and second kind
    "dependent to head": [
        (UP_ONE, ALL, set()), (UP_TWO, set(), ALL), (OBJECTS, {"obj"}, {"obj"}),
        (OBJECT, {"obj"}, set()),
    ],
    "max": [
        (UP_ONE, ALL, set()), (UP_TWO, set(), ALL), (OBJECTS, {"obj"}, {"obj"}),
        (OBJECT, {"obj"}, set()), (DOWN_ONE, MOST, set()), (DOWN_TWO, set(), MOST),
        (DOWN_OBJECT, {"obj"}, set()),
    ],
    "mst": [
        (UP_ONE, {"det"}, set()), (UP_TWO, set(), {"det"}), (DOWN_ONE, ALL, set()),
        (DOWN_TWO, set(), ALL), (DOWN_OBJECT, {"obj"}, set()),
    ],
}  # fmt: skip
FOUND |= {"mst log": FOUND["mst"]}
A, B, C, D, E = (0, 1), (2, 3), (1, 2), (2, 0), (2, 1)
BASE = {A: UP_ONE, B: UP_TWO, C: OBJECTS, D: DOWN_ONE, E: DOWN_TWO}
TUNED = {  # with seed 0 more, with seed 1 less
    0: {A: UP_ONE | UP_TWO, B: UP_TWO, D: DOWN_ONE | DOWN_TWO},
    1: {C: OBJECT, D: DOWN_OBJECT},
}
MODELS = [("mlm", 0, BASE), ("sst2", 0, TUNED[0]), ("sst2", 1, TUNED[1])]
RELATIONS = ("nsubj", "obj", "det")
EVERY = np.ones(SENTENCES, bool)


def share(looks: Looks, method: str, relation: str, which: np.ndarray) -> float:
    """The share of a relation's arcs in some sentences that a head finds, by hand."""
    kinds: tuple[set[str], set[str]] = set(), set()
    for wishes, *found in FOUND[method]:
        if wishes.items() <= looks.items():
            kinds = tuple(one | two for one, two in zip(kinds, found, strict=True))
    return float(np.mean([relation in kinds[0 if first else 1] for first in FIRST[which]]))


def uuas(looks: Looks, method: str, which: np.ndarray) -> float:
    """Of all arcs but punctuation's, as many of each relation."""
    return float(np.mean([share(looks, method, relation, which) for relation in RELATIONS]))


def chosen_head(heads: Mapping, score) -> tuple[int, int]:
    """The first of the best heads."""
    return max(np.ndindex(*SHAPE), key=lambda head: score(heads.get(head, {})))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted_htut")
    lines = []
    for number, first in enumerate(FIRST):
        lines.append(f"# sent_id = {number}")
        lines += [
            f"{place}\t{word}\t_\tX\t_\t_\t{head}\t{relation}\t_\t_"
            for place, (word, head, relation) in enumerate(TREES[bool(first)], 1)
        ]
        lines.append("")
    (folder / "trees.conllu").write_text("\n".join([*lines, ""]))
    for split in ("train", "held_out"):
        reviews = [{"sentence": f"bus {(BAD, GOOD)[n % 2]}", "label": n % 2} for n in range(8)]
        write_jsonl(folder / f"{split}.jsonl", reviews)
    for seed, heads in TUNED.items():
        model = planted(everywhere(heads, NOTHING), {B: 0.5}, labels=("negative", "positive"))
        save(model, folder / "out" / "models" / f"roberta-sst2-{seed}")
    save(planted(everywhere(BASE, NOTHING)), folder / "model")
    return folder


@pytest.fixture(scope="module")
def rows(folder):
    settings = Htut2019(treebank=folder / "trees.conllu", least=1, examples=3, controls=2)
    return run_study(tiny_run(settings, folder, ("sst2",)), folder / "out")


def place(rows, **what) -> tuple[int, int]:
    """The head that a row names."""
    (row,) = having(rows, **what)
    return row.layer, row.head


@pytest.mark.parametrize("method", FOUND)
def test_the_head_for_trees_is_chosen_on_one_half_and_scored_on_the_other(rows, method):
    for task, seed, heads in MODELS:
        head = chosen_head(heads, lambda looks: uuas(looks, method, CHOSEN))
        if heads is BASE:
            assert head == (D if "mst" in method else A)
            other = chosen_head(heads, lambda looks: uuas(looks, method, ~CHOSEN))
            assert other == (E if "mst" in method else B)
        what = {"stage": "best head", "reading": method, "task": task, "seed": seed}
        found = metrics(rows, **what)
        assert place(rows, metric="UUAS", **what) == head
        expected = uuas(heads[head], method, ~CHOSEN)
        assert found["UUAS"] == pytest.approx(expected)
        assert found["UUAS, mean of sentences"] == pytest.approx(expected)
        best = max(uuas(looks, method, EVERY) for looks in heads.values())
        assert found["UUAS, best of all"] == pytest.approx(best)


@pytest.mark.parametrize("method", ["max", "mst"])
def test_each_layer_has_a_head_for_trees_of_its_own(rows, method):
    for (task, seed, heads), layer in itertools.product(MODELS, range(SHAPE[0])):
        own = {head: heads.get((layer, head), {}) for head in range(SHAPE[1])}
        head = max(own, key=lambda head: uuas(own[head], method, CHOSEN))
        what = {"stage": "best head of a layer", "reading": method, "task": task, "seed": seed}
        found = metrics(rows, layer=layer, **what)
        assert place(rows, metric="UUAS", layer=layer, **what) == (layer, head)
        assert found["UUAS"] == pytest.approx(uuas(own[head], method, ~CHOSEN))
        best = max(uuas(looks, method, EVERY) for looks in own.values())
        assert found["UUAS, best of all"] == pytest.approx(best)
    random = having(rows, stage="best head of a layer, random weights", metric="UUAS")
    assert len({(row.reading, row.layer, row.seed) for row in random}) == 2 * 3 * 2


def test_punctuation_counts_where_it_is_said_to(rows):
    """Where D knows nothing its tree has the full stop under the root, else under another word."""
    what = {"stage": "best head", "reading": "mst", "task": "mlm"}
    what["metric"] = "UUAS, punctuation too"
    assert place(rows, **what) == D
    assert value_of(rows, **what) == pytest.approx(0.2 * 3 / 4 + 0.8 * 1 / 4)


@pytest.mark.parametrize("method", ["max", "dependent to head"])
def test_the_head_for_a_relation_is_chosen_on_one_half_and_scored_on_the_other(rows, method):
    for task, seed, heads in MODELS:
        for relation in RELATIONS:
            what = {"stage": "relation", "reading": method, "relation": relation, "task": task}
            what["seed"] = seed
            found = metrics(rows, **what)
            of = functools.partial(share, method=method, relation=relation)
            head = chosen_head(heads, functools.partial(of, which=CHOSEN))
            looks = heads.get(head, {})
            assert place(rows, metric="accuracy", **what) == head, (task, seed, relation)
            assert found["accuracy"] == pytest.approx(of(looks, which=~CHOSEN))
            assert found["arcs"] == 10


def test_an_offset_is_chosen_on_one_half_and_scored_on_the_other(rows):
    """Of the first kind they are 1, -1 and -1; the second shares that of "det", turned round."""
    for relation in RELATIONS:
        found = metrics(rows, stage="relation", reading="max", task="mlm", relation=relation)
        unsigned = 1.0 if relation == "det" else 0.2
        assert found["offset"] == 1
        assert found["unsigned"] == pytest.approx(unsigned)
        assert found["signed"] == pytest.approx(0.2)
        assert found["gain"] == pytest.approx(found["accuracy"] - unsigned)


@pytest.mark.parametrize("method", ["max", "mst", "mst log"])
def test_baselines_are_of_the_half_that_scores(rows, method):
    """Of three arcs the chain finds all of the first kind and one of the second."""
    found = metrics(rows, stage="baseline", reading=method, method="chain")
    assert found == {"UUAS": pytest.approx(0.2 + 0.8 / 3)}


def test_heads_that_see_no_word_find_what_their_names_say(rows):
    """One word on as the chain; two words on, of the second kind, what hangs two words away."""
    chain = 0.2 + 0.8 / 3
    for name, value in {"next": chain, "previous": chain, "after next": 0.8 / 3}.items():
        found = metrics(rows, stage="baseline", reading="max", method=name)
        assert found["UUAS"] == pytest.approx(value)


@pytest.mark.parametrize("seed", [0, 1])
def test_change_is_after_less_before_each_by_its_own_head(rows, seed):
    what = {"stage": "change by fine-tuning", "task": "sst2", "seed": seed}

    def scored(heads, value) -> float:
        head = chosen_head(heads, functools.partial(value, which=CHOSEN))
        return value(heads.get(head, {}), which=~CHOSEN)

    for method in ("max", "mst"):
        value = functools.partial(uuas, method=method)
        change = scored(TUNED[seed], value) - scored(BASE, value)
        assert np.sign(change) == (-1 if seed else 1)
        found = value_of(rows, reading=method, relation="", **what)
        assert found == pytest.approx(change)
    for relation in RELATIONS:
        value = functools.partial(share, method="max", relation=relation)
        found = value_of(rows, reading="max", relation=relation, **what)
        assert found == pytest.approx(scored(TUNED[seed], value) - scored(BASE, value))


def test_controls_are_models_with_random_weights_of_their_own(rows):
    what = {"task": "mlm", "metric": "UUAS"}
    both = [
        [row.value for row in having(rows, stage=f"best head{of}", seed=seed, **what)]
        for of, seed in (("", 0), (", random weights", 0), (", random weights", 1))
    ]
    assert len({tuple(values) for values in both}) == 3
    assert {len(values) for values in both} == {len(both[0])}


def attention(looks: Looks, words: tuple[str, ...]) -> np.ndarray:
    """From word to word, without a word's attention to itself."""
    weight = np.array([[looks[one].get(two, 0) for two in words] for one in words])
    return weight / weight.sum(1, keepdims=True)


def test_attention_on_gold_arcs_is_counted_by_hand(rows):
    """Of all attention between words, and of what a relation's words give to all others."""
    of_all, by_relation = [], {(way, r): [] for way in ("up", "down") for r in RELATIONS}
    for looks in everywhere(BASE, NOTHING).values():
        on_arcs, shares = 0.0, {key: [] for key in by_relation}
        for first in FIRST:
            words = tuple(word for word, _, _ in TREES[bool(first)])
            map_TT = attention(looks, words)
            for place, (_, head, relation) in enumerate(TREES[bool(first)]):
                if head:
                    up, down = map_TT[place, head - 1], map_TT[head - 1, place]
                    on_arcs += up + down
                    if relation in RELATIONS:
                        shares["up", relation].append(up)
                        shares["down", relation].append(down)
        of_all.append(on_arcs / (5 * SENTENCES))
        for key, values in shares.items():
            by_relation[key].append(np.mean(values))
    found = metrics(rows, stage="attention mass")
    assert found["best head"] == pytest.approx(max(of_all), rel=0.02)
    assert found["mean of heads"] == pytest.approx(np.mean(of_all), rel=0.02)
    assert found["uniform"] == pytest.approx(2 / 5)
    for way, direction in (("up", "dependent to head"), ("down", "head to dependent")):
        for relation in RELATIONS:
            what = {"stage": "attention mass by relation", "reading": direction}
            found = metrics(rows, relation=relation, **what)
            expected = by_relation[way, relation]
            assert found["best head"] == pytest.approx(max(expected), rel=0.02)
            assert found["mean of heads"] == pytest.approx(np.mean(expected), rel=0.02)
            assert found["uniform"] == pytest.approx(1 / 4)


@pytest.mark.parametrize("which", range(3))
def test_maps_have_the_half_that_chooses_first(rows, folder, which):
    task, seed, heads = MODELS[which]
    what = "arcs" if task == "mlm" else f"arcs.{task}"
    maps = load_maps(store := Store(folder / "out"), "roberta", what, seed)
    both = load_halves(store, map_name("roberta", what, seed))
    methods = {"MST": "mst", "MST, log": "mst log", "MAX": "max"}
    for head, looks in ((head, heads.get(head, {})) for head in np.ndindex(*SHAPE)):
        for name in (*methods, *RELATIONS):
            found = [maps[name][head], *both[name][(slice(None), *head)]]
            of = functools.partial(uuas, looks, methods[name]) if name in methods else (
                functools.partial(share, looks, "max", name)
            )  # fmt: skip
            assert found == pytest.approx([of(part) for part in (EVERY, CHOSEN, ~CHOSEN)]), name
    both = load_halves(store, map_name("roberta", what.replace("arcs", "attention"), seed))
    looks = everywhere(heads, NOTHING)[D]
    for half_LH, part in zip(both["confidence"], (CHOSEN, ~CHOSEN), strict=True):
        kinds = [tuple(word for word, _, _ in TREES[bool(first)]) for first in FIRST[part]]
        expected = np.mean([attention(looks, words).max(1) for words in kinds])
        assert half_LH[D] == pytest.approx(expected, rel=0.01)


def test_sentences_that_are_drawn_chose_no_head_and_show_the_chosen_ones(rows, folder):
    tree, pairs = (f"{way}, layer {h[0]} head {h[1]}" for way, h in (("MST", D), ("MAX", A)))
    drawn = json.loads((folder / "out" / "examples" / "roberta-arcs-0.json").read_text())
    assert [each["name"] for each in drawn] == [str(n) for n in np.flatnonzero(~CHOSEN)[:3]]
    for each in drawn:
        assert set(each["drawn"]) == {tree, pairs}
        if each["words"][0] == "dog":
            found = {tuple(pair) for pair in each["drawn"][pairs]}
            assert found == {(0, 1), (1, 2), (2, 3), (1, 4)}
    for view in json.loads((folder / "out" / "views" / "roberta-arcs-0.json").read_text()):
        if view["words"][0] == "dog":  # "dog" looks at "cat", or "cat" at "dog" most
            word, other = {A: (0, 1), D: (1, 0)}[view["layer"], view["head"]]
            assert np.argmax(view["weights"][word]) == other


@pytest.mark.parametrize("method", ["max", "mst"])
def test_all_seeds_together_are_bounded_over_seeds_and_sentences(rows, method):
    """Each seed by its own head; all sentences have as many arcs, so that shares are means."""
    scored = np.flatnonzero(~CHOSEN)
    table = []
    for heads in TUNED.values():
        head = chosen_head(heads, lambda looks: uuas(looks, method, CHOSEN))
        table.append([uuas(heads.get(head, {}), method, np.array([place])) for place in scored])
    row = together(rows, "best head", "reading")["sst2", "UUAS", method]
    assert (row.value, row.low, row.high) == pytest.approx(crossed(np.array(table)).at()[:3])
    for stage in ("best head of a layer", "relation", "change by fine-tuning"):
        together(rows, stage, "reading", "relation", "layer" if "layer" in stage else "reading")
    together(rows, "best head, random weights", "reading", draws=2)
