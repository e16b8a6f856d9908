"""Draws are pure functions of their key, and as likely as they should be."""

from __future__ import annotations

from collections import Counter

from jaxheads.data.draws import Draws, mixed


def test_draws_are_a_function_of_the_key():
    def first(*key: int | str) -> list[int]:
        draws = Draws(*key)
        return [draws.below(10**6) for _ in range(4)]

    assert first(0, "a", 1) == first(0, "a", 1)
    others = [first(1, "a", 1), first(0, "b", 1), first(0, "a", 2), first("a", 0, 1), first(0, "a")]
    assert len({tuple(each) for each in [first(0, "a", 1), *others]}) == 6


def test_bits_are_those_of_splitmix64():
    # the first outputs of the published generator for the seed 0: state k is k times the increment
    increment = 0x9E3779B97F4A7C15
    assert mixed(increment) == 0xE220A8397B1DCDAF
    assert mixed(2 * increment % 2**64) == 0x6E789E6AA1B965F4


def test_numbers_and_picks_are_equally_likely():
    draws = Draws("even")
    counts = Counter(draws.below(7) for _ in range(7000))
    assert set(counts) == set(range(7))
    assert all(abs(count - 1000) < 150 for count in counts.values())
    assert abs(sum(draws.chance(30) for _ in range(5000)) - 1500) < 150
    assert {draws.pick("abc") for _ in range(50)} == set("abc")


def test_weights_and_places_are_kept():
    draws = Draws("weights")
    counts = Counter(draws.weighted(((1, "a"), (0, "b"), (3, "c"))) for _ in range(4000))
    assert set(counts) == {"a", "c"}
    assert abs(counts["a"] - 1000) < 150
    early = Counter(draws.pick_early("abcd") for _ in range(8000))
    # the smaller of two of 4: 7, 5, 3 and 1 of 16
    assert all(abs(early[x] - n * 500) < 200 for x, n in zip("abcd", (7, 5, 3, 1), strict=True))
