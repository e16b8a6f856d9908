"""What the README and the guide for contributors promise."""

from __future__ import annotations

import json
import re
import shlex

import jax
import numpy as np
import pytest

from jaxheads.cli.main import VERBS, _parse, _parser
from jaxheads.config import ReadoutConfig
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import init_model
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "configs" / "README.md").read_text()
LINKING = ("README.md", "configs/README.md", "tpu_scripts/README.md", ".github/CONTRIBUTING.md")

GUIDE = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
PATHS = re.findall(r"`((?:jaxheads|tests|configs|\.ci)/[\w./]+)`", GUIDE)
PLACEHOLDERS = {"NAME.py", "PAPER", "VERB.py", "test_VERB.py"}

SENTENCES = ("the cat sat", "a dog ran far away", "no cat ran", "the dog sat")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_ci_runs_the_test_command_of_the_readme():
    tests = [block.strip() for block in blocks("sh") if "pytest" in block]
    assert len(tests) == 1
    assert tests[0] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_each_command_of_the_readme_sets_itself_up():
    commands = [line for block in blocks("sh") for line in block.splitlines() if "venv" in line]
    assert len(commands) == 2
    assert all(line.startswith("python3 -m venv .venv && .venv/bin/pip ") for line in commands)


def test_the_readme_is_one_page():
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("name", LINKING)
def test_links_of_the_documents_lead_somewhere(name):
    page = ROOT / name
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        titles = re.findall(r"^#+ (.*)$", target.read_text(), flags=re.MULTILINE) if anchor else []
        assert anchor in {"", *(title.lower().replace(" ", "-") for title in titles)}, link


def test_every_config_is_in_the_results():
    for path in (ROOT / "configs").glob("*.py"):
        assert path.stem in RESULTS, path.name


@pytest.mark.parametrize("line", re.findall(r"^jaxheads .*$", README + RESULTS, flags=re.MULTILINE))
def test_the_verbs_are_used_as_they_are(line):
    _, verb, *words = shlex.split(line, comments=True)
    assert isinstance(_parse(_parser(verb), verb, words), VERBS[verb].options)


@pytest.mark.torch
def test_transformers_5_still_ignores_head_masks():
    exec(blocks("python")[0], {})  # holds an assertion


def test_the_api_example_runs_and_fits_fifteen_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tokenizer = train_tokenizer(SENTENCES * 5, kind="bpe", vocab_size=280)
    config = encoder_config(
        "roberta", tokenizer.vocab_size, 16, 2, 4, 32, 40, type_vocab_size=1, pad_token_id=1
    )
    readout = ReadoutConfig("classification", ("negative", "positive"))
    save_model(init_model(config, readout, jax.random.key(0)), "model", tokenizer=tokenizer)
    rows = [json.dumps({"sentence": s, "label": i % 2}) for i, s in enumerate(SENTENCES)]
    (tmp_path / "sst2.jsonl").write_text("\n".join(rows) + "\n")

    (example,) = [block for block in blocks("python") if "score_heads" in block]
    assert len(example.splitlines()) < 15
    names: dict = {}
    exec(example, names)

    assert load_model("smaller").config.kept == names["config"].kept
    assert names["scores"].examples == len(SENTENCES)
    assert np.sum(names["mask"]) == 4


@pytest.mark.parametrize("path", PATHS)
def test_what_the_guide_for_contributors_names_is_there(path):
    parts = path.rstrip("/").split("/")
    known = next((n for n, part in enumerate(parts) if part in PLACEHOLDERS), len(parts))
    assert ROOT.joinpath(*parts[:known]).exists()
