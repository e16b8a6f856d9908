"""What a difference allows to say: by its interval, its rank among draws, and its baseline."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jaxheads.records.rows import Row
from jaxheads.report.baseline import at_ceiling, at_chance
from jaxheads.report.claims import clear_in, counted, holm, number_in, said_of, side, verdict
from jaxheads.report.folder import Study

NAN = float("nan")


PLAIN = {"method": "", "other_method": "", "budget": None}


def row(value=0.1, **what) -> Row:
    fields = {"study": "s", "model": "m", "task": "t", "metric": "accuracy", "value": value}
    fields |= {"method": "gradient", "other_method": "random", "stage": "contrast", "budget": 8}
    return Row(**fields | what)


# -- several seeds


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.2, "gradient keeps more"),
        (-0.2, -0.01, "gradient keeps less"),
        (-0.1, 0.2, "not distinguishable"),
        (0.0, 0.2, "not distinguishable"),
        (0.1, 0.1, "no interval, no claim"),
        (0.0, 0.0, "the same on every example"),
        (NAN, NAN, "no interval, no claim"),
        (0.1, float("inf"), "no interval, no claim"),
        (None, None, "no interval, no claim"),
    ],
)
def test_of_several_seeds_the_interval_decides(low, high, said):
    found = row(low=low, high=high, seeds=3)
    assert verdict(found) == said
    assert side(found) == {"more": 1, "less": -1}.get(said.split()[-1], 0)


def test_a_difference_of_an_unknown_number_of_models_claims_nothing():
    found = row(low=0.01, high=0.2)
    assert (verdict(found), side(found)) == ("of an unknown number of models: no claim", 0)


# -- one model


CHANCE = ("gradient", "random")
ABOVE, BELOW = {"low": 0.05, "high": 0.15}, {"low": -0.15, "high": -0.05}


@pytest.mark.parametrize(
    ("ways", "bounds", "draws", "ahead", "behind", "said"),
    [
        (CHANCE, ABOVE, 12, 12, 0, "gradient keeps more than all 12 random masks"),
        (CHANCE, ABOVE, 20, 19, 1, "gradient keeps more than 19 of 20 random masks"),
        (CHANCE, BELOW, 20, 0, 20, "gradient keeps less than all 20 random masks"),
        (("random", "reversed"), ABOVE, 12, 12, 0, "all 12 random masks keep more than reversed"),
        (("like best", "best"), ABOVE, 10, 10, 0, "all 10 like best masks keep more than best"),
    ],
)
def test_of_one_model_the_rank_among_its_random_masks_decides(
    ways, bounds, draws, ahead, behind, said
):
    named = {"method": ways[0], "other_method": ways[1]}
    found = row(**named, seeds=1, draws=draws, ahead=ahead, behind=behind, **bounds)
    assert verdict(found) == f"{said} (one model)"
    assert side(found) == (1 if bounds is ABOVE else -1)


@pytest.mark.parametrize(
    ("bounds", "draws", "ahead", "behind"),
    [
        (ABOVE, 5, 5, 0),  # too few
        (ABOVE, 9, 9, 0),
        (ABOVE, 12, 11, 1),  # more than 5% disagree
        (ABOVE, 20, 18, 2),
        (ABOVE, 12, 11, 0),  # one is equal, which is not ahead
        (BELOW, 12, 0, 0),  # nor behind
        ({"low": -0.01, "high": 0.2}, 12, 12, 0),  # the interval over draws and examples holds 0
        ({}, 12, 12, 0),
    ],
)
def test_one_model_otherwise_claims_nothing_but_says_its_rank(bounds, draws, ahead, behind):
    found = row(seeds=1, draws=draws, ahead=ahead, behind=behind, **bounds)
    rank = f"gradient ahead in {ahead} of {draws} draws, behind in {behind}"
    assert (verdict(found), side(found)) == (f"one model ({rank}): no claim", 0)


def test_one_model_without_draws_claims_nothing():
    found = row(seeds=1, draws=0, ahead=0, behind=0, **ABOVE)
    assert (verdict(found), side(found)) == ("one model: no claim", 0)


def test_at_a_ceiling_no_difference_says_why():
    study = Study((row(1.0, stage="whole", **PLAIN),), {}, {})
    held = row(0.0, seeds=3, low=0.0, high=0.0)
    assert said_of(study, held).endswith(", the whole model being at the ceiling of the metric")
    assert said_of(study, row(seeds=3, **BELOW)) == "gradient keeps less"


# -- counts


def test_only_differences_over_several_seeds_are_counted_together():
    rows = [row(seeds=3, **ABOVE), row(seeds=1, draws=12, ahead=12, behind=0, **ABOVE), row()]
    several, left_out = counted(Study(tuple(rows), {}, {}), rows)
    assert several == rows[:1]
    assert left_out == " Not counted: 2 of one model, which says nothing of another training."
    assert counted(Study(tuple(rows), {}, {}), several) == (several, "")


def test_counts_are_corrected_for_their_number_or_said_not_to_be():
    """Of 0.02 and 0.03 Holm asks twice 0.02, which holds, and then 0.03."""
    rows = [row(seeds=3, p_value=p, **ABOVE) for p in (0.02, 0.03)]
    assert clear_in(rows) == "2 of 2 (2 after Holm's correction)"
    assert clear_in([*rows, row(seeds=3, p_value=0.9, low=-1.0, high=1.0)]) == (
        "2 of 3 (0 after Holm's correction)"
    )
    assert clear_in(rows, -1) == "none of 2"
    assert number_in(rows) == (2, ", 2 after Holm's correction")
    assert number_in(rows, -1) == (0, "") and number_in(rows[:1]) == (1, "")
    assert clear_in(rows[:1]) == "1 of 1"
    assert clear_in([rows[0], row(seeds=3, p_value=NAN)]) == "1 of 2 (1 after Holm's correction)"
    alike = row(seeds=3, low=0.1, high=0.1, p_value=0.0)  # nothing varied
    assert clear_in([rows[0], alike]) == "1 of 2 (1 after Holm's correction)"
    assert clear_in([rows[1], alike]) == "1 of 2 (0 after Holm's correction)"
    assert clear_in([rows[0], row(seeds=3, **BELOW)]) == "1 of 2 (not corrected for their number)"


def test_holm_multiplies_by_what_is_left_and_never_falls():
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.01 * 3, 0.03 * 2, 0.03 * 2, 0.005 * 4])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_is_the_closed_test_of_bonferroni():
    """A hypothesis is rejected where all intersections with it are: their largest p-value."""
    for p_values in np.random.default_rng(0).choice([0.001, 0.01, 0.02, 0.3, 0.9], (40, 5)):
        sets = [s for size in range(1, 6) for s in itertools.combinations(range(5), size)]
        expected = [
            max(min(1.0, len(own) * min(p_values[list(own)])) for own in sets if one in own)
            for one in range(5)
        ]
        assert holm(p_values.tolist()) == pytest.approx(expected)


# -- baselines and ceilings


def study_of(values, floor=0.5, metric="accuracy", **what) -> Study:
    stage = {"stage": "whole", **PLAIN} | what
    rows = [row(v, metric=metric, seed=s, **stage) for s, v in enumerate(values)]
    rows.append(row(floor, metric=metric, stage="floor", **PLAIN))
    other = [] if values else [row(0.9, stage="whole", model="n", **PLAIN)]
    return Study((*rows, *other), {}, {})


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((0.511, 0.503, 0.519), True),  # 0.511, give or take 0.020
        ((0.54, 0.53, 0.55), False),
        ((0.4, 0.41, 0.42), True),
        ((0.5,), True),  # one seed is at chance where it is not above it
        ((0.52,), False),  # and unknown otherwise
        ((), False),
    ],
)
def test_a_model_is_at_chance_unless_its_seeds_lie_clearly_above_the_baseline(values, found):
    study = study_of(values)
    assert at_chance(study, "m", "t") is found
    claim = row(seeds=3, **ABOVE)
    said = "the whole model is not shown to be above chance: no claim"
    assert said_of(study, claim) == (said if found else "gradient keeps more")
    assert counted(study, [claim])[0] == ([] if found else [claim])


def test_each_place_and_regime_has_its_own_baseline():
    assert at_chance(study_of((0.5, 0.51), stage="linear probe"), "m", "t", "linear probe")
    where = {"method": "prune", "reading": "", "budget": 8}
    study = study_of((0.5, 0.51), stage="before and after", **where)
    assert at_chance(study, "m", "t", **where)
    assert not at_chance(study, "m", "t", **where | {"budget": 4})
    study = study_of((0.9, 0.91), stage="before and after", **where)
    assert not at_chance(study, "m", "t", **where)
    own = [row(**where | {"budget": budget, "stage": "above the baseline", "other_method": ""},
               low=low, high=0.3) for budget, low in ((8, -0.01), (4, 0.01))]  # fmt: skip
    found = [
        at_chance(Study((*study.rows, *own), {}, {}), "m", "t", **where | {"budget": budget})
        for budget in (8, 4)
    ]
    assert found == [True, False]


@pytest.mark.parametrize(("low", "found"), [(0.01, False), (0.0, True), (NAN, True), (None, True)])
def test_the_studys_own_interval_above_the_baseline_comes_first(low, found):
    high = None if low is None else 0.3
    own = row(stage="above the baseline", place="fine-tuned", low=low, high=high, **PLAIN)
    study = study_of((0.5, 0.51))
    assert at_chance(Study((*study.rows, own), {}, {}), "m", "t") is found


def test_a_loss_has_no_chance_and_no_ceiling():
    study = study_of((0.2, 0.2), metric="loss")
    assert not at_chance(study, "m", "t")
    assert not at_ceiling(study_of((1.0, 1.0), metric="loss"), "m", "t")
    assert at_ceiling(study_of((1.0, 0.9999)), "m", "t")
    assert not at_ceiling(study_of((1.0, 0.99)), "m", "t")
