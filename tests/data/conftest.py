"""Tiny tokenizers, trained on a few sentences once a session."""

from __future__ import annotations

import pytest

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
