"""The families that there are tables for, and their encoders from scratch. Never starts jax."""

from __future__ import annotations

from typing import Any

from jaxheads.config import EncoderConfig
from jaxheads.errors import refuse
from jaxheads.models.checkpoint import (
    albert,
    bert,
    distilbert,
    electra,
    marian,
    modernbert,
    roberta,
)
from jaxheads.models.checkpoint.family import FamilyTable

MODEL_TYPES: dict[str, FamilyTable] = {
    **roberta.MODEL_TYPES,
    **albert.MODEL_TYPES,
    **bert.MODEL_TYPES,
    **distilbert.MODEL_TYPES,
    **electra.MODEL_TYPES,
    **modernbert.MODEL_TYPES,
    **marian.MODEL_TYPES,
}


def table_of(family: str) -> FamilyTable:
    """The table of a family.

    Raises:
      ValueError: for a family without one.
    """
    known = {table.family: MODEL_TYPES[table.family] for table in MODEL_TYPES.values()}
    if family not in known:
        raise ValueError(f"family: expected one of {', '.join(known)}, got {family!r}")
    return known[family]


def encoder_config(
    family: str,
    vocab_size: int,
    hidden_size: int,
    num_layers: int,
    num_heads: int,
    intermediate_size: int,
    max_positions: int,
    **fields: Any,
) -> EncoderConfig:
    """The config of an encoder from scratch, which does what all encoders of its family do.

    Args:
      family: roberta, albert, bert, distilbert, electra, modernbert or marian.
      vocab_size, hidden_size, ...: the sizes of `EncoderConfig`; `num_layers` counts uses.
      fields: other fields of `EncoderConfig`, with its defaults and not those of Hugging Face.

    Raises:
      ValueError: for another family, sizes that fit no encoder, or fields that the family does not
        have or has otherwise; it lists them all.
    """
    table = table_of(family)
    config = EncoderConfig(
        family, vocab_size, hidden_size, num_layers, num_heads, intermediate_size, max_positions,
        **{**table.constants, **fields},
    )  # fmt: skip
    refuse("encoder config", table.misfits(config))
    return config
