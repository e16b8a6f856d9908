"""Coherence, deductions and regimes of models whose important heads are known, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.importance.kept import open_kept
from jaxheads.importance.reliability import reliability
from jaxheads.pruning.mask import random_mask
from tests.planted.by_hand import begins, fresh, kept, measured, saved, scores, spearman
from tests.planted.words import Finished
from tests.studies.chiang2021.planted import (
    BATCH,
    HALF,
    METRIC,
    SEEDS,
    SHAPE,
    WHOLE,
    chiang_study,
    of_models,
)
from tests.support.found import having

pytestmark = pytest.mark.slow  # a study of two tiny models, most of it compiling


@pytest.fixture(scope="session")
def chiang(tmp_path_factory) -> Finished:
    """The finished study."""
    return chiang_study(tmp_path_factory)


# -- coherence


@pytest.mark.parametrize(
    ("model", "one", "two"),
    [("roberta", "mlm", "sst2"), ("roberta", "sst2", "cola"), ("albert", "mlm", "sst2")],
)
def test_agreement_is_of_the_scores_at_the_same_place(chiang, model, one, two):
    for seed in SEEDS:
        for place, middle in (("fine-tuned", ""), ("linear probe", "-frozen")):
            maps = [
                chiang.scored(f"{model}-{t}-0" if t == "mlm" else f"{model}-{t}{middle}-{seed}")
                for t in (one, two)
            ]
            what = {"stage": "coherence", "model": model, "task": one, "other_task": two}
            what |= {"place": place, "seed": seed}
            assert chiang.value(metric="spearman", **what) == pytest.approx(spearman(*maps))
            low, high = ([kept(s * score_LH, n) for score_LH in maps] for s, n in ((-1, 4), (1, 2)))
            lowest = chiang.value(metric="overlap of lowest 50%", **what)
            highest = chiang.value(metric="overlap of highest 20%", **what)
            assert (lowest, highest) == ((low[0] & low[1]).sum() / 4, (high[0] & high[1]).sum() / 2)


def test_reliability_is_over_other_examples_and_other_seeds(chiang):
    """And the ceiling of a correlation is the root of the product of both."""
    both = {}
    for middle, place in (("", "fine-tuned"), ("-frozen", "linear probe")):
        for task in ("sst2", "cola"):
            what = {"stage": "reliability", "model": "roberta", "task": task, "metric": "spearman"}
            what["place"] = place
            names = [f"roberta-{task}{middle}-{seed}" for seed in SEEDS]
            kept_NLH = [open_kept(chiang.out / "scores" / "kept" / f"{name}.npy") for name in names]
            for seed in SEEDS:
                halves = chiang.value(method="other examples", seed=seed, **what)
                assert halves == pytest.approx(reliability([kept_NLH[seed]], splits=4))
            seeds = chiang.value(method="other seed", **what)
            assert seeds == pytest.approx(spearman(*(chiang.scored(name) for name in names)))
            both[task, place] = chiang.value(method="other examples and seed", **what)
            assert both[task, place] == pytest.approx(reliability(kept_NLH, splits=4))
    mlm = chiang.value(
        stage="reliability", model="roberta", task="mlm", metric="spearman", method="other examples"
    )
    for place in ("fine-tuned", "linear probe"):
        what = {"stage": "ceiling", "model": "roberta", "metric": "spearman", "place": place}
        one, two = both["sst2", place], both["cola", place]
        found = chiang.value(task="sst2", other_task="cola", **what)
        assert found == pytest.approx(np.sqrt(one * two))
        found = chiang.value(task="mlm", other_task="sst2", **what)
        assert found == pytest.approx(np.sqrt(mlm * one))


def test_functional_coherence_is_what_another_order_gains_over_chance(chiang):
    """Of what the task's own gains, at the same budget."""
    pairs = (("mlm", "sst2"), ("cola", "sst2"), ("sst2", "cola"), ("mlm", "cola"))
    for model, other, task in (*(("roberta", *pair) for pair in pairs), ("albert", "mlm", "sst2")):
        for budget in (6, 4, 2):
            points = chiang.rows(stage="masked", model=model, task=task, metric=METRIC[task],
                budget=budget,
            )  # fmt: skip
            own, by_other, chance = (
                np.mean([point.value for point in having(points, **way)])
                for way in (
                    {"method": "gradient"}, {"method": "gradient", "other_task": other},
                    {"method": "random"},
                )
            )  # fmt: skip
            what = {"stage": "functional coherence", "model": model, "budget": budget}
            what |= {"method": "gradient", "other_task": other}
            value = chiang.value(task=task, metric=METRIC[task], **what)
            assert own > chance
            assert value == pytest.approx((by_other - chance) / (own - chance))


def test_an_order_that_keeps_the_same_head_is_worth_as_much(chiang):
    """MAIN is the last to go for the text and for "sst2", ECHO for "cola"."""
    what = {"stage": "functional coherence", "model": "roberta", "budget": 2, "method": "gradient"}
    assert chiang.value(other_task="mlm", task="sst2", **what) == pytest.approx(1)
    for other, task in (("cola", "sst2"), ("sst2", "cola"), ("mlm", "cola")):
        assert chiang.value(other_task=other, task=task, **what) < 0.5


