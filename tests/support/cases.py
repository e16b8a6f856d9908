"""Things to train, from a sum of weights to a tiny RoBERTa; none of them has dropout."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.data.encode import EncodedSource
from jaxheads.data.mlm import MaskedSource
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Params, init_model
from jaxheads.objectives import Objective, Outcome, objective_for

V, PAD, MASK = 40, 1, 4
LENGTHS = (8,)
STILL = {"hidden_dropout": 0.0, "attention_dropout": 0.0}


class Case(NamedTuple):
    """Something to train: a loss, parameters, and examples."""

    config: EncoderConfig
    objective: Objective
    params: Params
    source: EncodedSource | MaskedSource


def encoder(**changes) -> EncoderConfig:
    sizes = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 24}
    return encoder_config(
        "roberta", V, max_positions=12, type_vocab_size=1, pad_token_id=PAD, **sizes, **changes
    )


def sentences(count: int = 50, seed: int = 0) -> EncodedSource:
    """Sentences of 4 to 8 tokens; the label is whether their second token is above 20."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 9, count)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    tokens = rng.integers(5, V, starts[-1]).astype(np.int32)
    labels = (tokens[starts[:-1] + 1] > 20).astype(np.int32)
    return EncodedSource(tokens, np.zeros_like(tokens, np.uint8), starts, labels, PAD)


def on_device(batch: Batch) -> Batch:
    return jax.tree.map(jnp.asarray, batch)


def masked(blocks: EncodedSource) -> MaskedSource:
    special_V = np.arange(V) < 5
    return MaskedSource(
        blocks, 8, 0, 0.3, 2, MASK, np.flatnonzero(~special_V), special_V, None, fixed=True
    )


def word_sum(params, gate, batch, key) -> Outcome:
    """A classifier that compiles fast: the sum of one weight a token, and a bias."""
    weight_BT = params["table"][batch.tokens_BT] * batch.real_BT
    score_B = weight_BT.sum(1) + params["bias"]
    loss_B = jnp.logaddexp(0.0, -score_B * (2 * batch.labels - 1))
    return Outcome(loss_B, jnp.stack([-score_B, score_B], 1) / 2, jnp.ones_like(loss_B))


def word_case() -> Case:
    params = {"table": jnp.zeros(V), "bias": jnp.zeros(())}
    return Case(encoder(), word_sum, params, sentences())


@functools.cache
def classifier_case() -> Case:
    """A tiny RoBERTa that tells two classes apart."""
    config, readout = (
        encoder(**STILL),
        ReadoutConfig("classification", ("low", "high"), dropout=0.0),
    )
    params = init_model(config, readout, jax.random.key(0)).params
    return Case(config, objective_for(config, readout), params, sentences())


@functools.cache
def masked_lm_case() -> Case:
    """A tiny RoBERTa that predicts masked words."""
    config, readout = encoder(**STILL), ReadoutConfig("masked_lm")
    params = init_model(config, readout, jax.random.key(0)).params
    return Case(config, objective_for(config, readout), params, masked(sentences()))


@pytest.fixture(scope="session")
def classifier() -> Case:
    return classifier_case()


@pytest.fixture(scope="session")
def masked_lm() -> Case:
    return masked_lm_case()
