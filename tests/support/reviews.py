"""A tiny checkpoint with its tokenizer, and files of sentences for it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import pytest

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import init_model

GOOD, BAD = ("fine", "warm", "bright", "moving"), ("dull", "cold", "clumsy", "tired")
NOUNS = ("film", "story", "cast", "scene", "score")
SENTENCES = [
    (f"a {word} and {other} {noun}", label)
    for label, words in ((1, GOOD), (0, BAD))
    for word in words
    for other in words
    if word != other
    for noun in NOUNS
]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def reviews(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Sentences in an order that mixes the labels."""
    mixed = [SENTENCES[(37 * place) % len(SENTENCES)] for place in range(start, start + count)]
    return [{"sentence": text, "label": label} for text, label in mixed]


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer([text for text, _ in SENTENCES], vocab_size=300, kind="bpe")


@pytest.fixture(scope="session")
def config(tokenizer) -> EncoderConfig:
    return encoder_config(
        "roberta", tokenizer.vocab_size, hidden_size=16, num_layers=2, num_heads=4,
        intermediate_size=24, max_positions=34, type_vocab_size=1, pad_token_id=tokenizer.pad_id,
        norm_eps=1e-5, initializer_range=0.3,  # large, so that heads differ
    )  # fmt: skip


@pytest.fixture(scope="session")
def checkpoint(config, tokenizer, tmp_path_factory):
    """A function from a readout to the directory of a model that has it."""
    made: dict[ReadoutConfig, Path] = {}

    def make(kind: str, labels: tuple[str, ...] = (), **changes) -> Path:
        readout = ReadoutConfig(kind, labels)
        if (readout, *changes.items()) not in made:
            path = tmp_path_factory.mktemp("checkpoint") / "model"
            encoder = dataclasses.replace(config, **changes)
            save_model(init_model(encoder, readout, jax.random.key(0)), path, tokenizer=tokenizer)
            made[(readout, *changes.items())] = path
        return made[(readout, *changes.items())]

    return make


@pytest.fixture(scope="session")
def sentiment(checkpoint) -> Path:
    """A classifier of two classes."""
    return checkpoint("classification", ("negative", "positive"))


@pytest.fixture
def review_file(tmp_path) -> Path:
    return write_jsonl(tmp_path / "reviews.jsonl", reviews(37))


@pytest.fixture
def text_file(tmp_path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(f"{row['sentence']} ." for row in reviews(60)))
    return path
