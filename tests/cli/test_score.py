"""`jaxheads score` from end to end: what it writes, and what it rejects without writing."""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.cli.options.score import ScoreOptions
from jaxheads.cli.score import METHODS
from jaxheads.config import ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.data.tasks.labels import class_numbers
from jaxheads.data.tasks.named import TASKS
from jaxheads.data.tokens import load_tokenizer
from jaxheads.importance import load_scores
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.objectives import objective_for
from tests.support.reviews import reviews, write_jsonl


def score(model, task, data, out, *words) -> int:
    given = {"--model": model, "--task": task, "--data": data, "--out": out}
    named = (str(word) for pair in given.items() if pair[1] is not None for word in pair)
    return main(["score", *named, *map(str, words)])


def by_hand(model, file):
    """The mean over examples of |dloss/dgate|, one sentence of exact length at a time."""
    model, tokenizer = load_model(model), load_tokenizer(model)
    objective = objective_for(model.config, model.readout)

    @jax.jit
    def gradient(tokens, label):
        real = jnp.ones(tokens.shape, bool)
        batch = Batch(tokens, real, jnp.zeros_like(tokens), label, jnp.ones(1), jnp.zeros(1, int))
        return jax.grad(lambda gate: objective(model.params, gate, batch, None).loss_B.sum())(
            jnp.ones((2, 4))
        )

    found = []
    for line in file.read_text().splitlines():
        row = json.loads(line)
        ids = tokenizer.encode([row["sentence"]]).ids
        found.append(np.abs(gradient(jnp.asarray(ids), jnp.asarray([row["label"]]))))
    return np.mean(found, axis=0, dtype=np.float64)


def test_the_scores_are_those_of_one_sentence_at_a_time(sentiment, tmp_path):
    file = write_jsonl(tmp_path / "few.jsonl", reviews(12))
    assert score(sentiment, "sst2", file, tmp_path / "s.npz") == 0
    with np.load(tmp_path / "s.npz") as found:
        assert found["score"].shape == (2, 4)
        assert found["score"].dtype == np.float64
        np.testing.assert_allclose(found["score"], by_hand(sentiment, file), rtol=1e-4)
        assert {key: found[key].item() for key in ("method", "unit", "examples", "model")} == {
            "method": "gradient", "unit": "example", "examples": 12, "model": str(sentiment),
        }  # fmt: skip


def test_devices_and_batch_sizes_do_not_matter(sentiment, review_file, tmp_path):
    ways = [("--mesh", "data=1", "--batch-size", 32), ("--mesh", "data=8", "--batch-size", 7)]
    for number, words in enumerate(ways):
        assert score(sentiment, "sst2", review_file, tmp_path / f"{number}.npz", *words) == 0
    one, eight = (load_scores(tmp_path / f"{number}.npz") for number in range(2))
    np.testing.assert_allclose(one.score_LH, eight.score_LH, rtol=1e-5)
    assert one.examples == eight.examples == 37


def test_the_metrics_come_from_the_pass_that_scores(sentiment, review_file, tmp_path, monkeypatch):
    given = ["--model", sentiment, "--task", "sst2", "--data", review_file]
    assert not main(["evaluate", *map(str, given), "--out", str(tmp_path / "e.json")])
    (metrics,) = json.loads((tmp_path / "e.json").read_text())["metrics"].values()
    monkeypatch.setattr("jaxheads.cli.score.measure", None)  # which would be a pass more
    assert score(sentiment, "sst2", review_file, tmp_path / "s.npz") == 0
    found = {name: value for name, (value, _) in load_scores(tmp_path / "s.npz").measured.items()}
    assert found == pytest.approx(metrics, abs=1e-6)


def test_the_table_names_the_best_and_the_worst_heads(sentiment, review_file, tmp_path, capsys):
    assert score(sentiment, "sst2", review_file, tmp_path / "s.npz", "--limit", 9) == 0
    lines = capsys.readouterr().out.splitlines()
    best = np.unravel_index(load_scores(tmp_path / "s.npz").score_LH.argmax(), (2, 4))
    assert "2 layers x 4 heads, gradient per example, 9 examples of sst2 in" in lines[0]
    found = load_scores(tmp_path / "s.npz").measured
    assert list(found) == ["loss", "accuracy"]
    assert (
        lines[2] == f"{'accuracy':16}  {found['accuracy'][0]:.4f}  majority-class baseline 0.5556"
    )
    assert tuple(map(int, lines[4].split()[1:3])) == best
    assert len(lines) == 4 + 8 + 1
    assert lines[-1] == f"wrote {tmp_path / 's.npz'}"


