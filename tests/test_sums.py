"""Sums over processes: exact, in any order; here threads are the processes."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxheads.sums import add_up


def sums_of(own_Pn):
    """What every one of several processes is told."""
    processes = len(own_Pn)
    sent, gate = [None] * processes, threading.Barrier(processes, timeout=5)

    def work(process):
        def exchange(how, own):
            sent[process] = own
            gate.wait()
            every = np.array(sent)
            gate.wait()
            found = {"max": np.max, "sum": np.sum}[how](every.astype(np.int64), axis=0)
            assert every.dtype == np.int32 and np.abs(found).max() < 2**31
            return found.astype(np.int32)

        return add_up(own_Pn[process], processes, exchange)

    with ThreadPoolExecutor(processes) as pool:
        return list(pool.map(work, range(processes)))


@pytest.mark.parametrize(
    ("processes", "error"), [(2, 2**-53), (3, 2**-53), (8, 2**-51), (64, 2**-45)]
)
def test_a_sum_is_exact_but_for_the_last_bits_in_any_order(processes, error):
    rng = np.random.default_rng(processes)
    own_Pn = rng.normal(size=(processes, 50)) * 10.0 ** rng.integers(-300, 300, 50)
    first, *others = sums_of(own_Pn)
    assert all(other.tobytes() == first.tobytes() for other in others)
    exact_n = [math.fsum(column) for column in own_Pn.T]
    np.testing.assert_array_less(np.abs(first - exact_n), error * np.abs(own_Pn).max(0))
    assert sums_of(own_Pn[rng.permutation(processes)])[0].tobytes() == first.tobytes()


def test_the_greatest_numbers_do_not_overflow():
    most = 2.0**1000 * (1 - 2**-53)
    for processes in (2, 3, 4, 7, 8, 64):
        (found, *_) = sums_of(np.full((processes, 2), (most, -most)))
        np.testing.assert_allclose(found, (processes * most, -processes * most), rtol=1e-13)


def test_a_small_place_beside_a_large_one_a_count_and_a_zero_keep_all_their_bits():
    own_Pn = np.array([[1e-200 / 3, 1e200, 3, 0.0, 0.0], [1e-220 / 3, -1e200, 4, 0.0, 5e-324]])
    found, _ = sums_of(own_Pn)
    assert found.tobytes() == own_Pn.sum(0).tobytes()


def test_a_place_where_one_number_is_not_finite_is_nan_and_no_other():
    found, _ = sums_of(np.array([[np.nan, np.inf, 1.0], [0.0, 1.0, 2.0]]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 3.0])