# -- deduction, before and after


@pytest.mark.parametrize("model", ["roberta", "albert"])
def test_what_is_lost_before_fine_tuning_is_the_change_from_all_heads(chiang, model):
    for reading in ("", "tied") if model == "albert" else ("",):
        for budget in (8, 6, 4, 0):
            loss, accuracy = (
                [
                    chiang.value(
                        stage="masked",
                        model=model,
                        task="mlm",
                        method="gradient",
                        reading=reading,
                        **each,
                    )
                    for each in (
                        {"metric": metric, "budget": 8},
                        {"metric": metric, "budget": budget},
                    )
                ]
                for metric in ("loss", "accuracy")
            )
            what = {"stage": "deduction", "model": model, "method": "gradient", "budget": budget}
            what |= {"other_task": "mlm", "reading": reading}
            assert chiang.value(metric="loss increase", **what) == pytest.approx(
                loss[1] / loss[0] - 1
            )
            drop = chiang.value(metric="accuracy drop", **what)
            assert drop == pytest.approx(1 - accuracy[1] / accuracy[0])
        assert drop > 0.2  # without any head


@of_models
def test_masks_are_in_force_while_training(chiang, model, task):
    """The first loss is that of the new model under the mask, on the first examples of the seed."""
    train = chiang.folder / f"{task}.train.jsonl"
    score_LH = chiang.scored(f"{model}-mlm-0")
    for seed in SEEDS:
        masks = {"gradient-of-mlm": lambda budget: kept(score_LH, budget)}
        masks[f"random-{seed}"] = lambda budget, s=seed: random_mask(*SHAPE, budget, s)
        if model == "albert":
            tied_H = chiang.scored(f"{model}-mlm-0.tied")[:1]
            masks["gradient-of-mlm-tied"] = lambda budget, t=tied_H: np.repeat(
                kept(t, budget // 2), 2, 0
            )
        new = fresh(chiang.folder / model, seed)
        for name, mask in masks.items():
            for budget in (6, 4, 0):
                kept_model = name == "gradient-of-mlm" and budget == HALF
                log = f"{HALF}-train-pruned" if kept_model else f"{name}-{budget}-tune-pruned"
                first = chiang.losses(f"{model}-{task}-{seed}-{log}")[0]
                expected = begins(new, chiang.folder / model, train, mask(budget), seed, BATCH)
                assert first == pytest.approx(expected, rel=1e-4), (name, budget)
        probed = chiang.losses(f"{model}-{task}-pruned{HALF}-{seed}")
        mask_LH = kept(score_LH, HALF)
        expected = begins(new, chiang.folder / model, train, mask_LH, seed, BATCH)
        assert probed[0] == pytest.approx(expected, rel=1e-4)
        whole = begins(new, chiang.folder / model, train, None, seed, BATCH)
        for name in (f"{task}-{seed}", f"{task}-frozen-{seed}"):
            assert chiang.losses(f"{model}-{name}")[0] == pytest.approx(whole, rel=1e-4)


@of_models
def test_what_is_trained_again_goes_on_under_the_same_mask(chiang, model, task):
    for seed in SEEDS:
        mask_LH = kept(chiang.scored(f"{model}-{task}-{seed}"), HALF)
        train, whole = chiang.folder / f"{task}.train.jsonl", chiang.tuned(model, task, seed)
        expected = begins(whole, chiang.folder / model, train, mask_LH, seed, BATCH)
        again = chiang.losses(f"{model}-{task}-{seed}-{HALF}-prune-tuned")
        assert again[0] == pytest.approx(expected, rel=1e-4)
        once, twice = (
            chiang.losses(f"{model}-{task}-{seed}-{HALF}-train-{what}")
            for what in ("pruned", "twice")
        )
        assert twice[0] < (once[0] + once[-1]) / 2  # on the same examples as at first


@of_models
def test_regimes_are_measured_under_the_masks_that_they_name(chiang, model, task):
    held_out = chiang.folder / f"{task}.held_out.jsonl"
    for seed in SEEDS:
        what = {"stage": "before and after", "model": model, "task": task, "seed": seed}
        what |= {"budget": HALF, "metric": METRIC[task]}
        masks = {"": kept(chiang.scored(f"{model}-{task}-{seed}"), HALF)}
        masks["random"] = random_mask(*SHAPE, HALF, seed)
        if model == "albert":
            tied_H = chiang.scored(f"{model}-{task}-{seed}.tied")[:1]
            masks["tied"] = np.repeat(kept(tied_H, 2), 2, 0)
        for kind, mask_LH in masks.items():
            whole = chiang.tuned(model, task, seed)
            expected = measured(whole, chiang.folder / model, held_out, mask_LH)[METRIC[task]]
            found = chiang.value(method="fine-tune, prune", reading=kind, **what)
            assert found == pytest.approx(expected)
        after = {**what, "stage": "pruned, then fine-tuned"}
        for reading, way in (
            ("", {"method": "gradient", "other_task": "mlm"}),
            ("random", {"method": "random", "draw": seed}),
        ):
            early = chiang.value(method="prune, fine-tune", reading=reading, **what)
            assert early == chiang.value(**way, **after)


def test_a_task_that_needs_another_head_than_the_text_loses_by_its_order(chiang):
    """Without ECHO "cola" is right where MAIN speaks: it has learnt so under the mask alone."""
    for seed in SEEDS:
        what = {"stage": "before and after", "model": "roberta", "seed": seed, "budget": HALF}
        for regime in ("prune", "prune, fine-tune", "prune, fine-tune, fine-tune"):
            assert chiang.value(task="sst2", method=regime, **what) == 1  # HARM is gone
            assert 0.2 < chiang.value(task="cola", method=regime, **what) < 0.5
        for regime in ("fine-tune, prune", "fine-tune, prune, fine-tune"):
            assert chiang.value(task="cola", method=regime, **what) == pytest.approx(WHOLE["cola"])


@of_models
def test_regimes_are_compared_with_each_other_and_with_a_constant_answer(chiang, model, task):
    """The means over seeds, in the direction that the name has."""

    what = {"model": model, "task": task, "metric": METRIC[task]}

    def mean(method: str, reading: str = "") -> float:
        named = {"stage": "before and after", "method": method, "reading": reading}
        return float(np.mean([row.value for row in chiang.rows(**named, **what)]))

    contrasts = chiang.rows(stage="before and after, contrast", **what)
    early, late = "prune, fine-tune", "fine-tune, prune"
    pairs = {(early, late, ""), (f"{early}, fine-tune", f"{late}, fine-tune", "")}
    pairs |= {(each, each, "random") for each in (early, late)}
    found = {(row.method, row.other_method, row.other_reading): row.value for row in contrasts}
    assert found.keys() == pairs
    for (one, *two), value in found.items():
        assert value == pytest.approx(mean(one) - mean(*two))
    constant = 0.5 if task == "sst2" else 0
    rows = chiang.rows(stage="before and after", **what)
    for regime in {(row.method, row.reading) for row in rows} - {(early, "tied")}:
        way = dict(zip(("method", "reading"), regime, strict=True))
        above = chiang.value(stage="above the baseline", **way, **what)
        assert above == pytest.approx(mean(*regime) - constant)
    for place in ("fine-tuned", "linear probe"):
        above = chiang.value(stage="above the baseline", place=place, **what)
        assert above == pytest.approx(WHOLE[task] - constant)


def test_drift_is_of_the_heads_that_are_left_from_before_training_to_after(chiang):
    """The model after it is saved without the others, for the first seed."""
    for task in ("sst2", "cola"):
        before_LH = chiang.scored(f"roberta-{task}-pruned{HALF}-0")
        mask_LH = kept(chiang.scored("roberta-mlm-0"), HALF)
        assert not before_LH[~mask_LH].any()
        smaller = saved(chiang.out / "smaller" / f"roberta-{task}-{HALF}")
        train = chiang.folder / f"{task}.train.jsonl"
        after_LH = scores(smaller, chiang.folder / "roberta", train)
        expected = spearman(before_LH[mask_LH], after_LH[mask_LH])
        drift = chiang.value(stage="drift", model="roberta", task=task, seed=0)
        assert drift == pytest.approx(expected)
    drift = [row.value for row in chiang.rows(stage="drift", model="roberta")]
    assert min(drift) < 1  # else it would be the same over all heads


@of_models
def test_the_smaller_model_answers_as_the_masked_one(chiang, model, task):
    what = {"model": model, "task": task, "seed": 0, "method": "gradient", "budget": HALF}
    what["other_task"] = "mlm"
    for metric in ("loss", METRIC[task]):
        values = [
            chiang.value(stage=stage, metric=metric, **what)
            for stage in ("cut", "pruned, then fine-tuned")
        ]
        assert values[0] == pytest.approx(values[1], abs=1e-5)
    sizes = (
        chiang.value(stage="cut", metric=f"parameters{of}", **what) for of in ("", " of the whole")
    )
    assert next(sizes) < next(sizes)


def test_the_acceptable_deduction_is_that_of_the_worst_task(chiang):
    """ "sst2" keeps its metric down to half of the heads, "cola" not at all."""
    for tolerance in (0.01, 0.05):
        what = {"stage": "acceptable deduction", "model": "roberta"}
        what["setting"] = tolerance
        removed = {
            task: chiang.value(task=task, metric="heads removed", **what)
            for task in ("sst2", "cola", "all tasks")
        }
        assert removed == {"sst2": 4, "cola": 0, "all tasks": 0}
        lost = [
            chiang.value(stage="deduction", model="roberta", method="gradient",
                 other_task="mlm", metric="loss increase", budget=budget)
            for budget in (8, 6, 4)
        ]  # fmt: skip
        for task, points in (("sst2", 3), ("cola", 1), ("all tasks", 1)):
            value = chiang.value(task=task, metric="loss increase", **what)
            assert value == pytest.approx(max(lost[:points]))
