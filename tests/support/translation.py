"""A tiny encoder-decoder with random parameters, and a batch of sentence pairs for it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Params, abstract_params

TRANSLATION = ReadoutConfig("translation")
CONFIG = encoder_config(
    "marian", 60, 16, 7, 4, 24, 20, decoder_layers=2, activation="silu", norm_eps=1e-5,
    attention_dropout=0.0, pad_token_id=59, eos_token_id=0, start_token_id=59,
    scales_embeddings=True,
)  # fmt: skip


def random_params(config: EncoderConfig, seed: int = 0) -> Params:
    """Random numbers everywhere, those of scales around 1."""
    rng = np.random.default_rng(seed)

    def fill(path, leaf):
        centre = float(path[-1].key == "scale")
        return jnp.asarray(rng.normal(centre, 0.3, leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(fill, abstract_params(config, TRANSLATION))


def random_batch(config: EncoderConfig, length: int = 6) -> Batch:
    """Three pairs of other lengths, and a padding row."""
    rng = np.random.default_rng(1)
    counts = np.array([[6, 6], [4, 5], [2, 3], [1, 1]])
    real = np.arange(length) < counts[..., None]
    words = rng.integers(1, config.vocab_size - 1, real.shape)
    ends = np.arange(length) == counts[..., None] - 1
    sentences = np.where(real, np.where(ends, config.eos_token_id, words), config.pad_token_id)
    target = sentences[:, 1]
    read = np.concatenate([np.full((4, 1), config.start_token_id), target[:, :-1]], axis=1)
    shown = np.arange(4) < 3
    return Batch(
        tokens_BT=np.stack([sentences[:, 0], read], axis=1).astype(np.int32),
        real_BT=real,
        types_BT=np.zeros(real.shape, np.int32),
        labels=np.where(real[:, 1] & shown[:, None], target, -1).astype(np.int32),
        weight_B=shown.astype(np.float32),
        index_B=np.where(shown, np.arange(4), -1).astype(np.int32),
    )
