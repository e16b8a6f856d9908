"""The study of constituents on a tiny model and a small treebank, beside counts by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jaxheads.analysis.spans import f1_by_sentence
from jaxheads.records.head_maps import load_halves, load_maps
from jaxheads.report.folder import read_study
from jaxheads.report.write import report
from jaxheads.storage.store import Store
from jaxheads.studies.luo2021.constituents import load_counts
from tests.support.found import having, value_of
from tests.support.reviews import reviews, write_jsonl
from tests.support.tiny_study import bounded, found, study, write_study

pytestmark = pytest.mark.slow  # whole studies of tiny models

TREE = "(S (NP (DT a) (JJ {}) (CC a) (JJ {}) (NN f)) (VP (VBZ c) (NP (DT a) (NN c))))"  # 14 pieces
WORDS = "bdgkmp"
TREES = [TREE.format(one, two) for one in WORDS for two in WORDS if one != two]
ODD = (
    "(S (NN c))",  # one word
    "(S (. .) (, ,))",  # no word
    f"(S {' '.join('(NN c)' for _ in range(40))})",  # more than the model's 16 positions
)
JSD = {"reading": "jsd", "setting": 0.0}  # without a bias
SETTINGS = """

import dataclasses

from jaxheads.studies.settings import Luo2021

RUN = dataclasses.replace(
    RUN,
    tasks=(task("mrpc"), task("rte")),
    scoring=ScoringSettings(examples=16, ablated=0, rescored=0, batch_size=16),
    curve=CurveSettings(points=2, draws=2, readings=(), batch_size=16),
    study=Luo2021(
        tune=DATA / "tune.mrg", test=DATA / "test.mrg", tune_sentences=12, controls=1, examples=2,

    ),
)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("luo")
    config = write_study(folder, models=1)
    for split, rows in (("train", reviews(48)), ("held_out", reviews(24, start=60))):
        texts = [row["sentence"] for row in rows]
        pairs = [
            {"sentence1": text, "sentence2": other, "label": row["label"]}
            for row, text, other in zip(rows, texts, texts[1:] + texts[:1], strict=True)
        ]
        for task in ("mrpc", "rte"):
            write_jsonl(folder / f"{task}.{split}.jsonl", pairs)
    config.write_text(config.read_text() + SETTINGS)
    (folder / "tune.mrg").write_text("\n".join(TREES[:20]))
    (folder / "test.mrg").write_text("\n".join((*TREES[20:], *ODD)))
    assert study(config, folder / "out") == 0
    return folder / "out"


def value(finished, **what) -> float:
    return value_of(found(finished), **what)


def test_what_cannot_be_scored_is_counted(finished):
    rows = found(finished, stage="treebank", method="test")
    counts = {row.metric: row.value for row in rows}
    assert counts == {
        "sentences": 10, "words": 80, "words without pieces": 0,
        "left out, fewer than two words": 2, "left out, without pieces": 0,
        "left out, too long": 1, "words left out, of unknown tags": 0,
    }  # fmt: skip
    assert value(finished, stage="treebank", method="tune", metric="sentences") == 12


def test_f1_meets_importance_and_says_how_far_it_repeats(finished):
    what = {"stage": "map agreement", "metric": "spearman", "method": "spans", "reading": "F1"}
    assert {row.task for row in found(finished, **what)} == {"mlm", "mrpc", "rte"}
    rows = found(finished, other_task="mrpc", **what)
    assert {(row.task, row.seed) for row in rows} == {("mrpc", 0), ("mrpc", 1)}
    halves = load_halves(Store(finished), "maps/roberta-spans-0.npz")
    counts = load_counts(Store(finished), "roberta", "jsd")
    every_XLH = f1_by_sentence(counts)
    middle = len(every_XLH) // 2
    for half_LH, own in zip(halves["F1"], (every_XLH[:middle], every_XLH[middle:]), strict=True):
        np.testing.assert_allclose(half_LH, own.mean(0))


def test_baselines_have_the_scores_of_the_one_tree_there_is(finished):
    """Of 0-5, 5-8, 6-8: right-branching has 5-8 and 6-8 of 6 spans, left-branching 0-5."""
    what = {"stage": "tree baselines", "metric": "sentence F1"}
    assert value(finished, method="right", **what) == pytest.approx(4 / 9)
    assert value(finished, method="equal", **what) == pytest.approx(4 / 9)
    assert value(finished, method="left", **what) == pytest.approx(2 / 9)
    assert value(finished, stage="tree baselines", method="right", metric="VP") == 1
    rows = found(finished, stage="tree baselines")
    assert {"random", "attention, near", "oracle"} <= {row.method for row in rows}
    assert all(map(bounded, rows))
    (right,) = having(rows, metric="sentence F1", method="right")
    assert np.isnan(right.low)  # the same in all sentences
    random = having(rows, metric="sentence F1", method="random")
    (every,) = (row for row in random if row.draws)
    assert every.low < every.value
    values = {row.draw: row.value for row in random if row.draw is not None}
    assert every.value == pytest.approx(np.mean(list(values.values())))
    assert (every.draws, values.keys()) == (5, {0, 1, 2, 3, 4})