def test_a_masked_lm_is_scored_on_a_text(checkpoint, text_file, tmp_path):
    model, words = checkpoint("masked_lm"), ["--max-length", 16]
    outs = [tmp_path / f"{name}.npz" for name in ("a", "b", "c")]
    assert score(model, "mlm", text_file, outs[0], *words, "--batch-size", 5) == 0
    assert score(model, "mlm", text_file, outs[1], *words, "--limit", 4) == 0
    assert score(model, "mlm", text_file, outs[2], *words, "--limit", 4, "--seed", 1) == 0
    whole, four, others = map(load_scores, outs)
    assert whole.examples > four.examples == others.examples == 4
    assert (four.score_LH > 0).all()
    assert not np.allclose(four.score_LH, others.score_LH)  # other words were masked


def test_methods_without_a_loss_need_no_readout(checkpoint, review_file, tmp_path):
    model = checkpoint("none")
    assert score(model, "sst2", review_file, tmp_path / "c.npz", "--method", "confidence") == 0
    assert load_scores(tmp_path / "c.npz").examples == 37


@pytest.mark.parametrize("method", ["magnitude", "random"])
def test_methods_without_data_need_no_task(checkpoint, tmp_path, capsys, method):
    model = checkpoint("none")
    assert score(model, None, None, tmp_path / "m.npz", "--method", method) == 0
    assert load_scores(tmp_path / "m.npz").examples == 0
    assert "2 layers x 4 heads" in capsys.readouterr().out
    assert score(model, None, None, tmp_path / "e.npz", "--method", "entropy") == 2
    assert "expected --task for the method entropy" in capsys.readouterr().err
    assert not (tmp_path / "e.npz").exists()


def test_methods_without_a_loss_see_a_text_as_it_is(checkpoint, tmp_path):
    """As a sentence is seen of which nothing is masked, and alike with every seed."""
    model, row = checkpoint("masked_lm"), reviews(1)[0]
    sentence, text = write_jsonl(tmp_path / "one.jsonl", [row]), tmp_path / "one.txt"
    text.write_text(row["sentence"] + "\n")
    ways = (("sst2", sentence, 0), ("mlm", text, 0), ("mlm", text, 1))
    found = []
    for number, (task, file, seed) in enumerate(ways):
        out, words = tmp_path / f"{number}.npz", ("--method", "entropy", "--seed", seed)
        assert score(model, task, file, out, "--max-length", 16, *words) == 0
        found.append(load_scores(out).score_LH)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    np.testing.assert_array_equal(found[2], found[1])


def test_each_word_names_its_method_and_those_without_a_loss_are_known(tmp_path):
    words = {"model": "m", "task": "sst2", "out": tmp_path / "s.npz"}
    made = {
        name: METHODS[name](ScoreOptions(method=name, pruner=pruner, **words))
        for name in METHODS
        for pruner in ("builtin:pruner" if name == "meta" else None,)
    }
    assert all(method.name == name for name, method in made.items())
    without = [name for name, method in made.items() if not method.needs_loss]
    assert without == ["confidence", "entropy", "output_norm", "meta", "magnitude", "random"]
    assert [name for name in made if not made[name].reads_examples] == ["magnitude", "random"]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_a_word_of_the_command_line(sentiment, review_file, tmp_path, method):
    out = tmp_path / "s.npz"
    words = ("--pruner", "builtin:pruner") if method == "meta" else ()
    assert score(sentiment, "sst2", review_file, out, "--method", method, "--limit", 5, *words) == 0
    assert np.isfinite(load_scores(out).score_LH).all()


def test_own_targets_take_no_notice_of_labels(sentiment, tmp_path):
    turned = [{**row, "label": 1 - row["label"]} for row in reviews(9)]
    found = {}
    for name, rows in (("given", reviews(9)), ("turned", turned)):
        file = write_jsonl(tmp_path / f"{name}.jsonl", rows)
        for words in ((), ("--own-targets",)):
            out = tmp_path / "s.npz"
            assert score(sentiment, "sst2", file, out, *words) == 0
            found[name, bool(words)] = load_scores(out).score_LH
    assert np.array_equal(found["given", True], found["turned", True])
    assert not np.allclose(found["given", False], found["turned", False])


def test_gradients_are_kept_example_by_example(sentiment, review_file, tmp_path):
    kept = tmp_path / "kept.npy"
    out = tmp_path / "s.npz"
    assert score(sentiment, "sst2", review_file, out, "--keep-gradients", kept) == 0
    effects = np.load(kept)
    assert effects.shape == (37, 2, 4)
    expected = load_scores(out).score_LH
    np.testing.assert_allclose(np.abs(effects).mean(0, dtype=np.float64), expected, rtol=1e-6)


