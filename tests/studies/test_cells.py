"""Cells: their order, and what each says it needs."""

from __future__ import annotations

import pytest

from jaxheads.overrides import load_config
from jaxheads.settings import Run
from jaxheads.studies.cells import Cell, needs_by_name
from jaxheads.studies.study import STUDIES
from tests.studies.tiny_study import write_study


def nothing():
    return []


def test_a_cell_that_does_not_say_needs_all_before_it():
    cells = [Cell("a", nothing), Cell("b", nothing, needs=()), Cell("c", nothing)]
    assert needs_by_name(cells) == {"a": (), "b": (), "c": ("a", "b")}


def test_needs_that_do_not_come_before_and_names_that_come_twice_are_all_told():
    cells = [Cell("a", nothing, needs=("b",)), Cell("b", nothing, needs=("x",)), Cell("a", nothing)]
    with pytest.raises(ValueError, match="a needs b; b needs x; a comes twice"):
        needs_by_name(cells)


@pytest.mark.parametrize("study", ["chiang2021", "michel2019", "pretrain"])
def test_only_pre_training_waits_for_nothing_in_a_study(study, tmp_path):
    run = load_config(write_study(tmp_path))
    assert isinstance(run, Run)
    needs = needs_by_name(list(STUDIES[study](run, tmp_path / "out")))
    assert {name for name, own in needs.items() if not own} == {
        "roberta-pretrained", "albert-pretrained"
    }  # fmt: skip
    for name, own in needs.items():  # models have nothing to do with each other
        assert {each.partition("-")[0] for each in own} <= {name.partition("-")[0]}