def test_the_best_head_is_that_of_the_maps_on_the_tune_section(finished):
    for task, file, seed in (("mlm", "spans", 0), ("mrpc", "spans.mrpc", 1)):
        maps = load_maps(Store(finished), "roberta", file, seed)
        what = {"stage": "best head", "metric": "sentence F1", **JSD}
        (row,) = found(finished, task=task, seed=seed, **what)
        assert row.value == pytest.approx(maps["F1"][row.layer, row.head])
        assert bounded(row)
    assert len(found(finished, stage="best head", task="mlm", metric="NP")) == 4  # readings
    assert len(found(finished, stage="best head", task="rte", seed=0, metric="NP")) == 2


def test_margins_are_the_best_heads_less_the_baselines(finished):
    best = found(finished, stage="best head", task="mlm", metric="NP")
    for row in best:
        margin = value(
            finished, stage="best head less baseline", metric="NP", reading=row.reading,
            method="best head", other_method="right", setting=row.setting,
        )  # fmt: skip
        null = value(finished, stage="tree baselines", method="right", metric="NP")
        assert margin == pytest.approx(row.value - null)


def test_changes_are_those_of_the_kept_counts(finished):
    before = f1_by_sentence(load_counts(Store(finished), "roberta", "jsd"))
    after = [
        f1_by_sentence(load_counts(Store(finished), f"roberta-rte-{seed}", "jsd"))
        for seed in (0, 1)
    ]
    change = np.mean(after, axis=0).mean((0, 2)) - before.mean((0, 2))
    what = {"stage": "change", "task": "rte", **JSD}
    for layer in (0, 1):
        assert value(finished, layer=layer, **what) == pytest.approx(change[layer])
    assert value(finished, place="upper layers", **what) == pytest.approx(change[1])
    what = {"stage": "change by kind", **JSD, "place": "all layers"}
    one, two, both = (
        value(finished, method=kind, other_method=other, **what)
        for kind, other in (("similarity", ""), ("entailment", ""), ("similarity", "entailment"))
    )
    assert two == pytest.approx(change.mean())
    assert both == pytest.approx(one - two)


def test_masking_ends_agree_and_every_order_is_there(finished):
    rows = found(finished, stage="masked by ability", task="rte", metric="accuracy", seed=1)
    assert {row.method for row in rows} == {
        "best", "worst", "random", "like best", "like worst", "best of layer", "worst of layer",
        "random of layer",
    }  # fmt: skip
    assert {row.budget for row in rows} == {8, 4, 0}
    for budget in (8, 0):
        assert len({row.value for row in rows if row.budget == budget}) == 1
    draws = {row.draw for row in having(rows, method="like best")}
    assert draws == {2, 3}  # the second seed's own
    assert len(found(finished, stage="contrast by ability", task="rte")) == 5
    assert len(found(finished, stage="layer masked", task="rte", metric="accuracy", seed=0)) == 2


def test_ensembles_begin_with_the_first_head_of_their_ranking(finished):
    rows = found(finished, stage="ensembles")
    assert {row.budget for row in rows} == set(range(1, 9))
    assert {(row.reading, row.setting, row.method) for row in rows} == {
        ("jsd", bias, ranking)
        for bias in (0.0, 1.5)
        for ranking in ("contrast", "sharpness", "F1 on tune")
    }
    first = value_of(rows, **JSD, method="F1 on tune", budget=1)
    what = {"stage": "best head", "metric": "sentence F1", **JSD}
    assert first == pytest.approx(value(finished, task="mlm", **what))


def test_examples_are_whole_trees_and_the_page_shows_all(finished):
    kept = json.loads((finished / "trees" / "roberta.json").read_text())
    assert len(kept) == 2
    for each in kept:
        assert len(each["found"]) == len(each["words"]) - 1
        assert [0, len(each["words"])] in each["found"]
        assert ["VP", 5, 8] in each["gold"]
    views = json.loads((finished / "views" / "roberta-spans-0.json").read_text())
    assert [view["words"] for view in views] == [each["words"] for each in kept]
    for view, each in zip(views, kept, strict=True):
        assert each["head"] == f"layer {view['layer']} head {view['head']}"
        assert view["title"] == f"F1 {each['f1']:.3f}"
        np.testing.assert_allclose(np.sum(view["weights"], 1), 1, atol=0.005)
    assert len(read_study(finished).trees) == 2
    told = report(finished)
    for question in ("Do heads know constituents?", "Do tasks need the heads that know"):
        assert question in told
    page = (finished / "report" / "index.html").read_text()
    for name in (
        "constituents-roberta", "brackets-roberta-0", "ensembles-roberta-jsd", "change-roberta-jsd",
        "layers-roberta-jsd", "ability-roberta-all", "ability-roberta-layers",
        "ability-roberta-without-layer", "constituency-best", "constituency-chosen",
        "constituency-margins", "constituency-change", "constituency-kinds",
        "constituency-areas", "constituency-masking",
    ):  # fmt: skip
        assert f'id="{name}"' in page, name
    assert "Further rows" not in page
