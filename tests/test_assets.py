"""The models that come with the package: small, loadable, and better than guesses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxheads
from jaxheads.cli.main import main
from jaxheads.data.baselines import guess_accuracies
from jaxheads.data.loader import batches
from jaxheads.data.mlm import mask_blocks
from jaxheads.data.sources import read_blocks, read_texts
from jaxheads.data.tokens import load_tokenizer
from jaxheads.importance import load_scores
from jaxheads.inference.evaluate import evaluate
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.objectives import objective_for

ASSETS = Path(jaxheads.__file__).parent / "assets"
NAMES = ("roberta", "albert")
LENGTH, SENTENCES = 48, 3_000
MARGIN = 0.05  # four standard errors of an accuracy of 0.35 over 1,400 predicted tokens


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_model_is_small(name):
    model = load_model(f"builtin:{name}")
    assert model.config.num_layers >= 4
    assert model.config.num_heads >= 4
    assert sum(path.stat().st_size for path in (ASSETS / name).iterdir()) < 4e6


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_model_beats_guesses_from_the_neighbours(name):
    """The guesses see both true neighbours, of which the model finds some masked."""
    model, tokenizer = load_model(f"builtin:{name}"), load_tokenizer(f"builtin:{name}")
    texts = {
        split: list(read_texts(None, limit, task="grammar_mlm", split=split))
        for split, limit in (("train", SENTENCES), ("validation", 400))
    }
    train, test = (tokenizer.encode(texts[split]).ids for split in ("train", "validation"))
    guess = guess_accuracies(train, test, unpredicted=tokenizer.special_ids)
    blocks = read_blocks(tokenizer, None, LENGTH, task="grammar_mlm", split="test")
    blocks = blocks.first(200)
    masked = mask_blocks(blocks, tokenizer, length=LENGTH, seed=1, fixed=True)
    found = evaluate(
        objective_for(model.config, model.readout), model.params,
        batches(masked, 100, lengths=(LENGTH,)), ("accuracy",),
    )  # fmt: skip
    assert found.metrics["accuracy"] > 2.5 * guess.unigram
    assert found.metrics["accuracy"] > max(guess.left, guess.right, guess.both) + MARGIN
    assert found.metrics["loss"] < found.floors["loss"] - 1.5


def test_a_built_in_model_is_scored_without_any_file(tmp_path):
    words = ["--model", "builtin:roberta", "--task", "grammar_mlm", "--limit", "8"]
    out = tmp_path / "scores.npz"
    assert main(["score", *words, "--max-length", "32", "--out", str(out)]) == 0
    assert load_scores(out).score_LH.shape == (4, 4)


def test_the_built_in_pruner_is_small_and_tells_heads_of_a_new_task_apart(tmp_path):
    assert sum(path.stat().st_size for path in (ASSETS / "pruner").iterdir()) < 1e5
    words = ["--model", "builtin:roberta", "--task", "grammar_sentiment", "--limit", "64"]
    words += ["--method", "meta", "--pruner", "builtin:pruner", "--max-length", "24"]
    out = tmp_path / "scores.npz"
    assert main(["score", *words, "--out", str(out)]) == 0
    score_LH = load_scores(out).score_LH
    assert ((score_LH > 0) & (score_LH < 2)).all()
    assert np.ptp(score_LH, axis=1).min() > 1e-3  # a fresh pruner: 1 everywhere


def test_an_unknown_built_in_model_is_rejected(capsys):
    words = ["--model", "builtin:bert", "--task", "grammar_mlm", "--out", "x.npz"]
    assert main(["score", *words]) == 2
    assert (
        "builtin:bert: expected one of builtin:albert, builtin:roberta" in capsys.readouterr().err
    )
