"""Heads against a treebank: a planted head through the whole pass, and a study of a tiny model."""

from __future__ import annotations

import json
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.analysis.arcs import ArcRecorder
from jaxheads.analysis.specialists import generalist, halves, specialists
from jaxheads.analysis.words import confidence, focus
from jaxheads.data.language.grammar import sentence
from jaxheads.data.treebanks.dependency import DependencyTree
from jaxheads.inference.attention_maps import Maps, attention_maps
from jaxheads.inference.dependencies import readable
from jaxheads.records.head_maps import load_halves, load_maps, map_name
from jaxheads.storage.store import Store
from jaxheads.studies.htut2019.arcs import (
    drawn_arcs,
    examples,
    read_treebank,
    record_arcs,
    relation_masses,
)
from jaxheads.studies.settings import Htut2019
from tests.support.found import having, metrics
from tests.support.tiny_study import bounded, found, study, write_study

HEADS = (2, 3)


def gold_watch(params, gate, batch, observe):
    """A model whose maps are given: by the number of the sentence, as the batch has it."""
    del gate
    probs_BLHTS = params[jnp.maximum(batch.index_B, 0)]
    seen = [observe(SimpleNamespace(probs_BHTS=probs_BLHTS[:, layer])) for layer in range(HEADS[0])]
    return jnp.stack(seen, 1)


def planted_maps(trees, pieces, relation, size):
    """Maps between pieces: random, but for head 1 of layer 1, which follows a relation."""
    rng, maps = np.random.default_rng(0), np.zeros((len(trees), *HEADS, size, size), np.float32)
    for number, (tree, own) in enumerate(zip(trees, pieces, strict=True)):
        count = len(own.ids)
        maps[number, :, :, :count, :count] = rng.random((*HEADS, count, count))
        for word, head in enumerate(tree.heads):
            if head and tree.relations[word] == relation:
                dependents = np.flatnonzero(own.unit_T == word)
                maps[number, 1, 1, dependents, np.flatnonzero(own.unit_T == head - 1)[0]] = count
    return maps / np.maximum(maps.sum(-1, keepdims=True), 1e-9)


def test_a_head_that_follows_a_relation_is_found_from_pieces_to_rows(tokenizer):
    trees = read_treebank(Htut2019(sentences=40))
    trees, pieces, counts = readable(tokenizer, trees, 200, "dropped")
    assert counts["read"] == 40
    size = max(len(own.ids) for own in pieces)
    assert size > max(len(tree.words) for tree in trees) + 10  # words of several pieces
    stream = attention_maps(
        gold_watch, jnp.asarray(planted_maps(trees, pieces, "obj", size)), pieces,
        pad_id=1, most=size, lengths=(size,), tokens=10 * size,
    )  # fmt: skip
    record = record_arcs(trees, stream)
    best = {each.relation: each for each in specialists(record.hits, "max")}
    assert (best["obj"].layer, best["obj"].head, best["obj"].accuracy.ratio) == (1, 1, 1.0)
    assert best["obj"].gain.intervals().low > 0
    assert all(one.accuracy.ratio < 1 for name, one in best.items() if one.signed.total > 20
               and name != "obj")  # fmt: skip
    assert record.sharpness.by_sentence("confidence").shape == (40, *HEADS)


def test_sentences_that_cannot_be_compared_are_left_out_and_counted(tokenizer):
    def tree(*words):
        heads = tuple(range(len(words)))
        return DependencyTree(words, words, heads, ("root", *["punct"] * (len(words) - 1)))

    trees = [
        tree("film"), tree("a", "film"), tree("a", "", "film"), tree(*["film"] * 30),
        tree(".", "!"), tree("film", "film"),
    ]  # fmt: skip
    kept = readable(tokenizer, trees, 20, "dropped")
    assert [each.words for each in kept.trees] == [("a", "film"), (".", "!"), ("film", "film")]
    assert kept.counts == {
        "read": 3, "of one word": 1, "with words without pieces": 1, "too long": 1
    }  # fmt: skip
    with pytest.raises(ValueError, match="expected sentences that the model can read, got"):
        readable(tokenizer, trees[:1], 20, "dropped")


def test_punctuation_alone_is_an_error_that_says_so(tokenizer):
    trees = [DependencyTree((".", "!"), ("X", "X"), (0, 1), ("root", "punct"))] * 4
    _, pieces, _ = readable(tokenizer, trees, 20, "dropped")
    hits = record_arcs(trees, [Maps(np.arange(4), np.ones((4, 1, 2, 2, 2)))]).hits
    assert len(pieces) == 4
    with pytest.raises(ValueError, match="expected some in both halves of the sentences"):
        generalist(hits, "mst", punctuation=False, chosen_N=halves(4))
    assert generalist(hits, "mst", punctuation=True, chosen_N=halves(4)).micro.ratio == 1


