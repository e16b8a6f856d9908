"""What a dry run says that a study costs, beside what its cells do and what runs took."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import pytest

from jaxheads.bench.shapes import BASE
from jaxheads.cli.main import main
from jaxheads.cli.overrides import load_config
from jaxheads.config import TrainingConfig
from jaxheads.data.loader import bucket_lengths
from jaxheads.pruning.cost import count_parameters, multiply_adds
from jaxheads.records.rows import write_rows
from jaxheads.storage.store import Store
from jaxheads.studies import registry
from jaxheads.studies.costs.cells import COSTS, cost_of
from jaxheads.studies.costs.lengths import mean_padded
from jaxheads.studies.costs.shapes import KNOWN
from jaxheads.studies.costs.work import Work, rate_of
from jaxheads.studies.runner.cells import cell_file
from jaxheads.studies.workbench import scorer, trainer
from jaxheads.studies.workbench.model import study_models
from jaxheads.studies.workbench.pruners import train_pruner
from tests.support.paths import ROOT
from tests.tiny import shrink

CONFIGS = sorted((ROOT / "configs").glob("*.py"))
# That read what others left, or time what they made.
FREE = {
    "acceptable", "against_nulls", "changes", "changes_by_kind", "coherence", "compare",
    "contrasts", "contrasts_of", "copy_maps", "functional_of", "guesses", "head", "map_agreement",
    "masking_contrasts", "overlap", "pairs_of", "reliabilities", "timed", "together_rows", "views",
}  # fmt: skip

NAME = "li_multi30k_pipelined"
SHAPES = {f"runs/mini_english_models/models/{name}": BASE for name in ("roberta", "albert")}
SHAPES["runs/minilm_mlm/models/minilm"] = KNOWN["sentence-transformers/all-MiniLM-L6-v2"]


def planned(name, tmp_path):
    settings = load_config(ROOT / "configs" / f"{name}.py")
    return registry.plan(settings, tmp_path / "out")


def whole(plan) -> Work:
    return functools.reduce(Work.__or__, (work for _, work in plan.costs.values()))


def test_work_adds_up_but_for_memory_of_which_the_most_counts():
    one, two = Work(1, 2, 3.0, 4, 5, 6, 7, 8), Work(10, 20, 30.0, 40, 50, 60, 70, 6)
    assert (one | two) == Work(11, 22, 33.0, 44, 55, 66, 77, 8)


def test_chips_work_at_a_third_of_their_peak():
    work = Work(flops=197e12 * 8 / 3 * 60, steps=500, programs=2)
    assert rate_of("v5e-8").seconds(work) == pytest.approx(60 + 1 + 10)
    with pytest.raises(ValueError, match=r"--on: expected cpu, .*v4-8.*got 'v5e-x'"):
        rate_of("v5e-x")


def test_a_training_costs_three_times_the_forward_pass(tmp_path):
    plan = planned("compare_grammar", tmp_path)
    (config,) = {model.layout for model in models("compare_grammar", tmp_path)}
    kind, work = plan.costs["roberta-grammar_sentiment-0-5-scaled"]
    forward = 2 * multiply_adds(config, 18)
    assert (kind, work.forward, work.backward) == ("scaled", 500, 150 * 32)
    assert work.flops == forward * (3 * 150 * 32 + 500)


def test_lengths_and_counts_are_those_of_files_that_are_there(tmp_path, monkeypatch):
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path / "none")
    without = whole(planned(NAME, tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multi30k").mkdir()
    for side in ("en", "de"):
        lines = ["ten " * 10 + "\n"] * 3 + ["thirty " * 30 + "\n"]  # 15 and 41 tokens, about
        for name, times in (("train", 256), ("test_2016_flickr", 16)):
            (tmp_path / "multi30k" / f"{name}.{side}").write_text("".join(lines * times))
    settings = load_config(ROOT / "configs" / f"{NAME}.py")
    (task,), how = settings.tasks, settings.finetune
    lengths = {length: next(b for b in bucket_lengths(128) if b >= length) for length in (15, 41)}
    assert mean_padded(task, 128, how.window, trained=True) == round(
        (3 * lengths[15] + lengths[41]) / 4
    )
    assert mean_padded(task, 128, 0, trained=False) == lengths[41]
    plan = planned(NAME, tmp_path)
    assert plan.costs["small-en_de-0-random-36-prune"][1].forward == 64
    assert whole(plan).flops < without.flops / 3


def test_translations_count_as_they_are_searched_for(tmp_path):
    """By hand: 3 layers of the decoder, 4 beams of 128 tokens, attention to 256 and 128 places."""
    costs = planned(NAME, tmp_path).costs
    work, (model,) = costs["small-en_de-0-random-36-prune"][1], models(NAME, tmp_path)
    token = 3 * (6 * 256**2 + 2 * 256 * 1024 + 2 * 256 * 384) + 256 * 8000
    passed = multiply_adds(model.layout, 128) + 128 * 256 * 8000
    assert work.flops == 2 * 1000 * (passed + 4 * 128 * token)
    assert work.steps == 32 + 32 * 128


def models(name, tmp_path):
    return study_models(load_config(ROOT / "configs" / f"{name}.py"), Store(tmp_path))


def test_hours_are_those_of_real_runs_within_a_factor_of_two(tmp_path):
    """66 minutes on busy cores, 17 on quieter ones; 21, and at most 6 without what came later."""
    cpu = rate_of("cpu")
    minutes = {
        name: cpu.seconds(whole(planned(name, tmp_path))) / 60 / 2
        for name in ("compare_grammar", "quickstart")
    }
    assert 66 / 2 <= minutes["compare_grammar"] <= 17 * 2
    assert 21 / 2 <= minutes["quickstart"] <= 6 * 2


@pytest.mark.parametrize("name", KNOWN)
def test_shapes_that_are_known_have_as_many_parameters_as_is_published(name):
    millions = {  # of the encoder without readout and pooler, by transformers' own classes
        "google-bert/bert-base-uncased": 108.892,
        "google-bert/bert-base-cased": 107.720,
        "FacebookAI/roberta-base": 124.055,
        "albert/albert-base-v2": 11.093,
        "distilbert/distilbert-base-uncased": 66.363,
        "sentence-transformers/all-MiniLM-L6-v2": 22.565,
    }
    assert count_parameters(KNOWN[name]) / 1e6 == pytest.approx(millions[name], abs=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_dry_run_of_every_config_says_its_cost_without_its_models_and_data(
    path, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)  # where neither is
    status = main(["study", str(path), "--dry-run", "--on", "v5e-8"])
    said = capsys.readouterr()
    (line,) = (line for line in said.out.splitlines() if line.startswith("all "))
    assert float(line.split()[4]) > 0
    assert (status == 2) == ("it cannot run yet" in said.err)


@pytest.mark.slow
def test_every_cell_has_a_cost_or_is_known_to_have_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = set()

    def note(cell):
        seen.add(cell.run.func)
        return cost_of(cell)

    monkeypatch.setattr(registry, "cost_of", note)
    for path in CONFIGS:
        registry.plan(load_config(path), tmp_path / "out", SHAPES)
    assert {each.__name__ for each in seen - COSTS.keys()} == FREE
    assert not COSTS.keys() - seen


@pytest.mark.long
@pytest.mark.parametrize("name", ["quickstart", "compare_grammar", "grammar_michel"])
def test_examples_are_as_many_as_the_cells_pass(tmp_path, monkeypatch, name):
    settings, seen = shrink(load_config(ROOT / "configs" / f"{name}.py")), Counter()
    store = Store(tmp_path)

    def fit(*args, **how):
        training = next(each for each in args if isinstance(each, TrainingConfig))
        seen["backward"] += training.steps * training.batch_size
        return real["fit"](*args, **how)

    def score_heads(*args, **how):
        seen["backward"] += how["examples"] * (how["method"].name == "gradient")
        return real["score_heads"](*args, **how)

    def evaluate(objective, params, batches, *args, **how):
        seen["forward"] += sum(int(np.asarray(batch.weight_B).sum()) for batch in batches)
        return real["evaluate"](objective, params, batches, *args, **how)

    real = {"fit": trainer.fit, "evaluate": scorer.evaluate, "score_heads": scorer.score_heads}
    monkeypatch.setattr(trainer, "fit", fit)
    monkeypatch.setattr(scorer, "evaluate", evaluate)
    monkeypatch.setattr(scorer, "score_heads", score_heads)
    for cell in registry.load_cells(settings, store).values():
        seen.clear()
        work, rows = cost_of(cell), list(cell.run())
        store.write(cell_file(cell.name), lambda path, rows=rows: write_rows(path, rows))
        if cell.run.func is not train_pruner:  # its training is not the trainer's
            assert seen["backward"] == work.backward, cell.name
        assert seen["forward"] <= work.forward, cell.name
