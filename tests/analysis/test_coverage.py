"""How often every kind of interval covers the truth, by simulation: 95% is to mean 93% to 97%.

Seeds, draws and examples are drawn anew for each interval, so that the truth is the value for
other seeds, other draws and other examples. Where examples decide and seeds hardly differ, three
seeds cover a little too much (97% to 97.5%).
"""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.intervals import GROUPS, contrast, crossed, quotient
from jaxheads.analysis.sums import ratio_intervals
from jaxheads.inference.metrics import METRICS

pytestmark = pytest.mark.slow
SEEDS = pytest.mark.parametrize("seeds", [3, 5])


def check(low_R, high_R, truth: float) -> None:
    """Coverage between 93% and 97%, give or take two standard errors of so many intervals."""
    share = float(np.mean((np.asarray(low_R) <= truth) & (truth <= np.asarray(high_R))))
    error = 2 * (0.95 * 0.05 / len(low_R)) ** 0.5
    assert 0.93 - error <= share <= 0.97 + error, share


def normal(rng, seeds: int, examples: int, scale: tuple[float, float, float], count: int):
    """Tables `[S, X, count]` with effects of seeds, of examples, and of both together."""
    shapes = ((seeds, 1, count), (1, examples, count), (seeds, examples, count))
    return sum(s * rng.normal(size=shape) for s, shape in zip(scale, shapes, strict=True))


def logistic(rng, seeds: int, examples: int, scale: tuple[float, float, float], at: float, count=1):
    """Right or wrong: the log-odds of each answer vary with its seed, its example and by chance."""
    odds = at + normal(rng, seeds, examples, scale, count)
    return (rng.random(odds.shape) < 1 / (1 + np.exp(-odds))).astype(int)


def rate(scale: tuple[float, float, float], at: float) -> float:
    """The mean of such answers, by quadrature."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    odds = at + np.linalg.norm(scale) * points
    return float(weights @ (1 / (1 + np.exp(-odds))) / weights.sum())


@SEEDS
@pytest.mark.parametrize(
    "scale", [(1.0, 1.0, 1.0), (0.3, 1.0, 1.0), (0.1, 0.1, 1.0), (0.05, 0.5, 1.0), (0.2, 1.0, 1.0)]
)
def test_means_of_normal_data(seeds, scale):
    found = crossed(normal(np.random.default_rng(0), seeds, 100, scale, 2000))
    check(found.low, found.high, 0.0)


@SEEDS
@pytest.mark.parametrize(
    ("scale", "at"),
    [
        ((0.3, 1.0, 1.0), 1.0),
        ((0.1, 1.0, 1.0), 1.0),
        ((0.3, 1.0, 0.5), 2.5),
        ((0.5, 1.0, 1.0), 0.0),
        ((0.1, 0.1, 2.0), 0.5),  # seeds that hardly agree about examples
    ],
)
def test_accuracies(seeds, scale, at):
    right = logistic(np.random.default_rng(0), seeds, 400, scale, at, 1000)
    found = crossed(right.astype(float))
    check(found.low, found.high, rate(scale, at))


@SEEDS
@pytest.mark.parametrize("scale", [(0.05, 0.2, 0.2), (0.05, 0.02, 0.4), (0.02, 0.0, 0.4)])
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_ratios_of_sums(seeds, scale, own):
    """Numerators that grow with what they are divided by, as spans found grow with spans.

    Seeds agree about examples, hardly, or not at all; each example counts for as much in all seeds,
    or in each for something else.
    """
    rng, ends = np.random.default_rng(0), []
    for _ in range(20):
        bottom = np.ones((seeds, 1)) * rng.integers(1, 9, (seeds if own else 1, 100))
        top = bottom[..., None] * (0.5 + normal(rng, seeds, 100, scale, 50))
        ends.append(ratio_intervals(top, bottom)[1:3])
    check(*np.hstack(ends), 0.5)


@SEEDS
def test_quotients(seeds):
    """Half of what the own order gains over chance; of it are certain at least four in five."""
    rng = np.random.default_rng(0)
    ends = []
    for _ in range(500):
        own = 0.2 + normal(rng, seeds, 60, (0.03, 0.2, 0.2), 1)[..., 0]
        other = 0.5 * own + normal(rng, seeds, 60, (0.02, 0.1, 0.2), 1)[..., 0]
        ends.append(quotient(other, own)[1:3])
    bounded = np.isfinite(ends).all(1)
    assert bounded.mean() > 0.8
    check(*np.array(ends)[bounded].T, 0.5)


@SEEDS
@pytest.mark.parametrize("failed", [0.1, 0.2])
def test_trainings_that_fail_outright_are_beyond_few_seeds(seeds, failed):
    """A limit: often all seeds went well, and none knows of those that fail, to 0.5 from 0.9."""
    rng = np.random.default_rng(0)
    at = np.where(rng.random((seeds, 1, 1500)) < failed, 0.5, 0.9)
    found = crossed((rng.random((seeds, 500, 1500)) < at).astype(float))
    truth = 0.9 - 0.4 * failed
    assert 0.38 < np.mean((found.low <= truth) & (truth <= found.high)) < 0.72


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_differences_of_an_order_from_random_draws(seeds):
    """Accuracies of one mask and of several random ones, which differ by seed and by draw.

    With one seed the truth is that of the model that it is: its seed's effect is fixed. An accuracy
    is a mean, so that `contrast` is `crossed` of the tables of differences, which is fast.
    """
    rng, tables = np.random.default_rng(0), 1000
    draws, by_draw, of_seed = 12 if seeds == 1 else 5, 0.3, 0.0 if seeds == 1 else 0.3
    seed = of_seed * rng.normal(size=(seeds, 1, tables))
    shared = seed + rng.normal(size=(1, GROUPS, tables))

    def answers(at: float, scale: float) -> np.ndarray:
        shape = (seeds, GROUPS, tables)
        odds = at + shared + scale * rng.normal(size=(seeds, 1, tables)) + rng.normal(size=shape)
        return (rng.random(shape) < 1 / (1 + np.exp(-odds))).astype(float)

    own, chance = answers(1.5, 0.0), np.array([answers(0.5, by_draw) for _ in range(draws)])
    found = crossed(own - chance[:, 0] if seeds == 1 else own - chance.mean(0))
    for place in range(3):
        one, two = [[row] for row in own[..., place]], chance[..., place].swapaxes(0, 1)
        label, metric = np.ones(GROUPS), METRICS["accuracy"]
        made = contrast(one, [list(rows) for rows in two], label, metric).difference
        assert made == pytest.approx(found.at(place), abs=1e-9)
    truth = rate((of_seed, 1.0, 1.0), 1.5) - rate((np.hypot(of_seed, by_draw), 1.0, 1.0), 0.5)
    check(found.low, found.high, truth)
