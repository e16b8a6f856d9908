"""Rows come back whole or not at all; what is no row raises, by file and line."""

from __future__ import annotations

import dataclasses
import json
import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxheads.records.rows import Row, read_rows, write_rows

ROW = Row(study="s", model="roberta", task="sst2", metric="accuracy", value=0.1)

texts = st.text(st.characters(codec="utf-8"), max_size=6)
bounds = st.none() | st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False))
rows = st.builds(
    lambda bounds, **fields: Row(**fields, low=(bounds or [None])[0], high=(bounds or [None])[-1]),
    bounds=bounds,
    study=texts,
    model=texts,
    task=texts,
    metric=texts,
    value=st.floats(allow_nan=False),
    seed=st.integers(),
    method=texts,
    budget=st.none() | st.integers(0, 200),
    stage=texts,
    **dict.fromkeys(("reading", "place", "other_task", "other_method", "relation"), texts),
    **{name: st.none() | st.integers(0, 9) for name in ("layer", "head", "draw")},
    **{name: st.none() | st.floats(allow_nan=False) for name in ("setting", "chance")},
)


@settings(max_examples=15)  # every one waits for the disk
@given(st.lists(rows, max_size=4), st.lists(rows, max_size=4))
def test_rows_come_back_exactly(tmp_path_factory, first, second):
    path = tmp_path_factory.mktemp("records") / "deep" / "rows.jsonl"
    for written in (first, second):  # the second replaces the first
        write_rows(path, written)
        assert read_rows(path) == written
    assert [found.name for found in path.parent.iterdir()] == ["rows.jsonl"]


def test_an_undefined_value_comes_back(tmp_path):
    path = tmp_path / "deep" / "rows.jsonl"
    write_rows(path, [dataclasses.replace(ROW, value=math.nan)])
    assert math.isnan(read_rows(path)[0].value)
    json.loads(path.read_text(), parse_constant=pytest.fail)  # every JSON reader can read it


def test_a_line_has_the_fields_that_are_set_and_those_of_every_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_rows(path, [ROW, dataclasses.replace(ROW, layer=0, other_task="mlm")])
    one, two = map(json.loads, path.read_text().splitlines())
    always = ["study", "model", "task", "metric", "value", "seed", "method", "budget", "stage"]
    assert [*one] == always
    assert {name: two[name] for name in two if name not in one} == {"layer": 0, "other_task": "mlm"}


def test_rows_that_cannot_all_be_written_leave_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    write_rows(path, [ROW])
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("a full disk")))
    with pytest.raises(OSError, match="a full disk"):
        write_rows(path, [ROW, ROW])
    assert read_rows(path) == [ROW]
    assert [found.name for found in tmp_path.iterdir()] == ["rows.jsonl"]


@settings(max_examples=30)
@given(st.data())
def test_a_line_cut_short_is_named(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("records") / "rows.jsonl"
    stored = data.draw(st.lists(rows, min_size=1, max_size=3))
    write_rows(path, stored)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1) | st.just(len(whole) - 1))
    os.truncate(path, cut)
    left = whole[:cut].count(b"\n")
    if whole[:cut].endswith(b"\n") or not cut:
        assert read_rows(path) == stored[:left]  # no line is cut, so nothing can be seen
        return
    with pytest.raises(ValueError, match=rf"rows\.jsonl:{left + 1}: .*whole.*cut short") as caught:
        read_rows(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"study": "s"', "Expecting"),
        ("[1]", "expected an object, got list"),
        ("", "Expecting value"),
        ('{"study": "s", "model": "m", "task": "t", "metric": "a"}', "missing field 'value'"),
        ('{"study": "s", "colour": 1}', "unknown field 'colour'; missing field 'model'"),
        ("{%s, 'x': 1}", "Expecting"),
        ('{"study": "s", "model": "m", "task": "t", "metric": "a", "value": "high"}', "'high'"),
        ('{"study": "s", "model": "m", "task": "t", "metric": "a", "value": NaN}', "got NaN"),
        ('{"study": 3, "model": "m", "task": "t", "metric": "a", "value": 1}', "study: expected"),
        ('{"study": "s", "model": "m", "task": "t", "metric": "a", "value": true}', "True"),
        (
            '{"study": "s", "model": "m", "task": "t", "metric": "a", "value": 1, "seed": 1.5, '
            '"budget": "all"}',
            "seed: expected an integer, got 1.5; budget: expected a number of heads or null",
        ),
        (
            '{"study": "s", "model": "m", "task": "t", "metric": "a", "value": 1, "layer": -1, '
            '"reading": 3, "setting": "x"}',
            "reading: expected text, got 3; layer: expected a number, 0 or more, or null, got -1; "
            "setting: expected a number or null, got 'x'",
        ),
        (
            '{"study": "s", "model": "m", "task": "t", "metric": "a", "value": 1, "low": 0}',
            r"low, high: expected both or neither, got \[0.0, None\]",
        ),
        (
            '{"study": "s", "model": "m", "task": "t", "metric": "a", "value": 1, "low": "x", '
            '"high": 1}',
            r"low, high: expected numbers or null, got \['x', 1.0\]",
        ),
        ("\udcff", "invalid"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(tmp_path, line, problem):
    path = tmp_path / "rows.jsonl"
    write_rows(path, [ROW])
    whole = path.read_bytes()
    path.write_bytes(whole + line.encode(errors="surrogateescape") + b"\n" + whole)
    with pytest.raises(ValueError, match=r"rows\.jsonl:2: .*" + problem):
        read_rows(path)


def test_all_bad_lines_are_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("x\n" * 30)
    with pytest.raises(ValueError, match="Expecting") as caught:
        read_rows(path)
    assert str(caught.value).splitlines()[19].startswith(f"{path}:20:")
    assert str(caught.value).endswith("and 10 more")


def test_a_row_checks_itself():
    with pytest.raises(ValueError, match="budget: expected a number of heads or null, got -1"):
        dataclasses.replace(ROW, budget=-1)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_rows(tmp_path / "none.jsonl")
