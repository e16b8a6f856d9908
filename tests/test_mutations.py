"""The tables of faults that `mutations.py` puts into the package fit the package and its tests."""

from __future__ import annotations

import ast
import collections

import pytest

from tests.mutations import ROOT, Fault, chosen, tables

FAULTS = [fault for found in tables().values() for fault in found]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_one_place_and_tests_that_are_there(fault: Fault):
    text = (ROOT / fault.file).read_text()
    assert text.count(fault.old) == 1
    ast.parse(text.replace(fault.old, fault.new))
    assert fault.old != fault.new
    for test in fault.tests.split():
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text()


def test_faults_have_names_of_their_own():
    twice = [name for name, n in collections.Counter(f.name for f in FAULTS).items() if n > 1]
    assert not twice


def test_faults_are_chosen_by_table_or_by_a_part_of_their_names():
    (table, found), *_ = tables().items()
    assert chosen([table]) == found
    assert found[0] in chosen([found[0].name[:-1]])
    assert chosen([]) == FAULTS
    with pytest.raises(ValueError, match=f"expected a part of a fault's name or {table}"):
        chosen(["no such fault"])
