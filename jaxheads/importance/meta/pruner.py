"""The pruner: a convolutional network that scores a head by one of its attention maps.

After Zhang et al. 2020 (arXiv 2011.03770), as their code has it (`pruner/pruner.py`): the shape of
DCGAN's discriminator, without biases, nothing but the map going in. Its two outputs, in (0, 2), are
for tasks of sentence pairs and of single sentences. Ours: frames of other sizes, and maps resampled
by their number of real tokens, so that the same sentence scores the same however it is padded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxheads.config import PrunerConfig

PAIR, SINGLE = 0, 1  # the outputs
SLOPE = 0.2  # of the leaky rectifiers below zero
EPS = 1e-5  # of the batch norms: above the variance that the first of them sees
MOMENTUM = 0.1  # the share of a new batch in the running statistics
INITIAL = 0.01  # standard deviation of fresh kernels, and of fresh scales around 1

PrunerParams = dict[str, Any]


class Pruner(NamedTuple):
    """A pruner: what it looks like, and its parameters (running statistics among them)."""

    config: PrunerConfig
    params: PrunerParams


def init_pruner(config: PrunerConfig, seed: int) -> Pruner:
    """A fresh pruner: kernels N(0, 0.01), scales N(1, 0.01), drawn on the host from the seed."""
    random = np.random.default_rng(seed)

    def draw(shape, mean: float):
        return jnp.asarray(random.normal(mean, INITIAL, shape).astype(np.float32))

    params: PrunerParams = {}
    inputs, outputs = 1, config.width
    for layer in range(config.depth):
        params[f"conv{layer}"] = {"kernel": draw((4, 4, inputs, outputs), 0.0)}
        if layer:
            params[f"norm{layer}"] = {
                "scale": draw(outputs, 1.0), "bias": jnp.zeros(outputs),
                "mean": jnp.zeros(outputs), "variance": jnp.ones(outputs),
            }  # fmt: skip
        inputs, outputs = outputs, 2 * outputs
    params["out"] = {"kernel": draw((4, 4, inputs, 2), 0.0)}
    return Pruner(config, params)


# -- maps to frames


def framed(
    config: PrunerConfig, probs_BHTS: Float[Array, "B H T S"], real_BT: Bool[Array, "B T"]
) -> Float[Array, "B H F F"]:
    """Attention maps as the pruner sees them, the rows of padding queries left out.

    Resampled: a map of n real tokens is taken for a square of n x n equal fields, and a pixel has
    the attention in its place as a density, so that each row of pixels has the mean 1 whatever n
    is, and a head that looks everywhere alike is 1 in every pixel. In the corner: the map as it is,
    zeros around it.

    Raises:
      ValueError: for a map in the corner that is longer than the frame.
    """
    probs = probs_BHTS * real_BT[:, None, :, None]
    if config.placing == "resampled":
        share_BFT, count_B = _overlaps(config.frame, real_BT)
        rows_BFT = share_BFT * (config.frame**2 / count_B)[:, None, None]
        to_rows = jnp.einsum("bft,bhts->bhfs", rows_BFT, probs, precision="highest")
        return jnp.einsum("bhfs,bgs->bhfg", to_rows, share_BFT, precision="highest")
    room = config.frame - probs.shape[-1]
    if room < 0:
        raise ValueError(
            f"pruner: expected at most {config.frame} tokens in a frame, got {probs.shape[-1]}"
        )
    return jnp.pad(probs, ((0, 0), (0, 0), (0, room), (0, room)))


def _overlaps(frame: int, real_BT):
    """The share of each real token's field that lies in each pixel, and the number of tokens."""
    count_B = jnp.maximum(real_BT.sum(1), 1).astype(jnp.float32)
    place_BT = jnp.cumsum(real_BT, axis=1) - 1.0
    # in units of 1 / (frame * count), so that the edges are whole numbers
    token_low, token_high = place_BT * frame, (place_BT + 1) * frame
    pixel_BF = jnp.arange(frame) * count_B[:, None]
    low = jnp.maximum(token_low[:, None, :], pixel_BF[:, :, None])
    high = jnp.minimum(token_high[:, None, :], (pixel_BF + count_B[:, None])[:, :, None])
    share = jnp.maximum(high - low, 0.0) / frame
    return jnp.where(real_BT[:, None, :], share, 0.0), count_B


# -- frames to scores


def score_frames(
    params: PrunerParams, frame_NFF: Float[Array, "N F F"], *, training: bool
) -> tuple[Float[Array, "N 2"], PrunerParams]:
    """Scores of maps in (0, 2), and the running statistics with those of this batch in them.

    In training a batch norm goes by the statistics of the batch, else by the running ones, which
    then stay. All are over the maps of all sentences, layers and heads together.
    """
    x, statistics = frame_NFF[..., None], {}
    for layer in range(sum(name.startswith("conv") for name in params)):
        x = _convolve(x, params[f"conv{layer}"], stride=2, pad=1)
        if layer:
            name = f"norm{layer}"
            x, statistics[name] = _normalize(x, params[name], training)
        x = jnp.where(x > 0, x, SLOPE * x)
    x = _convolve(x, params["out"], stride=1, pad=0)
    return 2 * jax.nn.sigmoid(x[:, 0, 0]), statistics


def _convolve(x, layer, *, stride: int, pad: int):
    return jax.lax.conv_general_dilated(
        x, layer["kernel"], (stride, stride), ((pad, pad), (pad, pad)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest",
    )  # fmt: skip


def _normalize(x, norm: PrunerParams, training: bool):
    """As PyTorch's BatchNorm2d: biased variance to divide by, unbiased in the running one."""
    mean, variance = (jax.lax.stop_gradient(norm[name]) for name in ("mean", "variance"))
    statistics = {"mean": mean, "variance": variance}
    if training:
        count = x.size // x.shape[-1]
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        fresh = {"mean": mean, "variance": variance * (count / max(count - 1, 1))}
        statistics = {
            name: (1 - MOMENTUM) * old + MOMENTUM * jax.lax.stop_gradient(fresh[name])
            for name, old in statistics.items()
        }
    scale = norm["scale"] * jax.lax.rsqrt(variance + EPS)
    return (x - mean) * scale + norm["bias"], statistics
