"""Tiny models to measure."""

from __future__ import annotations

import pytest

from tests.support.cases import Case, classifier_case, masked_lm_case


@pytest.fixture(scope="session")
def classifier() -> Case:
    return classifier_case()


@pytest.fixture(scope="session")
def masked_lm() -> Case:
    return masked_lm_case()
