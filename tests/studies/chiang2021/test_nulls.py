"""Agreement against nulls: planted maps on disk, to rows, to the sentence on the page."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from jaxheads.importance import Scores
from jaxheads.records.folder import FROZEN, TUNED, score_file
from jaxheads.report.chiang2021.nulls import pairs_table
from jaxheads.report.folder import Study
from jaxheads.storage.store import Store
from jaxheads.studies.chiang2021.coherence import coherence
from jaxheads.studies.chiang2021.nulls import against_nulls, null_file, nulls_of, shuffled
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.scorer import Scorer
from jaxheads.studies.workbench.trainer import Trainer
from tests.studies.workbench.test_tasks import RUN

SHAPE, TASKS = (6, 8), ("grammar_sentiment", "grammar_incongruity")


def maps(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *SHAPE))


def planted(tmp_path, *, true: float, blind: float = 0.0, seeds=(0, 1, 2), tasks=1) -> StudyModel:
    """Importance is magnitude, with noise, and of that size something that tasks share.

    `blind`: how much of what they share a model has that was trained on shuffled labels.
    """
    run = dataclasses.replace(RUN, seeds=seeds, tasks=RUN.tasks[:tasks])
    study_model = StudyModel(run, RUN.models[0], Store(tmp_path))
    size_LH, shared_LH = maps(0, 2)
    noise = iter(maps(1, 400))

    def save(name: str, value_LH: np.ndarray) -> None:
        study_model.scorer.save(name, Scores(value_LH, "gradient", "example", 8))

    for task in study_model.task_names:
        for seed, place in ((s, p) for s in seeds for p in (TUNED, FROZEN)):
            own = score_file(study_model.name, task, seed, place)
            save(own, size_LH + true * shared_LH + 0.4 * next(noise))
            for null in nulls_of(study_model, task):
                value_LH = size_LH
                if null == "output_norm":
                    value_LH = size_LH + 0.02 * next(noise)
                if null == "shuffled_labels":
                    value_LH = size_LH + blind * shared_LH + 0.4 * next(noise)
                if null == "untrained_readout":
                    value_LH = next(noise)
                save(null_file(study_model, null, task, seed, place), value_LH)
    return study_model


def said(study_model: StudyModel) -> set[str]:
    """The nulls that the page says the agreement of masked LM and the first task is more than."""
    rows = (*coherence(study_model), *against_nulls(study_model))
    found = pairs_table(Study(rows, {}, {}))
    (line,) = (
        line for line in found.body if line[1:3] == (f"masked LM ~ {TASKS[0]}", "fine-tuned")
    )
    return set(line[-1].split(", "))


def value(rows, metric: str, **what) -> float:
    (row,) = (
        row
        for row in rows
        if row.metric == metric and all(getattr(row, n) == v for n, v in what.items())
    )
    return row.value


def test_importance_that_is_magnitude_is_not_said_to_be_more(tmp_path):
    study_model = planted(tmp_path, true=0.0)
    what = {"stage": "coherence given a null", "task": "mlm", "other_task": "grammar_sentiment"}
    what |= {"method": "magnitude", "place": TUNED, "seed": 1}
    assert abs(value(against_nulls(study_model), "spearman", **what)) < 0.2
    assert said(study_model) == {"untrained readout"}


def test_agreement_beyond_magnitude_is_said_to_be_that(tmp_path):
    nulls = {"magnitude", "output norm", "shuffled labels", "untrained readout"}
    assert said(planted(tmp_path, true=1.0)) == nulls


def test_what_shuffled_labels_have_as_well_is_not_of_the_task(tmp_path):
    found = said(planted(tmp_path, true=1.0, blind=1.0))
    assert "magnitude" in found
    assert "shuffled labels" not in found


def test_one_seed_has_no_interval_over_seeds(tmp_path):
    assert "shuffled labels" not in said(planted(tmp_path, true=1.0, seeds=(0,)))


def test_rows_are_the_correlations_of_the_maps(tmp_path):
    """Of two tasks whose labels are shuffled, the side that agrees more is subtracted."""
    study_model, seed = planted(tmp_path, true=1.0, seeds=(0, 1), tasks=2), 1
    rows = against_nulls(study_model)
    one, two = TASKS
    own = {
        task: study_model.scorer.saved(score_file(study_model.name, task, seed)).score_LH.ravel()
        for task in TASKS
    }
    blind = {
        task: study_model.scorer.saved(
            null_file(study_model, "shuffled_labels", task, seed)
        ).score_LH.ravel()
        for task in TASKS
    }

    def rho(a, b) -> float:
        return float(stats.spearmanr(a, b).statistic)

    what = {"stage": "null", "method": "shuffled_labels", "place": TUNED, "seed": seed}
    found = value(rows, "spearman", task=one, other_task=two, **what)
    assert found == pytest.approx(rho(blind[one], own[two]))
    assert value(rows, "kendall", task=two, other_task=two, **what) == pytest.approx(
        stats.kendalltau(blind[two], own[two]).statistic
    )
    less = []
    for seed in (0, 1):
        own = [
            study_model.scorer.saved(score_file(study_model.name, task, seed)).score_LH.ravel()
            for task in TASKS
        ]
        blind = [
            study_model.scorer.saved(
                null_file(study_model, "shuffled_labels", task, seed)
            ).score_LH.ravel()
            for task in TASKS
        ]
        less.append(rho(*own) - max(0, rho(blind[0], own[1]), rho(own[0], blind[1])))
    what = {"stage": "more than nulls", "method": "shuffled_labels", "place": TUNED}
    found = value(rows, "spearman", task=one, other_task=two, **what)
    assert found == pytest.approx(np.mean(less))


def test_what_is_held_constant_are_the_nulls_of_both_models(tmp_path):
    study_model, seed = planted(tmp_path, true=1.0, seeds=(0, 1), tasks=2), 1
    files = [score_file(study_model.name, task, seed) for task in TASKS]
    files += [null_file(study_model, "output_norm", task, seed) for task in TASKS]
    one, two, *given = (stats.rankdata(study_model.scorer.saved(name).score_LH) for name in files)
    design = np.stack([np.ones(one.size), *given], 1)
    rests = [r - design @ np.linalg.lstsq(design, r, rcond=None)[0] for r in (one, two)]
    what = {"task": TASKS[0], "other_task": TASKS[1], "place": TUNED, "seed": seed}
    what |= {"stage": "coherence given a null", "method": "output_norm"}
    found = value(against_nulls(study_model), "spearman", **what)
    assert found == pytest.approx(np.corrcoef(*rests)[0, 1])


def test_a_null_that_disagrees_adds_nothing(tmp_path):
    study_model = planted(tmp_path, true=1.0, seeds=(0, 1))
    for seed in (0, 1):
        own_LH = study_model.scorer.saved(score_file(study_model.name, TASKS[0], seed)).score_LH
        name = null_file(study_model, "shuffled_labels", TASKS[0], seed)
        study_model.scorer.save(name, Scores(-own_LH, "gradient", "example", 8))
    rows = (*coherence(study_model), *against_nulls(study_model))
    pair = {"task": "mlm", "other_task": TASKS[0], "place": TUNED}
    values = [value(rows, "spearman", stage="coherence", seed=s, **pair) for s in (0, 1)]
    pair |= {"stage": "more than nulls", "method": "shuffled_labels"}
    assert value(rows, "spearman", **pair) == pytest.approx(np.mean(values))


@pytest.mark.parametrize("place", [TUNED, FROZEN])
def test_shuffled_labels_are_trained_on_and_scored_and_true_ones_held_out(
    tmp_path, monkeypatch, place
):
    study_model = StudyModel(
        dataclasses.replace(RUN, tasks=RUN.tasks[:1]), RUN.models[0], Store(tmp_path)
    )
    seen = {}

    def fitted(self, fit):
        seen["fit"] = fit
        return fit.model

    def score(self, model, task, **more):
        seen["scored"] = task
        return Scores(np.ones((4, 4)), "gradient", "example", 8)

    monkeypatch.setattr(Trainer, "fitted", fitted)
    monkeypatch.setattr(Scorer, "score", score)
    (row, *_) = shuffled(study_model, TASKS[0], 3, place)
    true, fit = study_model.task(TASKS[0]), seen["fit"]
    expected = study_model.reader.shuffled(true, 3)
    assert list(fit.task.train.labels) == list(expected.train.labels) != list(true.train.labels)
    assert list(seen["scored"].scored.labels) == list(expected.scored.labels)
    assert fit.task.held_out is true.held_out
    assert (fit.only, fit.training.seed) == ({TUNED: None, FROZEN: "readout"}[place], 3)
    assert (row.stage, row.place, row.seed) == ("labels shuffled", place, 3)
    assert study_model.scorer.saved(
        null_file(study_model, "shuffled_labels", TASKS[0], 3, place)
    ).score_LH.all()


def test_only_the_nulls_that_are_asked_for_are_there(tmp_path):
    study_model = planted(tmp_path, true=1.0, seeds=(0,))
    some = dataclasses.replace(study_model.run.scoring, nulls=("magnitude",))
    study_model = dataclasses.replace(
        study_model, run=dataclasses.replace(study_model.run, scoring=some)
    )
    rows = against_nulls(study_model)
    assert {row.method for row in rows} == {"magnitude"}
    assert {row.place for row in rows if row.stage == "null"} == {TUNED, FROZEN}
    assert "more than nulls" not in {row.stage for row in rows}
    with pytest.raises(ValueError, match=r"nulls: expected any of shuffled_labels, .*got .'size'"):
        dataclasses.replace(some, nulls=("size",))
