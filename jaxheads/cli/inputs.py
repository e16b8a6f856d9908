"""What several verbs read: a model with its tokenizer."""

from __future__ import annotations

from pathlib import Path

from jaxheads.data.tokens import Tokenizer, check_fits, load_tokenizer
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.models.model import Model


def open_model(source: str | Path) -> tuple[Model, Tokenizer]:
    """A model with the readout that its checkpoint has, and the tokenizer beside it."""
    model, tokenizer = load_model(source), load_tokenizer(source)
    check_fits(tokenizer, model.config)
    return model, tokenizer
