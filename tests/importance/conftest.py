"""Tiny random models and data for the tests of importance."""

from __future__ import annotations

import pytest

from tests.support.random_tasks import Task, make_task


@pytest.fixture(scope="session")
def make():
    """The function from a family, a readout and a number of examples to a `Task`."""
    return make_task


@pytest.fixture(scope="session")
def task() -> Task:
    """The RoBERTa classifier."""
    return make_task()
