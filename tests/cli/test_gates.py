"""`jaxheads train --gate`: the model with exact masks or cut, the scores, and what is rejected."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jaxheads.importance.scores import Scores, load_scores, save_scores
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.pruning.mask import mask_from_scores
from tests.support.train_command import train


@pytest.mark.slow
def test_a_subset_is_learned_and_cut_and_its_scores_are_written(
    sentiment, review_file, tmp_path, capsys
):
    out, given = tmp_path / "cut", {"gate": "subset", "budget": 3, "steps": 6}
    assert train(sentiment, review_file, out, "--cut", **given) == 0
    scores = load_scores(tmp_path / "cut.npz")
    mask_LH = mask_from_scores(scores.score_LH, 3)
    kept = load_model(out).config.kept
    assert kept == tuple(tuple(np.flatnonzero(row).tolist()) for row in mask_LH)
    assert (scores.method, scores.examples) == ("subset gate", 37)
    text = capsys.readouterr().out
    assert f"kept           3 heads, in layers {' '.join(map(str, mask_LH.sum(1)))}" in text
    assert f"{out}.npz" in text
    lines = [json.loads(line) for line in (tmp_path / "cut.jsonl").read_text().splitlines()]
    assert [line["gates"]["open"] for line in lines if "gates" in line] == pytest.approx(
        [3, 3], abs=1e-3
    )


@pytest.mark.slow
def test_gates_alone_leave_the_parameters_and_the_heads_they_shut_are_zeros(
    sentiment, review_file, tmp_path
):
    given = {"gate": "hardconcrete", "budget": 4, "only": "gates", "steps": 3}
    assert train(sentiment, review_file, tmp_path / "masked", **given) == 0
    mask_LH = mask_from_scores(load_scores(tmp_path / "masked.npz").score_LH, 4)
    before, after = load_model(sentiment).params, load_model(tmp_path / "masked").params
    for layer, stack in enumerate(("stack0", "stack1")):
        one, two = (
            np.asarray(p["encoder"][stack]["attention"]["out"]["kernel"][0])
            for p in (before, after)
        )
        assert np.array_equal(two, one * mask_LH[layer][:, None, None])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--gate", "subset"], "--gate subset: expected --budget with it"),
        (["--gate", "hardconcrete"], "--gate hardconcrete: expected either --budget or --strength"),
        (["--gate", "subset", "--budget", "3", "--scores", "s.npz"], "--gate and --scores: expe"),
        (["--gate", "subset", "--budget", "0"], "--budget: expected at least 1, got 0"),
        (["--gate", "subset", "--budget", "9"], "budget: expected 1 to 8 heads kept, got 9"),
        (["--gate", "subset", "--budget", "3", "--strength", "1"], "--strength: expected --gate"),
        (["--gate", "hardconcrete", "--strength", "-1"], "--strength: expected a positive number"),
        (["--relaxation", "bounded"], "--relaxation: expected --gate subset with it"),
        (["--only", "gates"], "--only gates: expected --gate subset or hardconcrete with it"),
        (["--budget", "3"], "--scores and --budget: expected both or none"),
        (
            ["--gate", "subset", "--budget", "3", "--relaxation", "straight_through",
             "--annealing", "paper"],
            "--annealing: expected another --relaxation",
        ),
    ],
)  # fmt: skip
def test_words_about_gates_that_do_not_go_together_are_one_line(
    sentiment, review_file, tmp_path, more, message, capsys
):
    assert train(sentiment, review_file, tmp_path / "out", *more) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


def test_what_layers_with_shared_weights_cannot_keep_is_rejected_before_training(
    review_file, tmp_path, capsys
):
    given = {"budget": 9, "steps": 1, "max_length": 48}
    out = tmp_path / "out"
    assert train("builtin:albert", review_file, out, gate="subset", **given) == 2
    assert "--gate: expected --cut with it, since the layers of" in capsys.readouterr().err
    score_LH = np.random.default_rng(0).permutation(16).reshape(4, 4) * 1.0
    save_scores(tmp_path / "s.npz", Scores(score_LH, "gradient", "example", 1))
    assert train("builtin:albert", review_file, out, scores=tmp_path / "s.npz", **given) == 2
    assert "layers that share a block must drop a head together" in capsys.readouterr().err
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.slow
def test_a_gate_may_cut_heads_of_single_layers_that_share_weights(review_file, tmp_path):
    out, given = tmp_path / "out", {"gate": "subset", "budget": 9, "steps": 1, "max_length": 48}
    assert train("builtin:albert", review_file, out, "--cut", **given) == 0
    mask_LH = mask_from_scores(load_scores(tmp_path / "out.npz").score_LH, 9)
    kept = load_model(out).config.kept
    assert kept == tuple(tuple(np.flatnonzero(row).tolist()) for row in mask_LH)