def test_classes_in_another_order_are_matched_by_name(sentiment, review_file, tmp_path):
    """The same model with its two outputs exchanged, names and all, has the same scores."""
    model = load_model(sentiment)
    out = {name: leaf[..., ::-1] for name, leaf in model.params["readout"]["out"].items()}
    turned = model._replace(
        params={**model.params, "readout": {**model.params["readout"], "out": out}},
        readout=dataclasses.replace(model.readout, labels=("Positive", "Negative")),
    )
    save_model(turned, tmp_path / "turned", tokenizer=load_tokenizer(sentiment))
    assert score(sentiment, "sst2", review_file, tmp_path / "1.npz") == 0
    assert score(tmp_path / "turned", "sst2", review_file, tmp_path / "2.npz") == 0
    one, two = (load_scores(tmp_path / name).score_LH for name in ("1.npz", "2.npz"))
    np.testing.assert_allclose(one, two, rtol=1e-5)


def test_named_tasks_meet_models_by_name():
    def order(*labels):
        return class_numbers(TASKS["mnli"], ReadoutConfig("classification", labels))

    assert order("LABEL_0", "LABEL_1", "LABEL_2") == (0, 1, 2)
    assert order("CONTRADICTION", "NEUTRAL", "ENTAILMENT") == (2, 1, 0)
    two = ReadoutConfig("classification", ("not-entailment", "entailment"))
    assert class_numbers(TASKS["rte"], two) == (1, 0)


# -- what is rejected


def refused(capsys, problem):
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("jaxheads: error: ")
    assert err.count("\n") == 1
    assert problem in err


FAULTS = {
    "no such task": (["--task", "sst3"], "task: expected one of cola, sst2"),
    "no such method": (["--method", "guess"], "method: expected one of gradient"),
    "no such unit": (["--unit", "mean"], "unit of gradient: expected one of example"),
    "three classes": (
        ["--task", "sick"],
        "task sick: expected a classification or pair readout for 3 classes, got a classification "
        "readout with 2 labels",
    ),
    "no masked LM": (["--task", "mlm"], "task mlm: expected a masked LM, got a classification"),
    "no such file": (["--data", "nowhere.jsonl"], "nowhere.jsonl"),
    "no such model": (["--model", "./nowhere"], "nowhere"),
    "a long sentence": (["--max-length", "4"], "reviews.jsonl:1: expected at most 4 tokens"),
    "too many devices": (["--mesh", "data=9"], "mesh: expected data x model = 8 devices"),
    "no such folder": (["--out", "reviews.jsonl/s.npz"], "reviews.jsonl"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_is_one_line_and_nothing_is_written(
    fault, sentiment, review_file, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words, problem = FAULTS[fault]
    usual = {"--model": sentiment, "--task": "sst2", "--data": "reviews.jsonl"}
    usual |= {"--out": "deep/s.npz"}
    kept = [str(word) for pair in usual.items() if pair[0] not in words for word in pair]
    assert main(["score", *kept, *words]) == 2
    refused(capsys, problem)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reviews.jsonl"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "bad.jsonl"),
        (b'{"text": "a cat", "label": 1}\n', "bad.jsonl:1: expected the fields sentence, label"),
        (b'{"sentence": "a cat", "label": 2}\n', "bad.jsonl:1: label: expected one of 0"),
        (b'{"sentence": "a cat", "label": 1}\n{"sent\n', "bad.jsonl:2"),
        (b'{"sentence": "a c\xe4t", "label": 1}\n', "bad.jsonl:1"),
        (
            json.dumps({"sentence": "cat " * 10_000, "label": 1}).encode(),
            "bad.jsonl:1: expected at most 32 tokens, got",
        ),
    ],
    ids=str,
)
def test_a_bad_example_is_named(text, problem, sentiment, tmp_path, capsys):
    file = tmp_path / "bad.jsonl"
    file.write_bytes(text)
    assert score(sentiment, "sst2", file, tmp_path / "new" / "s.npz") == 2
    refused(capsys, problem)
    assert not (tmp_path / "new").exists()


def test_a_classifier_is_needed_and_said(checkpoint, review_file, tmp_path, capsys):
    assert score(checkpoint("masked_lm"), "sst2", review_file, tmp_path / "s.npz") == 2
    refused(capsys, "got a masked_lm readout; such a model comes from fine-tuning on the task")


def test_a_text_is_needed_for_masked_lm(checkpoint, tmp_path, capsys):
    assert score(checkpoint("masked_lm"), "mlm", None, tmp_path / "s.npz") == 2
    refused(capsys, "task mlm: expected a text with --data FILE, got none")


def test_a_tokenizer_of_another_model_is_rejected(checkpoint, review_file, tmp_path, capsys):
    model = checkpoint("classification", ("a", "b"), vocab_size=100)
    assert score(model, "sst2", review_file, tmp_path / "s.npz") == 2
    refused(capsys, "the tokenizer does not fit the encoder: vocab_size: expected at most 100")


def test_scores_that_exist_are_replaced_only_when_complete(sentiment, review_file, tmp_path):
    out = tmp_path / "s.npz"
    out.write_text("older")
    assert score(sentiment, "sst2", review_file, out, "--max-length", 4) == 2
    assert out.read_text() == "older"
    assert score(sentiment, "sst2", review_file, out) == 0
    assert load_scores(out).examples == 37
