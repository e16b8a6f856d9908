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

Rate = Callable[[int], float]

# For what a gate trains, if nothing else is said: a rate some thousand times that of parameters,
# since a weight has to travel some units; no decay; clipped by itself.
GATES = OptimizerConfig(rate=0.1, warmup=0.0, decay="constant", weight_decay=0.0)

# The last name in a parameter's path says whether it decays.
DECAYS: dict[str, bool] = {
    "kernel": True, "table": True, "bias": False, "scale": False,
    "mean": False, "variance": False,  # running, of a batch norm: no gradient reaches them
}  # fmt: skip


def make_optimizer(
    config: OptimizerConfig, *, gates: OptimizerConfig | None = None
) -> optax.GradientTransformation:
    """From gradients to directions: clipping by the global norm, then AdamW or SGD, no rate yet.

    A step is `parameter - rate * direction`, with the rate of `rate_schedule`: the rate is no part
    of the compiled program. Moments are those of the clipped gradient. Decay is decoupled: it adds
    `weight_decay * parameter` to the direction of kernels and tables, nothing to biases and norms.

    With `gates` the tree is `{"params": ..., "gates": ...}` and each group is clipped by its own
    norm; gates decay, towards zero, only by the `weight_decay` of `gates`.
    """
    params = _descent(config, decay_mask)
    if gates is None:
        return params
    groups: dict[Hashable, optax.GradientTransformation] = {
        "params": params, "gates": _descent(gates, mask=None)
    }  # fmt: skip
    return optax.multi_transform(groups, {name: name for name in groups})


def _descent(config: OptimizerConfig, mask: Callable[[Any], Any] | None):
    clip = config.clip_norm
    return optax.chain(
        optax.identity() if clip is None else optax.clip_by_global_norm(clip),
        DESCENT[config.descent](config),
        optax.add_decayed_weights(config.weight_decay, mask=mask),
    )


# How a gradient becomes a direction.
DESCENT: dict[str, Callable[[OptimizerConfig], optax.GradientTransformation]] = {
    "adamw": lambda c: optax.scale_by_adam(c.beta1, c.beta2, c.eps),
    "sgd": lambda _: optax.identity(),
}


def rate_schedule(config: OptimizerConfig, steps: int) -> Rate:
    """The learning rate of the steps 0 to `steps` - 1, all of them above zero.

    With w steps of warm-up, step s has `rate * (s + 1) / w` before step w, the whole rate at step
    w, and then falls towards zero at `steps`: linearly, by half a cosine, or not at all.
    """
    warm = round(config.warmup * steps)
    left = DECAY[config.decay]

    def rate(step: int) -> float:
        if step < warm:
            return config.rate * (step + 1) / warm
        return config.rate * left(min((step - warm) / max(steps - warm, 1), 1.0))

    return rate


# What is left of the rate, by the share of the steps after the warm-up that are done.
DECAY: dict[str, Callable[[float], float]] = {
    "linear": lambda share: 1 - share,
    "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
    "constant": lambda _: 1.0,
}


def decay_mask(trainable: Any) -> Any:
    """True for kernels and tables, False for biases and norms; ValueError for any other name."""
    return jax.tree_util.tree_map_with_path(lambda path, _: _is_decayed(path), trainable)


def _is_decayed(path) -> bool:
    name = jax.tree_util.keystr(path[-1:], simple=True)
    if name not in DECAYS:
        where = jax.tree_util.keystr(path, simple=True, separator="/")
        raise ValueError(f"{where}: expected a parameter named {', '.join(DECAYS)}")
    return DECAYS[name]
