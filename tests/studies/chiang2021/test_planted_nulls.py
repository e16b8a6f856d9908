"""Nulls of models whose important heads are known, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from jaxheads import objective_for, score_heads
from jaxheads.importance.methods import output_norm
from tests.planted.by_hand import READOUT, batches_of, fresh, saved
from tests.planted.words import Finished
from tests.studies.chiang2021.planted import HALF, METRIC, SEEDS, chiang_study, of_models
from tests.support.found import having

pytestmark = pytest.mark.slow  # a study of two tiny models, most of it compiling


@pytest.fixture(scope="session")
def chiang(tmp_path_factory) -> Finished:
    """The finished study."""
    return chiang_study(tmp_path_factory)


def frobenius(model) -> np.ndarray:
    """The norm of each head's four kernels together."""
    found = []
    for stack in sorted(name for name in model.params["encoder"] if name.startswith("stack")):
        attention = model.params["encoder"][stack]["attention"]
        kernels = {name: np.asarray(attention[name]["kernel"], float) for name in attention}
        for block in range(len(kernels["query"])):
            parts = [
                np.sum(kernels[name][block] ** 2, axis=axes)
                for name, axes in (
                    ("query", (0, 2)), ("key", (0, 2)), ("value", (0, 2)), ("out", (1, 2)),
                )
            ]  # fmt: skip
            found.append(np.sqrt(np.sum(parts, axis=0)))
    return np.stack(found * (2 // len(found)))


@of_models
def test_magnitude_and_output_norm_are_of_the_model_and_examples_that_are_scored(
    chiang, model, task
):
    base, train = saved(chiang.folder / model), chiang.folder / f"{task}.train.jsonl"
    examples = batches_of(chiang.folder / model, train)
    for seed in SEEDS:
        for name, whole in (
            (f"{model}-{task}-{seed}", chiang.tuned(model, task, seed)),
            (f"{model}-{task}-frozen-{seed}", base),
        ):
            np.testing.assert_allclose(
                chiang.scored(f"{name}.magnitude"), frobenius(whole), rtol=1e-5
            )
            norm = score_heads(
                None, whole.params, examples, heads=whole.config, method=output_norm(),
                progress=False,
            )  # fmt: skip
            np.testing.assert_allclose(
                chiang.scored(f"{name}.output_norm"), norm.score_LH, rtol=1e-4
            )
    np.testing.assert_allclose(
        chiang.scored(f"{model}-mlm-0.magnitude"), frobenius(base), rtol=1e-5
    )


@of_models
def test_an_untrained_readout_is_that_from_which_fine_tuning_starts(chiang, model, task):
    train = chiang.folder / f"{task}.train.jsonl"
    for seed in SEEDS:
        start = fresh(chiang.folder / model, seed)
        found = score_heads(
            objective_for(start.config, READOUT), start.params,
            batches_of(chiang.folder / model, train), heads=start.config, progress=False,
        )  # fmt: skip
        np.testing.assert_allclose(
            chiang.scored(f"{model}-{task}-untrained_readout-{seed}"), found.score_LH, rtol=1e-3
        )


@of_models
def test_shuffled_labels_are_learned_less_well(chiang, model, task):
    """In as many steps: the words of a text say nothing of them."""
    for seed in SEEDS:
        for middle in ("", "-frozen"):
            true = chiang.losses(f"{model}-{task}{middle}-{seed}")[-1]
            assert chiang.losses(f"{model}-{task}{middle}-shuffled_labels-{seed}")[-1] > true + 0.1


@pytest.mark.parametrize("place", ["fine-tuned", "linear probe"])
def test_agreement_given_a_null_is_that_of_what_is_left_of_the_ranks(chiang, place):
    middle = "-frozen" if place == "linear probe" else ""
    for null in ("magnitude", "output_norm"):
        for seed in SEEDS:
            names = ["roberta-mlm-0", f"roberta-cola{middle}-{seed}"]
            one, two = (rankdata(chiang.scored(name)) for name in names)
            given = [rankdata(chiang.scored(f"{name}.{null}")) for name in names]
            design = np.stack([np.ones(8), *given], 1)
            rests = [r - design @ np.linalg.lstsq(design, r, rcond=None)[0] for r in (one, two)]
            found = chiang.value(
                stage="coherence given a null", model="roberta", task="mlm", other_task="cola",
                method=null, place=place, seed=seed, metric="spearman",
            )  # fmt: skip
            if min(map(np.linalg.norm, rests)) > 1e-9:
                assert found == pytest.approx(np.corrcoef(*rests)[0, 1], abs=1e-6)
            else:
                assert np.isnan(found)


@of_models
def test_orders_of_nulls_are_compared_with_all_other_orders(chiang, model, task):
    rows = chiang.rows(stage="contrast with nulls", model=model, task=task, budget=HALF)
    other = {"sst2": "mlm", "cola": "sst2"}[task]
    for one, two in (
        ({"method": "gradient"}, "magnitude"),
        ({"method": "gradient", "other_task": other}, "shuffled_labels"),
    ):
        (row,) = having(rows, other_method=two, **one)
        values = [
            chiang.value(
                stage="masked", model=model, task=task, budget=HALF, seed=seed,
                metric=METRIC[task], **order,
            )
            for order in (one, {"method": two}) for seed in SEEDS
        ]  # fmt: skip
        expected = np.mean(values[: len(SEEDS)]) - np.mean(values[len(SEEDS) :])
        assert row.value == pytest.approx(expected)
        assert row.seeds == len(SEEDS)
    rows = chiang.rows(stage="functional coherence", model=model, task=task)
    nulls = {"magnitude", "output_norm", "shuffled_labels", "untrained_readout"}
    assert {row.method for row in rows if not row.other_task} == nulls
