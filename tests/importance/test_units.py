"""Every unit against a plain numpy formula, and what the sums must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.importance.units import UNITS, Mean, tie_mean, tie_sum, unit_of

HEADS = (3, 5)


@pytest.fixture
def effect_NLH() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(50, *HEADS)).astype(np.float32)


def score(effect_NLH, unit="example", size=7, order=None, group=4):
    order = np.arange(len(effect_NLH)) if order is None else order
    mean = Mean(UNITS[unit], HEADS, group)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        mean.add(rows, effect_NLH[rows])
    return mean.result()


def by_groups(effect_NLH, group):
    starts = range(0, len(effect_NLH), group)
    return np.mean([np.abs(effect_NLH[s : s + group].sum(0)) for s in starts], axis=0)


@pytest.mark.parametrize(
    ("unit", "formula"),
    [
        ("example", lambda g: np.abs(g).mean(0)),
        ("token", lambda g: np.abs(g).mean(0)),  # of sums of sizes, which are not negative
        ("signed", lambda g: -g.mean(0)),
        ("fisher", lambda g: np.square(g).mean(0)),
        ("mean", lambda g: g.mean(0)),
        ("batch", lambda g: by_groups(g, 4)),
    ],
)
def test_a_unit_is_its_formula(effect_NLH, unit, formula):
    found_LH, examples = score(effect_NLH, unit)
    np.testing.assert_allclose(found_LH, formula(effect_NLH.astype(np.float64)), rtol=1e-12)
    assert examples == 50 and found_LH.dtype == np.float64


def test_units_are_tested_all():
    assert set(UNITS) == {"example", "token", "signed", "fisher", "mean", "batch"}


@pytest.mark.parametrize("unit", list(UNITS))
def test_scores_depend_on_neither_batch_size_nor_order(effect_NLH, unit):
    found_LH, _ = score(effect_NLH, unit)
    order = np.random.default_rng(1).permutation(50)
    for other in (score(effect_NLH, unit, size=1), score(effect_NLH, unit, size=50)):
        np.testing.assert_allclose(other[0], found_LH, rtol=1e-13)
    np.testing.assert_allclose(score(effect_NLH, unit, order=order)[0], found_LH, rtol=1e-13)


def test_the_group_of_the_unit_batch_changes_its_score(effect_NLH):
    assert (score(effect_NLH, "batch", group=5)[0] != score(effect_NLH, "batch")[0]).all()
    one_LH, _ = score(effect_NLH, "batch", group=1)
    np.testing.assert_allclose(one_LH, score(effect_NLH)[0], rtol=1e-12)


def test_sums_keep_what_float32_would_lose():
    big = np.full((1, *HEADS), 2.0**24, np.float32)
    rows = np.concatenate([big, np.ones((1000, *HEADS), np.float32), -big])
    np.testing.assert_array_equal(score(rows, "signed")[0], np.full(HEADS, -1000 / 1002))


def test_memory_is_constant_where_groups_come_whole(effect_NLH):
    mean, most = Mean(UNITS["batch"], HEADS, 4), 0
    for start in range(0, 48, 8):
        mean.add(np.arange(start, start + 8), effect_NLH[start : start + 8])
        most = max(most, len(mean._open))
    assert most == 0


def test_an_example_that_comes_too_often_and_no_examples_at_all_are_rejected(effect_NLH):
    mean = Mean(UNITS["batch"], HEADS, 4)
    with pytest.raises(ValueError, match=r"expected every example once, got 5 .* from 0 to 3"):
        mean.add(np.zeros(5, int), effect_NLH[:5])
    with pytest.raises(ValueError, match="at least one example, got none"):
        Mean(UNITS["example"], HEADS, 1).result()
    with pytest.raises(ValueError, match="at least 1 example, got 0"):
        Mean(UNITS["example"], HEADS, 0)


def test_tied_effects_are_sums_or_means_over_the_layers_of_a_block(effect_NLH):
    found = tie_sum(effect_NLH, (0, 1, 0))
    np.testing.assert_allclose(found[:, 0], effect_NLH[:, 0] + effect_NLH[:, 2], rtol=1e-6)
    np.testing.assert_array_equal(found[:, 2], found[:, 0])
    np.testing.assert_array_equal(found[:, 1], effect_NLH[:, 1])
    np.testing.assert_array_equal(tie_mean(effect_NLH, (0, 1, 0))[:, 0], found[:, 0] / 2)


def test_an_unknown_unit_is_an_error_that_lists_them():
    with pytest.raises(ValueError, match="example, token, batch, signed, fisher, mean, got 'head'"):
        unit_of("head")
