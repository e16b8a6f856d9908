"""Scores and curves of models whose important heads are known, beside counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.importance import load_scores
from jaxheads.importance.kept import open_kept, token_file
from jaxheads.pruning.mask import random_mask
from jaxheads.studies.workbench.answers import Way
from tests.planted.by_hand import fresh, kept, measured, pretrained, rescored, scores
from tests.planted.words import HARM, MAIN, Finished
from tests.studies.chiang2021.planted import (
    ALL,
    BUDGETS,
    HALF,
    METRIC,
    SEEDS,
    SHAPE,
    TOP,
    WHOLE,
    chiang_study,
    of_models,
)

pytestmark = pytest.mark.slow  # a study of two tiny models, most of it compiling


@pytest.fixture(scope="session")
def chiang(tmp_path_factory) -> Finished:
    """The finished study."""
    return chiang_study(tmp_path_factory)


def top(score_LH: np.ndarray) -> tuple[int, ...]:
    """The layer and the head with the highest score, from 0."""
    return tuple(map(int, np.unravel_index(score_LH.argmax(), score_LH.shape)))


# -- what is measured, and what is scored


@of_models
def test_what_is_held_out_is_measured(chiang, model, task):
    """Of the training examples all are right, of these they cannot be."""
    for seed in SEEDS:
        whole = chiang.tuned(model, task, seed)
        train = measured(whole, chiang.folder / model, chiang.folder / f"{task}.train.jsonl")
        assert train[METRIC[task]] == 1
        for stage in ("whole", "linear probe"):
            what = {"model": model, "task": task, "seed": seed, "metric": METRIC[task]}
            assert chiang.value(stage=stage, **what) == pytest.approx(WHOLE[task])


@of_models
def test_training_examples_are_scored(chiang, model, task):
    """HARM says nothing of those: no word of its kind is there."""
    for seed in SEEDS:
        for name in (f"{task}-{seed}", f"{task}-{seed}.ablation", f"{task}-frozen-{seed}"):
            assert top(chiang.scored(f"{model}-{name}")) == TOP[task]
        own_LH, train = chiang.scored(f"{model}-{task}-{seed}"), f"{task}.train.jsonl"
        by_hand_LH = scores(
            chiang.tuned(model, task, seed), chiang.folder / model, chiang.folder / train
        )
        np.testing.assert_allclose(own_LH, by_hand_LH, rtol=1e-3, atol=1e-7)
        frozen_LH = chiang.scored(f"{model}-{task}-frozen-{seed}")
        assert frozen_LH[HARM] < 1e-4 * frozen_LH.max()
        new = fresh(chiang.folder / model, seed)  # its readout is not trained yet
        new_LH = scores(new, chiang.folder / model, chiang.folder / train)
        assert not np.allclose(frozen_LH, new_LH, rtol=0.1)
        ablation = load_scores(chiang.out / "scores" / f"{model}-{task}-{seed}.ablation.npz")
        assert ablation.examples == 8


@pytest.mark.parametrize("model", ["roberta", "albert"])
def test_the_text_is_scored_where_it_trains_and_measured_where_it_is_held_out(chiang, model):
    """A third of the held-out paragraphs hold a word of "harm"."""
    base, text_LH = pretrained(chiang.folder / model), chiang.scored(f"{model}-mlm-0")
    assert top(text_LH) == MAIN
    assert text_LH[HARM] < 1e-4 * text_LH.max()
    by_hand_LH = scores(base, chiang.folder / model, chiang.folder / "train.txt")
    np.testing.assert_allclose(text_LH, by_hand_LH, rtol=1e-3, atol=1e-7)
    train, held_out = (
        measured(base, chiang.folder / model, chiang.folder / f"{split}.txt")
        for split in ("train", "held_out")
    )
    assert held_out["loss"] > train["loss"] + 0.1
    for metric in ("loss", "accuracy"):
        row = chiang.value(stage="whole", model=model, task="mlm", metric=metric)
        assert row == pytest.approx(held_out[metric], rel=1e-4)


def test_the_use_that_carries_the_label_is_told_from_the_other(chiang):
    """Of MAIN in the second layer of the ALBERT, which has nothing to say."""
    for name in ("mlm-0", "sst2-0", "sst2-1", "sst2-frozen-0", "sst2-frozen-1"):
        score_LH = chiang.scored(f"albert-{name}")
        assert score_LH[1, MAIN[1]] < score_LH[MAIN] / 3


@pytest.mark.parametrize("name", ["roberta-mlm-0", "roberta-cola-1", "albert-sst2-0"])
def test_every_reading_is_of_the_same_effects(chiang, name):
    path = chiang.out / "scores" / "kept" / f"{name}.npy"
    effect_NLH = np.asarray(open_kept(path), np.float64)
    token_NLH = np.asarray(open_kept(token_file(path)), np.float64)
    score_LH = np.abs(effect_NLH).mean(0)
    batches = [effect_NLH[start : start + 32] for start in range(0, len(effect_NLH), 32)]
    readings = {
        "": score_LH,
        ".token": token_NLH.mean(0),
        ".batch": np.mean([np.abs(each.sum(0)) for each in batches], axis=0),
        ".signed": -effect_NLH.mean(0),
        ".l2": score_LH / np.sqrt((score_LH**2).sum(1, keepdims=True)),
        ".token+l2": token_NLH.mean(0) / np.sqrt((token_NLH.mean(0) ** 2).sum(1, keepdims=True)),
    }
    if name.startswith("albert"):
        uses = np.abs(effect_NLH.sum(1)).mean(0)
        readings[".tied"] = np.stack([uses, uses])
    for reading, expected_LH in readings.items():
        np.testing.assert_allclose(
            chiang.scored(f"{name}{reading}"), expected_LH, rtol=1e-4, atol=1e-7
        )
    if name == "roberta-cola-1":
        assert (token_NLH.mean(0) > score_LH * 1.01).any()  # positions do not agree


# -- prunability


READINGS = ("token", "batch", "signed", "l2", "token+l2")


def orders(chiang: Finished, model: str, task: str, seed: int):
    """The mask of every order of a curve, by how it is named and the budget."""
    own_LH = chiang.scored(f"{model}-{task}-{seed}")
    masks = {
        Way("gradient"): lambda budget: kept(own_LH, budget),
        Way("reversed"): lambda budget: ~kept(own_LH, ALL - budget),
    }
    for draw in (2 * seed, 2 * seed + 1):
        masks[Way("random", draw=draw)] = lambda budget, d=draw: random_mask(*SHAPE, budget, d)
    others = {"mlm": "mlm-0", "sst2": f"sst2-{seed}", "cola": f"cola-{seed}"}
    files = {Way("gradient", "", other): file for other, file in others.items() if other != task}
    files |= {Way("gradient", r): f"{task}-{seed}.{r}" for r in READINGS}
    files[Way("ablation")] = f"{task}-{seed}.ablation"
    files |= {Way(null): f"{task}-{seed}.{null}" for null in ("magnitude", "output_norm")}
    trained = ("shuffled_labels", "untrained_readout") if task != "mlm" else ()
    files |= {Way(null): f"{task}-{null}-{seed}" for null in trained}
    if model == "albert":
        del files[Way("gradient", "", "cola")]
        tied_H = chiang.scored(f"{model}-{task}-{seed}.tied")[:1]
        for method, sign in (("gradient", 1), ("reversed", -1)):
            masks[Way(method, "tied")] = lambda budget, s=sign: np.repeat(
                kept(s * tied_H, budget // 2), 2, 0
            )
        for draw in (2 * seed, 2 * seed + 1):
            masks[Way("random", "tied", draw=draw)] = lambda budget, d=draw: random_mask(
                *SHAPE, budget, d, tied_rows=(0, 0)
            )
    for order, file in files.items():
        score_LH = chiang.scored(f"{model}-{file}")
        masks[order] = lambda budget, s=score_LH: kept(s, budget)
    return masks


@pytest.mark.parametrize(
    ("model", "task"),
    [("roberta", "sst2"), ("roberta", "cola"), ("roberta", "mlm"), ("albert", "sst2")],
)
def test_every_point_of_a_curve_is_of_the_heads_that_its_order_keeps(chiang, model, task):
    ending, source = "txt" if task == "mlm" else "jsonl", chiang.folder / model
    train, held_out = (
        chiang.folder / f"{'' if task == 'mlm' else f'{task}.'}{split}.{ending}"
        for split in ("train", "held_out")
    )
    for seed in (0,) if task == "mlm" else SEEDS:
        what = {"stage": "masked", "model": model, "task": task, "seed": seed}
        points = chiang.rows(metric="loss", **what)
        whole = pretrained(source) if task == "mlm" else chiang.tuned(model, task, seed)
        masks = orders(chiang, model, task, seed)
        for reading, how in {"": {}, "token+l2": {"unit": "token", "normalize": "l2"}}.items():
            again = rescored(whole, source, train, BUDGETS[1:], **how)
            again[ALL] = np.ones(SHAPE, bool)
            masks[Way("gradient, iterative", reading)] = again.__getitem__
        ways = [Way(p.method, p.reading, p.other_task, p.draw) for p in points]
        wanted = {(way, budget) for way in masks for budget in BUDGETS}
        assert {(way, p.budget) for way, p in zip(ways, points, strict=True)} == wanted
        for way, point in zip(ways, points, strict=True):
            mask_LH = masks[way](point.budget)
            expected = measured(whole, source, held_out, mask_LH)
            assert point.value == pytest.approx(expected["loss"], abs=1e-5), point
            metric = chiang.value(metric=METRIC[task], budget=point.budget, **way._asdict(), **what)
            assert metric == pytest.approx(expected[METRIC[task]])


@of_models
def test_the_planted_head_alone_keeps_the_metric(chiang, model, task):
    """And by the reverse order it is the first to go."""
    for seed in SEEDS:
        what = {"stage": "masked", "model": model, "task": task, "seed": seed}
        what |= {"metric": METRIC[task]}
        assert chiang.value(method="gradient", budget=2, **what) >= WHOLE[task]
        assert chiang.value(method="reversed", budget=6, **what) < WHOLE[task] - 0.2


@pytest.mark.parametrize(
    ("model", "task"),
    [("roberta", "sst2"), ("roberta", "cola"), ("roberta", "mlm"), ("albert", "sst2")],
)
def test_contrasts_say_which_order_keeps_more(chiang, model, task):
    """The means over seeds, and of random masks over their draws, nearest half of the heads."""

    def mean(method: str) -> float:
        what = {"stage": "masked", "model": model, "task": task, "metric": METRIC[task]}
        points = chiang.rows(**what, budget=HALF, method=method)
        return float(np.mean([point.value for point in points]))

    for one, two in (("gradient", "random"), ("random", "reversed")):
        what = {"stage": "contrast", "model": model, "task": task, "budget": HALF}
        row = chiang.value(method=one, other_method=two, **what)
        assert row == pytest.approx(mean(one) - mean(two))
        assert row > 0.05 or task == "mlm"  # whose two draws are as good as the reverse


@of_models
def test_a_curve_in_one_number_is_that_of_its_points(chiang, model, task):
    for seed in SEEDS:
        what = {"model": model, "task": task, "seed": seed}
        for method, other in (
            ("gradient", ""),
            ("reversed", ""),
            ("ablation", ""),
            ("gradient", "mlm"),
        ):
            what |= {"method": method, "other_task": other}
            points = {
                point.budget: point.value
                for point in chiang.rows(stage="masked", metric=METRIC[task], **what)
            }
            for name, share in (("k95", 0.95), ("k99", 0.99)):
                gone = 0
                for budget in BUDGETS:
                    if points[budget] < share * points[ALL]:
                        break
                    gone = ALL - budget
                assert chiang.value(stage="prunability", metric=name, **what) == gone
            means = [(points[b] + points[b - 2]) / 2 / points[ALL] for b in (8, 6, 4, 2)]
            area = chiang.value(stage="prunability", metric="area", **what)
            assert area == pytest.approx(np.mean(means))
