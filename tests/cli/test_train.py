"""`jaxheads train` from end to end: what it writes, and what it rejects."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxheads.data.tokens import load_tokenizer
from jaxheads.importance.scores import Scores, save_scores
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.storage.store import Store
from tests.support.reviews import reviews, write_jsonl
from tests.support.train_command import equal, lines, train


@pytest.fixture
def held_out(tmp_path) -> Path:
    return write_jsonl(tmp_path / "held_out.jsonl", reviews(20, start=60))


def test_a_model_is_fine_tuned_and_evaluated(sentiment, review_file, held_out, tmp_path, capsys):
    out = tmp_path / "tuned"
    assert train(sentiment, review_file, out, held_out=held_out, eval_every=6, dropout=0) == 0
    model = load_model(out)
    assert model.readout.labels == ("negative", "positive")
    assert load_tokenizer(out).vocab_size == model.config.vocab_size
    assert not equal(out, sentiment)
    log = lines(tmp_path / "tuned.jsonl")
    assert [line["step"] for line in log] == [3, 6, 6, 9, 12, 12]
    assert log[-2]["loss"] < log[0]["loss"] - 0.03
    evaluations = [line["metrics"] for line in log if "metrics" in line]
    assert [list(each) for each in evaluations] == [["accuracy", "loss"]] * 2
    text = capsys.readouterr().out
    assert "12 steps of 8 of 37 examples of sst2, seed 0" in text
    assert f"held out       accuracy {evaluations[-1]['accuracy']:.4f}" in text


def test_a_masked_lm_gets_a_new_readout_for_a_task(checkpoint, review_file, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / name
        model = checkpoint("masked_lm")
        assert train(model, review_file, out, only="readout", seed=seed, steps=2) == 0
    first, other = load_model(tmp_path / "a"), load_model(tmp_path / "c")
    assert equal(tmp_path / "a", tmp_path / "b")
    assert not np.array_equal(
        first.params["readout"]["dense"]["kernel"], other.params["readout"]["dense"]["kernel"]
    )
    body = load_model(checkpoint("masked_lm")).params["encoder"]
    for one, two in zip(*map(jax.tree.leaves, (body, first.params["encoder"])), strict=True):
        assert np.array_equal(one, two)


def test_a_text_is_trained_on_with_masks(checkpoint, text_file, tmp_path):
    out = tmp_path / "lm"
    given = {"task": "mlm", "max_length": 16, "held_out": text_file, "only": "readout"}
    assert train(checkpoint("masked_lm"), text_file, out, **given) == 0
    last = lines(tmp_path / "lm.jsonl")[-1]
    assert list(last["metrics"]) == ["loss", "accuracy"]
    assert load_model(out).readout.kind == "masked_lm"


@pytest.fixture
def scores(tmp_path) -> Path:
    """Scores [2, 4] that prefer the last heads of each layer."""
    score_LH = np.arange(8.0).reshape(2, 4) % 4
    save_scores(tmp_path / "s.npz", Scores(score_LH, "gradient", "example", 1))
    return tmp_path / "s.npz"


def test_a_model_is_cut_or_masked_and_then_trained(sentiment, review_file, scores, tmp_path):
    given = {"scores": scores, "budget": 4, "steps": 3, "only": "readout"}
    assert train(sentiment, review_file, tmp_path / "cut", "--cut", **given) == 0
    assert train(sentiment, review_file, tmp_path / "masked", **given) == 0
    assert load_model(tmp_path / "cut").config.kept == ((2, 3), (2, 3))
    masked = load_model(tmp_path / "masked")
    assert masked.config.kept is None
    for stack in ("stack0", "stack1"):
        out_nHKD = np.asarray(masked.params["encoder"][stack]["attention"]["out"]["kernel"])
        assert not out_nHKD[:, :2].any()
        assert out_nHKD[:, 2:].any()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--resume"], "--resume: expected --checkpoints with it"),
        (["--best", "--save-every", "2"], "--best: .*; --save-every: expected --checkpoints"),
        (["--budget", "3"], "--scores and --budget: expected both or none"),
        (["--cut"], "--cut: expected --scores and --budget with it"),
        (["--steps", "0"], "--steps: expected at least 1, got 0"),
        (["--only", "gate"], "--only"),
        (["--only", "readout", "--frozen-steps", "1"], "--only readout: expected it without"),
        (["--frozen-steps", "13"], "frozen_steps: expected at most the 12 steps, got 13"),
        (["--encoder-learning-rate", "0"], "encoder_learning_rate: expected a positive number"),
        (["--task", "stsb"], "readout for negative, positive; --new-classifier puts a new one"),
        (["--whole-words"], "--whole-words: expected a masked-LM task, got sst2"),
    ],
)
def test_bad_words_are_one_line(sentiment, review_file, tmp_path, more, message, capsys):
    assert train(sentiment, review_file, tmp_path / "out", *more) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert re.search(message, error)


def test_a_used_place_is_rejected_before_training(sentiment, review_file, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    assert train(sentiment, review_file, tmp_path / "out") == 2
    assert "out: expected a free place" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["data=1", "data=2,model=2"])
def test_the_best_step_can_be_written(sentiment, review_file, held_out, tmp_path, capsys, mesh):
    given = {"held_out": held_out, "eval_every": 1, "learning_rate": 0.1, "steps": 6, "mesh": mesh}
    out, kept = tmp_path / "best", tmp_path / "kept"
    assert train(sentiment, review_file, out, "--best", checkpoints=kept, **given) == 0
    evaluations = [line for line in lines(tmp_path / "best.jsonl") if "metrics" in line]
    best = max(line["metrics"]["accuracy"] for line in evaluations)
    text = capsys.readouterr().out
    assert f"held out       accuracy {best:.4f}" in text
    assert (
        train(out, review_file, tmp_path / "again", steps=1, learning_rate=1e-30, held_out=held_out)
        == 0
    )
    again = lines(tmp_path / "again.jsonl")[-1]["metrics"]["accuracy"]
    assert again == pytest.approx(best)


def test_checkpoints_elsewhere_are_taken_up_from_there(
    sentiment, review_file, tmp_path, monkeypatch, memory
):
    put, once = [], Store.put
    monkeypatch.setattr(Store, "put", lambda *words: (put.append(words[2]), once(*words)))
    given = {"steps": 4, "save_every": 2, "limit": 8, "checkpoints": "memory://kept/run"}
    assert train(sentiment, review_file, tmp_path / "a", **given) == 0
    steps = {Path(path).relative_to("/kept/run").parts[0] for path in memory.find("/kept/run")}
    assert steps == {"2", "4"}
    assert put == ["2", "4"]  # each as soon as it was complete
    memory.rm("/kept/run/4", recursive=True)
    assert train(sentiment, review_file, tmp_path / "b", "--resume", **given) == 0
    assert equal(tmp_path / "a", tmp_path / "b")
    assert lines(tmp_path / "a.jsonl") == lines(tmp_path / "b.jsonl")
    assert memory.isdir("/kept/run/4")
