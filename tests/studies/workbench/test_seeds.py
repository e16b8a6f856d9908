"""Rows with intervals of single seeds, and of all of them together from the sums that they keep."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from jaxheads.analysis.sums import Sums, together
from jaxheads.storage.store import Store
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.settings import ModelSettings, Run, TextSettings
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.seeds import Sampled, together_cell


def study_model(folder, *seeds: int) -> StudyModel:
    model = ModelSettings("roberta", source="builtin:roberta")
    return StudyModel(
        Run("s", "r", (model,), TextSettings(), seeds=seeds, devices=1), model, Store(folder)
    )


def sums(seed: int, examples: int = 30) -> Sums:
    rng = np.random.default_rng(seed)
    return Sums(rng.random(examples), rng.integers(1, 4, examples).astype(float))


def measured(own: StudyModel, seed: int, cell: str, **more: Sums) -> list:
    """The rows of a cell: one of another head in each seed, and others by stage."""
    found = Sampled(own, "sst2", seed)
    rows = found.rows("F1", sums(seed), {"head": seed}, stage="best", method="best head")
    for stage, each in more.items():
        rows += found.rows("F1", each, stage=stage)
    rows += found.plain_rows({"heads": 3.0}, stage="counts")
    found.save(f"roberta-sst2-{seed}-{cell}")
    return rows


def cells_of(seeds: Iterable[int], *parts: str) -> list[list[Cell]]:
    return [[Cell(f"roberta-sst2-{seed}-{part}", list) for part in parts] for seed in seeds]


def test_a_seed_has_the_interval_of_its_sums_and_all_seeds_theirs(tmp_path):
    own = study_model(tmp_path, 0, 1)
    single = [measured(own, seed, "trees") for seed in (0, 1)]
    for seed, (row, count) in enumerate(single):
        expected = sums(seed).intervals().at()
        assert (row.value, row.low, row.high, row.p_value) == tuple(expected)
        assert (row.seed, row.head, row.seeds, count.low) == (seed, seed, None, None)
    trees = cells_of((0, 1), "trees")
    (cell,) = together_cell(own, "sst2", trees)
    assert cell.name == "roberta-sst2-together-rows"
    assert cell.needs == (*trees[0], *trees[1])
    (row,) = cell.run()
    expected = together([sums(0), sums(1)]).at()
    assert (row.value, row.low, row.high, row.p_value) == tuple(expected)
    assert (row.stage, row.method, row.metric, row.seeds) == ("best", "best head", "F1", 2)
    assert row.head is None
    assert row.value == pytest.approx(np.mean([rows[0].value for rows in single]))


def test_what_not_every_seed_has_is_left_out_and_cells_are_put_together(tmp_path):
    own = study_model(tmp_path, 0, 1)
    for seed in (0, 1):
        measured(own, seed, "one", **{f"of {seed}": sums(2)})
        measured(own, seed, "two", shared=sums(3 + seed))
    (cell,) = together_cell(own, "sst2", cells_of((0, 1), "one", "two"))
    assert [row.stage for row in cell.run()] == ["best", "shared"]


def test_one_seed_has_no_rows_of_all(tmp_path):
    assert list(together_cell(study_model(tmp_path, 3), "sst2", cells_of((3,), "trees"))) == []


def test_draws_are_counted_as_draws(tmp_path):
    own = study_model(tmp_path, 0)
    for seed in (0, 1):
        measured(own, seed, "random")
    (cell,) = together_cell(own, "sst2", cells_of((0, 1), "random"), of="draws")
    (row,) = cell.run()
    assert (row.draws, row.seeds, row.seed) == (2, None, 0)
