"""Tasks of one's own on the command line, from a file to a model: what it writes and says."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.data.tokens import load_tokenizer
from jaxheads.importance import load_scores
from jaxheads.models.checkpoint.convert import load_model, save_model
from tests.support.reviews import reviews

TOPICS = ("sport", "art", "news", "food")  # in no order


def topic_rows(count: int = 24) -> list[dict]:
    rows = enumerate(reviews(count))
    return [{"review": row["sentence"], "topic": TOPICS[3 * n % 4]} for n, row in rows]


@pytest.fixture
def topics(tmp_path) -> Path:
    """A CSV of four classes with names."""
    with (tmp_path / "topics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ("review", "topic"))
        writer.writeheader()
        writer.writerows(topic_rows())
    return tmp_path / "topics.csv"


@pytest.fixture(scope="session")
def classifier(checkpoint) -> Path:
    """A model whose classes stand in another order than in the data."""
    return checkpoint("classification", ("news", "food", "sport", "art"))


OWN = ("--task", "classify", "--text", "review", "--label", "topic")


def run(verb: str, model, *words) -> int:
    return main([verb, "--model", str(model), *map(str, words)])


def turned(model: Path, to: Path, labels: tuple[str, ...]) -> Path:
    """The model with its outputs in the order of these labels."""
    found = load_model(model)
    order = [found.readout.labels.index(label) for label in labels]
    out = {
        name: leaf[..., np.array(order)] for name, leaf in found.params["readout"]["out"].items()
    }
    found = found._replace(
        params={**found.params, "readout": {**found.params["readout"], "out": out}},
        readout=dataclasses.replace(found.readout, labels=labels),
    )
    save_model(found, to, tokenizer=load_tokenizer(model))
    return to


def test_the_order_of_labels_does_not_matter(classifier, topics, tmp_path, capsys):
    other = turned(classifier, tmp_path / "other", TOPICS)
    found = []
    for name, model in (("a", classifier), ("b", other)):
        assert run("score", model, *OWN, "--data", topics, "--out", tmp_path / f"{name}.npz") == 0
        capsys.readouterr()
        assert run("evaluate", model, *OWN, "--data", topics, "--out", tmp_path / "m.json") == 0
        metrics = json.loads((tmp_path / "m.json").read_text())["metrics"]["all 8 heads"]
        found.append((load_scores(tmp_path / f"{name}.npz").score_LH, metrics))
        assert f"{'f1_macro':16}  {metrics['f1_macro']:.4f}" in capsys.readouterr().out
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


def test_a_model_that_counts_its_classes_is_told_their_names(classifier, topics, tmp_path, capsys):
    model, names = load_model(classifier), ("news", "food", "sport", "art")
    counted = dataclasses.replace(model.readout, labels=tuple(f"LABEL_{n}" for n in range(4)))
    save_model(
        model._replace(readout=counted), tmp_path / "c", tokenizer=load_tokenizer(classifier)
    )
    words = (*OWN, "--data", topics, "--out")
    assert run("score", tmp_path / "c", *words, tmp_path / "a.npz") == 2
    said = capsys.readouterr().err
    assert "topics.csv:2: topic: expected one of 0 (LABEL_0), 1 (LABEL_1)" in said
    given = ("--labels", ",".join(names))
    assert run("score", tmp_path / "c", *words, tmp_path / "a.npz", *given) == 0
    assert run("score", classifier, *words, tmp_path / "b.npz") == 0
    one, two = (load_scores(tmp_path / name).score_LH for name in ("a.npz", "b.npz"))
    assert np.array_equal(one, two)


def test_columns_of_0_and_1_may_stand_in_any_order(checkpoint, tmp_path, capsys):
    rows = [
        {"text": row["sentence"], "fun": n % 2, "long": int(n % 3 == 0)}
        for n, row in enumerate(reviews(12))
    ]
    data, model = write(tmp_path / "a.jsonl", rows), checkpoint("multilabel", ("long", "fun"))
    metrics = []
    for order in ("fun,long", "long,fun"):
        words = ("--task", "multilabel", "--label", order, "--data", data)
        assert run("evaluate", model, *words, "--out", tmp_path / "m.json") == 0
        metrics.append(json.loads((tmp_path / "m.json").read_text())["metrics"])
    assert metrics[0] == metrics[1]
    capsys.readouterr()
    assert run("evaluate", model, "--task", "multilabel", "--label", "fun", "--data", data) == 2
    assert (
        run("evaluate", model, "--task", "multilabel", "--label", "fun,wild", "--data", data) == 2
    )


def test_data_are_never_written_over(classifier, topics, tmp_path, capsys):
    kept = topics.read_bytes()
    assert run("evaluate", classifier, *OWN, "--data", topics, "--out", topics) == 2
    assert "--out: expected another place than the data, got" in capsys.readouterr().err
    data = ("--data", tmp_path / "tuned.jsonl", "--steps", 1, "--out", tmp_path / "tuned")
    assert run("train", classifier, *OWN, *data) == 2
    assert "--log: expected another place than the data, got" in capsys.readouterr().err
    assert topics.read_bytes() == kept


def test_a_log_replaces_no_other_file(checkpoint, topics, tmp_path, capsys):
    data = write(tmp_path / "topics.jsonl", topic_rows())
    kept = data.read_text()
    words = (
        *OWN,
        "--data",
        topics,
        "--steps",
        1,
        "--only",
        "readout",
        "--out",
        tmp_path / "topics",
    )
    assert run("train", checkpoint("masked_lm"), *words) == 2
    assert "topics.jsonl: expected a free place for the log" in capsys.readouterr().err
    assert data.read_text() == kept and not (tmp_path / "topics").exists()
    log = tmp_path / "log.jsonl"
    assert run("train", checkpoint("masked_lm"), *words, "--log", log) == 0
    assert "labels         art, food, news, sport" in capsys.readouterr().out
    again = (*words[:-1], tmp_path / "again")
    assert run("train", checkpoint("masked_lm"), *again, "--log", log) == 0  # an earlier log


def test_a_new_classifier_has_the_labels_of_the_data(checkpoint, topics, tmp_path):
    words = (*OWN, "--data", topics, "--steps", 2, "--out")
    assert run("train", checkpoint("masked_lm"), *words, tmp_path / "a") == 0
    assert load_model(tmp_path / "a").readout.labels == ("art", "food", "news", "sport")
    given = ("--labels", ",".join(TOPICS))
    assert run("train", checkpoint("masked_lm"), *words, tmp_path / "b", *given) == 0
    assert load_model(tmp_path / "b").readout.labels == TOPICS


def test_a_classifier_is_replaced_only_if_asked(sentiment, classifier, topics, tmp_path, capsys):
    words = (*OWN, "--data", topics, "--steps", 1, "--only", "readout", "--out")
    assert run("train", sentiment, *words, tmp_path / "a") == 2
    said = capsys.readouterr().err
    assert "has a classification readout for negative, positive; --new-classifier puts" in said
    assert not (tmp_path / "a").exists()
    assert run("train", sentiment, *words, tmp_path / "a", "--new-classifier") == 0
    assert load_model(tmp_path / "a").readout.labels == ("art", "food", "news", "sport")
    assert run("train", classifier, *words, tmp_path / "b") == 0
    assert load_model(tmp_path / "b").readout.labels == ("news", "food", "sport", "art")


def test_a_model_is_not_trained_on_labels_that_it_lacks(classifier, topics, tmp_path, capsys):
    with topics.open("a") as file:
        file.write("a tree,nature\n")
    words = (*OWN, "--data", topics, "--steps", 1, "--out", tmp_path / "a")
    assert run("train", classifier, *words) == 2
    assert "--new-classifier puts a new one in its place (the data have nature)" in (
        capsys.readouterr().err
    )


def test_a_model_below_the_baseline_is_told(sentiment, tmp_path, capsys):
    """A model that has learnt the labels the other way round, but for its names."""
    rows = [{"sentence": row["sentence"], "label": row["label"]} for row in reviews(40)]
    data, out = write(tmp_path / "a.jsonl", rows), tmp_path / "tuned"
    how = ("--task", "sst2", "--data", data)
    learning = ("--steps", 40, "--batch-size", 8, "--learning-rate", 0.02, "--out", out)
    assert run("train", sentiment, *how, *learning) == 0
    model = load_model(out)
    wrong = dataclasses.replace(model.readout, labels=("positive", "negative"))
    save_model(model._replace(readout=wrong), tmp_path / "wrong", tokenizer=load_tokenizer(out))
    capsys.readouterr()
    scores = tmp_path / "s.npz"
    assert run("score", out, *how, "--out", scores) == 0
    assert capsys.readouterr().err == ""
    right = load_scores(scores).measured["accuracy"]
    assert run("evaluate", tmp_path / "wrong", *how) == 0
    same = capsys.readouterr().err
    assert run("score", tmp_path / "wrong", *how, "--out", scores) == 0
    said = capsys.readouterr().err
    assert said == same
    value, baseline = load_scores(scores).measured["accuracy"]
    assert (value, baseline) == (pytest.approx(1 - right[0]), right[1])
    assert said.startswith(f"jaxheads: warning: accuracy {value:.4f} is below the majority-class")
    assert "(positive, negative)" in said


def test_heads_are_masked_where_a_model_is_measured(classifier, topics, tmp_path, capsys):
    scores, out = tmp_path / "s.npz", tmp_path / "m.json"
    assert run("score", classifier, *OWN, "--data", topics, "--out", scores) == 0
    chosen = ("--scores", scores, "--budget", 4)
    assert run("evaluate", classifier, *OWN, "--data", topics, *chosen, "--out", out) == 0
    found = json.loads(out.read_text())
    assert list(found["metrics"]) == ["all 8 heads", "4 heads"]
    assert found["majority_class_baseline"]["accuracy"] == 0.25
    smaller = ("--scores", scores, "--budget", 4, "--out", tmp_path / "smaller")
    assert run("prune", classifier, *smaller) == 0
    again = ("--data", topics, "--out", tmp_path / "n.json")
    assert run("evaluate", tmp_path / "smaller", *OWN, *again) == 0
    cut = json.loads((tmp_path / "n.json").read_text())["metrics"]["all 4 heads"]
    assert cut == pytest.approx(found["metrics"]["4 heads"], rel=1e-5)
    capsys.readouterr()
    both = ("--model", tmp_path / "smaller", *OWN, "--data", topics, *chosen)
    assert run("evaluate", classifier, *both, "--out", tmp_path / "o.json") == 0
    beside, said = json.loads((tmp_path / "o.json").read_text()), capsys.readouterr().out
    whole = f"{classifier.name}, all 8 heads"
    names = [whole, f"{classifier.name}, 4 heads", "smaller, all 4 heads"]
    assert list(beside["metrics"]) == list(beside["costs"]) == names
    metrics = [found["metrics"]["all 8 heads"], found["metrics"]["4 heads"], cut]
    assert list(beside["metrics"].values()) == metrics
    for name, place in ((whole, classifier), (names[2], tmp_path / "smaller")):
        size = sum(leaf.size for leaf in jax.tree.leaves(load_model(place).params))
        assert beside["costs"][name]["parameters"] == size
        assert beside["costs"][name]["ms, batch 16"] > 0
        assert f"{size:,}" in said
    assert run("evaluate", classifier, "--model", classifier, *OWN, "--data", topics) == 2
    assert "--model: expected different ones" in capsys.readouterr().err


def test_forward_only_methods_need_no_labels(checkpoint, topics, tmp_path):
    words = ("--task", "classify", "--text", "review", "--data", topics, "--method", "entropy")
    assert run("score", checkpoint("none"), *words, "--out", tmp_path / "s.npz") == 0
    assert load_scores(tmp_path / "s.npz").examples == 24


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--label", "subject"), "topics.csv:2: expected the fields review, subject, got review, "),
        (("--text", "a,b,c"), "task classify: text: expected one or two of the columns"),
        (("--delimiter", "::"), "data: delimiter: expected one character, got '::'"),
        (("--no-header",), "data: no header: expected the names of the columns (--columns)"),
        (("--labels", "a,b,c,d"), "--labels: expected the model's own, news, food, sport, art"),
        (("--task", "regress"), "task regress: expected a classification readout for regression"),
        (("--data", "own/news"), "'own/news' is neither a file nor in the cache"),
        (("--budget", "3"), "--scores and --budget: expected both or none"),
    ],
)
def test_what_does_not_fit_is_one_line(classifier, topics, capsys, words, said):
    given = {"--data": topics, **dict(zip(OWN[::2], OWN[1::2], strict=True))}
    kept = [str(word) for pair in given.items() if pair[0] not in words for word in pair]
    assert run("evaluate", classifier, *kept, *words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert len(err) <= 600


# -- several labels of a text, and labels of words


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def several(tmp_path) -> Path:
    names = [["fun"], [], ["fun", "long"], ["long"]]
    rows = enumerate(reviews(16))
    data = [{"review": row["sentence"], "topics": names[n % 4]} for n, row in rows]
    return write(tmp_path / "several.jsonl", data)


@pytest.fixture
def words(tmp_path) -> Path:
    """A CoNLL file whose last word is always a span."""
    lines = []
    for row in reviews(12):
        *first, last = row["sentence"].split()
        lines += [*(f"{word} O" for word in first), f"{last} B-NOUN", ""]
    (tmp_path / "words.conll").write_text("\n".join(lines) + "\n")
    return tmp_path / "words.conll"


KINDS = {
    "multilabel": ("--task", "multilabel", "--text", "review", "--label", "topics"),
    "tag": ("--task", "tag", "--text", "1", "--label", "2"),
}
READOUTS = {
    "multilabel": ("multilabel", ("long", "fun")),
    "tag": ("tagging", ("O", "B-NOUN")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_verb_takes_several_labels_and_words(kind, several, words, checkpoint, tmp_path):
    data, task = {"multilabel": several, "tag": words}[kind], KINDS[kind]
    model = checkpoint(*READOUTS[kind])
    out = [tmp_path / name for name in ("s.npz", "smaller", "tuned", "m.json", "n.json")]
    assert run("score", model, *task, "--data", data, "--out", out[0]) == 0
    assert run("prune", model, "--scores", out[0], "--budget", 4, "--out", out[1]) == 0
    words_of_train = (*task, "--data", data, "--held-out", data, "--steps", 30, "--batch-size", 8)
    learning = ("--learning-rate", 0.01, "--out", out[2])
    assert run("train", out[1], *words_of_train, *learning) == 0
    assert run("evaluate", out[1], *task, "--data", data, "--out", out[3]) == 0
    assert run("evaluate", out[2], *task, "--data", data, "--out", out[4]) == 0
    before, after = (json.loads(path.read_text())["metrics"]["all 4 heads"] for path in out[3:])
    assert load_model(out[2]).readout.labels == READOUTS[kind][1]
    assert after["loss"] < before["loss"]
    first = {"multilabel": "f1_micro", "tag": "span_f1"}[kind]
    assert after[first] > before[first]


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_several_labels_does_not_matter(kind, several, words, checkpoint, tmp_path):
    data, model = {"multilabel": several, "tag": words}[kind], checkpoint(*READOUTS[kind])
    other = turned(model, tmp_path / "other", READOUTS[kind][1][::-1])
    found = []
    for place in (model, other):
        out = tmp_path / "s.npz", tmp_path / "m.json"
        assert run("score", place, *KINDS[kind], "--data", data, "--out", out[0]) == 0
        assert run("evaluate", place, *KINDS[kind], "--data", data, "--out", out[1]) == 0
        metrics = json.loads(out[1].read_text())["metrics"]["all 8 heads"]
        found.append((load_scores(out[0]).score_LH, metrics))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


def test_a_new_tagger_has_the_labels_of_the_words(checkpoint, words, tmp_path):
    out = tmp_path / "tuned"
    given = (*KINDS["tag"], "--data", words, "--steps", 2, "--only", "readout", "--out", out)
    assert run("train", checkpoint("masked_lm"), *given) == 0
    assert load_model(out).readout.labels == ("B-NOUN", "O")
    assert load_model(out).readout.kind == "tagging"
