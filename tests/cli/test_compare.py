"""`jaxheads compare` and `attention` on small models and score files."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from jaxheads.analysis.similarity import compare_heads
from jaxheads.cli.main import main
from jaxheads.importance.scores import Scores, save_scores
from jaxheads.inference.text_maps import attention_maps
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.report.figures.attention_page import view_attention
from jaxheads.storage.files import read_arrays
from tests.support.syntax import small_encoder

TEXT = "the old dog sees a cat\nnew cats see dogs\n\nthe girl sees maps\n"


@pytest.fixture
def folder(tmp_path):
    model, tokenizer = small_encoder()
    save_model(model, tmp_path / "one", tokenizer=tokenizer)
    kernel = model.params["encoder"]["stack1"]["attention"]["query"]["kernel"]
    model.params["encoder"]["stack1"]["attention"]["query"]["kernel"] = kernel.at[0, :, 2].mul(-1)
    save_model(model, tmp_path / "two", tokenizer=tokenizer)
    (tmp_path / "text").write_text(TEXT)
    return tmp_path


def scores(path, score_LH):
    save_scores(path, Scores(np.asarray(score_LH, float), "gradient", "example", 9, "a model"))
    return str(path)


def test_score_files_are_compared_by_rank_and_overlap(tmp_path, capsys):
    one, two = np.arange(8.0).reshape(2, 4), np.array([[0, 2, 1, 3], [7, 4, 6, 5.0]])
    words = ("--one", scores(tmp_path / "a.npz", one), "--two", scores(tmp_path / "b.npz", two))
    assert main(["compare", *words, "--share", "0.25"]) == 0
    (line,) = re.findall(r"(?m)^score .*", capsys.readouterr().out)
    found = [float(value) for value in re.findall(r"(-?[\d.]+) \[", line)]
    rho = stats.spearmanr(one.ravel(), two.ravel())[0]
    tau = stats.kendalltau(one.ravel(), two.ravel())[0]
    assert found == [pytest.approx(rho, abs=5e-4), pytest.approx(tau, abs=5e-4), 0.5]


def test_models_are_compared_head_by_head(folder, capsys):
    words = ("--one", str(folder / "one"), "--two", str(folder / "two"))
    out = ("--text", str(folder / "text"), "--out", str(folder / "out.npz"))
    assert main(["compare", *words, *out]) == 0
    printed = capsys.readouterr().out
    assert "3 sentences" in printed
    assert re.search("the same one for [56] of 6", printed)
    assert "\nlayer 1 head 2   0." in printed
    found = read_arrays(folder / "out.npz")["same_place"]
    texts = TEXT.split("\n")
    one = attention_maps(*small_encoder(), [t for t in texts if t], words=True)
    own = compare_heads([m.attention for m in one], [m.attention for m in one])
    assert own.same_place is not None
    assert np.flatnonzero(np.abs(found - own.same_place) > 1e-6).tolist() == [5]


def test_a_page_shows_every_head_and_escapes_the_text(folder, capsys):
    out = folder / "page.html"
    words = ("--model", str(folder / "one"), "--text", "<b> dog & 'cat'", "--words")
    assert main(["attention", *words, "--out", str(out)]) == 0
    html = out.read_text(encoding="utf-8")
    assert html.count("<details>") == html.count("data:image/png;base64,") == 6
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "2 layers x 3 heads, 4 tokens" in capsys.readouterr().out
    (found,) = attention_maps(*small_encoder(), ["the dog"])
    assert view_attention(*found)._repr_html_().count("<details>") == 6
    assert repr(view_attention(*found)) == f"AttentionView({len(found.tokens)} tokens)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--one", "a.npz", "--two", "{}/one"), "two .npz files or two models"),
        (("--one", "{}/one", "--two", "{}/two"), "--text"),
        (("--one", "{}/one", "--two", "{}/two", "--text", "{}/none"), "none"),
        (("--one", "a.npz", "--two", "b.npz", "--share", "1"), "--share"),
        (("--one", "a.npz", "--two", "b.npz"), "a.npz"),
    ],
)
def test_what_cannot_be_compared_is_one_line(folder, capsys, words, said):
    assert main(["compare", *(word.format(folder) for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_scores_of_other_sizes_are_refused(tmp_path, capsys):
    one = scores(tmp_path / "a.npz", np.arange(8.0).reshape(2, 4))
    two = scores(tmp_path / "b.npz", np.arange(6.0).reshape(2, 3))
    assert main(["compare", "--one", one, "--two", two]) == 2
    assert "models of one size, got [2, 4] and [2, 3]" in capsys.readouterr().err
