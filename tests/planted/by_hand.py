"""What a model answers with heads masked or gated, and its scores, without code of the studies."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxheads import (
    Model,
    ReadoutConfig,
    batches,
    encode_task,
    init_model,
    load_model,
    load_tokenizer,
    objective_for,
    read_examples,
    score_heads,
    training_batches,
)
from jaxheads.data.mlm import encode_blocks, mask_blocks
from jaxheads.data.tasks.named import task_named
from jaxheads.inference.evaluate import evaluate

LENGTH, SHAPE = 8, (2, 4)
READOUT = ReadoutConfig("classification", ("0", "1"))  # named as studies do: one program for all


@functools.cache
def pretrained(path: Path) -> Model:
    """A masked LM from its folder."""
    return load_model(path)


@functools.cache
def saved(path: Path) -> Model:
    """A classifier from its folder."""
    return load_model(path)._replace(readout=READOUT)


@functools.cache
def fresh(path: Path, seed: int) -> Model:
    """A pre-trained model with the readout that a seed draws."""
    base = pretrained(path)
    model = init_model(base.config, READOUT, jax.random.key(seed))
    return model._replace(params={**model.params, "encoder": base.params["encoder"]})


def _source(tokens: Path, file: Path):
    """TASK.SPLIT.jsonl, or a text for masked LM, by the tokenizer of a folder."""
    tokenizer = load_tokenizer(tokens)
    if file.suffix == ".txt":
        blocks = encode_blocks(tokenizer, file.read_text().splitlines(), LENGTH)
        return mask_blocks(blocks, tokenizer, length=LENGTH, seed=0, fixed=True)
    return encode_task(tokenizer, read_examples(_task(file), file), None, LENGTH)


@functools.cache
def batches_of(tokens: Path, file: Path):
    """All examples of a file."""
    return list(batches(_source(tokens, file), 64, lengths=(LENGTH,)))


def _task(file: Path):
    return task_named(file.name.partition(".")[0])


def _gate(gate_LH) -> np.ndarray:
    return np.ones(SHAPE, np.float32) if gate_LH is None else np.asarray(gate_LH, np.float32)


def measured(model: Model, tokens: Path, file: Path, gate_LH=None) -> dict[str, float]:
    """The loss and the metrics on all examples of a file."""
    metrics = ("accuracy",) if file.suffix == ".txt" else _task(file).metrics
    every, objective = batches_of(tokens, file), objective_for(model.config, model.readout)
    gate, classes = _gate(gate_LH), range(len(model.readout.labels))
    return evaluate(objective, model.params, every, metrics, classes=classes, gate=gate).metrics


def begins(model: Model, tokens: Path, file: Path, gate_LH, seed: int, size: int) -> float:
    """The loss before the first step of a training, on the batch that its seed draws first."""
    drawn = training_batches(_source(tokens, file), size, seed=seed, lengths=(LENGTH,))
    objective, first = objective_for(model.config, model.readout), itertools.islice(drawn, 1)
    return evaluate(objective, model.params, first, (), gate=_gate(gate_LH)).metrics["loss"]


def scores(model: Model, tokens: Path, file: Path, gate_LH=None, **how: Any) -> np.ndarray:
    """The gradient's scores on all examples; `how`: further arguments of `score_heads`."""
    return score_heads(
        objective_for(model.config, model.readout), model.params,
        batches_of(tokens, file), heads=model.config, gate=_gate(gate_LH),
        progress=False, **how,
    ).score_LH  # fmt: skip


def rescored(model: Model, tokens: Path, file: Path, budgets, **how: Any) -> dict[int, np.ndarray]:
    """The masks of decreasing budgets, each by the scores under the mask before it."""
    mask_LH, masks = np.ones(SHAPE, bool), {}
    for budget in budgets:
        score_LH = scores(model, tokens, file, mask_LH, **how)
        mask_LH = kept(np.where(mask_LH, score_LH, -np.inf), budget)
        masks[budget] = mask_LH
    return masks


def kept(score_LH: np.ndarray, budget: int) -> np.ndarray:
    """The mask of the highest scores; of equal ones the last heads are kept."""
    order = sorted(np.ndindex(score_LH.shape), key=lambda head: (score_LH[head], head))
    mask_LH = np.zeros(score_LH.shape, bool)
    for head in order[len(order) - budget :]:
        mask_LH[head] = True
    return mask_LH


def spearman(one_LH: np.ndarray, two_LH: np.ndarray) -> float:
    """By its definition: Pearson's correlation of mean ranks."""
    ranks = [
        [np.mean(np.flatnonzero(np.sort(value_N) == value)) for value in value_N]
        for value_N in (np.ravel(one_LH), np.ravel(two_LH))
    ]
    return float(np.corrcoef(*ranks)[0, 1])
