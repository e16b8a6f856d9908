"""`jaxheads study` on two tiny models: what it leaves, how it goes on, and what it rejects."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from scipy.stats import spearmanr

from jaxheads.cli.main import main
from jaxheads.importance import load_scores
from jaxheads.importance.kept import open_kept
from jaxheads.importance.reliability import reliability
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.pruning.mask import mask_from_scores
from jaxheads.studies.workbench import scorer, trainer
from tests.support.found import having
from tests.support.reviews import write_jsonl
from tests.support.tiny_study import bounded, found, study, write_study

HALF, ALL = 4, 8


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    assert study(config, out) == 0
    return out


# -- prunability


@pytest.mark.slow
def test_curves_are_there_for_every_order_model_task_and_seed(finished):
    own = {"gradient", "reversed", "random", "ablation", "gradient, iterative"}
    own = {(name, "") for name in own}
    own |= {("gradient", reading) for reading in ("token", "batch", "signed", "l2")}
    tied = {(name, "tied") for name in ("gradient", "reversed", "random")}
    for model, orders in (("roberta", own), ("albert", own | tied)):
        for task, others in (("sst2", {"mlm", "cola"}), ("mlm", {"sst2", "cola"})):
            rows = found(finished, stage="masked", model=model, task=task)
            nulls = {"magnitude", "output_norm"}
            nulls |= {"shuffled_labels", "untrained_readout"} if task != "mlm" else set()
            own_rows = [row for row in rows if not row.other_task]
            assert {(row.method, row.reading) for row in own_rows} == (
                orders | {(null, "") for null in nulls}
            )
            assert {(row.method, row.other_task) for row in rows if row.other_task} == {
                ("gradient", other) for other in others
            }
            assert {row.seed for row in rows} == ({0} if task == "mlm" else {0, 1})
            assert {row.budget for row in rows} == {0, 2, 4, 6, 8}
    draws = found(finished, stage="masked", model="roberta", task="sst2", metric="accuracy")
    assert {row.draw for row in having(draws, method="random", seed=1)} == {2, 3}


@pytest.mark.slow
def test_curves_start_at_the_whole_model_and_end_at_the_same_point(finished):
    for model in ("roberta", "albert"):
        what = {"model": model, "task": "sst2", "metric": "loss", "seed": 1}
        (whole,) = found(finished, stage="whole", **what)
        starts = found(finished, stage="masked", budget=ALL, **what)
        assert {row.value for row in starts} == {whole.value}
        assert len({row.value for row in found(finished, stage="masked", budget=0, **what)}) == 1


@pytest.mark.slow
def test_tied_orders_remove_a_head_in_all_layers_at_once(finished):
    tied = load_scores(finished / "scores" / "albert-sst2-0.tied.npz").score_LH
    assert (tied == tied[:1]).all()
    rows = found(
        finished, stage="masked", model="albert", method="gradient", metric="loss", reading="tied"
    )
    assert {row.budget for row in rows} == {0, 2, 4, 6, 8}


@pytest.mark.slow
def test_each_curve_is_summed_up(finished):
    rows = found(finished, stage="prunability", model="roberta", task="sst2", method="gradient")
    assert [(r.metric, r.seed) for r in rows] == [
        (m, s) for s in (0, 1) for m in ("k95", "k99", "area")
    ]
    for row in found(finished, stage="contrast"):
        assert bounded(row)
        assert row.budget == HALF


# -- coherence


@pytest.mark.slow
def test_every_two_tasks_are_compared_at_both_places(finished):
    rows = found(finished, stage="coherence", model="albert", metric="spearman")
    pairs = {(row.task, row.other_task, row.place, row.seed) for row in rows}
    assert pairs == {
        (*pair, place, seed)
        for pair in (("mlm", "sst2"), ("mlm", "cola"), ("sst2", "cola"))
        for place in ("fine-tuned", "linear probe")
        for seed in (0, 1)
    }
    rows = found(finished, stage="coherence")
    names = {row.metric for row in rows}
    assert {"kendall", "spearman within layers", "overlap of lowest 50%"} <= names
    assert all(row.p_value is not None for row in rows)


@pytest.mark.slow
def test_ceilings_are_the_roots_of_the_products_of_reliabilities(finished):
    rows = found(finished, stage="reliability", model="albert", metric="spearman")
    assert {row.method for row in rows if row.task == "mlm"} == {"other examples"}
    parts = {"other examples", "other seed", "other examples and seed"}
    assert {(row.method, row.place) for row in rows if row.task == "sst2"} == {
        (part, place) for part in parts for place in ("fine-tuned", "linear probe")
    }
    of = {(row.task, row.method): row.value for row in rows if row.place == "fine-tuned"}
    probed = {(row.task, row.method): row.value for row in rows if row.place == "linear probe"}
    kept = [open_kept(finished / "scores/kept" / f"albert-sst2-{s}.npy") for s in (0, 1)]
    both = "other examples and seed"
    assert of["sst2", both] == pytest.approx(reliability(kept, splits=2))
    scores = [load_scores(finished / "scores" / f"albert-sst2-{s}.npz").score_LH for s in (0, 1)]
    between = spearmanr(scores[0].ravel(), scores[1].ravel()).statistic
    assert of["sst2", "other seed"] == pytest.approx(between)
    for pair, place, values in (
        (("mlm", "sst2"), "fine-tuned", (of["mlm", "other examples"], of["sst2", both])),
        (("sst2", "cola"), "linear probe", [probed[task, both] for task in ("sst2", "cola")]),
    ):
        what = dict(zip(("task", "other_task"), pair, strict=True))
        (row,) = found(finished, stage="ceiling", model="albert", place=place, **what)
        assert row.value == pytest.approx(np.sqrt(np.prod(np.maximum(values, 0))))


# -- deduction, before and after


@pytest.mark.slow
def test_what_is_lost_before_fine_tuning_is_relative_to_all_heads(finished):
    what = {"model": "roberta", "task": "mlm"}
    (whole,) = found(finished, stage="whole", metric="loss", **what)
    (masked,) = found(
        finished, stage="masked", metric="loss", method="gradient", budget=HALF, **what
    )
    (row,) = found(finished, stage="deduction", metric="loss increase", budget=HALF, **what)
    assert row.value == pytest.approx(masked.value / whole.value - 1)
    assert found(finished, stage="deduction", budget=ALL, **what)[0].value == 0.0


@pytest.mark.slow
def test_differences_of_regimes_are_those_of_their_printed_metrics(finished):
    """Of two seeds: the mean of their differences, of random heads the mean over draws first."""
    what = {"model": "albert", "task": "sst2", "metric": "accuracy"}
    rows = found(finished, stage="before and after", budget=HALF, **what)
    mean = {
        regime: np.mean([row.value for row in rows if (row.method, row.reading) == regime])
        for regime in {(row.method, row.reading) for row in rows}
    }
    differences = found(finished, stage="before and after, contrast", budget=HALF, **what)
    early, late = "prune, fine-tune", "fine-tune, prune"
    pairs = (
        ((early, ""), (late, "")), ((f"{early}, fine-tune", ""), (f"{late}, fine-tune", "")),
        ((early, ""), (early, "random")), ((late, ""), (late, "random")),
    )  # fmt: skip
    values = {
        ((row.method, row.reading), (row.other_method, row.other_reading)): row.value
        for row in differences
    }
    assert values == pytest.approx({(one, two): mean[one] - mean[two] for one, two in pairs})
    assert {row.seeds for row in differences} == {2}
    (floor,) = found(finished, stage="floor", **what)
    above = found(finished, stage="above the baseline", budget=HALF, **what)
    assert {(row.method, row.reading): row.value for row in above} == pytest.approx({
        regime: mean[regime] - floor.value for regime in mean if regime != (early, "tied")
    })  # fmt: skip
    for place, stage in (("fine-tuned", "whole"), ("linear probe", "linear probe")):
        values = [row.value for row in found(finished, stage=stage, **what)]
        (row,) = found(finished, stage="above the baseline", place=place, **what)
        assert row.value == pytest.approx(np.mean(values) - floor.value)


@pytest.mark.slow
def test_the_regimes_are_compared_at_equal_budgets(finished):
    early, late = "prune, fine-tune", "fine-tune, prune"
    for model, tied in (("roberta", ()), ("albert", ("tied",))):
        rows = found(finished, stage="before and after", model=model, task="sst2", seed=1)
        assert {(row.method, row.reading) for row in rows} == {
            ("prune", ""), (f"{late}, fine-tune", ""), (f"{early}, fine-tune", ""),
            *((regime, reading) for regime in (early, late) for reading in ("", "random", *tied)),
        }  # fmt: skip
        assert {row.budget for row in rows} == {HALF}
    drift = found(finished, stage="drift", model="roberta")
    assert len(drift) == 4
    assert all(-1 <= row.value <= 1 for row in drift)


@pytest.mark.slow
def test_acceptable_deductions_have_intervals(finished):
    rows = found(finished, stage="acceptable deduction", model="roberta")
    assert {row.task for row in rows} == {"sst2", "cola", "all tasks"}
    metrics = {(what, eps) for what in ("loss increase", "heads removed") for eps in (0.01, 0.05)}
    assert {(row.metric, row.setting) for row in rows} == metrics
    assert all(row.low <= row.high for row in rows)


@pytest.mark.slow
def test_a_smaller_model_is_saved_and_answers_as_the_masked_one(finished):
    smaller = load_model(finished / "smaller" / f"roberta-sst2-{HALF}")
    scores = load_scores(finished / "scores" / "roberta-mlm-0.npz").score_LH
    mask_LH = mask_from_scores(scores, HALF)
    assert [len(heads) for heads in smaller.config.heads_by_layer] == mask_LH.sum(1).tolist()
    what = {"model": "roberta", "task": "sst2", "metric": "loss", "budget": HALF, "seed": 0}
    method = {"method": "gradient", "other_task": "mlm"}
    (masked,) = found(finished, stage="pruned, then fine-tuned", **method, **what)
    (cut,) = found(finished, stage="cut", **method, **what)
    assert cut.value == pytest.approx(masked.value, abs=1e-5)
    sizes = found(finished, stage="cut", model="roberta", task="sst2", seed=0)
    parameters = {row.metric: row.value for row in sizes}
    head = 4 * 16 * 4 + 3 * 4  # D = 16, K = 4
    assert parameters["parameters of the whole"] - parameters["parameters"] == HALF * head


# -- the folder


@pytest.mark.slow
def test_training_is_logged(finished):
    log = (finished / "logs" / "roberta.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == 6


@pytest.mark.slow
def test_a_finished_study_is_not_run_again(finished, config, monkeypatch):
    before = (finished / "rows.jsonl").read_bytes()
    monkeypatch.setattr(trainer, "fit", None)
    monkeypatch.setattr(scorer, "evaluate", None)
    assert study(config, finished) == 0
    assert (finished / "rows.jsonl").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("place", [1, 4])
def test_a_study_that_stopped_goes_on_and_ends_the_same(
    finished, config, tmp_path, monkeypatch, place
):
    """A crash in a fine-tuning, with everything from there on still to do."""
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    cells = sorted((out / "cells").glob("albert-cola-1-*"))
    for path in cells:
        path.unlink()
    for path in ((out / "models").glob("albert-cola-1"), (out / "answers").glob("albert-cola-1-*")):
        for each in path:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    (out / "rows.jsonl").unlink()
    (out / "models" / ".albert.1.draft").mkdir()  # as a killed run leaves it
    calls, fit = [], trainer.fit

    def failing(*args, **kwargs):
        calls.append(kwargs["name"])
        if len(calls) == place:
            raise OSError("the machine went away")
        return fit(*args, **kwargs)

    monkeypatch.setattr(trainer, "fit", failing)
    assert study(config, out) == 2
    assert not (out / "rows.jsonl").exists()
    monkeypatch.setattr(trainer, "fit", fit)
    assert study(config, out) == 0
    assert (out / "rows.jsonl").read_bytes() == (finished / "rows.jsonl").read_bytes()
    assert not (out / "models" / ".albert.1.draft").exists()


@pytest.mark.slow
def test_a_folder_of_other_settings_is_rejected(finished, config, capsys):
    assert study(config, finished, models__albert__pretrain__steps=13) == 2
    assert "other settings" in (err := capsys.readouterr().err)
    assert "models.albert.pretrain.steps 6 and here 13" in err
    assert err.count("\n") == 1


def test_a_folder_of_other_files_is_rejected(config, tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert study(config, tmp_path) == 2
    assert "expected a free folder or one of this study" in capsys.readouterr().err


def test_missing_data_names_the_setting_and_writes_nothing(config, tmp_path, capsys):
    out, missing = tmp_path / "out", tmp_path / "no.jsonl"
    assert study(config, out, text__train=missing, tasks__cola__held_out=missing) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for name in ("text.train", "tasks.cola.held_out"):
        assert f"{missing} (--set {name}=FILE)" in err
    assert not out.exists()


@pytest.mark.slow  # the other cells are computed all the same
def test_bad_data_is_named_by_its_line(config, tmp_path, capsys):
    bad = write_jsonl(tmp_path / "bad.jsonl", [{"sentence": "a film", "label": 7}])
    assert study(config, tmp_path / "out", tasks__sst2__train=bad) == 2
    assert "bad.jsonl:1: label" in capsys.readouterr().err


def test_an_unknown_study_is_rejected(config, tmp_path, capsys):
    text = config.read_text().replace("study=Chiang2021(kept=(0.75, 0.5))", 'study="chiang2021"')
    config.write_text(text)
    assert study(config, tmp_path / "out") == 2
    assert "expected study to be one of Chiang2021, Compare, Htut2019" in capsys.readouterr().err


def test_what_is_no_run_is_rejected(tmp_path, capsys):
    path = tmp_path / "config.py"
    path.write_text('"""Sizes."""\nfrom jaxheads.config import TrainingConfig\n')
    path.write_text(path.read_text() + "RUN = TrainingConfig(steps=3)\n")
    assert main(["study", str(path)]) == 2
    assert (
        "expected RUN to be a studies.settings.Run, got TrainingConfig" in capsys.readouterr().err
    )


def test_a_dry_run_lists_cells_with_their_needs_and_writes_nothing(tmp_path, capsys):
    config, out = write_study(tmp_path), tmp_path / "out"
    assert main(["study", str(config), "--dry-run", "--out", str(out)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    lines, costs = lines[: lines.index("")], lines[lines.index("") :]
    cells = [line.split() for line in lines if not line.startswith("reads ")]
    assert f" {len(cells)} cells, 0 done; nothing was run or written" in first
    names = [words[1] for words in cells]
    assert names[:2] == ["roberta-pretrained", "roberta-score-base"]
    assert [line.split()[1] for line in costs if line.startswith("all")] == [str(len(cells))]
    assert costs[-1].startswith("hours on cpu: 3e10 operations a second")
    assert cells[1][2:] == ["after", "1"]
    assert [line for line in lines if line.startswith("reads ") and "(tasks.sst2.train)" in line]
    assert not out.exists()
    assert main(["study", str(config), "--dry-run", "--set", "text.train=missing.txt"]) == 2
    assert "missing.txt (--set text.train=FILE)" in capsys.readouterr().err
