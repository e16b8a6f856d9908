"""Ways to choose heads, compared on a model whose important head is known, beside counts by hand.

The task is about words of the kind "main"; a quarter of its held-out examples hold a word of
"harm", and are wrong unless HARM is gone.
"""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads import score_heads
from jaxheads.cli.overrides import load_config
from jaxheads.importance.kept import open_kept
from jaxheads.importance.methods import magnitude
from jaxheads.pruning.mask import random_mask
from jaxheads.pruning.refine import interaction, refined_mask, rescaling
from jaxheads.storage.store import Store
from jaxheads.studies.li2021.learning_rates import _without_tried
from jaxheads.studies.workbench.model import StudyModel
from tests.planted.by_hand import begins, fresh, kept, measured, rescored
from tests.planted.words import MAIN, Finished, finished

pytestmark = pytest.mark.slow  # a study of a tiny model, most of it compiling

TASKS = {
    "sst2": {
        "train": [("main", 16, False)],
        "held_out": [("main", 12, False), ("main harm", 4, False)],
    }
}
GATED = ("subset, joint", "subset, pipelined", "L0, pipelined")
READ = {"gradient, iterative": {}}
READ["gradient of the paper, iterative"] = {"unit": "batch", "normalize": "l2"}
METHODS = ("gradient", *READ, "random", "random, per layer", "magnitude", "refined")
METHODS += ("refined, rescaled", *GATED)
ONE_PASS = ("gradient", "refined", "refined, rescaled")
SHAPE, SEEDS, BUDGETS, STEPS, EXAMPLES = (2, 4), (0, 1), (4, 1), 48, 32
STUDY = f"""Li2021(
        {METHODS!r}, shares=(0.5, 0.125), learning_rates=(0.3, 1e-6), strengths=(1e-4, 10.0),
        chosen_on=0.25, draws=2, timed=(),
    )"""
WHAT = {"model": "roberta", "task": "sst2"}


@pytest.fixture(scope="session")
def compared(tmp_path_factory) -> Finished:
    """The finished study."""
    settings = {"finetune__steps": STEPS, "scoring__ablated": 0}  # gates learn in so many
    settings |= {"curve__readings": "()", "curve__rescored": "()"}
    return finished(tmp_path_factory, STUDY, TASKS, settings)


def gates_of(compared: Finished, method: str, seed: int, budget: int) -> list[np.ndarray]:
    """The gates of all heads by a method that trains none; by a random one those of every draw."""
    name, draws = f"roberta-sst2-{seed}", (2 * seed, 2 * seed + 1)
    tuned, source = compared.tuned("roberta", "sst2", seed), compared.folder / "roberta"
    if method.startswith("random"):
        by_layer = method.endswith("per layer")
        return [random_mask(*SHAPE, budget, draw, per_layer=by_layer) for draw in draws]
    if method == "gradient":
        return [kept(compared.scored(name), budget)]
    if method == "magnitude":
        scores = score_heads(
            None, tuned.params, [], heads=tuned.config, method=magnitude(), progress=False
        )
        return [kept(scores.score_LH, budget)]
    if method.startswith("refined"):
        effect_NLH = open_kept(compared.out / "scores" / "kept" / f"{name}.npy")
        mask_LH = refined_mask(effect_NLH, budget)
        rescaled = method.endswith("rescaled")
        return [rescaling(interaction(effect_NLH), mask_LH) if rescaled else mask_LH]
    train, budgets = compared.folder / "sst2.train.jsonl", [b for b in BUDGETS if b >= budget]
    return [rescored(tuned, source, train, budgets, **READ[method])[budget]]


