"""A translation from the command line: a new model is trained, scored, cut and measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.importance.scores import load_scores
from jaxheads.models.checkpoint.convert import load_model

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
ZAHLEN = ("eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht")


def two_files(folder: Path, count: int = 64) -> str:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 8, rng.integers(1, 6)) for _ in range(count)]
    for name, words in (("a.en", NUMBERS), ("a.de", ZAHLEN)):
        lines = (" ".join(words[each] for each in row) + "\n" for row in rows)
        (folder / name).write_text("".join(lines), encoding="utf-8")
    return f"{folder / 'a.en'},{folder / 'a.de'}"


def words_of(folder: Path, **more) -> list[str]:
    given = {
        "model": "new:tiny", "task": "translate", "text": "en,de", "data": two_files(folder),
        "steps": 1, "batch-size": 16, "vocab-size": 320, "out": folder / "out", **more,
    }  # fmt: skip
    return ["train", *(str(word) for name, value in given.items() for word in (f"--{name}", value))]


@pytest.mark.slow
def test_a_new_model_learns_and_goes_through_every_verb(tmp_path, capsys):
    words = words_of(
        tmp_path, steps=150, **{"learning-rate": 1e-2, "label-smoothing": 0.1, "dropout": 0.0}
    )
    assert main([*words, "--held-out", two_files(tmp_path)]) == 0
    log = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert log[-1]["metrics"]["accuracy"] > 0.9
    assert main([*words, "--held-out", two_files(tmp_path)]) == 2  # the place is taken
    common = ["--task", "translate", "--text", "en,de", "--data", two_files(tmp_path)]
    score = ["score", "--model", str(tmp_path / "out"), *common, "--out", str(tmp_path / "s.npz")]
    assert main(score) == 0
    assert load_scores(tmp_path / "s.npz").score_LH.shape == (3, 4)
    looks = [*score[:-1], str(tmp_path / "looks.npz"), "--method", "output_norm"]
    assert main(looks) == 0
    assert (load_scores(tmp_path / "looks.npz").score_LH > 0).all()
    prune = ["prune", "--model", str(tmp_path / "out"), "--scores", str(tmp_path / "s.npz")]
    assert main([*prune, "--budget", "8", "--out", str(tmp_path / "small")]) == 0
    assert sum(map(len, load_model(tmp_path / "small").config.heads_by_layer)) == 8
    capsys.readouterr()
    assert main(["evaluate", "--model", str(tmp_path / "small"), *common]) == 0
    assert "all 8 heads" in capsys.readouterr().out


@pytest.mark.slow
def test_a_gate_learns_which_heads_of_all_kinds_to_keep(tmp_path, capsys):
    words = words_of(tmp_path, steps=30, gate="subset", budget=5, **{"learning-rate": 1e-2})
    assert main([*words, "--cut"]) == 0
    assert "kept           5 heads" in capsys.readouterr().out
    assert sum(map(len, load_model(tmp_path / "out").config.heads_by_layer)) == 5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"model": "new:huge"}, "--model: expected new:tiny, small, base, iwslt with --task"),
        ({"task": "classify"}, "with --task translate, got new:tiny with classify"),
        ({"text": "en"}, "text: expected two of the columns, got en"),
        ({"vocab-size": 10}, "vocab_size: expected at least 261 (all bytes), got 10"),
        ({"label-smoothing": 2}, "label_smoothing: expected a share in [0, 1), got 2.0"),
        ({"model": "builtin:roberta"}, "task translate: expected an encoder-decoder, got a"),
        ({"data": "a.en,none.de"}, "none.de: no such file"),
    ],
)
def test_what_cannot_be_trained_is_one_line(more, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words_of(tmp_path, **more)) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in said
    assert not list(tmp_path.glob("out*"))


@pytest.mark.torch
def test_the_bench_of_a_translator_finds_what_generate_does(tmp_path, capsys):
    pytest.importorskip("torch")
    words = words_of(tmp_path, steps=100, **{"learning-rate": 1e-2, "dropout": 0.0})
    assert main(words) == 0
    capsys.readouterr()
    given = ["--model", str(tmp_path / "out"), *words[words.index("--task") :][:6]]
    assert main(["bench", *given, "--limit", "40", "--repeats", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["sentences"], report["same_translations"]) == (40, 1.0)
    assert report["tokens"]["jaxheads"] == report["tokens"]["torch"] > 80
    assert set(report["tokens_per_second"]) == {"jaxheads", "torch"} and len(report["ratios"]) == 1
