from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from jaxheads.importance import reliability
from jaxheads.importance.kept import keep_rows, open_kept
from jaxheads.importance.reliability import ScoreReading, score_kept, split_half
from jaxheads.importance.units import UNITS, Mean, tie_sum


def effects(examples: int, noise: float, heads=(3, 8)) -> np.ndarray:
    """Effects whose size differs from head to head, with so much noise from example to example."""
    rng = np.random.default_rng(0)
    size_LH = np.linspace(0.5, 2, heads[0] * heads[1]).reshape(heads)
    size_LH = rng.permuted(size_LH.ravel()).reshape(heads)
    return (size_LH + noise * rng.normal(size=(examples, *heads))).astype(np.float32)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(reliability, "CHUNK", 10)


@pytest.mark.parametrize("unit", list(UNITS))
def test_kept_effects_give_the_scores_of_the_pass_that_kept_them(unit, tmp_path):
    effect_NLH = effects(47, 1.0)
    with keep_rows(tmp_path / "g.npy", effect_NLH.shape) as rows:
        rows.fill(np.arange(47), effect_NLH)
    mean = Mean(UNITS[unit], (3, 8), 4)
    mean.add(np.arange(47), effect_NLH)
    found = score_kept(open_kept(tmp_path / "g.npy"), ScoreReading(unit, group=4))
    np.testing.assert_allclose(found, mean.result()[0], rtol=1e-12)


def test_kept_effects_are_tied_masked_and_normalised_as_scores_are():
    effect_NLH = effects(30, 1.0)
    present_LH = np.ones((3, 8), bool)
    present_LH[1, 2] = False
    reading = ScoreReading("example", "l2", blocks=(0, 1, 0), present_LH=present_LH)
    plain_LH = np.abs(tie_sum(effect_NLH, (0, 1, 0))).mean(0) * present_LH
    expected_LH = plain_LH / np.linalg.norm(plain_LH, axis=1, keepdims=True)
    np.testing.assert_allclose(score_kept(effect_NLH, reading), expected_LH, rtol=1e-12)


def test_a_half_is_half_of_the_examples_and_the_other_half_the_rest():
    effect_NLH = effects(2, 1.0)
    found = split_half(effect_NLH, splits=3)
    expected = spearmanr(np.abs(effect_NLH[0]).ravel(), np.abs(effect_NLH[1]).ravel()).statistic
    np.testing.assert_allclose(found, 2 * expected / (1 + expected), rtol=1e-6)


@pytest.mark.parametrize("examples", [8, 9])
def test_no_example_is_in_both_halves_and_none_in_neither(examples):
    """Each example speaks for a head of its own, so that the heads of a half are its examples."""
    effect_NLH = np.eye(examples, 24, dtype=np.float32).reshape(examples, 3, 8)
    found = split_half(effect_NLH, splits=5)
    half = -(-examples // 2)
    one, two = np.arange(24) < half, (half <= np.arange(24)) & (np.arange(24) < examples)
    expected = np.corrcoef(one, two)[0, 1]  # of two values alone, ranks and values are the same
    np.testing.assert_allclose(found, 2 * expected / (1 + expected), rtol=1e-6)


def test_reliability_rises_with_examples_and_falls_with_noise():
    def full(*arguments, **more):
        return split_half(effects(*arguments), **more).mean()

    assert full(400, 0.1) > 0.99
    assert full(20, 3.0) < full(400, 3.0) < full(400, 0.1)
    # what is expected of 400 examples from halves of 200 is what halves of 400 give
    whole_S = split_half(effects(800, 3.0))
    larger = (whole_S / (2 - whole_S)).mean()
    assert abs(full(400, 3.0) - larger) < 0.1


def test_splits_repeat_with_a_seed_and_absent_heads_are_not_ranked():
    effect_NLH = effects(40, 1.0)
    first, second = split_half(effect_NLH, seed=1), split_half(effect_NLH, seed=1)
    np.testing.assert_array_equal(first, second)
    assert (split_half(effect_NLH, seed=2) != first).any()
    noise = np.random.default_rng(1).normal(size=effect_NLH.shape).astype(np.float32)
    present_LH = np.arange(24).reshape(3, 8) < 12
    clean, mixed = effects(400, 0.1), np.where(present_LH, effects(400, 0.1), noise[:1] * 9)
    masked = ScoreReading(present_LH=present_LH)
    assert split_half(mixed, masked).mean() == split_half(clean, masked).mean()


def test_groups_are_what_the_unit_batch_splits():
    effect_NLH = effects(12, 1.0)
    found = split_half(effect_NLH, ScoreReading("batch", group=6), splits=2)
    sums = np.abs(effect_NLH.reshape(2, 6, 3, 8).sum(1))
    expected = spearmanr(sums[0].ravel(), sums[1].ravel()).statistic
    np.testing.assert_allclose(found, 2 * expected / (1 + expected), rtol=1e-6)


def test_what_cannot_be_split_or_scored_is_rejected():
    one = effects(1, 1.0)
    with pytest.raises(ValueError, match="2 rows and 1 split at least, got 1, 20"):
        split_half(one)
    with pytest.raises(ValueError, match="got 5, 0"):
        split_half(effects(5, 1.0), splits=0)
    with pytest.raises(ValueError, match="at least one example"):
        score_kept(one[:0])
    with pytest.raises(ValueError, match="unit: expected one of"):
        score_kept(one, ScoreReading("head"))


def planted(task: float, model: float, example: float, *, models: int, seed: int) -> list:
    """Effects on 60 examples whose scores have these variances over heads; the task is fixed."""
    heads = (20, 30)
    task_LH = 40 + np.sqrt(task) * np.random.default_rng(9).normal(size=heads)
    rng = np.random.default_rng(seed)
    return [
        task_LH
        + np.sqrt(model) * rng.normal(size=heads)
        + np.sqrt(60 * example) * rng.normal(size=(60, *heads))
        for _ in range(models)
    ]


def test_reliability_is_the_share_of_the_task_among_the_planted_variances():
    """And so what the scores of two further models on further examples correlate by."""
    kept = planted(2.0, 1.0, 1.0, models=4, seed=0)
    found = reliability.reliability(kept, ScoreReading("signed"))
    assert found == pytest.approx(2 / 4, abs=0.06)
    new = [m.mean(0).ravel() for m in planted(2.0, 1.0, 1.0, models=2, seed=1)]
    assert found == pytest.approx(spearmanr(*new).statistic, abs=0.1)
    alone = [reliability.reliability([each], ScoreReading("signed")) for each in kept]
    assert np.mean(alone) == pytest.approx((2 + 1) / 4, abs=0.05)  # a seed repeats with itself


def test_reliability_of_one_model_is_that_of_spearman_and_brown():
    effect_NLH = effects(40, 3.0)
    whole_S = split_half(effect_NLH, splits=3)
    half = (whole_S / (2 - whole_S)).mean()
    found = reliability.reliability([effect_NLH], splits=3)
    assert found == pytest.approx(2 * half / (1 + half))
    with pytest.raises(ValueError, match="at least one model, got none"):
        reliability.reliability([])
