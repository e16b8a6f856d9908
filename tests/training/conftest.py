"""Things to train, and runs of them that tests may damage."""

from __future__ import annotations

import shutil

import pytest

from tests.support.cases import Case, word_case
from tests.training import runs


@pytest.fixture
def simple() -> Case:
    return word_case()


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A case with dropout, and the run of it that nothing has stopped."""
    case, place = runs.noisy(word_case()), tmp_path_factory.mktemp("finished")
    return case, runs.train(case, place / "whole", log=place / "whole.jsonl"), place


@pytest.fixture
def whole(finished, tmp_path):
    """The same, in a folder that a test may damage."""
    shutil.copytree(finished[2], tmp_path, dirs_exist_ok=True)
    return *finished[:2], tmp_path
