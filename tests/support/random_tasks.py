"""Tiny random models with examples for their tasks."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Params, abstract_params
from jaxheads.objectives import Objective, objective_for

SIZES = {"vocab_size": 60, "hidden_size": 16, "num_heads": 4, "intermediate_size": 24}
ROBERTA = encoder_config(
    family="roberta", num_layers=2, max_positions=20, type_vocab_size=1, pad_token_id=1, **SIZES
)
ALBERT = encoder_config(
    family="albert", num_layers=4, max_positions=20, type_vocab_size=2, embedding_size=8,
    hidden_groups=2, **SIZES,
)  # fmt: skip
CONFIGS = {"roberta": ROBERTA, "albert": ALBERT}
READOUTS = {
    "classification": ReadoutConfig("classification", ("no", "maybe", "yes")),
    "regression": ReadoutConfig("classification", ("score",)),
    "pair": ReadoutConfig("pair", ("no", "yes")),
    "masked_lm": ReadoutConfig("masked_lm"),
}


class Task(NamedTuple):
    """A random model with its objective, and N examples as one batch."""

    config: EncoderConfig
    readout: ReadoutConfig
    params: Params
    objective: Objective
    data: Batch

    def batches(self, size: int, order=None) -> Iterator[Batch]:
        """The examples so many at a time, the last batch filled with rows of weight 0."""
        index = np.arange(len(self.data.weight_B)) if order is None else np.asarray(order)
        for start in range(0, len(index), size):
            rows = index[start : start + size]
            part = jax.tree.map(lambda leaf, rows=rows: leaf[np.resize(rows, size)], self.data)
            real = np.arange(size) < len(rows)
            yield part._replace(
                weight_B=real.astype(np.float32), index_B=np.where(real, part.index_B, -1)
            )


@functools.cache
def make_task(family: str = "roberta", readout: str = "classification", examples: int = 20) -> Task:
    """Every parameter random and large, biases too, so that every head matters."""
    rng = np.random.default_rng(0)
    config, head = CONFIGS[family], READOUTS[readout]
    params = jax.tree.map(
        lambda leaf: rng.normal(0, 0.4, leaf.shape).astype(np.float32),
        abstract_params(config, head),
    )
    data = _examples(rng, config, head, examples)
    return Task(config, head, params, objective_for(config, head), data)


def _examples(rng, config: EncoderConfig, readout: ReadoutConfig, examples: int) -> Batch:
    length, pair = 8, (2,) if readout.kind == "pair" else ()
    lengths = rng.integers(3, length + 1, (examples, *pair))
    real = np.arange(length) < lengths[..., None]
    tokens = np.where(real, rng.integers(2, 60, real.shape), config.pad_token_id)
    types = rng.integers(0, config.type_vocab_size, real.shape)
    labels, where = rng.integers(0, max(len(readout.labels), 1), examples), None
    if len(readout.labels) == 1:
        labels = rng.normal(size=examples).astype(np.float32)
    if readout.kind == "masked_lm":
        where = np.stack([rng.permutation(3) for _ in range(examples)])[:, :2]
        labels = rng.integers(0, 60, where.shape)
        labels[::3, 1] = -1  # every third example has one position to predict
    weight = np.ones(examples, np.float32)
    return Batch(tokens, real, types, labels, weight, np.arange(examples), where)
