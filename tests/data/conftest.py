"""Tiny tokenizers and examples of the built-in language, made once a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import filelock
import pytest

from jaxheads.data.tasks.task import Example
from jaxheads.data.tokens import Tokenizer
from jaxheads.data.vocabulary import train_tokenizer

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "the dog sleeps while the quick fox jumps",
    "a brown dog and a quick fox are friends",
    "well-known friends of the U.S. dog sleep over",
    "jumping foxes, sleeping dogs and lazy friends",
] * 3


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """The sentences that the tiny tokenizers know."""
    return TEXTS


@pytest.fixture(scope="session")
def bpe() -> Tokenizer:
    """A RoBERTa-like tokenizer of 300 tokens."""
    return train_tokenizer(TEXTS, vocab_size=300, kind="bpe")


@pytest.fixture(scope="session")
def unigram() -> Tokenizer:
    """An ALBERT-like tokenizer of some 60 tokens."""
    return train_tokenizer(TEXTS, vocab_size=60, kind="unigram")


GENERATE = """
import json, pathlib, sys
from jaxheads.data.tasks.examples import stream_examples
from jaxheads.data.tasks.named import TASKS
for task in TASKS.values():
    for split, count in (("train", 1600), ("validation", 600)) if task.generated else ():
        with open(pathlib.Path(sys.argv[1]) / f"{task.name}-{split}.json", "w") as file:
            found = stream_examples(task, split=split, limit=count)
            json.dump([each[:3] for each in found], file)
"""


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> Callable[[str, str], list[Example]]:
    """Examples of (task, split) of the built-in language, drawn where no types are checked."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own  # by all workers of a run
    folder = shared / "generated"
    with filelock.FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            draft = tmp_path_factory.mktemp("drawn")
            subprocess.run([sys.executable, "-c", GENERATE, str(draft)], check=True)
            draft.rename(folder)

    def read(task: str, split: str) -> list[Example]:
        rows = json.loads((folder / f"{task}-{split}.json").read_text())
        return [Example(*row, place="") for row in rows]

    return read
