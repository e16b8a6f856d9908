"""Tiny random models of every family, for the tests of pruning."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Params, abstract_params

CLASSES = ReadoutConfig("classification", ("no", "yes"))


def _config(family: str, layers: int, **extra) -> EncoderConfig:
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_heads": 4, "intermediate_size": 24}
    return encoder_config(family=family, num_layers=layers, max_positions=20, **sizes, **extra)


_ALBERT = {"type_vocab_size": 2, "embedding_size": 8, "activation": "gelu_new"}
CONFIGS = {
    "roberta": _config("roberta", 3, type_vocab_size=1, pad_token_id=1),
    "bert": _config("bert", 3, type_vocab_size=2),
    "distilbert": _config("distilbert", 3),
    "modernbert": _config(
        "modernbert",
        4,
        rotary_base=500.0,
        local_layers=(1, 2),
        local_window=2,
        local_rotary_base=20.0,
    ),
    "albert": _config("albert", 4, hidden_groups=1, **_ALBERT),
    "albert_groups": _config("albert", 4, hidden_groups=2, **_ALBERT),
    "albert_inner": _config("albert", 4, hidden_groups=1, inner_groups=2, **_ALBERT),
    "albert_uneven": _config("albert", 6, hidden_groups=2, inner_groups=2, **_ALBERT),
}


class Tiny(NamedTuple):
    """A model whose every parameter, biases too, is random, and a padded batch for it."""

    config: EncoderConfig
    readout: ReadoutConfig
    params: Params
    inputs: tuple[jax.Array, jax.Array, jax.Array]  # tokens, real and types, [B, T]


def _random_params(config: EncoderConfig, readout: ReadoutConfig) -> Params:
    """Random numbers everywhere, those of scales around 1."""
    rng = np.random.default_rng(0)

    def fill(path, leaf):
        centre = float(path[-1].key == "scale")
        return jnp.asarray(rng.normal(centre, 0.3, leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(fill, abstract_params(config, readout))


@functools.cache
def _tiny(name: str, readout: ReadoutConfig = CLASSES) -> Tiny:
    rng = np.random.default_rng(1)
    config = CONFIGS[name]
    real_BT = np.arange(6) < np.array([[6], [4], [1]])
    tokens_BT = np.where(real_BT, rng.integers(2, 60, real_BT.shape), config.pad_token_id)
    types_BT = rng.integers(0, max(config.type_vocab_size, 1), real_BT.shape)
    inputs = (jnp.asarray(tokens_BT), jnp.asarray(real_BT), jnp.asarray(types_BT))
    return Tiny(config, readout, _random_params(config, readout), inputs)


@pytest.fixture(scope="session")
def tiny():
    """The function from the name of a family, or ALBERT variant, to its tiny classifier."""
    return _tiny


@pytest.fixture(params=list(CONFIGS))
def family(request) -> Tiny:
    """The tiny model of each family in turn."""
    return _tiny(request.param)
