"""The tables of Michel et al. 2019 on a tiny model, beside what is counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.importance import load_scores
from jaxheads.records import Row
from tests.studies.tiny_study import found, study, write_study

pytestmark = pytest.mark.slow  # a whole study of a tiny model


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("michel")
    config = write_study(folder, models=1)
    other = folder / "sst2.train.jsonl"  # as a second data set
    settings = {"study": "michel2019", "seeds": "0", "tasks__sst2__other_held_out": other}
    assert study(config, folder / "out", **settings) == 0
    return folder / "out"


def metric(rows: list[Row]) -> dict[str, float]:
    return {row.metric: row.value for row in rows}


def test_every_head_is_removed_once(finished):
    rows = found(finished, stage="one head removed", task="sst2")
    assert {row.method for row in rows} == {
        f"layer {layer} head {head}" for layer in (1, 2) for head in (1, 2, 3, 4)
    }
    assert all(row.low <= row.value <= row.high for row in rows)
    summary = metric(found(finished, stage="one head removed, summary", task="sst2"))
    near = sum(abs(row.value) <= 0.002 for row in rows)
    assert (summary["heads"], summary["heads within 0.2 points"]) == (8, near)
    assert summary["significant at 1%"] <= sum(not row.low <= 0 <= row.high for row in rows)


def test_a_change_is_one_of_whole_examples(finished):
    """Of the 24 held-out ones, for the head with the highest score."""
    score_LH = load_scores(finished / "scores" / "roberta-sst2-0.npz").score_LH
    layer, head = np.unravel_index(np.argmax(score_LH), score_LH.shape)
    method = f"layer {layer + 1} head {head + 1}"
    (row,) = found(finished, stage="one head removed", task="sst2", method=method)
    (whole,) = found(finished, stage="whole", task="sst2", metric="accuracy")
    assert 0 <= whole.value + row.value <= 1
    assert (whole.value + row.value) * 24 == pytest.approx(round((whole.value + row.value) * 24))


def test_each_layer_has_a_head_that_stays(finished):
    rows = found(finished, stage="one head kept", task="sst2")
    change = {row.method: row.value for row in rows}
    assert change.keys() == {f"layer {n}{s}" for n in (1, 2) for s in ("", ", best of all")}
    for layer in (1, 2):
        assert change[f"layer {layer}"] <= change[f"layer {layer}, best of all"]


def test_effects_on_a_second_data_set_are_compared_where_there_is_one(finished):
    assert {row.task for row in found(finished, stage="agreement of data sets")} <= {"sst2"}
    assert not found(finished, stage="agreement of data sets", task="cola")
    assert found(finished, stage="masked", task="cola", method="gradient/l2")
