"""Readings of the gradient: units, normalisation, orders estimated anew, and budgets."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.config import TrainingConfig
from jaxheads.importance.kept import open_kept, token_file
from jaxheads.pruning.mask import mask_from_scores
from jaxheads.storage.store import Store
from jaxheads.studies.li2021.selection import METHODS, Choice
from jaxheads.studies.settings import (
    CurveSettings,
    Michel2019,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)
from jaxheads.studies.workbench.answers import Way
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.prunability import curve_budgets, orders
from jaxheads.studies.workbench.scorer import kept_name
from jaxheads.studies.workbench.settings import PLAIN, READINGS

TRAIN = TrainingConfig(steps=1)
RUN = Run(
    study=Michel2019(),
    name="readings",
    models=(ModelSettings("albert", source="builtin:albert"),),
    text=TextSettings("grammar_mlm"),
    tasks=(TaskSettings("grammar_sentiment", length=18, examples=64, held_out_examples=8),),
    finetune=TRAIN,
    probe=TRAIN,
    scoring=ScoringSettings(examples=64, ablated=0, rescored=64, batch_size=32),
    curve=CurveSettings(
        points=4, draws=1, readings=tuple(READINGS), rescored=("token+l2", "batch+l2")
    ),
    devices=1,
)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A model with a new readout, and all readings of its scores in a folder."""
    study_model = StudyModel(RUN, RUN.models[0], Store(tmp_path_factory.mktemp("readings")))
    task = study_model.task("grammar_sentiment")
    model = study_model.fresh(task, 0)
    study_model.scorer.score_all(model, task, "all")
    return study_model, task, model


def by_hand(study_model: StudyModel, reading: str) -> np.ndarray:
    """The reading, from effects [N, L, H] that were kept on disk, as the papers' formulas say."""
    path = study_model.store.place / kept_name("all")
    effect_NLH = np.array(open_kept(path), float)
    unit = reading.removesuffix("l2").removesuffix("+")
    score_LH = {
        "": np.abs(effect_NLH).mean(0),
        "token": np.array(open_kept(token_file(path)), float).mean(0),
        "batch": np.abs(effect_NLH.reshape(2, 32, *effect_NLH.shape[1:]).sum(1)).mean(0),
        "signed": -effect_NLH.mean(0),
        "fisher": (effect_NLH**2).mean(0),
    }[unit]
    length_L = np.linalg.norm(score_LH, axis=1)
    return score_LH / length_L[:, None] if reading.endswith("l2") else score_LH


@pytest.mark.parametrize("reading", ["", *READINGS])
def test_a_reading_has_its_unit_and_its_normalisation(scored, reading):
    study_model, _, _ = scored
    found = study_model.scorer.saved(f"all.{reading}" if reading else "all")
    np.testing.assert_allclose(found.score_LH, by_hand(study_model, reading), rtol=1e-6)
    assert found.unit == (reading.partition("+")[0].removesuffix("l2") or "example")


def test_by_position_and_normalised_is_an_order_of_its_own(scored):
    """The authors' command has both; either alone keeps other heads here."""
    study_model, _, _ = scored
    kept = {
        name: mask_from_scores(by_hand(study_model, name), 5)
        for name in ("token", "l2", "token+l2")
    }
    assert (kept["token+l2"] != kept["token"]).any()
    assert (kept["token+l2"] != kept["l2"]).any()


def test_orders_are_estimated_anew_in_every_reading_that_asks_for_it(scored):
    study_model, task, model = scored
    found = dict(orders(study_model, model, task, "all", {}, range(1)))
    for reading in ("", "token+l2", "batch+l2"):
        budgets, order = found[Way("gradient, iterative", reading)]
        assert budgets == (16, 12, 8, 4, 0)
        mask_LH = np.ones((4, 4), bool)
        for budget in budgets[1:]:
            score_LH = study_model.scorer.score(
                model, task, mask_LH=mask_LH, **READINGS.get(reading, PLAIN)
            ).score_LH
            assert (score_LH[~mask_LH] == 0).all()
            lengths = np.linalg.norm(score_LH, axis=1)
            if reading:
                np.testing.assert_allclose(lengths[mask_LH.any(1)], 1)
            mask_LH = mask_from_scores(score_LH, budget, present=mask_LH)
            assert (order(budget) == mask_LH).all()
    assert len([way for way in found if "iterative" in way.method]) == 3


def test_the_baseline_of_li_et_al_takes_batches_normalised_by_layer(scored):
    study_model, task, model = scored
    choice = Choice(study_model, task, 0, (13, 9), 1.0)
    first_LH = mask_from_scores(by_hand(study_model, "batch+l2"), 13)
    again = study_model.scorer.score(model, task, unit="batch", normalize="l2", mask_LH=first_LH)
    expected_LH = mask_from_scores(again.score_LH, 9, present=first_LH)
    study_model.save_model(model, "models/albert-grammar_sentiment-0")
    found = METHODS["gradient of the paper, iterative"].choose(choice)
    assert (found.mask_LH == expected_LH).all()
    assert (found.examples, found.base) == (2 * 64, 1)


def test_budgets_are_those_of_the_code_of_michel_et_al():
    removed = [int(144 * percent / 100) for percent in range(0, 101, 10)]  # its own expression
    assert curve_budgets(144, 10) == tuple(144 - each for each in removed)
    assert curve_budgets(144, 10)[1:4] == (130, 116, 101)
    assert curve_budgets(16, 8) == (16, 14, 12, 10, 8, 6, 4, 2, 0)
    assert curve_budgets(144, 10, 12)[:4] == (144, 132, 120, 108)


def test_readings_that_are_none_are_rejected():
    for field in ("readings", "rescored"):
        with pytest.raises(
            ValueError, match=f"curve: {field}: expected any of token, .*l2\\+token"
        ):
            CurveSettings(**{field: ("l2+token",)})
