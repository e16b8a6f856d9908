"""One made-up study with its report, for all tests that only read them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from jaxheads.report.folder import Study, read_study
from jaxheads.report.write import report
from tests.report.rows import make_folder, study_rows


class Made(NamedTuple):
    folder: Path
    study: Study
    told: str
    html: str


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    """A finished study, reported."""
    folder = make_folder(tmp_path_factory.mktemp("made"), study_rows(tasks=("mlm", "sentiment")))
    told = report(folder)
    html = (folder / "report/index.html").read_text(encoding="utf-8")
    return Made(folder, read_study(folder), told, html)