def test_confidence_and_focus_are_those_of_rows_by_hand():
    attention = np.array([[0.4, 0.4], [0.5, 0.0]])
    assert confidence(attention) == pytest.approx((0.4 + 0.5) / 2)
    assert focus(attention) == pytest.approx((np.log(0.5) + 0) / 2)
    assert focus(np.zeros((2, 2))) == 0


def test_arcs_to_draw_are_the_pairs_that_a_head_makes():
    tree = DependencyTree(("a", "b", "c"), ("X",) * 3, (2, 0, 2), ("det", "root", "obj:x"))
    attention = np.zeros((1, 1, 3, 3))
    attention[0, 0] = [[9, 0.1, 0.9], [0.5, 9, 0.8], [0.35, 0.7, 9]]  # the root is "b"
    found = drawn_arcs(tree, attention, {"one": ("max", 0, 0), "two": ("mst", 0, 0)})
    assert found["gold"] == [[0, 1, "det"], [2, 1, "obj"]]
    assert found["drawn"] == {"one": [(0, 2), (1, 2)], "two": [(0, 1), (0, 2)]}


def test_sentences_to_draw_are_of_the_other_half_and_of_about_ten_words():
    def tree(words):
        relations = ("root", *["dep"] * (words - 1))
        return DependencyTree(("a",) * words, ("X",) * words, tuple(range(words)), relations)

    trees = [tree(words) for words in (3, 4, 12, 10, 10, 9, 15)]
    chosen_N = np.arange(7) == 3
    assert examples(trees, chosen_N, 9) == [4, 5, 2, 1]  # from 4 words to 14
    assert examples(trees, chosen_N, 2) == [4, 5]


def test_without_a_file_the_sentences_are_those_of_the_validation_split():
    trees = read_treebank(Htut2019(sentences=3))
    assert [tree.words for tree in trees] == [sentence("validation", n).words for n in range(3)]


# -- the whole study


