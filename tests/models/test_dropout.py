"""Dropout: the rate, and no pattern over places, rows, sites, steps and devices."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from scipy import stats

from jaxheads.models.dropout import drop, place_bits
from jaxheads.parallel.mesh import make_mesh

SHAPE = (8, 4, 64, 64)  # examples, heads, queries, keys: 131,072 elements
SIGMAS = 5.0  # a true null leaves them once in 1.7 million tests
key_of = jax.jit(lambda seed, step: jax.random.fold_in(jax.random.key(seed), step))
bits_of = jax.jit(place_bits, static_argnums=1)
drop_of = jax.jit(drop, static_argnums=1)


def bits(seed: int = 0, step: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.asarray(bits_of(key_of(seed, step), shape))


def correlation(one: np.ndarray, two: np.ndarray) -> float:
    """In standard errors of independent draws."""
    return float(np.corrcoef(one.ravel(), two.ravel())[0, 1] * np.sqrt(one.size))


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_the_rate_is_met_and_what_stays_is_scaled(rate):
    x = np.ones(SHAPE, np.float32)
    dropped = np.asarray(drop_of(x, rate, key_of(0, 0)))
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / (1 - rate))}
    share = (dropped == 0).mean()
    assert abs(share - rate) < SIGMAS * np.sqrt(rate * (1 - rate) / x.size)


def test_without_a_key_or_a_rate_nothing_is_dropped():
    x = jnp.ones((2, 3))
    assert drop(x, 0.5, None) is drop(x, 0.0, jax.random.key(0)) is x


def test_the_gradient_passes_where_and_as_the_value_did():
    x = jax.random.normal(jax.random.key(1), (4, 32))
    value, pull = jax.vjp(lambda x: drop(x, 0.3, jax.random.key(2)), x)
    (gradient,) = pull(jnp.ones_like(x))
    np.testing.assert_allclose(value, x * gradient)
    assert set(np.unique(gradient)) == {np.float32(0), np.float32(1 / 0.7)}


def test_a_half_precision_array_keeps_its_type():
    assert drop(jnp.ones((2, 8), jnp.bfloat16), 0.1, jax.random.key(0)).dtype == jnp.bfloat16


def test_every_bit_and_byte_is_uniform():
    """The threshold of a rate reads the high bits most, a rate of its own the others."""
    found = bits()
    for place in range(32):
        ones = ((found >> np.uint32(place)) & 1).mean()
        assert abs(ones - 0.5) < SIGMAS * 0.5 / np.sqrt(found.size), place
    for shift in (0, 8, 16, 24):
        counts = np.bincount(((found >> np.uint32(shift)) & 255).ravel(), minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-6


def test_each_row_column_and_head_has_the_rate():
    """No axis carries a pattern: chi-square over the sums along all others."""
    dropped = bits() < np.uint32(0.1 * 2**32)
    for axis, size in enumerate(SHAPE):
        counts = dropped.sum(tuple(a for a in range(4) if a != axis))
        due = dropped.size / size * 0.1
        assert stats.chi2.sf(np.square(counts - due).sum() / (due * 0.9), size) > 1e-6


def test_neighbours_along_every_axis_are_independent():
    dropped = bits() < np.uint32(0.1 * 2**32)
    for axis, lag in itertools.product(range(4), (1, 2, 3, 4, 16, 32)):
        if lag < SHAPE[axis]:
            here = np.take(dropped, np.arange(SHAPE[axis] - lag), axis)
            there = np.take(dropped, np.arange(lag, SHAPE[axis]), axis)
            assert abs(correlation(here, there)) < SIGMAS, (axis, lag)


def test_pairs_of_examples_are_independent():
    dropped = bits() < np.uint32(0.1 * 2**32)
    for one, two in itertools.combinations(range(SHAPE[0]), 2):
        assert abs(correlation(dropped[one], dropped[two])) < SIGMAS


def test_steps_seeds_and_sites_are_independent_and_the_same_ones_equal():
    drawn = [bits(seed, step) < np.uint32(0.1 * 2**32) for seed in (0, 1) for step in range(6)]
    split = jax.random.split(key_of(0, 0), 3)
    drawn += [np.asarray(bits_of(key, SHAPE)) < np.uint32(0.1 * 2**32) for key in split]
    for one, two in itertools.combinations(drawn, 2):
        assert abs(correlation(one, two)) < SIGMAS
    np.testing.assert_array_equal(bits(1, 3), bits(1, 3))


def test_no_element_is_dropped_always_or_never():
    """Over 200 steps each element's count is binomial: variance over places and the extremes."""
    counts = sum(
        (bits(0, step, (4, 256)) < np.uint32(0.5 * 2**32)).astype(int) for step in range(200)
    )
    assert counts.min() > 60
    assert counts.max() < 140
    assert counts.var() == pytest.approx(50, rel=SIGMAS * np.sqrt(2 / counts.size))


def test_the_mask_is_the_same_however_it_is_sharded():
    mesh = make_mesh(8, 1)
    spec = NamedSharding(mesh, PartitionSpec("data"))
    x = np.ones(SHAPE, np.float32)
    split = drop_of(jax.device_put(x, spec), 0.1, key_of(0, 7))
    assert len(split.sharding.device_set) == 8
    np.testing.assert_array_equal(split, drop_of(x, 0.1, key_of(0, 7)))
