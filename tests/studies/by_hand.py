"""What a model answers with heads masked or gated, and its scores, without code of the studies."""

from __future__ import annotations

import functools
from pathlib import Path

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
)
from jaxheads.data.glue import task_named
from jaxheads.training.evaluate import evaluate

LENGTH, SHAPE = 8, (2, 4)
READOUT = ReadoutConfig("classification", ("0", "1"))  # named as studies do: one program for all


@functools.cache
def saved(path: Path) -> Model:
    """A model from its folder."""
    return load_model(path)._replace(readout=READOUT)


@functools.cache
def fresh(path: Path, seed: int) -> Model:
    """A pre-trained model with the readout that a seed draws."""
    base = load_model(path)
    model = init_model(base.config, READOUT, jax.random.key(seed))
    return model._replace(params={**model.params, "encoder": base.params["encoder"]})


@functools.cache
def batches_of(source: Path, file: Path):
    """A task's examples, by the tokenizer of a model's folder."""
    examples = read_examples(task_named(file.name.partition(".")[0]), file)
    return list(
        batches(encode_task(load_tokenizer(source), examples, LENGTH), 64, lengths=(LENGTH,))
    )


def measured(model: Model, source: Path, file: Path, gate_LH=None) -> dict[str, float]:
    """The loss and the task's metrics on TASK.SPLIT.jsonl, with the tokenizer of a folder."""
    gate_LH = np.ones(SHAPE, np.float32) if gate_LH is None else np.asarray(gate_LH, np.float32)
    objective = objective_for(model.config, READOUT)
    metrics = task_named(file.name.partition(".")[0]).metrics
    found = evaluate(objective, model.params, batches_of(source, file), metrics, gate=gate_LH)
    return found.metrics


def rescored(model: Model, source: Path, file: Path, budgets, **how) -> dict[int, np.ndarray]:
    """The masks of decreasing budgets, each by the scores under the mask before it.

    `how`: further arguments of `score_heads`.
    """
    objective, mask_LH, masks = objective_for(model.config, READOUT), np.ones(SHAPE, bool), {}
    for budget in budgets:
        score_LH = score_heads(
            objective, model.params, batches_of(source, file), heads=model.config,
            gate=mask_LH.astype(np.float32), progress=False, **how,
        ).score_LH  # fmt: skip
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
