"""`jaxheads train` from end to end: what it writes, what it refuses, and how it is stopped."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.data.tokens import load_tokenizer
from jaxheads.importance.scores import Scores, save_scores
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.storage import remote
from jaxheads.training.preempt import Preempted
from tests.studies.conftest import reviews, write_jsonl

WORDS = {"--task": "sst2", "--steps": 12, "--batch-size": 8, "--rate": 0.01, "--log-every": 3}


def words(model, data, out, *more, **changes) -> list[str]:
    given = {"--model": model, "--data": data, "--out": out, **WORDS}
    given |= {"--" + name.replace("_", "-"): value for name, value in changes.items()}
    named = (str(word) for pair in given.items() if pair[1] is not None for word in pair)
    return ["train", "--mesh", "data=1", *named, *map(str, more)]


def train(model, data, out, *more, **changes) -> int:
    return main(words(model, data, out, *more, **changes))


def params(path):
    return jax.tree.leaves(load_model(path).params)


def equal(one, two) -> bool:
    pairs = zip(params(one), params(two), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def lines(path: Path) -> list[dict]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "examples_per_s"} for line in found]


@pytest.fixture
def held_out(tmp_path) -> Path:
    return write_jsonl(tmp_path / "held_out.jsonl", reviews(20, start=60))


def test_a_model_is_fine_tuned_and_judged(sentiment, review_file, held_out, tmp_path, capsys):
    out = tmp_path / "tuned"
    assert train(sentiment, review_file, out, held_out=held_out, judge_every=6, dropout=0) == 0
    model = load_model(out)
    assert model.readout.labels == ("negative", "positive")
    assert load_tokenizer(out).vocab_size == model.config.vocab_size
    assert not equal(out, sentiment)
    log = lines(tmp_path / "tuned.jsonl")
    assert [line["step"] for line in log] == [3, 6, 6, 9, 12, 12]
    assert log[-2]["loss"] < log[0]["loss"] - 0.03
    judged = [line["metrics"] for line in log if "metrics" in line]
    assert [list(each) for each in judged] == [["accuracy", "loss"]] * 2
    text = capsys.readouterr().out
    assert "12 steps of 8 of 37 examples of sst2, seed 0" in text
    assert f"held out       accuracy {judged[-1]['accuracy']:.4f}" in text


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
        (["--task", "stsb"], "similarity|sentence1|score"),
        (["--whole-words"], "--whole-words: expected a masked-LM task, got sst2"),
    ],
)
def test_bad_words_are_one_line(sentiment, review_file, tmp_path, more, message, capsys):
    assert train(sentiment, review_file, tmp_path / "out", *more) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert re.search(message, error)


def test_a_used_place_is_refused_before_training(sentiment, review_file, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    assert train(sentiment, review_file, tmp_path / "out") == 2
    assert "out: expected a free place" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["data=1", "data=2,model=2"])
def test_the_best_step_can_be_written(sentiment, review_file, held_out, tmp_path, capsys, mesh):
    given = {"held_out": held_out, "judge_every": 1, "rate": 0.1, "steps": 6, "mesh": mesh}
    out, kept = tmp_path / "best", tmp_path / "kept"
    assert train(sentiment, review_file, out, "--best", checkpoints=kept, **given) == 0
    judged = [line for line in lines(tmp_path / "best.jsonl") if "metrics" in line]
    best = max(line["metrics"]["accuracy"] for line in judged)
    text = capsys.readouterr().out
    assert f"held out       accuracy {best:.4f}" in text
    assert train(out, review_file, tmp_path / "again", steps=1, rate=1e-30, held_out=held_out) == 0
    again = lines(tmp_path / "again.jsonl")[-1]["metrics"]["accuracy"]
    assert again == pytest.approx(best)


# -- stopped


def start(*argv) -> subprocess.Popen:
    code = "import sys; from jaxheads.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(log: Path, count: int, process: subprocess.Popen) -> None:
    """Until the log has so many lines."""
    while process.poll() is None and (not log.exists() or log.read_text().count("\n") < count):
        time.sleep(0.01)


def saved(folder: Path) -> dict:
    """What the newest checkpoint says of itself: fingerprints of parameters and moments."""
    newest = max(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
    return json.loads((folder / str(newest) / "run" / "metadata").read_text())


@pytest.mark.slow
def test_sigterm_saves_and_resuming_ends_in_the_same_bits(sentiment, review_file, tmp_path):
    given = {"steps": 60, "log_every": 1, "limit": 8}
    runs = [(tmp_path / name, {"checkpoints": tmp_path / f"{name}-kept"}) for name in "ab"]
    (whole, kept), (stopped, also) = runs
    process = start(*words(sentiment, review_file, stopped, **given, **also))
    wait_for(tmp_path / "b.jsonl", 3, process)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (Preempted.status, "")
    assert error.startswith("jaxheads: stopped at step ")
    assert error.count("\n") == 1
    assert not stopped.exists()
    for words_of in (
        words(sentiment, review_file, stopped, "--resume", **given, **also),
        words(sentiment, review_file, whole, **given, **kept),
    ):
        process = start(*words_of)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    assert equal(whole, stopped)
    assert saved(tmp_path / "a-kept")["bits"] == saved(tmp_path / "b-kept")["bits"]
    assert lines(tmp_path / "a.jsonl") == lines(tmp_path / "b.jsonl")


def test_checkpoints_elsewhere_are_taken_up_from_there(
    sentiment, review_file, tmp_path, monkeypatch, memory
):
    put = []
    monkeypatch.setattr(
        "jaxheads.cli.train.put_mirrors", lambda: (remote.put_mirrors(), put.append(1))
    )
    given = {"steps": 4, "save_every": 2, "limit": 8, "checkpoints": "memory://kept/run"}
    assert train(sentiment, review_file, tmp_path / "a", **given) == 0
    steps = {Path(path).relative_to("/kept/run").parts[0] for path in memory.find("/kept/run")}
    assert steps == {"2", "4"}
    assert len(put) == 2  # each as soon as it was complete
    memory.rm("/kept/run/4", recursive=True)
    assert train(sentiment, review_file, tmp_path / "b", "--resume", **given) == 0
    assert equal(tmp_path / "a", tmp_path / "b")
    assert lines(tmp_path / "a.jsonl") == lines(tmp_path / "b.jsonl")
    assert memory.isdir("/kept/run/4")


@pytest.mark.slow
def test_files_that_may_not_grow_are_one_error_and_the_last_checkpoint_loads(
    sentiment, review_file, tmp_path
):
    """The disk is full in the middle of a write: after step 6 no file may grow beyond 20 kB."""
    out, kept = tmp_path / "out", tmp_path / "kept"
    given = {"checkpoints": kept, "save_every": 3}
    limited = (
        "import resource, sys, jaxheads.training.fit as fit\n"
        "from jaxheads.cli.main import main\n"
        "class Limited(fit.Saving):\n"
        "    def after(self, done, *rest):\n"
        "        if done > 6:\n"
        "            self._keeper.wait()\n"
        "            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "        super().after(done, *rest)\n"
        "fit.Saving = Limited\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    fresh = words(sentiment, review_file, out, **given)
    ran = subprocess.run(
        [sys.executable, "-c", limited, *fresh], capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stderr
    said = ran.stderr
    assert said.startswith("jaxheads: error: ")
    assert said.count("\n") == 1, said
    assert "no checkpoint was written: " in said
    assert "File too large" in said
    assert f"the last good checkpoint is {kept}/6" in said
    assert not out.exists()
    assert train(sentiment, review_file, out, "--resume", **given) == 0
    assert train(sentiment, review_file, tmp_path / "whole", steps=12) == 0
    assert equal(out, tmp_path / "whole")


@pytest.mark.slow
def test_a_run_killed_ten_times_ends_in_the_same_bits(sentiment, tmp_path):
    """kill -9 at random moments, from the start of the process to the end of the training."""
    data = write_jsonl(tmp_path / "reviews.jsonl", reviews(120))
    given = {"steps": 240, "save_every": 5, "log_every": 5, "judge_every": 100}
    given["held_out"] = write_jsonl(tmp_path / "held_out.jsonl", reviews(20, start=120))
    whole = words(sentiment, data, tmp_path / "a", checkpoints=tmp_path / "a-kept", **given)
    begin = time.perf_counter()
    process = start(*whole)
    wait_for(tmp_path / "a.jsonl", 1, process)
    started = time.perf_counter() - begin
    _, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    length = time.perf_counter() - begin - started
    rng = np.random.default_rng(0)
    again = words(
        sentiment, data, tmp_path / "b", "--resume", checkpoints=tmp_path / "b-kept", **given
    )
    kills, during = 0, 0
    while kills < 10:
        log = tmp_path / "b.jsonl"
        log.unlink(missing_ok=True)
        process = start(*again)
        if kills % 5:  # at some moment of the training; else of the start
            wait_for(log, 1, process)
            time.sleep(float(rng.uniform(0, length / 10)))
        else:
            time.sleep(float(rng.uniform(0, started)))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        _, error = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, error  # else it finished under the test
        during += bool(list((tmp_path / "b-kept").glob("[0-9]*")))
    assert during >= 5  # checkpoints were there to go on from
    process = start(*again)
    _, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    assert equal(tmp_path / "a", tmp_path / "b")
    assert saved(tmp_path / "a-kept")["bits"] == saved(tmp_path / "b-kept")["bits"]
    assert lines(tmp_path / "a.jsonl") == lines(tmp_path / "b.jsonl")
