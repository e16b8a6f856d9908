"""The gates that `jaxheads train --gate` learns, and the heads that they decide for."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool

from jaxheads.cli.options.train import TrainOptions
from jaxheads.config import EncoderConfig, OptimizerConfig
from jaxheads.importance.gates.gate import Gate, Theta
from jaxheads.importance.gates.hard_concrete import l0, lagrangian, naturally_open
from jaxheads.importance.gates.subset import ANNEALING, subset
from jaxheads.pruning.mask import mask_from_scores, present_heads
from jaxheads.training.optimizer import GATES

Mask = Bool[np.ndarray, "L H"]


def learned(options: TrainOptions, config: EncoderConfig) -> Gate:
    """The gate that the options name, on the heads that the model has."""
    heads, present_LH = (config.num_layers, config.num_heads), present_heads(config)
    if options.gate == "subset":
        assert options.budget is not None, "as the options check"
        return subset(
            heads, options.budget, steps=options.steps,
            annealing=ANNEALING[options.annealing or "safe"],
            relaxation=options.relaxation or "bounded", present=present_LH,
        )  # fmt: skip
    if options.budget is not None:
        return lagrangian(heads, options.budget, present=present_LH)
    assert options.strength is not None, "as the options check"
    return l0(heads, options.strength, present=present_LH)


def gates_optimizer(options: TrainOptions) -> OptimizerConfig:
    """How the gates are trained."""
    return dataclasses.replace(
        GATES, learning_rate=options.gate_learning_rate or GATES.learning_rate
    )


def kept_by_gate(options: TrainOptions, gate: Gate, config: EncoderConfig, theta: Theta) -> Mask:
    """The exact mask: the `budget` heads of the highest score, or those that were left open."""
    score_LH, present_LH = np.asarray(gate.score(theta), np.float64), present_heads(config)
    if options.budget is None:
        return naturally_open(score_LH) & present_LH
    return mask_from_scores(score_LH, options.budget, present=present_LH)
