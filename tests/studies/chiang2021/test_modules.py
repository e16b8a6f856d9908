"""How much of the package a reader of one cell has to know."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.cli.overrides import load_config
from tests.studies.test_tiny_configs import least
from tests.studies.trace import before_science, trace
from tests.support.paths import ROOT


@pytest.mark.slow
def test_a_cell_passes_few_modules_and_soon_comes_to_science(tmp_path):
    run = least(load_config(ROOT / "configs" / "quickstart.py"))
    run = dataclasses.replace(run, models=run.models[:1], tasks=run.tasks[:1], seeds=(0,))
    found = trace(run, tmp_path).values()
    assert {name: modules for name, modules in found if len(modules) > 45} == {}
    assert {name: modules for name, modules in found if before_science(modules) > 12} == {}
