"""The pages of published studies ask for every stage and metric that the studies wrote."""

from __future__ import annotations

import pytest

from jaxheads.records.folder import Stage
from jaxheads.report.folder import Study
from jaxheads.report.write import answers_of, sections_of
from tests.support.published import RESULTS, study_of

NAMES = sorted(path.name.removesuffix(".jsonl.gz") for path in RESULTS.glob("*.jsonl.gz"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_metric_of_every_stage_is_asked_for(name, monkeypatch):
    study, at, asked = study_of(name), Study.at, set()

    def noting(self, stage, **where):
        rows = at(self, stage, **where)
        asked.update((row.stage, row.metric) for row in rows)
        return rows

    monkeypatch.setattr(Study, "at", noting)
    assert sections_of(study) and answers_of(study)
    assert {row.stage for row in study.rows} <= set(Stage)
    assert {(row.stage, row.metric) for row in study.rows} == asked
