"""`jaxheads prune` from end to end, on the small checkpoints of the parity tests."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.importance.scores import Scores, save_scores
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.models.model import encode
from jaxheads.pruning.cut import cut, zero
from jaxheads.pruning.mask import mask_from_scores, present_heads
from tests.support.paths import FIXTURES

TOKENS = jnp.array([[3, 4, 5, 6], [7, 8, 9, 1]])
REAL = np.array([[True, True, True, True], [True, True, True, False]])


def write_scores(path: Path, score_LH) -> Path:
    save_scores(path, Scores(np.asarray(score_LH, float), "gradient", "example", 12, "some model"))
    return path


@pytest.fixture
def scores(tmp_path):
    """A score file for 2 layers of 4 heads: in layer 0 all are better than in layer 1."""
    return write_scores(tmp_path / "scores.npz", -np.arange(8).reshape(2, 4))


def prune(model, scores, out, budget, *words) -> int:
    given = {"--model": model, "--scores": scores, "--out": out, "--budget": budget}
    return main(["prune", *(str(word) for pair in given.items() for word in pair), *words])


def assert_same_model(got, config, params):
    assert got.config == config
    assert jax.tree.structure(got.params) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, got.params, params)


def test_the_written_model_is_the_cut_one_exactly(tmp_path, scores, capsys):
    source, out = FIXTURES / "roberta-classification", tmp_path / "smaller"
    assert prune(source, scores, out, 5) == 0
    model = load_model(source)
    mask_LH = np.array([[1, 1, 1, 1], [1, 0, 0, 0]], bool)
    params, config = cut(model.params, model.config, mask_LH)
    got = load_model(out)
    assert_same_model(got, config, params)
    assert got.readout == model.readout
    printed = capsys.readouterr().out
    assert "heads        8 -> 5\n" in printed
    assert "in layers    4 1\n" in printed
    lost = 3 * (4 * 16 * 4 + 3 * 4)
    total = sum(leaf.size for leaf in jax.tree.leaves(model.params))
    assert f"parameters   {total:,} -> {total - lost:,}\n" in printed
    assert "gradient, unit example, 12 examples" in printed


def test_options_shape_the_mask(tmp_path, scores):
    source = FIXTURES / "roberta-classification"
    assert prune(source, scores, tmp_path / "a", 4, "--per-layer") == 0
    assert load_model(tmp_path / "a").config.kept == ((0, 1), (0, 1))
    assert prune(source, scores, tmp_path / "b", 4, "--floor", "1") == 0
    assert load_model(tmp_path / "b").config.kept == ((0, 1, 2), (0,))
    assert prune(source, scores, tmp_path / "c", 4) == 0
    assert load_model(tmp_path / "c").config.kept == ((0, 1, 2, 3), ())


@pytest.mark.parametrize("name", ["roberta-v4-pruned", "distilbert-v4-pruned", "albert-v4-pruned"])
@pytest.mark.parametrize("words", [(), ("--zeroed", "--tied")])
def test_a_model_that_was_cut_before_is_cut_further(tmp_path, name, words):
    model = load_model(FIXTURES / name)
    present_LH = present_heads(model.config)
    assert not present_LH.all()
    score_LH = np.tile(np.arange(present_LH.shape[1]), (len(present_LH), 1))
    scores = write_scores(tmp_path / "scores.npz", score_LH)
    shared = np.bincount(model.config.block_by_layer).max()
    budget = int(present_LH.sum() - shared)
    assert prune(FIXTURES / name, scores, tmp_path / "out", budget, *words) == 0
    tied = model.config.block_by_layer if words else None
    mask_LH = mask_from_scores(score_LH, budget, present=present_LH, tied_rows=tied)
    got = load_model(tmp_path / "out")
    if words:
        whole = dataclasses.replace(model.config, kept=None)
        assert_same_model(got, whole, zero(model.params, model.config, mask_LH))
    else:
        params, config = cut(model.params, model.config, mask_LH)
        assert_same_model(got, config, params)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["roberta-masked-lm", "albert-groups"])
def test_transformers_computes_with_zeros_what_the_gated_model_does(tmp_path, name):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    model = load_model(FIXTURES / name)
    layers, heads = present_heads(model.config).shape
    scores = write_scores(tmp_path / "scores.npz", np.tile(np.arange(heads), (layers, 1)))
    out = tmp_path / "zeroed"
    assert prune(FIXTURES / name, scores, out, layers * heads // 2, "--zeroed", "--tied") == 0
    theirs = transformers.AutoModel.from_pretrained(out).eval()
    inputs = {"input_ids": torch.tensor(np.array(TOKENS)), "attention_mask": torch.tensor(REAL)}
    with torch.no_grad():
        got = theirs(**inputs).last_hidden_state.numpy()
    gate = jnp.tile(jnp.arange(heads) >= heads // 2, (layers, 1)).astype(jnp.float32)
    gated = encode(model.config, model.params, TOKENS, jnp.asarray(REAL), None, gate).hidden_BPD
    np.testing.assert_allclose(got[REAL], np.asarray(gated)[REAL], atol=1e-5)


def test_tied_heads_leave_albert_and_untied_uses_only_its_computation(tmp_path, capsys):
    source = FIXTURES / "albert-groups"
    scores = write_scores(tmp_path / "scores.npz", np.arange(16).reshape(4, 4))
    assert prune(source, scores, tmp_path / "tied", 12, "--tied") == 0
    assert load_model(tmp_path / "tied").config.kept == ((2, 3), (2, 3)) + ((0, 1, 2, 3),) * 2
    assert prune(source, scores, tmp_path / "untied", 12) == 0
    assert load_model(tmp_path / "untied").config.kept == ((),) + ((0, 1, 2, 3),) * 3
    assert prune(source, scores, tmp_path / "split", 13, "--tied") == 2
    assert "expected 12 or 14, since layers of one block" in capsys.readouterr().err
    assert prune(source, scores, tmp_path / "split", 12, "--zeroed") == 2
    assert "layers that share a block must drop a head together" in capsys.readouterr().err
    assert not (tmp_path / "split").exists()


def test_tokenizer_files_are_copied_as_they_are(tmp_path, scores):
    source = tmp_path / "model"
    shutil.copytree(FIXTURES / "roberta-classification", source)
    texts = {"tokenizer.json": '{"any": "ö"}\r\n', "vocab.json": "{}", "merges.txt": "#version"}
    for name, text in texts.items():
        (source / name).write_bytes(text.encode())
    assert prune(source, scores, tmp_path / "out", 4) == 0
    for name, text in texts.items():
        assert (tmp_path / "out" / name).read_bytes() == text.encode()
    assert json.loads((tmp_path / "out" / "pruning.json").read_text())["kept"] == [[0, 1, 2, 3], []]


def assert_refused(capsys, tmp_path, status, *words):
    """Exit status 2, one line with these words, and nothing written."""
    assert status == 2
    error = capsys.readouterr().err
    assert error.startswith("jaxheads: error: ")
    assert error.count("\n") == 1
    for word in words:
        assert word in error
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_scores_of_another_model_are_rejected(tmp_path, capsys):
    scores = write_scores(tmp_path / "scores.npz", np.ones((3, 4)))
    status = prune(FIXTURES / "roberta-classification", scores, tmp_path / "out", 4)
    words = ("scores.npz", "expected scores [layers, heads] [2, 4]", "got [3, 4]")
    assert_refused(capsys, tmp_path, status, *words)


def test_a_budget_out_of_range_is_rejected(tmp_path, scores, capsys):
    status = prune(FIXTURES / "roberta-classification", scores, tmp_path / "out", 9)
    assert_refused(capsys, tmp_path, status, "budget: expected 0 to 8 heads kept, got 9")


@pytest.mark.parametrize(
    ("budget", "kept"), [("50%", 4), ("0.5", 4), ("4", 4), ("30%", 2), ("1.0", 8)]
)
def test_a_budget_is_a_number_of_heads_or_a_share_of_them(tmp_path, scores, budget, kept):
    out = tmp_path / "out"
    assert prune(FIXTURES / "roberta-classification", scores, out, budget) == 0
    assert present_heads(load_model(out).config).sum() == kept


@pytest.mark.parametrize("budget", ["half", "1.5", "101%", "-1", "nan", "%"])
def test_a_budget_that_is_neither_is_rejected(tmp_path, scores, capsys, budget):
    status = prune(FIXTURES / "roberta-classification", scores, tmp_path / "out", budget)
    assert_refused(capsys, tmp_path, status, "--budget", "50% or 0.5", budget)


@pytest.mark.parametrize("budget", ["0", "0%", "5%"])
def test_all_heads_go_only_on_request(tmp_path, scores, capsys, budget):
    source, out = FIXTURES / "roberta-classification", tmp_path / "out"
    assert_refused(capsys, tmp_path, prune(source, scores, out, budget), "--allow-empty")
    assert prune(source, scores, out, budget, "--allow-empty") == 0
    assert load_model(out).config.kept == ((), ())


@pytest.mark.torch
@pytest.mark.parametrize(("budget", "words"), [("4", ()), ("4", ("--zeroed",)), ("8", ())])
def test_what_is_said_of_transformers_is_true(tmp_path, scores, capsys, budget, words):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    out = tmp_path / "out"
    assert prune(FIXTURES / "roberta-classification", scores, out, budget, *words) == 0
    said = "and transformers: AutoModel" in capsys.readouterr().out
    try:
        transformers.AutoModel.from_pretrained(out)
    except (RuntimeError, ValueError):
        assert not said
    else:
        assert said


def test_a_place_that_is_taken_is_left_alone(tmp_path, scores, capsys):
    source = tmp_path / "model"
    shutil.copytree(FIXTURES / "roberta-classification", source)
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    status = prune(source, scores, source, 4)
    assert_refused(capsys, tmp_path, status, "expected a free place")
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_missing_and_foreign_score_files_are_rejected(tmp_path, capsys):
    source = FIXTURES / "roberta-classification"
    status = prune(source, tmp_path / "none.npz", tmp_path / "out", 4)
    assert_refused(capsys, tmp_path, status, "none.npz: No such file")
    plain = tmp_path / "plain.npz"
    np.savez(plain, score=np.ones((2, 4), object))
    status = prune(source, plain, tmp_path / "out", 4)
    assert_refused(capsys, tmp_path, status, "plain.npz: expected an npz file of scores")


@pytest.mark.parametrize("seed", range(40))
def test_a_corrupt_score_file_is_one_line(tmp_path, scores, capsys, seed):
    """Cut short or with some bytes changed: rejected, or read where the change did not matter."""
    rng = np.random.default_rng(seed)
    content = bytearray(scores.read_bytes())
    if seed % 2:
        content = content[: rng.integers(len(content))]
    else:
        for place in rng.integers(len(content), size=4):
            content[place] = rng.integers(256)
    scores.write_bytes(content)
    status = prune(FIXTURES / "none", scores, tmp_path / "out", 4)
    assert_refused(capsys, tmp_path, status, ": ")
