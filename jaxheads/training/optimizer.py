"""AdamW or SGD from settings: which parameters decay, and the learning rate of every step.

What is trained is a tree `{"params": ..., "gates": ...}` of two groups, the second being what a
`Gate` trains. Each group has an optimizer of its own under `optax.multi_transform`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

import jax
import optax

from jaxheads.config import OptimizerConfig

LearningRate = Callable[[int], float]

# For what a gate trains, if nothing else is said: a learning rate some thousand times that of
# parameters, since a weight has to travel some units; no decay; clipped by itself.
GATES = OptimizerConfig(learning_rate=0.1, warmup=0.0, schedule="constant", weight_decay=0.0)

# The last name in a parameter's path says whether it decays.
DECAYS: dict[str, bool] = {
    "kernel": True, "table": True, "bias": False, "scale": False,
    "mean": False, "variance": False,  # running, of a batch norm: no gradient reaches them
}  # fmt: skip


def make_optimizer(
    config: OptimizerConfig, *, gates: OptimizerConfig | None = None
) -> optax.GradientTransformation:
    """From gradients to directions: clipping by the global norm, then AdamW or SGD.

    A step is `parameter - learning_rate * direction`, with `learning_rate_schedule`: the rate is no
    part of the compiled program. Moments are those of the clipped gradient. Decay is decoupled: it
    adds `weight_decay * parameter` to the direction of kernels and tables, nothing to biases and
    norms.

    With `gates` the tree is `{"params": ..., "gates": ...}` and each group is clipped by its own
    norm; gates decay, towards zero, only by the `weight_decay` of `gates`.
    """
    params = _transformation(config, decay_mask)
    if gates is None:
        return params
    groups: dict[Hashable, optax.GradientTransformation] = {
        "params": params, "gates": _transformation(gates, mask=None)
    }  # fmt: skip
    return optax.multi_transform(groups, {name: name for name in groups})


def _transformation(config: OptimizerConfig, mask: Callable[[Any], Any] | None):
    clip = config.clip_norm
    return optax.chain(
        optax.identity() if clip is None else optax.clip_by_global_norm(clip),
        OPTIMIZERS[config.optimizer](config),
        optax.add_decayed_weights(config.weight_decay, mask=mask),
    )


# How a gradient becomes a direction.
OPTIMIZERS: dict[str, Callable[[OptimizerConfig], optax.GradientTransformation]] = {
    "adamw": lambda c: optax.scale_by_adam(c.beta1, c.beta2, c.eps),
    "sgd": lambda _: optax.identity(),
}


def learning_rate_schedule(config: OptimizerConfig, steps: int) -> LearningRate:
    """The learning rate of the steps 0 to `steps` - 1, all of them above zero.

    With w steps of warm-up, step s has `learning_rate * (s + 1) / w` before step w, all of it at
    step w, and then falls towards zero at `steps`, linearly or by half a cosine; with sqrt(w / s)
    (inverse_sqrt: Vaswani et al. 2017, section 5.3); or not at all.
    """
    warm = round(config.warmup * steps)
    left = SCHEDULES[config.schedule]

    def learning_rate(step: int) -> float:
        if step < warm:
            return config.learning_rate * (step + 1) / warm
        return config.learning_rate * left(
            min((step - warm) / max(steps - warm, 1), 1.0), max(warm, 1) / steps
        )

    return learning_rate


# What is left of the learning rate, by the share of the steps after the warm-up that are done, and
# the share of all steps that the warm-up takes.
SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "linear": lambda share, _: 1 - share,
    "cosine": lambda share, _: (1 + math.cos(math.pi * share)) / 2,
    "inverse_sqrt": lambda share, warm: math.sqrt(warm / (warm + share * (1 - warm))),
    "constant": lambda *_: 1.0,
}


def decay_mask(trainable: Any) -> Any:
    """True for kernels and tables, False for biases and norms.

    Raises:
      ValueError: for a parameter of any other name.
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: _is_decayed(path), trainable)


def _is_decayed(path) -> bool:
    name = jax.tree_util.keystr(path[-1:], simple=True)
    if name not in DECAYS:
        where = jax.tree_util.keystr(path, simple=True, separator="/")
        raise ValueError(f"{where}: expected a parameter named {', '.join(DECAYS)}")
    return DECAYS[name]
