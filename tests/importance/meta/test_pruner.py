"""The pruner's network against its specification in NumPy and in PyTorch; what padding does."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import PrunerConfig
from jaxheads.importance.meta.pruner import framed, init_pruner, score_frames

ROUNDING = 4e-6  # of scores in (0, 2): five sums of float32 numbers one after the other
SCORE = jax.jit(score_frames, static_argnames="training")
FRAME = jax.jit(framed, static_argnums=0)
CONFIG = PrunerConfig(frame=16, width=2)
ORIGINAL = PrunerConfig(frame=128, width=8, placing="corner")


def maps(batch: int, heads: int, lengths, longest: int, seed: int = 0):
    """Attention of real tokens, rows of padding queries too, as an encoder gives it."""
    random = np.random.default_rng(seed)
    real = np.arange(longest) < np.asarray(lengths)[:, None]
    logits = random.normal(size=(batch, heads, longest, longest)) * 2
    exp = np.exp(logits) * real[:, None, None, :]
    return (exp / exp.sum(-1, keepdims=True)).astype(np.float32), real


def lively(config: PrunerConfig, seed: int = 3):
    """A pruner whose kernels are large enough for scores all over (0, 2), with used statistics."""
    random = np.random.default_rng(seed)
    params = jax.tree.map(np.asarray, init_pruner(config, 0).params)
    for layer in params.values():
        for name, leaf in layer.items():
            if name == "kernel":
                width = np.sqrt(2 / leaf[..., 0].size)
                layer[name] = random.normal(0, width, leaf.shape).astype(np.float32)
            else:
                spread = random.uniform(0.2, 1.5, leaf.shape) if name != "bias" else leaf + 0.3
                layer[name] = spread.astype(np.float32)
    return params


# -- the specification, written out in float64


def convolve(x_NHWC, kernel, stride, pad):
    x = np.pad(x_NHWC, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    size = (x.shape[1] - 4) // stride + 1
    out = np.zeros((len(x), size, size, kernel.shape[-1]))
    for row in range(size):
        for column in range(size):
            window = x[:, row * stride :, column * stride :][:, :4, :4]
            out[:, row, column] = np.tensordot(window, kernel, 3)
    return out


def by_hand(params, frames, training):
    params = jax.tree.map(np.float64, params)
    x, statistics = np.float64(frames)[..., None], {}
    for layer in range(len(frames[0]).bit_length() - 3):
        x = convolve(x, params[f"conv{layer}"]["kernel"], 2, 1)
        if layer:
            norm = params[f"norm{layer}"]
            mean, variance = norm["mean"], norm["variance"]
            if training:
                mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
                unbiased = x.reshape(-1, x.shape[-1]).var(0, ddof=1)
                statistics[f"norm{layer}"] = {
                    "mean": 0.9 * norm["mean"] + 0.1 * mean,
                    "variance": 0.9 * norm["variance"] + 0.1 * unbiased,
                }
            x = (x - mean) / np.sqrt(variance + 1e-5) * norm["scale"] + norm["bias"]
        x = np.where(x > 0, x, 0.2 * x)
    out = convolve(x, params["out"]["kernel"], 1, 0)[:, 0, 0]
    return 2 / (1 + np.exp(-out)), statistics


@pytest.mark.parametrize("config", [CONFIG, ORIGINAL], ids=["small", "original"])
@pytest.mark.parametrize("training", [False, True])
def test_scores_and_statistics_are_those_of_the_specification(config, training):
    params = lively(config)
    longest = config.frame - 4
    seen = maps(2, 3, [longest // 2, longest], longest)
    frames = np.asarray(FRAME(config, *map(jnp.asarray, seen)))
    frames = frames.reshape(6, config.frame, config.frame)
    found, statistics = SCORE(params, jnp.asarray(frames), training=training)
    expected, moved = by_hand(params, frames, training)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)
    assert np.ptp(expected, axis=0).min() > 1e-3  # far above rounding
    for name, norm in moved.items():
        for part, value in norm.items():
            np.testing.assert_allclose(statistics[name][part], value, rtol=1e-5, atol=1e-6)


def test_running_statistics_stay_where_nothing_is_trained():
    params = lively(CONFIG)
    _, statistics = SCORE(params, jnp.ones((2, 16, 16)), training=False)
    for name, norm in statistics.items():
        np.testing.assert_array_equal(norm["variance"], params[name]["variance"])


@pytest.mark.torch
def test_scores_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    params = lively(ORIGINAL)
    frames = np.asarray(FRAME(ORIGINAL, *map(jnp.asarray, maps(2, 3, [40, 90], 90))))
    frames = frames.reshape(6, 128, 128)
    layers: list = []
    for layer in range(6):
        kernel = params[f"conv{layer}" if layer < 5 else "out"]["kernel"]
        outward, inward = kernel.shape[3], kernel.shape[2]
        stride, pad = (2, 1) if layer < 5 else (1, 0)
        module = torch.nn.Conv2d(inward, outward, 4, stride, pad, bias=False)
        module.weight.data = torch.tensor(np.array(kernel.transpose(3, 2, 0, 1)))
        layers.append(module)
        if 0 < layer < 5:
            norm, given = torch.nn.BatchNorm2d(outward), params[f"norm{layer}"]
            parts = {"weight": "scale", "bias": "bias"}
            for theirs, ours in (
                parts | {"running_mean": "mean", "running_var": "variance"}
            ).items():
                getattr(norm, theirs).data = torch.tensor(np.array(given[ours]))
            layers.append(norm)
        if layer < 5:
            layers.append(torch.nn.LeakyReLU(0.2))
    net = torch.nn.Sequential(*layers)
    for training in (True, False):
        before = net.train(training)(torch.tensor(frames)[:, None])[..., 0, 0]
        expected = (2 * torch.sigmoid(before)).detach().numpy()
        found, statistics = SCORE(params, jnp.asarray(frames), training=training)
        np.testing.assert_allclose(found, expected, atol=ROUNDING)
        params = {**params, **{n: {**params[n], **norm} for n, norm in statistics.items()}}
    np.testing.assert_allclose(params["norm4"]["variance"], layers[-3].running_var, rtol=1e-5)


# -- frames


@pytest.mark.parametrize("length", [5, 16, 23])
def test_a_resampled_map_is_the_mean_density_in_each_pixel(length):
    """Against a fine grid of 16 x length points on a side, in which fields and pixels are whole."""
    probs, real = maps(1, 2, [length], length)
    fine = np.repeat(np.repeat(probs[0] * length, 16, 1), 16, 2)
    expected = fine.reshape(2, 16, length, 16, length).mean((2, 4))
    found = np.asarray(FRAME(CONFIG, jnp.asarray(probs), jnp.asarray(real)))[0]
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    np.testing.assert_allclose(found.mean(-1), 1.0, rtol=1e-5)


def test_padding_on_either_side_changes_no_frame():
    probs, real = maps(1, 2, [7], 7)
    plain = FRAME(CONFIG, jnp.asarray(probs), jnp.asarray(real))
    for before, after in ((0, 5), (3, 2)):
        padded = np.full((1, 2, 12, 12), 0.2, np.float32)  # rows of padding queries are not empty
        padded[:, :, :, :before] = padded[:, :, :, before + 7 :] = 0
        padded[:, :, before : before + 7, before : before + 7] = probs
        shown = np.pad(real, ((0, 0), (before, after)))
        found = FRAME(CONFIG, jnp.asarray(padded), jnp.asarray(shown))
        np.testing.assert_allclose(found, plain, rtol=1e-6, atol=1e-7)


def test_the_corner_holds_the_map_as_it_is():
    probs, real = maps(1, 1, [6], 9)
    config = PrunerConfig(frame=16, placing="corner")
    found = np.asarray(FRAME(config, jnp.asarray(probs), jnp.asarray(real)))[0, 0]
    np.testing.assert_array_equal(found[:6, :9], probs[0, 0, :6])
    assert not found[6:].any()
    assert not found[:, 9:].any()
    with pytest.raises(ValueError, match="expected at most 8 tokens in a frame, got 9"):
        FRAME(PrunerConfig(frame=8, placing="corner"), jnp.asarray(probs), jnp.asarray(real))


def test_the_original_has_as_many_numbers_as_the_released_one():
    leaves = jax.tree_util.tree_leaves_with_path(init_pruner(ORIGINAL, 0).params)
    kernels = sum(leaf.size for path, leaf in leaves if "kernel" in str(path))
    assert (kernels, sum(leaf.size for _, leaf in leaves) - kernels) == (178_304, 960)


def test_a_wrong_pruner_config_is_one_line():
    said = "width: expected at least 1, got 0; frame: expected one of 8, 16, 32, 64, 128, got 24"
    with pytest.raises(ValueError, match=said):
        PrunerConfig(frame=24, width=0)
