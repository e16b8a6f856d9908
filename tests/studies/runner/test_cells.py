"""Cells: their order, and what each says it needs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jaxheads.cli.overrides import load_config
from jaxheads.storage.store import Store
from jaxheads.studies.registry import STUDIES
from jaxheads.studies.runner.cells import Cell, cell, name_of, needs_by_name
from jaxheads.studies.settings import Run
from tests.support.paths import ROOT
from tests.support.tiny_study import write_study


def nothing():
    return []


def test_a_cell_is_named_by_what_it_computes_and_of_what():
    def curves_of(*of, more):
        return [*of, more]

    model = SimpleNamespace(name="roberta")
    first = cell(curves_of, model, "sst2", 1, more=2)
    second = cell(curves_of, model, "gradient of mlm, tied", 0.5, after=[first, first], more=2)
    assert (first.name, first.run()) == ("roberta-sst2-1-curves", [model, "sst2", 1, 2])
    assert first.title == "curves (roberta, sst2, 1)"  # arguments without names
    assert second.name == "roberta-gradient-of-mlm-tied-0.5-curves"
    assert (first.needs, second.needs) == ((), (first,))
    assert needs_by_name([first, second]) == {first.name: (), second.name: (first.name,)}
    assert name_of(curves_of, model, "sst2", 1) == first.name


def test_needs_that_do_not_come_before_and_names_that_come_twice_are_all_told():
    b = Cell("b", nothing, needs=(Cell("x", nothing),))
    cells = [Cell("a", nothing, needs=(b,)), b, Cell("a", nothing)]
    with pytest.raises(ValueError, match="a needs b; b needs x; a comes twice"):
        needs_by_name(cells)


@pytest.mark.parametrize("study", ["Chiang2021()", "Michel2019()", "Pretrain()"])
def test_only_pre_training_waits_for_nothing_in_a_study(study, tmp_path):
    run = load_config(write_study(tmp_path, study))
    assert isinstance(run, Run)
    needs = needs_by_name(list(STUDIES[type(run.study)](run, Store(tmp_path / "out"))))
    assert {name for name, own in needs.items() if not own} == {
        "roberta-pretrained", "albert-pretrained"
    }  # fmt: skip
    for name, own in needs.items():  # models have nothing to do with each other
        assert {each.partition("-")[0] for each in own} <= {name.partition("-")[0]}


def of_config(name: str, tmp_path) -> dict[str, tuple[str, ...]]:
    run = load_config(ROOT / "configs" / f"{name}.py")
    assert isinstance(run, Run)
    return needs_by_name(list(STUDIES[type(run.study)](run, Store(tmp_path / "out"))))


def test_a_choice_of_heads_waits_for_its_own_fine_tuning_and_rate(tmp_path):
    needs = of_config("compare_grammar", tmp_path)
    task = "roberta-grammar_sentiment"
    assert needs[f"{task}-1-whole"] == ()
    chosen = f"{task}-subset-joint-choose-learning-rate"
    assert needs[chosen] == (f"{task}-tuned-for-trials",)
    assert needs[f"{task}-1-gradient-8-prune"] == (f"{task}-1-whole",)
    assert needs[f"{task}-2-subset-joint-3-prune"] == (f"{task}-2-whole", chosen)
    scaled, pruned, pruners = (
        [name for name in needs if name.endswith(f"-{what}")]
        for what in ("scaled", "prune", "train-pruner")
    )
    assert pruners == [f"{task}-{seed}-train-pruner" for seed in range(3)]
    assert len(scaled) == 3 * 5 and not any(needs[name] for name in (*scaled, *pruners))
    assert needs[f"{task}-1-meta-8-prune"] == (f"{task}-1-whole", f"{task}-1-train-pruner")
    assert len(pruned) == 16 * 3 * 5 and needs[f"{task}-contrasts"] == tuple(pruned)


def test_a_training_under_a_mask_waits_for_the_scores_that_make_it(tmp_path):
    needs = of_config("zhang_grammar", tmp_path)
    task, scored = (
        "roberta-grammar_sentiment",
        ("roberta-gradient-score-once", "roberta-magnitude-score-once"),
    )
    assert needs[f"{task}-1-meta-tuned"] == (f"{task}-1-score-for", *scored)
    assert needs["roberta-grammar_paraphrase-2-similarity"] == (
        "roberta-grammar_paraphrase-2-score-for", *scored
    )  # fmt: skip
    trained = [name for name in needs if name.startswith(task) and name.endswith("-tuned")]
    assert len(trained) == 3 * 7 and needs[f"{task}-contrasts"] == tuple(trained)
