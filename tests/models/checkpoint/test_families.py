"""Encoders from scratch: each family's table says what its encoders do their own way."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.config import EncoderConfig
from jaxheads.models.checkpoint.families import MODEL_TYPES, encoder_config, table_of
from jaxheads.studies.settings import ModelSettings
from tests.training.runs import CONFIG

SIZES = (50, 16, 3, 4, 32, 24)
OWN = [field.name for field in dataclasses.fields(EncoderConfig) if field.kw_only]


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_table_says_all_that_a_family_does_its_own_way(model_type):
    assert len(OWN) == 14
    assert set(OWN) <= MODEL_TYPES[model_type].constants.keys()


def test_an_encoder_from_scratch_does_what_its_family_does():
    roberta = encoder_config("roberta", *SIZES, pad_token_id=1)
    assert (roberta.positions_after_pad, roberta.first_position) == (True, 2)
    assert encoder_config("bert", *SIZES).first_position == 0
    assert encoder_config("distilbert", *SIZES).pooler_activation == "relu"
    assert encoder_config("albert", *SIZES, hidden_groups=1).projects_embeddings


@pytest.mark.parametrize(
    ("family", "fields", "message"),
    [
        ("gpt2", {}, "family: expected one of roberta, .* modernbert, marian, got 'gpt2'"),
        ("xlm-roberta", {}, "family: expected one of roberta"),
        ("bert", {"embedding_size": 8}, "embedding_size: expected 0 for bert, got 8"),
        ("albert", {}, "hidden_groups: expected at least 1 for albert, got 0"),
        ("bert", {"pooler_activation": "relu"}, "pooler_activation: expected 'tanh' for bert"),
    ],
)
def test_what_a_family_does_not_have_is_rejected(family, fields, message):
    with pytest.raises(ValueError, match=message):
        encoder_config(family, *SIZES, **fields)


def test_another_familys_name_alone_is_rejected_before_anything_is_trained():
    renamed = dataclasses.replace(encoder_config("bert", *SIZES), family="roberta")
    with pytest.raises(ValueError, match="positions_after_pad: expected True for roberta"):
        ModelSettings("a", encoder=renamed, pretrain=CONFIG)
    assert table_of("roberta").model_type == "roberta"
