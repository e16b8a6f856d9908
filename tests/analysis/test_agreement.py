"""Agreement of two maps: known statistics, and p-values that are what chance gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxheads.analysis.agreement import (
    ceiling,
    chance_jaccard,
    jaccard,
    overlap,
    partial_spearman,
    rank_agreement,
    spearman_brown,
)

RNG = np.random.default_rng(0)
ONE, TWO = RNG.normal(size=(3, 4)), np.round(RNG.normal(size=(3, 4)))


def test_correlations_are_those_of_scipy_over_all_heads_ties_included():
    found = rank_agreement(ONE, TWO, permutations=99)
    spearman = stats.spearmanr(ONE.ravel(), TWO.ravel()).statistic
    assert found["spearman"].value == pytest.approx(spearman)
    assert found["kendall"].value == pytest.approx(stats.kendalltau(ONE, TWO).statistic)
    layers = [stats.spearmanr(one, two).statistic for one, two in zip(ONE, TWO, strict=True)]
    assert found["spearman within layers"].value == pytest.approx(np.mean(layers))


@pytest.mark.parametrize("name", ["spearman", "kendall", "spearman within layers"])
def test_only_the_order_counts(name):
    assert rank_agreement(ONE, np.exp(ONE), permutations=9)[name].value == pytest.approx(1.0)
    assert rank_agreement(ONE, -ONE, permutations=9)[name].value == pytest.approx(-1.0)


def test_within_layers_does_not_see_differences_between_layers():
    shifted = TWO + 100 * np.arange(3)[:, None]
    names = ("spearman", "spearman within layers")
    before, after = (rank_agreement(ONE, two, permutations=9) for two in (TWO, shifted))
    assert [before[n].value == pytest.approx(after[n].value) for n in names] == [False, True]


def test_a_layer_in_which_a_map_is_constant_is_left_out():
    flat = TWO.copy()
    flat[1] = 3.0
    found = rank_agreement(ONE, flat, permutations=9)["spearman within layers"]
    layers = [stats.spearmanr(ONE[layer], flat[layer]).statistic for layer in (0, 2)]
    assert found.value == pytest.approx(np.mean(layers))
    one_head = rank_agreement(ONE[:, :1], TWO[:, :1] + ONE[:, :1], permutations=9)
    assert "spearman within layers" not in one_head


def test_the_p_value_is_the_share_of_all_orders_that_do_as_well():
    one, two = np.array([[1.0, 2, 3, 4, 5]]), np.array([[2.0, 1, 3, 5, 4]])
    far = [
        abs(stats.spearmanr(one[0], order).statistic) >= 0.8 - 1e-9
        for order in itertools.permutations(two[0])
    ]
    found = rank_agreement(one, two, permutations=20000)
    for name in ("spearman", "spearman within layers"):
        assert found[name].value == pytest.approx(0.8)
        assert found[name].p_value == pytest.approx(np.mean(far), abs=0.01)


def test_absent_heads_are_not_compared():
    here = np.ones((3, 4), bool)
    here[0, 1] = here[2] = False
    spoilt = np.where(here, TWO, np.nan)
    found = rank_agreement(ONE, spoilt, present=here, permutations=9)
    assert found["spearman"].value == pytest.approx(stats.spearmanr(ONE[here], TWO[here]).statistic)


def test_it_repeats_and_is_never_zero():
    one = np.arange(30.0).reshape(5, 6)
    first, second = (rank_agreement(one, one, permutations=99)["spearman"] for _ in range(2))
    assert first == second
    assert first.p_value == 0.01


def test_a_map_repeats_as_spearman_and_brown_have_it():
    for other in (ONE + TWO, TWO - ONE):  # like it, and against it
        half = stats.spearmanr(ONE.ravel(), other.ravel()).statistic
        assert 0.2 < abs(half) < 0.95
        assert spearman_brown(ONE, other) == pytest.approx(2 * half / (1 + half))
        assert spearman_brown(ONE, other) == spearman_brown(other, ONE)


def test_halves_of_one_order_repeat_fully_and_reversed_ones_not_at_all():
    for same in (ONE, 3 * ONE - 7, np.exp(ONE)):
        assert spearman_brown(ONE, same) == pytest.approx(1.0)
    assert spearman_brown(ONE, -ONE) < -1e6


def test_heads_without_a_value_in_either_half_are_left_out():
    one, two = ONE.copy(), ONE.copy()
    one[0, 1], two[2, 2] = np.nan, np.inf
    one[2, 2], two[0, 1] = -99.0, -99.0  # beside what is missing, and not to be seen
    assert spearman_brown(one, two) == pytest.approx(1.0)


def test_what_does_not_vary_repeats_in_no_known_way():
    flat, alone = np.ones((3, 4)), np.full((3, 4), np.nan)
    alone[1, 1] = 2.0
    for other in (flat, alone, np.full((3, 4), np.nan)):
        assert np.isnan(spearman_brown(ONE, other))
        assert np.isnan(spearman_brown(other, ONE))


def test_the_ceiling_is_the_root_of_both_repetitions_and_never_imaginary():
    assert ceiling(0.81, 0.64) == pytest.approx(0.9 * 0.8)
    assert ceiling(1.0, 1.0) == 1.0
    assert ceiling(-0.3, 0.9) == ceiling(0.9, -0.3) == ceiling(-0.3, -0.4) == 0.0
    assert ceiling(-float("inf"), 0.5) == 0.0
    assert np.isnan(ceiling(float("nan"), 0.5))
    assert np.isnan(ceiling(0.5, float("nan")))


def test_overlap_counts_the_heads_in_common_and_what_chance_has():
    one = np.array([[0.0, 1, 2, 3], [4, 5, 6, 7]])
    two = np.array([[1.0, 0, 7, 6], [5, 4, 3, 2]])
    low, high = (overlap(one, two, 0.25, lowest=lowest) for lowest in (True, False))
    assert (low.value, high.value) == (1.0, 0.0)
    assert low.chance == high.chance == 0.25
    pairs = list(itertools.combinations(range(8), 2))  # the two lowest of a random map
    both = np.mean([set(pair) == {0, 1} for pair in pairs])
    none = np.mean([not set(pair) & {6, 7} for pair in pairs])
    assert low.p_value == pytest.approx(2 * both)
    assert high.p_value == pytest.approx(min(1.0, 2 * none))


def test_equal_scores_are_taken_as_pruning_takes_them():
    one, two = np.zeros((2, 2)), np.zeros((2, 2))
    one[1, 1] = two[1, 1] = 1.0
    assert overlap(one, two, 0.5, lowest=True).value == 1.0
    two[0, 0] = 0.5  # heads (0, 1) and (1, 0) are now the lowest of `two`
    assert overlap(one, two, 0.5, lowest=True).value == 0.5


@pytest.mark.parametrize("share", [0.0, 1.0, 0.01])
def test_an_overlap_of_no_or_all_heads_is_rejected(share):
    with pytest.raises(ValueError, match="expected a share of some of 12 heads"):
        overlap(ONE, TWO, share, lowest=True)


@pytest.mark.parametrize(
    ("one", "two", "fault"),
    [
        (np.ones((2, 2)), np.arange(4.0).reshape(2, 2), "first scores"),
        (np.arange(4.0).reshape(2, 2), np.array([[1.0, np.nan], [2, 3]]), "second scores"),
        (np.ones((1, 1)), np.ones((1, 1)), "first scores.*; second scores"),
    ],
)
def test_scores_without_an_order_are_rejected(one, two, fault):
    with pytest.raises(ValueError, match=fault):
        rank_agreement(one, two)
    with pytest.raises(ValueError, match=fault):
        overlap(one, two, 0.5, lowest=True)


def test_jaccard_is_what_both_keep_of_what_either_keeps():
    one, two = np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool)
    assert jaccard(one, two) == 1 / 3
    assert (jaccard(one, one), jaccard(one, ~one), jaccard(one & ~one, one & ~one)) == (1, 0, 1)


def test_the_jaccard_of_chance_is_the_mean_over_all_pairs_of_masks():
    rows = [np.isin(np.arange(4), pair) for pair in itertools.combinations(range(4), 2)]
    assert chance_jaccard(1, 4, 2) == pytest.approx((4 / 3 + 1) / 6)  # 0, 1 or 2 heads in common
    masks = [np.stack(pair) for pair in itertools.product(rows, rows)]
    every = [jaccard(masks[0], other) for other in masks]
    assert chance_jaccard(2, 4, 2) == pytest.approx(np.mean(every))


# -- partial correlation


def textbook(r, one, two, given) -> float:
    """Of one variable held constant."""
    above = r[one, two] - r[one, given] * r[two, given]
    return above / np.sqrt((1 - r[one, given] ** 2) * (1 - r[two, given] ** 2))


def test_a_partial_correlation_is_that_of_the_textbook():
    maps = [RNG.normal(size=(4, 6)) for _ in range(2)]
    maps = [*maps, maps[0] + maps[1] + RNG.normal(size=(4, 6)), np.round(2 * maps[0] + maps[1])]
    r = stats.spearmanr(np.stack([each.ravel() for each in maps], 1)).statistic
    found = partial_spearman(maps[0], maps[1], [maps[2]], permutations=9).value
    assert found == pytest.approx(textbook(r, 0, 1, 2))
    assert partial_spearman(maps[0], maps[1], [maps[2]] * 2, permutations=9).value == (
        pytest.approx(found)
    )
    both = partial_spearman(maps[0], maps[1], maps[2:], permutations=9).value
    inverse = np.linalg.inv(r)
    assert both == pytest.approx(-inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1]))


def test_residuals_of_ranks_give_the_same():
    given = ONE + TWO
    ranks = [stats.rankdata(each) for each in (ONE, TWO, given)]
    design = np.stack([np.ones(12), ranks[2]], 1)
    rests = [r - design @ np.linalg.lstsq(design, r, rcond=None)[0] for r in ranks[:2]]
    expected = np.corrcoef(*rests)[0, 1]
    assert partial_spearman(ONE, TWO, [given], permutations=9).value == pytest.approx(expected)


def test_agreement_that_is_all_of_the_map_held_constant_is_none_and_true_agreement_stays():
    size = RNG.normal(size=(12, 12))
    true, noise = RNG.normal(size=(12, 12)), RNG.normal(size=(3, 12, 12))
    only_size = [size + 0.4 * each for each in noise[:2]]
    assert rank_agreement(*only_size)["spearman"].value > 0.8
    held = partial_spearman(*only_size, [size])
    assert abs(held.value) < 0.15
    assert held.p_value > 0.05
    more = partial_spearman(only_size[0] + true, only_size[1] + true, [size])
    assert more.value > 0.5
    assert more.p_value < 0.001


def test_nothing_is_left_of_a_map_whose_order_is_held_constant():
    found = partial_spearman(ONE, TWO, [np.exp(ONE)])
    assert np.isnan(found.value)
    assert found.p_value == 1.0


def test_the_p_values_of_partial_correlations_are_uniform_under_their_null():
    """Few heads and three maps held constant: what is shuffled must lose their share again."""
    rng, p_values = np.random.default_rng(1), []
    for _ in range(600):
        sizes = rng.normal(size=(3, 3, 3))
        one, two = rng.normal(size=(2, 3, 3))
        p_values.append(partial_spearman(one, two, list(sizes), permutations=199).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.02)
