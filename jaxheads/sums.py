"""Sums over processes of float64 numbers that a host holds. Imports nothing of ours.

Accelerators add integers of 32 bits, all alike and in any order; not all of them add float64. So
each number is sent as two such integers, which count a unit that all processes agree on first. What
travels has the size of the array, whatever the number of processes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Float

How = Literal["max", "sum"]
REDUCTIONS = {"max": jnp.max, "sum": jnp.sum}
ZERO, ENDLESS = -4000, 4000  # in place of exponents, beyond all of float64: of 0, and of inf or nan
# Every process's integers made one array, equal in shape: their greatest, or their sum.
Exchange = Callable[[How, np.ndarray], np.ndarray]


def sum_processes(own_n: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The sum over all processes, each of which must call; see `add_up`."""
    if jax.process_count() == 1:
        return own_n
    return add_up(own_n, jax.process_count(), _exchange)


def add_up(
    own_n: Float[np.ndarray, "n"], processes: int, exchange: Exchange
) -> Float[np.ndarray, "n"]:
    """The sum of float64 numbers of several processes; nan where one of a place is not finite.

    The same in whatever order they are added. A number is rounded to 2 (31 - b) bits below the
    greatest of its place, for a count of processes of b bits: 58 for two, 48 for 64. One exchange
    of n integers of 32 bits and one of 2 n.
    """
    bits = 31 - processes.bit_length()  # so many that the sum of all processes fits in 31
    finite_n = np.isfinite(own_n)
    exponent_n = np.where(own_n == 0, ZERO, np.frexp(own_n)[1])
    top_n = exchange("max", np.where(finite_n, exponent_n, ENDLESS).astype(np.int32))
    scaled_n = np.ldexp(np.where(finite_n, own_n, 0.0), bits - top_n)  # less than 2^bits
    high_n = np.rint(scaled_n)
    low_n = np.rint(np.ldexp(scaled_n - high_n, bits))
    high_n, low_n = exchange("sum", np.stack([high_n, low_n]).astype(np.int32)).astype(float)
    sum_n = np.ldexp(high_n + np.ldexp(low_n, -bits), top_n - bits)
    return np.where(top_n == ENDLESS, np.nan, sum_n)


@functools.lru_cache
def reduction(mesh: Mesh, how: How) -> Any:
    """The program of an exchange: `[processes, ...]`, split over the first axis, to `[...]`."""
    reduce = functools.partial(REDUCTIONS[how], axis=0)
    return jax.jit(reduce, out_shardings=NamedSharding(mesh, P()))


def mesh_of_processes(devices: np.ndarray) -> Mesh:
    """A mesh over `[processes, devices of each]`."""
    return Mesh(devices, ("processes", "devices"), axis_types=(AxisType.Auto, AxisType.Auto))


def _exchange(how: How, own: np.ndarray) -> np.ndarray:
    devices = np.array(jax.devices()).reshape(jax.process_count(), jax.local_device_count())
    mesh = mesh_of_processes(devices)
    every = multihost_utils.host_local_array_to_global_array(own[None], mesh, P("processes"))
    return np.asarray(reduction(mesh, how)(every).addressable_data(0))
