"""Masks from scores and by chance: the order of removal, its ties, its options, and refusals."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxheads.pruning.mask import (
    kept_heads,
    mask_from_scores,
    order_from_scores,
    present_heads,
    random_mask,
    reversed_scores,
    shuffled_in_layers,
)

SCORES = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.3]])


def pairs(order) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in order.tolist()]


def rows(text: str) -> np.ndarray:
    """ "101 010" as a mask, a word for each layer."""
    return np.array([[letter == "1" for letter in word] for word in text.split()])


def test_a_global_mask_keeps_the_highest_scores():
    np.testing.assert_array_equal(mask_from_scores(SCORES, 2), rows("100 010"))
    np.testing.assert_array_equal(mask_from_scores(SCORES, 4), rows("101 011"))
    assert mask_from_scores(SCORES, 0).sum() == 0
    assert mask_from_scores(SCORES, 6).all()


def test_of_equal_scores_the_lower_layer_and_then_the_lower_head_goes_first():
    score_LH = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, -0.0]])
    expected = [(0, 1), (1, 0), (1, 2), (0, 0), (0, 2), (1, 1)]
    assert pairs(order_from_scores(score_LH)) == expected
    np.testing.assert_array_equal(mask_from_scores(np.zeros((2, 3)), 4), rows("001 111"))


def test_equal_scores_at_the_edge_of_the_protected_heads_follow_the_same_rule():
    np.testing.assert_array_equal(mask_from_scores(np.zeros((2, 3)), 2, floor=1), rows("001 001"))
    per_layer = mask_from_scores(np.zeros((2, 3)), 3, per_layer=True)
    np.testing.assert_array_equal(per_layer, rows("001 011"))
    many_H = np.random.default_rng(0).integers(0, 2, 64).astype(float)
    kept_H = np.flatnonzero(mask_from_scores(many_H[None], 5, floor=5)[0])
    np.testing.assert_array_equal(kept_H, np.flatnonzero(many_H == 1)[-5:])


def test_the_odd_heads_of_a_per_layer_mask_stay_where_the_next_best_head_scores_highest():
    np.testing.assert_array_equal(mask_from_scores(SCORES, 4, per_layer=True), rows("101 011"))
    np.testing.assert_array_equal(mask_from_scores(SCORES, 3, per_layer=True), rows("101 010"))
    np.testing.assert_array_equal(mask_from_scores(SCORES, 1, per_layer=True), rows("100 000"))


def test_a_layer_that_has_too_few_heads_keeps_all_and_the_others_share_the_rest():
    present = rows("010 111")
    expected = rows("010 011")
    got = mask_from_scores(SCORES, 3, per_layer=True, present=present)
    np.testing.assert_array_equal(got, expected)


def test_the_floor_protects_the_best_heads_of_a_layer_that_would_vanish():
    score_LH = np.array([[9.0, 8.0, 7.0], [1.0, 3.0, 2.0]])
    np.testing.assert_array_equal(mask_from_scores(score_LH, 3), rows("111 000"))
    np.testing.assert_array_equal(mask_from_scores(score_LH, 3, floor=1), rows("110 010"))
    with pytest.raises(ValueError, match=r"budget: expected 4 .*floor.* to 6 heads kept, got 3"):
        mask_from_scores(score_LH, 3, floor=2)


@st.composite
def problems(draw):
    """Scores with many ties, and options that fit them."""
    layers, heads = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    numbers = st.lists(st.integers(0, 3), min_size=layers * heads, max_size=layers * heads)
    score_LH = np.array(draw(numbers), float).reshape(layers, heads)
    flags = st.lists(st.booleans(), min_size=layers * heads, max_size=layers * heads)
    present_LH = np.array(draw(flags), bool).reshape(layers, heads)
    options = {"per_layer": draw(st.booleans()), "floor": draw(st.integers(0, 3))}
    return np.where(present_LH, score_LH, np.nan), present_LH, options


@given(problems())
def test_masks_are_nested_exact_and_never_bring_a_head_back(problem):
    score_LH, present_LH, options = problem
    low = int(np.minimum(present_LH.sum(1), options["floor"]).sum())
    larger = present_LH
    for budget in range(int(present_LH.sum()), low - 1, -1):
        mask_LH = mask_from_scores(score_LH, budget, present=present_LH, **options)
        assert mask_LH.sum() == budget
        assert not (mask_LH & ~larger).any()
        assert (mask_LH.sum(1) >= np.minimum(present_LH.sum(1), options["floor"])).all()
        if options["per_layer"]:
            short = mask_LH.sum(1) == present_LH.sum(1)
            assert mask_LH.sum(1).max() - mask_LH.sum(1)[~short].min(initial=99) <= 1
        larger = mask_LH


@given(problems())
def test_a_mask_is_what_removing_one_head_after_another_leaves(problem):
    """A second implementation: take away the lowest unprotected head until the budget is met."""
    score_LH, present_LH, options = problem
    floor = options["floor"]
    left = {(int(i), int(h)) for i, h in np.argwhere(present_LH)}
    by_rank = sorted(left, key=lambda pair: (score_LH[pair], *pair), reverse=True)
    safe = {p for p in left if [q for q in by_rank if q[0] == p[0]].index(p) < floor}
    while left - safe:
        mask_LH = mask_from_scores(score_LH, len(left), present=present_LH, floor=floor)
        assert {(int(i), int(h)) for i, h in np.argwhere(mask_LH)} == left
        left.remove(min(left - safe, key=lambda pair: (score_LH[pair], *pair)))


@given(problems())
def test_the_order_lists_every_present_head_once_and_ends_with_the_kept_ones(problem):
    score_LH, present_LH, options = problem
    order = order_from_scores(score_LH, present=present_LH, **options)
    assert sorted(pairs(order)) == [tuple(pair) for pair in np.argwhere(present_LH).tolist()]
    low = int(np.minimum(present_LH.sum(1), options["floor"]).sum())
    mask_LH = mask_from_scores(score_LH, low, present=present_LH, **options)
    kept = [tuple(pair) for pair in np.argwhere(mask_LH).tolist()]
    assert sorted(pairs(order)[len(order) - low :]) == kept


@given(problems())
def test_reversed_scores_reverse_the_order_exactly(problem):
    score_LH, present_LH, _ = problem
    order = pairs(order_from_scores(score_LH, present=present_LH))
    worst = reversed_scores(score_LH, present=present_LH)
    assert pairs(order_from_scores(worst, present=present_LH)) == order[::-1]


def test_tied_rows_lose_a_head_in_all_their_layers_at_once():
    score_LH = np.array([[5.0, 1.0], [1.0, 2.0], [0.0, 9.0], [0.0, 3.0]])
    tied = (0, 0, 1, 1)
    np.testing.assert_array_equal(
        mask_from_scores(score_LH, 4, tied_rows=tied), rows("10 10 01 01")
    )
    order = pairs(order_from_scores(score_LH, tied_rows=tied))
    assert order == [(2, 0), (3, 0), (0, 1), (1, 1), (0, 0), (1, 0), (2, 1), (3, 1)]
    floor = mask_from_scores(score_LH, 4, tied_rows=tied, floor=1)
    np.testing.assert_array_equal(floor, rows("10 10 01 01"))
    with pytest.raises(ValueError, match="budget: expected 4"):
        mask_from_scores(score_LH, 2, tied_rows=tied, floor=1)


def test_a_shared_head_is_ranked_by_the_mean_of_its_uses():
    """By the greatest use head 1 would go first and head 0 last, by the least head 2 before 1."""
    score_LH = np.array([[9.0, 4.0, 6.0], [0.0, 4.0, 1.0], [0.0, 4.0, 5.5]])
    order = pairs(order_from_scores(score_LH, tied_rows=(0, 0, 0)))
    assert [head for _, head in order[::3]] == [0, 1, 2]


def test_equal_tied_rows_rank_as_one_row_does_without_rounding():
    """Three times these numbers, and so a plain mean, round to the same number."""
    score_H = np.array([np.nextafter(0.9, 1), 0.9])
    assert len(set(np.tile(score_H, (3, 1)).mean(0))) == 1
    one = pairs(order_from_scores(score_H[None]))
    three = pairs(order_from_scores(np.tile(score_H, (3, 1)), tied_rows=(0, 0, 0)))
    assert one == [(0, 1), (0, 0)]
    assert three == [(layer, head) for _, head in one for layer in range(3)]


def test_the_scores_of_absent_tied_heads_are_not_read():
    score_LH = np.array([[np.inf, 1.0, 2.0], [np.nan, 1.0, 2.0]])
    got = mask_from_scores(score_LH, 2, tied_rows=(0, 0), present=rows("011 011"))
    np.testing.assert_array_equal(got, rows("001 001"))


def test_a_budget_that_splits_a_tied_head_is_rejected_with_the_nearest_ones():
    with pytest.raises(ValueError, match=r"budget: expected 3 or 6.*got 4"):
        mask_from_scores(np.ones((3, 4)), 4, tied_rows=(0, 0, 0))
    uneven = np.array([[1.0, 2.0], [1.0, 2.0], [9.0, 0.0]])
    with pytest.raises(ValueError, match=r"budget: expected 3 or 5.*got 4"):
        mask_from_scores(uneven, 4, tied_rows=(0, 0, 1))


def test_tied_rows_that_do_not_fit_are_rejected():
    with pytest.raises(ValueError, match=r"tied rows: expected a block number.*3 layers.*\[0, 0\]"):
        mask_from_scores(np.ones((3, 2)), 3, tied_rows=(0, 0))
    with pytest.raises(ValueError, match=r"tied rows: expected a block number.*\[0, 2, 2\]"):
        mask_from_scores(np.ones((3, 2)), 3, tied_rows=(0, 2, 2))
    with pytest.raises(ValueError, match=r"same heads in layers of one block, not so in \[0, 1\]"):
        mask_from_scores(np.ones((2, 2)), 2, tied_rows=(0, 0), present=rows("11 10"))


def test_scores_that_are_not_finite_are_rejected_by_name_unless_absent():
    score_LH = SCORES.copy()
    score_LH[0, 2], score_LH[1, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match="got nan at layer 0 head 2, inf at layer 1 head 0"):
        mask_from_scores(score_LH, 2)
    got = mask_from_scores(score_LH, 2, present=rows("110 011"))
    np.testing.assert_array_equal(got, rows("100 010"))


@pytest.mark.parametrize("budget", [-1, 7])
def test_a_budget_out_of_range_is_rejected(budget):
    with pytest.raises(ValueError, match=f"budget: expected 0 to 6 heads kept, got {budget}"):
        mask_from_scores(SCORES, budget)


def test_a_budget_above_the_present_heads_is_rejected():
    with pytest.raises(ValueError, match="budget: expected 0 to 2 heads kept, got 3"):
        mask_from_scores(SCORES, 3, present=rows("100 100"))


def test_scores_and_presence_of_other_shapes_or_types_are_rejected():
    with pytest.raises(ValueError, match=r"scores: expected real numbers.*got float64 \[6\]"):
        mask_from_scores(SCORES.ravel(), 1)
    with pytest.raises(ValueError, match=r"scores: expected real numbers.*got complex128"):
        mask_from_scores(SCORES * 1j, 1)
    with pytest.raises(ValueError, match=r"present: expected bool \[2, 3\], got float64 \[2, 3\]"):
        mask_from_scores(SCORES, 1, present=np.ones((2, 3)))
    with pytest.raises(ValueError, match="floor: expected at least 0 heads a layer, got -1"):
        mask_from_scores(SCORES, 1, floor=-1)


def test_a_random_mask_is_a_function_of_its_seed_and_nested_over_budgets():
    first, again = random_mask(3, 4, 6, 7), random_mask(3, 4, 6, 7)
    np.testing.assert_array_equal(first, again)
    assert first.sum() == 6
    assert not (random_mask(3, 4, 3, 7) & ~first).any()
    assert len({random_mask(3, 4, 6, seed).tobytes() for seed in range(20)}) > 10


def test_random_masks_keep_every_head_equally_often():
    """Standard error of each rate: sqrt(.42 * .58 / 600) = 0.02; budget 5 of 12."""
    masks = np.array([random_mask(3, 4, 5, seed) for seed in range(600)])
    assert np.abs(masks.mean(0) - 5 / 12).max() < 0.08
    layered = np.array([random_mask(3, 4, 5, seed, per_layer=True) for seed in range(600)])
    assert np.abs(layered.mean(0) - 5 / 12).max() < 0.08
    assert set(layered.sum(2).ravel()) == {1, 2}
    assert set(masks.sum(2).ravel()) == {0, 1, 2, 3, 4}


def test_a_random_mask_can_be_tied():
    mask_LH = random_mask(4, 3, 6, 1, tied_rows=(0, 0, 1, 1))
    np.testing.assert_array_equal(mask_LH[::2], mask_LH[1::2])


def test_present_heads_are_those_of_the_config(tiny):
    config = tiny("bert").config
    assert present_heads(config).all()
    smaller = dataclasses.replace(config, kept=((0, 2), (), (3,)))
    np.testing.assert_array_equal(present_heads(smaller), rows("1010 0000 0001"))


def test_a_mask_that_does_not_fit_the_model_is_rejected(tiny):
    config = dataclasses.replace(tiny("bert").config, kept=((0, 2), (), (3,)))
    assert kept_heads(config, rows("1000 0000 0001")) == ((0,), (), (3,))
    with pytest.raises(ValueError, match="no longer has layer 0 head 1, layer 1 head 3"):
        kept_heads(config, rows("1100 0001 0001"))
    with pytest.raises(ValueError, match=r"mask: expected bool \[3, 4\], got bool \[2, 4\]"):
        kept_heads(config, rows("1010 0000"))
    with pytest.raises(ValueError, match=r"mask: expected bool \[3, 4\], got float32 \[3, 4\]"):
        kept_heads(config, np.ones((3, 4), np.float32))


def test_heads_shuffled_in_their_layers_are_as_many_nested_and_chosen_evenly():
    masks = [mask_from_scores(np.arange(12.0).reshape(3, 4), budget) for budget in (12, 7, 3, 0)]
    for seed in range(20):
        found = [shuffled_in_layers(mask, seed) for mask in masks]
        for mask, other in zip(masks, found, strict=True):
            np.testing.assert_array_equal(mask.sum(1), other.sum(1))
        assert all((small <= large).all() for large, small in itertools.pairwise(found))
    often = np.mean([shuffled_in_layers(rows("1100 0001"), seed) for seed in range(2000)], axis=0)
    np.testing.assert_allclose(often, [[0.5] * 4, [0.25] * 4], atol=0.05)  # 4 standard deviations