TREEBANK = """# sent_id = s{number}
1\ta\ta\tDET\t_\t_\t3\tdet\t_\t_
2\t{adjective}\t_\tADJ\t_\t_\t3\tamod\t_\t_
3\tfilm\t_\tNOUN\t_\t_\t0\troot\t_\t_
4\t.\t_\tPUNCT\t_\t_\t3\tpunct\t_\t_

"""
SETTINGS = """
import dataclasses
from jaxheads.studies.settings import Htut2019

RUN = dataclasses.replace(
    RUN,
    tasks=RUN.tasks[:1],
    scoring=ScoringSettings(examples=16, ablated=0, rescored=0, batch_size=16, splits=2),
    curve=CurveSettings(readings=(), batch_size=16),
    study=Htut2019(
        treebank=DATA / "trees.conllu", least=1, examples=2, controls=1
    ),
)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("htut")
    config = write_study(folder, models=1)
    config.write_text(config.read_text() + SETTINGS)
    words = ("fine", "warm", "dull", "cold") * 3
    text = "".join(TREEBANK.format(number=n, adjective=word) for n, word in enumerate(words))
    long = "".join(
        f"{n}\tfilm\t_\tX\t_\t_\t{n - 1}\t{'dep' if n > 1 else 'root'}\t_\t_\n"
        for n in range(1, 40)
    )
    (folder / "trees.conllu").write_text(text + long)
    assert study(config, folder / "out", seeds="0") == 0
    return folder / "out"


@pytest.mark.slow
def test_every_method_has_a_best_head_beside_heads_that_see_no_word(finished):
    for task in ("mlm", "sst2"):
        rows = found(finished, stage="best head", task=task, metric="UUAS")
        assert len(rows) == 8
        assert all(map(bounded, rows))
    assert len(found(finished, stage="best head, random weights", metric="UUAS")) == 8
    baselines = found(finished, stage="baseline", metric="UUAS")
    (row,) = (row for row in baselines if (row.reading, row.method) == ("mst", "chain"))
    assert row.value == 1 / 2  # one of the two arcs that are no punctuation's is long
    (row,) = (row for row in baselines if (row.reading, row.method) == ("max", "next"))
    assert row.value == 1 / 2


@pytest.mark.slow
def test_relations_have_their_head_and_their_offset(finished):
    every = found(finished, stage="relation", reading="max")
    rows = metrics(every, task="mlm", relation="det")
    assert (rows["offset"], rows["unsigned"], rows["arcs"]) == (2, 1, 6)
    assert rows["gain"] == pytest.approx(rows["accuracy"] - 1)
    change = found(finished, stage="change by fine-tuning", task="sst2", reading="max")
    assert {row.relation for row in change} == {"", "det", "amod", "punct"}
    values = {row.relation: row.value for row in change if row.seed == 0}
    before, after = (
        {r.relation: r.value for r in having(every, task=task, metric="accuracy", seed=0)}
        for task in ("mlm", "sst2")
    )
    for name in ("det", "amod", "punct"):  # of the heads chosen before and after, on the same arcs
        assert values[name] == pytest.approx(after[name] - before[name])
    before, after = (
        next(r.value for r in found(
            finished, stage="best head", task=task, reading="max", metric="UUAS", seed=0
        ))
        for task in ("mlm", "sst2")
    )  # fmt: skip
    assert values[""] == pytest.approx(after - before)


def test_the_attention_on_a_relation_is_that_of_its_arcs_by_hand():
    """Two heads on "a b c", b the root: the first looks from dependents to heads alone."""
    tree = DependencyTree(("a", "b", "c"), ("X",) * 3, (2, 0, 2), ("det", "root", "obj"), "one")
    first = np.array([[0, 1, 0], [0.5, 0, 0.5], [0.2, 0.8, 0]])
    uniform = (1 - np.eye(3)) / 2
    recorder = ArcRecorder(("max",))
    recorder.add(tree, np.stack([first, uniform])[None])
    masses = dict(relation_masses(recorder.result(), [3], 1))
    assert masses["det"]["dependent to head"] == pytest.approx(
        {"best head": 1.0, "mean of heads": 0.75, "uniform": 0.5}
    )
    assert masses["obj"]["dependent to head"] == pytest.approx(
        {"best head": 0.8, "mean of heads": 0.65, "uniform": 0.5}
    )
    assert masses["obj"]["head to dependent"] == pytest.approx(
        {"best head": 0.5, "mean of heads": 0.5, "uniform": 0.5}
    )
    assert dict(relation_masses(recorder.result(), [3], 2)) == {}


@pytest.mark.slow
def test_sentences_left_out_are_in_the_records(finished):
    rows = {row.metric: row.value for row in found(finished, stage="sentences")}
    assert rows == {
        "read": 12, "of one word": 0, "with words without pieces": 0, "too long": 1
    }  # fmt: skip


@pytest.mark.slow
def test_maps_and_their_halves_agree_with_importance(finished):
    maps = load_maps(Store(finished), "roberta", "arcs.sst2", 0)
    assert list(maps)[:3] == ["MST", "MST, log", "MAX"]
    assert {"det", "amod", "punct", "attention on gold arcs"} <= maps.keys()
    halved = load_halves(Store(finished), map_name("roberta", "arcs", 0))
    whole = load_maps(Store(finished), "roberta", "arcs", 0)
    np.testing.assert_allclose(halved["det"].mean(0), whole["det"])  # six sentences in each
    rows = found(finished, stage="map agreement", metric="spearman")
    pairs = {(row.method, row.other_task, row.task) for row in rows}
    tasks = {("", "mlm"), ("", "sst2"), ("sst2", "sst2")}
    assert pairs <= {(kind, *both) for kind in ("arcs", "attention") for both in tasks}
    assert ("attention", "", "mlm") in pairs
    assert all(-1 <= row.value <= 1 for row in rows)
    between = found(finished, stage="agreement of kinds of maps", metric="spearman")
    assert {row.task for row in between} <= {"mlm", "sst2"}


@pytest.mark.slow
def test_some_sentences_are_there_to_be_drawn(finished):
    drawn = json.loads((finished / "examples" / "roberta-arcs-0.json").read_text())
    assert len(drawn) == 2
    assert len(drawn[0]["gold"]) == 3
    assert len(drawn[0]["drawn"]) == 2
    views = json.loads((finished / "views" / "roberta-arcs-0.json").read_text())
    heads = {name.partition(", ")[2] for name in drawn[0]["drawn"]}
    assert len(views) == 2 * len(heads)  # a head that is best at both is shown once
    for view in views:
        assert f"layer {view['layer']} head {view['head']}" in heads
        assert view["words"] in [each["words"] for each in drawn]
        assert np.shape(view["weights"]) == (4, 4)  # special tokens are dropped
    named = [name for view in views[: len(heads)] for name in view["title"].split("; ")]
    assert set(named) == set(drawn[0]["drawn"])
