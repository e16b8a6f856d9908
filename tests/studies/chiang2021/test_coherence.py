"""What another task's order is worth, from answers along curves that are made up."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.config import ReadoutConfig
from jaxheads.data.tasks.named import TASKS
from jaxheads.storage.store import Store
from jaxheads.studies.chiang2021 import coherence
from jaxheads.studies.settings import Chiang2021, ModelSettings, Run, TextSettings
from jaxheads.studies.workbench.answers import Answered, Way
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.tasks import PreparedTask
from tests.support.cases import sentences

READOUT, SOURCE = ReadoutConfig("classification", ("negative", "positive")), sentences(4)
LABEL_M = np.arange(20) % 2


class MadeUp(StudyModel):
    """It has one task and no model."""

    def task(self, name):
        return PreparedTask(name, TASKS["sst2"], READOUT, SOURCE, SOURCE, [], (8,), None)


def along(*right: int) -> np.ndarray:
    """Answers along a curve: of twenty so many are right."""
    return np.where(np.arange(20) < np.array(right)[:, None], LABEL_M, 1 - LABEL_M)


def answers(right: dict[Way, tuple[int, ...]]) -> Answered:
    curves = {way: along(18, *inner, 10) for way, inner in right.items()}
    budgets = dict.fromkeys(right, np.array([8, 6, 4, 2, 0]))
    return Answered(LABEL_M, np.arange(20), curves, budgets)


OWN, OTHER = Way("gradient"), Way("gradient", other_task="cola")
ZERO, FIRST, SECOND, THIRD = (Way("random", draw=number) for number in range(4))
ONE = answers({OWN: (16, 14, 11), OTHER: (15, 12, 10), ZERO: (13, 14, 12), FIRST: (15, 14, 12)})
TWO = answers({OWN: (18, 16, 11), OTHER: (17, 15, 10), SECOND: (12, 12, 13), THIRD: (12, 14, 11)})


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([ONE], [(15 - 14) / (16 - 14), np.nan, np.nan]),  # no better than chance, and worse
        (
            [ONE, TWO],
            [((15 - 14) + (17 - 12)) / ((16 - 14) + (18 - 12)), (12 + 15 - 27) / 3, np.nan],
        ),
    ],
)
def test_an_order_is_worth_its_share_of_the_own_gain_over_chance_if_there_is_one(
    tmp_path, monkeypatch, seeds, expected
):
    settings = ModelSettings("m", source="builtin:albert")
    run = Run(Chiang2021(), "made up", (settings,), TextSettings())
    monkeypatch.setattr(coherence, "load_answers", lambda store, name: seeds[int(name)])
    files = {"sst2": [str(seed) for seed in range(len(seeds))]}
    rows = coherence.functional(MadeUp(run, settings, Store(tmp_path)), files)
    assert {(row.task, row.other_task) for row in rows} == {("sst2", "cola")}
    assert [row.budget for row in rows] == [6, 4, 2]
    assert [row.value for row in rows] == pytest.approx(expected, nan_ok=True)
