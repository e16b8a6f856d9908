"""Trainings of several cells at once: the same study, with a cell more for each group."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from jaxheads.models.convert import load_model
from jaxheads.records import Row
from jaxheads.studies import ahead as ahead_module
from jaxheads.studies import deduction
from jaxheads.studies.cells import Cell, Trains, needs_by_name
from tests.studies.tiny_study import found, study, write_study

# Not Adam: it makes steps of noise from the gradient of key biases, which is nothing.
PLAIN = {"finetune__optimizer__descent": "sgd", "probe__optimizer__descent": "sgd"}
GROUPS = ("", "-frozen", "-probed", "-pruned")


def tried(config, out, *, code=0, **settings) -> list[int]:
    """Run the study; how many models each program had."""
    made, train = [], ahead_module.fit_together

    def noting(objective, members, *rest, **how):
        made.append(len(members))
        return train(objective, members, *rest, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead_module, "fit_together", noting)
        assert study(config, out, **PLAIN, **settings) == code
    return made


@pytest.mark.slow
def test_a_study_whose_models_are_trained_at_once_ends_as_one_by_one(tmp_path):
    config = write_study(tmp_path, models=1)
    alone, both = tmp_path / "alone", tmp_path / "both"
    assert tried(config, alone, devices=2) == []
    # For each of 2 tasks: 2 seeds with all heads, 2 frozen, 2 probed at one budget, and pruned by
    # 2 budgets x 2 seeds x (the score and a random mask), 3 at a time: 8 = 3 + 3 + 2.
    made = tried(config, both, together=3, devices=2)
    assert sorted(made) == sorted(2 * [2, 2, 2, 3, 3, 2])
    cells = {path.stem for path in (both / "cells").iterdir()}
    before = {path.stem for path in (alone / "cells").iterdir()}
    groups = {f"roberta-{task}{group}-together" for task in ("sst2", "cola") for group in GROUPS}
    assert cells - before == groups and before <= cells
    assert not any((both / "together").iterdir())  # each was taken by its cell
    for path in (alone / "logs").iterdir():
        assert (both / "logs" / path.name).is_file()
    for task in ("sst2", "cola"):
        for seed in (0, 1):
            one, two = (load_model(out / f"models/roberta-{task}-{seed}") for out in (alone, both))
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
                one.params, two.params,
            )  # fmt: skip
    ours, theirs = found(both), found(alone)
    assert [_what(row) for row in ours] == [_what(row) for row in theirs]
    same = np.mean([np.isclose(a.value, b.value, atol=1e-3) for a, b in zip(ours, theirs)])  # noqa: B905
    assert same > 0.9  # single answers and ranks turn with rounding


def _what(row: Row) -> dict[str, object]:
    measured = {"value", "low", "high"}
    return {name: part for name, part in dataclasses.asdict(row).items() if name not in measured}


@pytest.mark.slow
def test_a_cell_that_lost_its_model_trains_it_by_itself(tmp_path, monkeypatch, capsys):
    config, out = write_study(tmp_path, models=1), tmp_path / "out"
    save, lost = deduction.save_answers, []

    def fail(lab, name, answers):
        if not lost:
            lost.append(name)
            raise ValueError("lost")
        save(lab, name, answers)

    monkeypatch.setattr(deduction, "save_answers", fail)
    settings = {"together": 8, "pruning__kept": "(0.5,)"}
    assert len(tried(config, out, code=2, **settings)) == 8
    assert f"cell {lost[0]}: lost" in capsys.readouterr().err
    assert tried(config, out, **settings) == []
    assert (out / "cells" / f"{lost[0]}.jsonl").is_file()
    assert not any((out / "together").iterdir())


def test_a_group_comes_before_its_first_cell_and_after_what_it_reads():
    def cell(name, needs=(), group=None):
        trains = group and Trains(group, ("a",), fit=int, lab=None)
        return Cell(name, list, needs, trains or None)

    cells = [cell("a"), cell("b", ("a",), "all"), cell("c"), cell("d", ("c",), "all"),
             cell("e", ("a",), "one")]  # fmt: skip
    found = list(ahead_module.ahead(cells, 2))
    assert [each.name for each in found] == ["a", "all", "b", "c", "d", "e"]
    needs = needs_by_name(found)
    assert needs["all"] == ("a",) and needs["b"] == ("a", "all") and needs["d"] == ("c", "all")
    assert needs["e"] == ("a",)  # nothing to train it with


def test_a_study_without_such_trainings_is_refused_and_leaves_no_folder(tmp_path, capsys):
    config, out = write_study(tmp_path, models=1), tmp_path / "out"
    assert study(config, out, study="pretrain", together=4) == 2
    assert "together: expected none for this study, got 4" in capsys.readouterr().err
    assert not out.exists()
