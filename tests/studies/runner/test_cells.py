"""Cells: their order, and what each says it needs."""

from __future__ import annotations

import pytest

from jaxheads.cli.overrides import load_config
from jaxheads.studies.registry import STUDIES
from jaxheads.studies.runner.cells import Cell, needs_by_name
from jaxheads.studies.settings import Run
from tests.support.paths import ROOT
from tests.support.tiny_study import write_study


def nothing():
    return []


def test_a_cell_that_does_not_say_needs_all_before_it():
    cells = [Cell("a", nothing), Cell("b", nothing, needs=()), Cell("c", nothing)]
    assert needs_by_name(cells) == {"a": (), "b": (), "c": ("a", "b")}


def test_needs_that_do_not_come_before_and_names_that_come_twice_are_all_told():
    cells = [Cell("a", nothing, needs=("b",)), Cell("b", nothing, needs=("x",)), Cell("a", nothing)]
    with pytest.raises(ValueError, match="a needs b; b needs x; a comes twice"):
        needs_by_name(cells)


@pytest.mark.parametrize("study", ["Chiang2021()", "Michel2019()", "Pretrain()"])
def test_only_pre_training_waits_for_nothing_in_a_study(study, tmp_path):
    run = load_config(write_study(tmp_path, study))
    assert isinstance(run, Run)
    needs = needs_by_name(list(STUDIES[type(run.study)](run, tmp_path / "out")))
    assert {name for name, own in needs.items() if not own} == {
        "roberta-pretrained", "albert-pretrained"
    }  # fmt: skip
    for name, own in needs.items():  # models have nothing to do with each other
        assert {each.partition("-")[0] for each in own} <= {name.partition("-")[0]}


def of_config(name: str, tmp_path) -> dict[str, tuple[str, ...]]:
    run = load_config(ROOT / "configs" / f"{name}.py")
    assert isinstance(run, Run)
    return needs_by_name(list(STUDIES[type(run.study)](run, tmp_path / "out")))


def test_a_choice_of_heads_waits_for_its_own_fine_tuning_and_rate(tmp_path):
    needs = of_config("compare_grammar", tmp_path)
    task = "roberta-grammar_sentiment"
    assert needs[f"{task}-1-fine-tuned"] == ()
    assert needs[f"{task}-subset-joint-learning-rate"] == (f"{task}-tuned-for-learning-rates",)
    assert needs[f"{task}-1-gradient-8"] == (f"{task}-1-fine-tuned",)
    assert needs[f"{task}-2-subset-joint-3"] == (
        f"{task}-2-fine-tuned", f"{task}-subset-joint-learning-rate"
    )  # fmt: skip
    numbered = [name for name in needs if name.rpartition("-")[2].isdecimal()]
    scaled = [name for name in numbered if "-scaled-" in name]
    pruners = [f"roberta-pruner-{seed}" for seed in range(3)]
    assert len(scaled) == 3 * 5 and not any(needs[name] for name in (*scaled, *pruners))
    assert needs[f"{task}-1-meta-8"] == (f"{task}-1-fine-tuned", "roberta-pruner-1")
    pruned = [name for name in numbered if name not in (*scaled, *pruners)]
    assert len(pruned) == 16 * 3 * 5 and needs[f"{task}-contrasts"] == tuple(pruned)


def test_a_training_under_a_mask_waits_for_the_scores_that_make_it(tmp_path):
    needs = of_config("zhang_grammar", tmp_path)
    task, scored = (
        "roberta-grammar_sentiment",
        ("roberta-scored-gradient", "roberta-scored-magnitude"),
    )
    assert needs[f"{task}-1-by-meta"] == (f"{task}-1-scored-meta", *scored)
    assert needs["roberta-grammar_paraphrase-2-similarity"] == (
        "roberta-grammar_paraphrase-2-scored-meta", *scored
    )  # fmt: skip
    trained = [name for name in needs if name.startswith(task) and "-by-" in name]
    assert len(trained) == 3 * 7 and needs[f"{task}-contrasts"] == tuple(trained)
