"""`jaxheads dependencies` and `constituents` on a tiny encoder without a readout."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.cli.syntax import name_of
from jaxheads.inference.constituents import constituency_maps
from jaxheads.inference.dependencies import dependency_maps
from jaxheads.storage.files import read_arrays
from tests.storage.fake_hub import FakeHub, reaching, serve
from tests.support.paths import ROOT
from tests.support.syntax import small_encoder, write_all


@pytest.fixture
def folder(tmp_path):
    write_all(tmp_path)
    return tmp_path


def run(folder, verb: str, *words: str) -> int:
    model, out = str(folder / "model"), str(folder / "out")
    return main([verb, "--model", model, "--out", out, "--controls", "0", *words])


def assert_maps(folder, expected, question: str, printed: str):
    found = read_arrays(folder / "out/maps.npz")
    assert list(found) == list(expected)
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-12)
    assert question in (folder / "out/report/index.html").read_text(encoding="utf-8")
    assert "maps.npz" in printed


@pytest.mark.slow
def test_dependencies_writes_page_and_the_maps_of_the_function(folder, capsys):
    path = folder / "trees.conllu"
    assert run(folder, "dependencies", "--treebank", str(path)) == 0
    expected = dependency_maps(*small_encoder(), path)
    question = "Do heads follow dependency relations"
    assert_maps(folder, expected, question, capsys.readouterr().out)


@pytest.mark.slow
def test_a_name_on_the_hub_gives_the_maps_of_its_files(folder):
    path, out = folder / "trees.conllu", folder / "out"
    files = {each.name: each.read_bytes() for each in (folder / "model").iterdir()}
    words = ["dependencies", "--model", "team/model", "--treebank", str(path), "--out", str(out)]
    with serve(files) as port:
        done = subprocess.run(
            [sys.executable, "-m", "jaxheads", *words, "--controls", "0"],
            env=reaching(folder / "home") | {"HF_ENDPOINT": f"http://127.0.0.1:{port}"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    snapshot = folder / "home/hub/models--team--model/snapshots" / FakeHub.sha
    assert {each.name for each in snapshot.iterdir()} == files.keys()
    expected = dependency_maps(*small_encoder(), path)
    assert_maps(folder, expected, "Do heads follow dependency relations", done.stdout)


@pytest.mark.slow
def test_constituents_writes_page_and_the_maps_of_the_test_file(folder, capsys):
    path = folder / "trees.mrg"
    (folder / "tune.mrg").write_text(path.read_text().splitlines()[0])
    words = ("--tune", str(folder / "tune.mrg"), "--test", str(path))
    assert run(folder, "constituents", *words) == 0
    expected = constituency_maps(*small_encoder(), path)
    assert_maps(folder, expected, "Do heads know constituents", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--treebank", "none.conllu"), "none.conllu"),
        (("--treebank", "{}/model/config.json"), "config.json:1"),
        (("--treebank", "{}/trees.conllu", "--sentences", "1"), "--sentences"),
        (("--treebank", "{}/trees.conllu", "--model", "{}/tre"), "tre"),
        ((), "--treebank"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, capsys, words, said):
    assert run(folder, "dependencies", *(word.format(folder) for word in words)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not (folder / "out/maps.npz").exists()
    assert not (folder / "out/rows.jsonl").exists()


def test_constituents_reads_both_files_before_the_model(folder, capsys):
    (folder / "bad.mrg").write_text("(S (NP (NN dog)")
    words = ("--tune", str(folder / "trees.mrg"), "--test", str(folder / "bad.mrg"))
    assert run(folder, "constituents", *words, "--model", "nowhere/at/all") == 2
    assert "bad.mrg:1: expected 2 more ')'" in capsys.readouterr().err


def test_models_have_names_that_records_can_have():
    assert name_of("builtin:roberta") == "builtin_roberta"
    assert name_of("/data/My-BERT/") == "my_bert"
    assert name_of("gs://b/_x") == "x"
