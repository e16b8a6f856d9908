"""What the README promises."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from jaxheads.cli import VERBS, _parse, _parser

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


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


@pytest.mark.parametrize("line", re.findall(r"^jaxheads .*$", README, flags=re.MULTILINE))
def test_the_verbs_are_used_as_they_are(line):
    _, verb, *words = shlex.split(line, comments=True)
    assert isinstance(_parse(_parser(verb), verb, words), VERBS[verb].options)


@pytest.mark.torch
def test_transformers_5_still_ignores_head_masks():
    exec(blocks("python")[0], {})  # holds an assertion
