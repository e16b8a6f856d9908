"""How models and pruners are trained. Never starts jax."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Literal

from jaxheads.errors import refuse, too_low

Schedule = Literal["linear", "cosine", "inverse_sqrt", "constant"]
Optimizer = Literal["adamw", "sgd"]
Placing = Literal["resampled", "corner"]
Compute = Literal["float32", "bfloat16"]

SCHEDULES: tuple[str, ...] = ("linear", "cosine", "inverse_sqrt", "constant")
OPTIMIZERS: tuple[str, ...] = ("adamw", "sgd")
FRAMES: tuple[int, ...] = (8, 16, 32, 64, 128)
PLACINGS: tuple[str, ...] = ("resampled", "corner")
COMPUTE: tuple[str, ...] = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class PrunerConfig:
    """A convolutional network that scores a head by its attention map (Zhang et al. 2020).

    The map comes into a square of `frame` pixels: resampled by its number of real tokens, so that
    no padding is seen, or as the authors' code has it, in the corner of a square of zeros.

    Raises:
      ValueError: for an unknown frame or placing, or no channel.
    """

    frame: int = 32  # pixels on a side; the authors: 128
    width: int = 4  # channels after the first convolution, doubled by each further one
    placing: Placing = "resampled"

    def __post_init__(self) -> None:
        problems = list(too_low([("width", self.width, 1)]))
        if self.frame not in FRAMES:
            problems.append(
                f"frame: expected one of {', '.join(map(str, FRAMES))}, got {self.frame}"
            )
        if self.placing not in PLACINGS:
            problems.append(f"placing: expected one of {', '.join(PLACINGS)}, got {self.placing!r}")
        refuse("pruner", problems)

    @property
    def depth(self) -> int:
        """Convolutions of stride 2, which leave 4 x 4 pixels to the last one."""
        return self.frame.bit_length() - 3


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW or SGD: decoupled decay, none on biases and norms; a warm-up, then a schedule.

    Raises:
      ValueError: for unknown names and numbers out of range, listing all.
    """

    learning_rate: float = 1e-4  # the highest learning rate, reached when the warm-up ends
    warmup: float = 0.1  # share of all steps in which the learning rate rises from zero
    schedule: Schedule = "linear"
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    clip_norm: float | None = 1.0  # of the gradient over all parameters; None: not clipped
    optimizer: Optimizer = "adamw"  # sgd: the gradient itself, no momentum; the betas and eps rest
    encoder_learning_rate: float | None = None  # the encoder's own highest rate; None: the same

    def __post_init__(self) -> None:
        refuse("optimizer", _optimizer_problems(self))


def _optimizer_problems(c: OptimizerConfig) -> Iterator[str]:
    yield from _not_positive(c, "learning_rate", "encoder_learning_rate")
    if not 0 <= c.warmup <= 1:
        yield f"warmup: expected a share from 0 to 1, got {c.warmup}"
    if c.schedule not in SCHEDULES:
        yield f"schedule: expected one of {', '.join(SCHEDULES)}, got {c.schedule!r}"
    if c.schedule == "inverse_sqrt" and c.warmup == 0:
        yield "warmup: expected above 0 for inverse_sqrt, which falls from its end on, got 0"
    if not 0 <= c.weight_decay < math.inf:
        yield f"weight_decay: expected at least 0, got {c.weight_decay}"
    if c.optimizer not in OPTIMIZERS:
        yield f"optimizer: expected one of {', '.join(OPTIMIZERS)}, got {c.optimizer!r}"
    for name in ("beta1", "beta2"):
        if not 0 <= getattr(c, name) < 1:
            yield f"{name}: expected a number in [0, 1), got {getattr(c, name)}"
    yield from _not_positive(c, "eps", "clip_norm")


def _not_positive(c: OptimizerConfig, *names: str) -> Iterator[str]:
    for name in names:
        value = getattr(c, name)
        if value is not None and not 0 < value < math.inf:
            yield f"{name}: expected a positive number, got {value}"


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long, on how much at a time, and from which seed a model is trained.

    Raises:
      ValueError: for unknown names and numbers out of range, listing all.
    """

    steps: int
    batch_size: int = 32  # over all devices and processes
    accumulate: int = 1  # parts of a batch that go through the model one after the other
    seed: int = 0  # of the order of examples and of dropout
    optimizer: OptimizerConfig = OptimizerConfig()
    dtype: Compute = "float32"  # what the forward pass computes in; parameters stay float32
    remat: bool = False  # keep each layer's input alone, and compute the rest again
    shard_opt_state: bool = False  # the optimizer's state is split over the data axis too (ZeRO-1)
    dropout: float | None = None  # while this lasts; none: the encoder's own rates
    label_smoothing: float = 0.0  # share of the target that all classes or tokens have alike
    frozen_steps: int = (
        0  # first steps, in which the encoder stays as it is; it warms up after them
    )
    window: int = 0  # batches within which examples of like length come together; 0: none
    log_every: int = 20  # steps between two lines of the log
    eval_every: int = 0  # steps between two evaluations, where there is an evaluator; 0: at the end
    save_every: int = 0  # steps between two checkpoints, where those are kept; 0: at the end
    keep_last: int = 2  # checkpoints; the one with the best evaluation is kept too

    def __post_init__(self) -> None:
        least = dict.fromkeys(("steps", "batch_size", "accumulate", "log_every", "keep_last"), 1)
        least |= dict.fromkeys(("seed", "frozen_steps", "window", "eval_every", "save_every"), 0)
        problems = list(too_low((name, getattr(self, name), low) for name, low in least.items()))
        if self.dtype not in COMPUTE:
            problems.append(f"dtype: expected one of {', '.join(COMPUTE)}, got {self.dtype!r}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            problems.append(f"dropout: expected a rate in [0, 1) or none, got {self.dropout}")
        if not 0 <= self.label_smoothing < 1:
            problems.append(
                f"label_smoothing: expected a share in [0, 1), got {self.label_smoothing}"
            )
        if self.frozen_steps > self.steps:
            problems.append(
                f"frozen_steps: expected at most the {self.steps} steps, got {self.frozen_steps}"
            )
        refuse("training", problems)