@pytest.mark.parametrize("method", [method for method in METHODS if method not in GATED])
def test_what_a_method_keeps_is_measured_as_it_is_and_trained_once_more(compared, method):
    source = compared.folder / "roberta"
    train, held_out = (compared.folder / f"sst2.{split}.jsonl" for split in ("train", "held_out"))
    for seed in SEEDS:
        tuned = compared.tuned("roberta", "sst2", seed)
        for budget in BUDGETS:
            gates = gates_of(compared, method, seed, budget)
            for metric in ("loss", "accuracy"):
                rows = compared.rows(
                    **WHAT, stage="pruned", method=method, seed=seed, budget=budget, metric=metric
                )
                expected = [measured(tuned, source, held_out, gate)[metric] for gate in gates]
                assert [row.value for row in rows] == pytest.approx(expected, abs=1e-5)
            plain = method.replace(",", "").replace(" ", "-")
            again = compared.losses(f"roberta-sst2-{seed}-{plain}-{budget}-prune-again")
            expected = begins(tuned, source, train, gates[0], seed, EXAMPLES)
            assert len(again) == STEPS
            assert again[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", ["gradient", *READ, "refined", *GATED])
def test_the_planted_head_is_kept(compared, method):
    source, held_out = compared.folder / "roberta", compared.folder / "sst2.held_out.jsonl"
    for seed in SEEDS:
        what = {**WHAT, "metric": "accuracy", "method": method, "seed": seed}
        assert compared.value(stage="whole", **{**what, "method": ""}) == 24 / 32
        for stage in ("pruned", "trained again"):
            assert compared.value(stage=stage, budget=1, **what) == 1  # MAIN, without HARM
        if method != "subset, joint":  # the model stays as it is
            alone, tuned = np.zeros(SHAPE), compared.tuned("roberta", "sst2", seed)
            alone[MAIN] = 1
            expected = measured(tuned, source, held_out, alone)["loss"]
            loss = compared.value(stage="pruned", budget=1, **{**what, "metric": "loss"})
            assert loss == pytest.approx(expected, abs=1e-5)


def test_contrasts_say_which_method_is_better(compared):
    """The means over seeds, and of random masks over their draws."""

    def mean(method: str, stage: str, budget: int) -> float:
        rows = compared.rows(**WHAT, stage=stage, method=method, budget=budget, metric="accuracy")
        return float(np.mean([row.value for row in rows]))

    ours = ("gradient, iterative", "refined", "refined, rescaled")
    subsets = ("subset, joint", "subset, pipelined")
    pairs = {(way, "gradient") for way in METHODS[1:]} | {(a, b) for a in ours for b in subsets}
    for stage, found, one_at, two_at in (
        ("pruned", pairs, "pruned", "pruned"),
        ("trained again", pairs, "trained again", "trained again"),
        ("equal cost", {(a, "subset, pipelined") for a in ours}, "trained again", "pruned"),
    ):
        rows = compared.rows(**WHAT, stage=f"{stage}, contrast", metric="accuracy")
        assert {(row.method, row.other_method, row.budget) for row in rows} == {
            (*pair, budget) for pair in found for budget in BUDGETS
        }
        for row in rows:
            two = mean(row.other_method, two_at, row.budget)
            difference = mean(row.method, one_at, row.budget) - two
            assert row.value == pytest.approx(difference), row
    what = {**WHAT, "stage": "pruned, contrast", "budget": 1}
    assert compared.value(method="random", other_method="gradient", **what) < -0.2


def test_costs_are_counted(compared):
    steps = {"subset, joint": STEPS} | dict.fromkeys(GATED[1:], 2 * STEPS)
    for seed in SEEDS:
        for place, budget in enumerate(BUDGETS):
            extra = dict.fromkeys(ONE_PASS, EXAMPLES) | dict.fromkeys(READ, EXAMPLES * (place + 1))
            for method in METHODS:
                what = {**WHAT, "stage": "cost", "method": method, "seed": seed, "budget": budget}
                cost = {row.metric: row.value for row in compared.rows(**what)}
                own = steps.get(method, STEPS)
                assert cost == {
                    "steps": own,
                    "steps, trained again": own + STEPS,
                    "examples": own * EXAMPLES + extra.get(method, 0),
                    "examples, trained again": (own + STEPS) * EXAMPLES + extra.get(method, 0),
                    "fine-tunings": float(method != "subset, joint"),
                    "passes made before": float(method in ONE_PASS),
                }


def test_the_rate_is_the_best_on_training_examples_that_were_left_out(compared):
    """All of those are right where MAIN is kept, with HARM too; gates that stand still keep any."""
    for method in GATED:
        what = {**WHAT, "stage": "choice of learning rate", "method": method}
        assert compared.value(metric="learning rate", **what) == 0.3
        rows = compared.rows(metric="accuracy", **what)
        tried = {(row.setting, row.budget): row.value for row in rows}
        assert set(tried) == {(rate, budget) for rate in (0.3, 1e-6) for budget in BUDGETS}
        for budget in BUDGETS:
            assert tried[0.3, budget] == 1
        assert min(tried.values()) < 1
        pipelined = STEPS * (method != "subset, joint")
        assert compared.value(metric="steps of all trials", **what) == 4 * STEPS + pipelined


def test_what_is_left_out_for_the_choice_is_in_no_training_of_it(compared):
    run = load_config(compared.folder / "planted.py")
    part = _without_tried(StudyModel(run, run.models[0], Store(compared.out)), "sst2")
    assert len(part.train.lengths) == EXAMPLES * 3 / 4
    assert sum(float(np.sum(batch.weight_B)) for batch in part.held_out) == EXAMPLES / 4


def test_the_last_sample_sees_the_head_that_is_kept(compared):
    for method in GATED:
        for seed in SEEDS:
            what = {**WHAT, "stage": "heads of the last sample", "method": method, "seed": seed}
            for budget in BUDGETS:
                seen, both = (
                    compared.value(metric=metric, budget=budget, **what)
                    for metric in ("heads", "heads kept of them")
                )
                assert 1 <= both <= min(seen, budget)
            assert (seen, both) == (1, 1)
            assert compared.value(metric="accuracy", budget=1, **what) == 1


def test_scaled_heads_are_trained_and_measured_at_their_scale(compared):
    source, train = compared.folder / "roberta", compared.folder / "sst2.train.jsonl"
    for seed in SEEDS:
        for budget in BUDGETS:
            first = compared.losses(f"roberta-sst2-{seed}-{budget}-scaled")[0]
            gate_LH = np.full(SHAPE, budget / 8)
            expected = begins(fresh(source, seed), source, train, gate_LH, seed, EXAMPLES)
            assert first == pytest.approx(expected, rel=1e-4)
            rows = compared.rows(**WHAT, stage="all heads, scaled", seed=seed, budget=budget)
            assert {row.metric for row in rows} == {"loss", "accuracy"}


def test_a_high_price_of_heads_closes_more(compared):
    for seed in SEEDS:
        what = {**WHAT, "stage": "sweep of strengths", "seed": seed}
        low, high = (
            {row.metric: row.value for row in compared.rows(method="L0", setting=price, **what)}
            for price in (1e-4, 10.0)
        )
        assert low["heads open"] >= 5  # HARM among them
        assert low["accuracy"] == 24 / 32
        assert (high["heads open"], high["accuracy"]) == (0, 0.5)
