"""Records of text files, and what is said of each broken line."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxheads.data.lines import READERS, Reading, Record
from jaxheads.data.records import open_records

RECORDS = [{"sentence": 'He said: "no"', "label": "1"}, {"sentence": "a\u2028b, c", "label": "0"}]
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\t\x00"))


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path, **how) -> list[Record]:
    return list(open_records(path, reading=Reading(**how)).read())


def line_of(row: Record) -> int:
    return int(row.place.rpartition(":")[2])


def problems_of(path: Path, **how) -> list[str]:
    return [f"{line_of(row)}: {row.problem}" for row in rows_of(path, **how) if row.problem]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_format_yields_the_same_records(tmp_path: Path, end: str, mark: str):
    jsonl = end.join(json.dumps(each) for each in RECORDS) + end
    tsv = end.join(["sentence\tlabel", *("\t".join(each.values()) for each in RECORDS)]) + end
    quoted = end.join(["sentence,label", '"He said: ""no""",1', '"a\u2028b, c",0']) + end
    for name, content in (("a.jsonl", jsonl), ("a.json", jsonl), ("a.tsv", tsv), ("a.csv", quoted)):
        rows = rows_of(write(tmp_path / name, mark + content))
        assert [row.fields for row in rows] == RECORDS
        assert [line_of(row) for row in rows] == ([1, 2] if "json" in name else [2, 3])


def test_text_files_have_one_text_a_line(tmp_path: Path):
    path = write(tmp_path / "a.txt", "one\n\n  \ntwo\u2028still two\n")
    wanted = [
        Record(f"{path}:1", {"text": "one"}),
        Record(f"{path}:4", {"text": "two\u2028still two"}),
    ]
    assert rows_of(path) == wanted


def test_a_quoted_csv_field_may_hold_line_ends(tmp_path: Path):
    path = write(tmp_path / "a.csv", 'sentence,label\n"a\nb",1\nc,0\n')
    assert rows_of(path) == [
        Record(f"{path}:3", {"sentence": "a\nb", "label": "1"}),
        Record(f"{path}:4", {"sentence": "c", "label": "0"}),
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
    assert [line_of(row) for row in rows if not row.problem] == [1, 7]
    assert [line_of(row) for row in rows if row.problem] == [2, 3, 4, 6]
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
    (row,) = rows_of(write(tmp_path / "a.tsv", 'a\tb\n"x\ty"\n'))
    assert row.fields == {"a": '"x', "b": 'y"'}
    said = problems_of(write(tmp_path / "a.csv", 'a,b\n"x"y,z\n'))
    assert said == ["2: not CSV: ',' expected after '\"'"]


def test_a_list_of_objects_is_read_whole(tmp_path: Path):
    path = write(tmp_path / "a.json", json.dumps(RECORDS, indent=1))
    assert rows_of(path) == [Record(f"{path}, row {n}", row) for n, row in enumerate(RECORDS, 1)]
    (row,) = rows_of(write(tmp_path / "b.json", "[1]"))
    assert row.problem == "expected a JSON object, got int"
    (row,) = rows_of(write(tmp_path / "c.json", '[{"a": 1},\n'))
    assert row.problem.startswith("not JSON: ") and row.place == str(tmp_path / "c.json")


def test_compressed_files_are_read(tmp_path: Path):
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        file.write("a,b\nx,1\ny\n")
    assert rows_of(tmp_path / "a.csv.gz")[0].fields == {"a": "x", "b": "1"}
    assert problems_of(tmp_path / "a.csv.gz") == ["3: expected 2 columns (a, b), got 1"]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ";"), ("a.csv", "|"), ("a.tsv", " ")])
def test_another_delimiter_can_be_named(tmp_path: Path, name: str, mark: str):
    path = write(tmp_path / name, "a,b\nx,1\n".replace(",", mark))
    assert [row.fields for row in rows_of(path, delimiter=mark)] == [{"a": "x", "b": "1"}]


def test_columns_can_be_named_with_and_without_a_header(tmp_path: Path):
    path = write(tmp_path / "a.csv", "a,b\nx,1\n")
    rows = rows_of(path, columns=("text", "topic"))
    assert [row.fields for row in rows] == [{"text": "x", "topic": "1"}]
    rows = rows_of(path, columns=("text", "topic"), header=False)
    assert [row.fields["text"] for row in rows] == ["a", "x"]
    said = problems_of(path, columns=("text",))
    assert said == ["1: expected 1 columns (text), got 2"]


def test_how_a_file_is_read_is_checked():
    for how, said in (
        ({"header": False}, r"no header: expected the names of the columns \(--columns\)"),
        ({"columns": ("a", "a")}, "columns: expected different names, got a, a"),
        ({"delimiter": "ab"}, "delimiter: expected one character, got 'ab'"),
        ({"skip": ("odd",)}, "skip: expected any of unlabelled, broken, got odd"),
    ):
        with pytest.raises(ValueError, match=said):
            Reading(**how)


CONLL = """\
-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

# a comment
German JJ B-NP B-MISC
call NN I-NP O
"""


def test_sentences_of_words_are_lists_of_columns(tmp_path: Path):
    path = write(tmp_path / "a.conll", CONLL)
    first, second = rows_of(path, columns=("word", "pos", "chunk", "ner"))
    assert first.place == f"{path}:3"
    assert first.fields["word"] == ["EU", "rejects"]
    assert second.fields["ner"] == ["B-MISC", "O"]
    assert [*rows_of(path)[0].fields] == ["1", "2", "3", "4"]
    broken = write(tmp_path / "b.conll", "a X\nb\n\nc X\n")
    one, other = rows_of(broken)
    assert (one.place, other.fields) == (f"{broken}:1", {"1": ["c"], "2": ["X"]})
    assert one.problem == "line 2: expected 2 columns (1, 2), got 1"


def test_lines_of_a_number_sign_are_comments_or_words(tmp_path: Path):
    text = "# sent_id = 1\n#text\na O\n# X\nb O\n\n# O\nc O\n\n# text = d e\nd O\n"
    found = [row.fields for row in rows_of(write(tmp_path / "a.conll", text))]
    assert [each["1"] for each in found] == [["a", "#", "b"], ["#", "c"], ["d"]]
    assert [each["2"] for each in found] == [["O", "X", "O"], ["O", "O"], ["O"]]


def test_of_conllu_the_words_alone_are_read(tmp_path: Path):
    rest = "\t_" * 6
    lines = ["# text = du pain", f"1-2\tdu\t_\t_{rest}", f"1\tde\tde\tADP{rest}"]
    lines += [f"2\tle\tle\tDET{rest}", f"2.1\tx\t_\t_{rest}", f"3\tpain\tpain\tNOUN{rest}"]
    (row,) = rows_of(write(tmp_path / "a.conllu", "\n".join(lines)))
    assert row.fields["form"] == ["de", "le", "pain"]
    assert row.fields["upos"] == ["ADP", "DET", "NOUN"]


@settings(max_examples=15)
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
        assert [row.fields for row in rows_of(folder / name)] == records


@given(st.binary(max_size=200), st.sampled_from(sorted(READERS)))
def test_random_bytes_are_rows_or_problems_of_one_line_and_never_an_exception(
    tmp_path_factory, content: bytes, extension: str
):
    path = write(tmp_path_factory.mktemp("bytes") / f"a{extension}", content)
    assert all("\n" not in row.problem for row in rows_of(path))
