"""The section and the answer on agreement of two tasks' heads."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.report.coherence import coherence_section
from jaxheads.report.folder import Study
from jaxheads.report.parts import Table
from tests.report.rows import study_rows


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(tuple(study_rows(("roberta",))), {}, {})


def lines(study: Study, name: str) -> list[dict[str, str]]:
    """The lines of a table of the section, by column."""
    (table,) = (
        part
        for part in coherence_section(study).parts
        if isinstance(part, Table) and part.name == name
    )
    return [dict(zip(table.head, line, strict=True)) for line in table.body]


def test_each_correlation_stands_beside_its_ceiling(study):
    """0.4 / 0.872; no ceiling was measured on the frozen body."""
    first, *more = lines(study, "ceiling-table")
    assert first == {
        "model": "roberta", "tasks": "masked LM ~ sentiment", "measured in": "fine-tuned",
        "spearman": "0.400 (0.300 to 0.500)", "ceiling": "0.872",
        "disattenuated": "0.459 (0.344 to 0.573)",
    }  # fmt: skip
    assert [(line["measured in"], line["ceiling"]) for line in more] == [
        ("fine-tuned", "0.872"), ("fine-tuned", "0.800"),
    ]  # fmt: skip


def test_a_ceiling_of_zero_corrects_nothing(study):
    rows = [dataclasses.replace(r, value=0.0) if r.stage == "ceiling" else r for r in study.rows]
    found = lines(Study(tuple(rows), {}, {}), "ceiling-table")
    assert {line["disattenuated"] for line in found} == {"–"}


def test_reliability_is_shown_whole_and_in_parts(study):
    pretrained, sentiment, _ = lines(study, "reliability-table")
    assert pretrained["other examples and seed"] == pretrained["other seed"] == "–"
    assert pretrained["other examples"] == sentiment["other examples"] == "0.950"
    assert sentiment["other examples and seed"] == "0.800"
    assert sentiment["other seed"] == sentiment["kendall"] == "0.850 (0.750 to 0.950)"
