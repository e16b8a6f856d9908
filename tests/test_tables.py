"""Every published table is what the kept rows of its run say."""

from __future__ import annotations

import pytest

from tests.support.published import RESULTS
from tests.support.tables import BLOCK, DOCUMENTS, TABLES

SHOWN = {name: text for path in DOCUMENTS for name, text in BLOCK.findall(path.read_text())}


@pytest.mark.parametrize("name", TABLES)
def test_a_published_table_is_that_of_the_rows(name):
    assert SHOWN[name] == TABLES[name]()


def test_no_table_and_no_run_is_left_out():
    assert set(SHOWN) == set(TABLES)
    for path in RESULTS.glob("*.jsonl.gz"):
        assert any(name.startswith(path.name.removesuffix(".jsonl.gz")) for name in TABLES)
