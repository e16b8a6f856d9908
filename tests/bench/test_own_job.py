"""`jaxheads bench --data`: what it counts, and that both sides do the job. Nothing is timed."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from jaxheads.bench import own_job, timing
from jaxheads.bench.shapes import BINARY, TINY
from jaxheads.cli.bench import _own_job
from jaxheads.cli.main import main
from jaxheads.cli.options.other import BenchOptions
from jaxheads.data import lines, records
from jaxheads.models.model import init_model
from jaxheads.pruning.cost import classifier_multiply_adds
from tests.data.test_packing import source_of
from tests.support.reviews import reviews, write_jsonl


def job_of(lengths, tmp_path, size=4) -> own_job.OwnJob:
    model = init_model(TINY, BINARY, jax.random.key(0))
    return own_job.OwnJob(model, source_of(lengths), tmp_path, [], [], size, "float32")


def test_tokens_and_padding_of_either_side_are_counted(tmp_path):
    lengths = np.array([3, 16, 5, 8, 4, 6, 16, 7, 3, 9])
    found = own_job.counts(job_of(lengths, tmp_path))
    assert (found["examples"], found["tokens"]) == (10, 77)
    assert found["tokens_padded_torch"] == 4 * 5 + 4 * 9 + 2 * 16  # sorted: 3 3 4 5, 6 7 8 9, 16 16
    assert 77 <= found["tokens_padded"] <= found["tokens_padded_training"]


def test_operations_are_those_of_each_examples_own_tokens(tmp_path):
    job = job_of(np.array([4, 4, 9]), tmp_path)
    four, nine = (classifier_multiply_adds(job.model.config, n) for n in (4, 9))
    assert own_job.flops(job, "gate gradients") == 4 * (2 * four + nine)
    assert own_job.flops(job, "fine-tuning") == 1.5 * own_job.flops(job, "gate gradients")


def test_ratios_are_of_each_round_and_the_first_is_not_counted():
    ours, torch = iter([9.0, 1.0, 2.0, 1.0]), iter([9.0, 1.1, 1.8, 1.3])
    found = own_job.rounds({"jaxheads": lambda: next(ours), "torch": lambda: next(torch)}, 3)
    assert found["seconds"] == {"jaxheads": 1.0, "torch": 1.3}
    assert found["ratio"] == pytest.approx(1.1) and found["ratios"] == [0.9, 1.1, 1.3]
    assert any("1.10  (0.90 1.10 1.30)" in line for line in own_job.table({"whole": found}))


def bench(sentiment, file, *words) -> int:
    given = ["--model", sentiment, "--task", "sst2", "--data", file, "--repeats", 1, "--steady"]
    return main(["bench", *map(str, [*given, *words])])


@pytest.mark.slow
def test_without_torch_our_side_is_measured_and_the_other_named(
    sentiment, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(timing.importlib.util, "find_spec", lambda _: None)
    file = write_jsonl(tmp_path / "few.jsonl", reviews(12))
    assert not bench(sentiment, file, "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["torch"] == own_job.NO_TORCH and report["examples"] == 12
    assert set(report["steady evaluation"]["seconds"]) == {"jaxheads"}


def test_the_file_is_read_once(sentiment, tmp_path, monkeypatch):
    read = []

    def read_lines(path, reading):
        read.append(path)
        return lines.read_lines(path, reading)

    monkeypatch.setattr(records, "read_lines", read_lines)
    file = write_jsonl(tmp_path / "few.jsonl", reviews(6))
    options = BenchOptions(model=str(sentiment), task="sst2", data=str(file), limit=5)
    job = _own_job(options, tmp_path)
    assert read == [file]
    assert [text for text, _ in job.texts] == [each["sentence"] for each in reviews(5)]
    assert len(job.source.lengths) == 5


@pytest.mark.torch
def test_both_sides_find_the_same_gradients_and_losses(sentiment, tmp_path):
    torch_side = pytest.importorskip("jaxheads.bench.torch_side")
    file = write_jsonl(tmp_path / "few.jsonl", reviews(12))
    options = BenchOptions(model=str(sentiment), task="sst2", data=str(file))
    job = _own_job(options, tmp_path)
    theirs = torch_side.OwnJob(own_job.torch_spec(job))
    score_LH = own_job.WORK["gate gradients"](job)().score_LH
    np.testing.assert_allclose(theirs.gate_gradients(), score_LH, rtol=1e-4, atol=1e-7)
    loss = own_job.WORK["evaluation"](job)().metrics["loss"]
    assert theirs.evaluation() / 12 == pytest.approx(loss, rel=1e-5)
    theirs.fine_tuning()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--task", "sst2", "--data", "x"], "--data, --task and --model: expected all three"),
        (
            ["--task", "tag", "--data", "x", "--model", "builtin:roberta"],
            "bench --data: expected a task of single labels, or translate, got tag",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_line(capsys, words, said):
    assert main(["bench", *words]) == 2
    assert said in capsys.readouterr().err
