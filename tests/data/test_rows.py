"""Records of data files, and what is said of each broken line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxheads.data.rows import Record, read_records

RECORDS = [{"sentence": 'He said: "no"', "label": "1"}, {"sentence": "a\u2028b, c", "label": "0"}]
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\t\x00"))


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path) -> list[Record]:
    return list(read_records(path))


def problems_of(path: Path) -> list[str]:
    return [f"{row.line}: {row.problem}" for row in read_records(path) if row.problem]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_format_yields_the_same_records(tmp_path: Path, end: str, mark: str):
    jsonl = end.join(json.dumps(each) for each in RECORDS) + end
    tsv = end.join(["sentence\tlabel", *("\t".join(each.values()) for each in RECORDS)]) + end
    quoted = end.join(["sentence,label", '"He said: ""no""",1', '"a\u2028b, c",0']) + end
    for name, content in (("a.jsonl", jsonl), ("a.json", jsonl), ("a.tsv", tsv), ("a.csv", quoted)):
        rows = rows_of(write(tmp_path / name, mark + content))
        assert [row.fields for row in rows] == RECORDS
        assert [row.line for row in rows] == ([1, 2] if "json" in name else [2, 3])


def test_parquet_yields_its_rows(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet")
    assert [(row.line, row.fields) for row in rows_of(tmp_path / "a.parquet")] == list(
        enumerate(RECORDS, 1)
    )


def test_text_files_have_one_text_a_line(tmp_path: Path):
    rows = rows_of(write(tmp_path / "a.txt", "one\n\n  \ntwo\u2028still two\n"))
    assert rows == [Record(1, {"text": "one"}), Record(4, {"text": "two\u2028still two"})]


def test_a_quoted_csv_field_may_hold_line_ends(tmp_path: Path):
    rows = rows_of(write(tmp_path / "a.csv", 'sentence,label\n"a\nb",1\nc,0\n'))
    assert rows == [
        Record(3, {"sentence": "a\nb", "label": "1"}),
        Record(4, {"sentence": "c", "label": "0"}),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.tsv", "a.csv"])
def test_bytes_that_are_not_utf8_are_named_by_line_and_byte(tmp_path: Path, name: str):
    path = write(tmp_path / name, b"sentence\nplain\nab\xffcd\nplain\n")
    said = problems_of(path)
    assert "3: expected UTF-8, got byte 0xff at byte 3" in said
    assert [each for each in said if "UTF-8" in each] == said or name == "a.jsonl"


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_header_that_is_not_utf8_ends_the_file(tmp_path: Path, name: str):
    path = write(tmp_path / name, b"sen\xfftence\tlabel\na\tb\nc\td\n")
    assert problems_of(path) == ["1: expected UTF-8, got byte 0xff at byte 4"]
    assert len(rows_of(path)) == 1


def test_broken_json_lines_are_named_and_the_others_kept(tmp_path: Path):
    lines = ['{"a": 1}', "{'a': 1}", '{"a": 1', "[1]", "", "[" * 100_000, '{"a": 2}']
    rows = rows_of(write(tmp_path / "a.jsonl", "\n".join(lines)))
    assert [row.line for row in rows if not row.problem] == [1, 7]
    assert [row.line for row in rows if row.problem] == [2, 3, 4, 6]
    assert rows[1].problem.startswith("not JSON: Expecting property name")
    assert rows[3].problem == "expected a JSON object, got list"


@pytest.mark.parametrize(("name", "mark"), [("a.tsv", "\t"), ("a.csv", ",")])
def test_columns_must_agree_with_the_header(tmp_path: Path, name: str, mark: str):
    path = write(tmp_path / name, "a,b\n1,2\n1\n1,2,3\n".replace(",", mark))
    assert problems_of(path) == [
        "3: expected 2 columns (a, b), got 1",
        "4: expected 2 columns (a, b), got 3",
    ]
    path = write(tmp_path / name, "a,a\n1,2\n".replace(",", mark))
    assert problems_of(path) == ["1: expected different column names, got a twice"]


def test_broken_quotes_are_a_problem_in_csv_and_plain_text_in_tsv(tmp_path: Path):
    assert rows_of(write(tmp_path / "a.tsv", 'a\tb\n"x\ty"\n')) == [
        Record(2, {"a": '"x', "b": 'y"'})
    ]
    said = problems_of(write(tmp_path / "a.csv", 'a,b\n"x"y,z\n'))
    assert said == ["2: not CSV: ',' expected after '\"'"]


def test_a_truncated_parquet_file_is_one_problem(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for content in (b"", whole[:50], whole[:-20], b"PAR1" + whole[10:]):
        (row,) = rows_of(write(tmp_path / "b.parquet", content))
        assert row.problem.startswith("not Parquet: ")
        assert "\n" not in row.problem


@pytest.mark.parametrize("name", ["a", "a.xlsx", "a.JSONX", "a.gz"])
def test_unknown_extensions_are_rejected(tmp_path: Path, name: str):
    with pytest.raises(ValueError, match=r"expected a file ending in \.jsonl"):
        read_records(write(tmp_path / name, "x"))


def test_missing_files_and_directories_are_rejected(tmp_path: Path):
    with pytest.raises(ValueError, match="no such file"):
        read_records(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").mkdir()
    with pytest.raises(ValueError, match="a directory, not a file"):
        read_records(tmp_path / "b.jsonl")


@given(st.lists(st.tuples(LINES, LINES), min_size=1, max_size=5))
def test_any_text_survives_jsonl_tsv_and_csv(tmp_path_factory, pairs: list[tuple[str, str]]):
    folder = tmp_path_factory.mktemp("rows")
    pairs = [(f"x{first}", second) for first, second in pairs]  # a first field of "" is no line
    records = [{"a": first, "b": second} for first, second in pairs]
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    write(folder / "a.jsonl", lines)
    write(folder / "a.tsv", "\n".join("\t".join(pair) for pair in [("a", "b"), *pairs]))
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("a", "b"), *pairs])
    for name in ("a.jsonl", "a.tsv", "a.csv"):
        assert [row.fields for row in read_records(folder / name)] == records


@given(st.binary(max_size=200), st.sampled_from([".jsonl", ".csv", ".tsv", ".txt", ".parquet"]))
def test_random_bytes_are_rows_or_problems_of_one_line_and_never_an_exception(
    tmp_path_factory, content: bytes, extension: str
):
    path = write(tmp_path_factory.mktemp("bytes") / f"a{extension}", content)
    assert all("\n" not in row.problem for row in read_records(path))
