"""Text files as records: each with its line, or what is wrong with that line.

| extension | what it is |
|---|---|
| `.jsonl`, `.json` | one JSON object a line, or one JSON list of objects |
| `.csv` | RFC 4180: a header, commas, double quotes around fields that need them |
| `.tsv` | a header and tabs; quotes mean nothing, as in GLUE's own files, so a field holds no tab |
| `.conll`, `.conllu`, `.bio`, `.iob` | a word a line in columns, a blank line after a sentence |
| `.txt` | one text a line, blank lines ignored: the field `text` |

The library `datasets` gives the lines, also of `.gz` files; they are taken apart here, because its
own readers of CSV and JSON guess a type for each column, so that the text "NA" is lost and the
label 1 is 1.0 beside a 2.5, and name no line. Text is UTF-8, with or without a byte order mark;
Unicode's other line separators occur inside sentences.
"""

from __future__ import annotations

import csv
import dataclasses
import glob
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxheads.errors import refuse

CHUNK = 1000  # rows that are taken from `datasets` at a time
SKIPS = ("unlabelled", "broken")
CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")


class Record(NamedTuple):
    """One record. `problem` says what is wrong at its place; then `fields` is empty."""

    place: str  # "file:line", or "data set, row 3"
    fields: Mapping[str, Any]
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a data set is read, where it does not say so itself.

    Raises:
      ValueError: for columns that come twice, a missing header without columns, a delimiter that is
        not one character, and unknown rows to skip.
    """

    subset: str | None = None  # of a data set on the Hub, which `datasets` calls its config
    columns: tuple[str, ...] = ()  # their names, instead of those of the header
    delimiter: str | None = None  # between columns; none: the usual one of the format
    header: bool = True  # whether the first line of a table has the names of its columns
    skip: tuple[str, ...] = ()  # rows to leave out: any of `SKIPS`

    def __post_init__(self) -> None:
        problems = []
        if len(set(self.columns)) < len(self.columns):
            problems.append(f"columns: expected different names, got {', '.join(self.columns)}")
        if not (self.header or self.columns):
            problems.append("no header: expected the names of the columns (--columns), got none")
        if self.delimiter is not None and len(self.delimiter) != 1:
            problems.append(f"delimiter: expected one character, got {self.delimiter!r}")
        if unknown := sorted(set(self.skip) - set(SKIPS)):
            problems.append(f"skip: expected any of {', '.join(SKIPS)}, got {', '.join(unknown)}")
        refuse("data", problems)


PLAIN = Reading()


class Line(NamedTuple):
    """One line of a file without its end, or what is wrong with it."""

    number: int  # from 1
    text: str
    problem: str


def read_lines(path: Path, reading: Reading) -> Iterator[Record]:
    """The records of a text file by its extension, in constant memory."""
    return READERS[extension(path)](path, reading)


def read_parallel(paths: Sequence[Path], fields: Sequence[str]) -> Iterator[Record]:
    """The records of files with equally many lines, of which each has one field."""
    for number, sides in enumerate(zip(*map(_lines, paths), strict=True), 1):
        found = zip(paths, sides, strict=True)
        problems = [f"{path}:{number}: {side.problem}" for path, side in found if side.problem]
        texts = {name: side.text for name, side in zip(fields, sides, strict=True)}
        yield Record(f"{paths[0]}:{number}", {} if problems else texts, "; ".join(problems))


def count_lines(path: Path) -> int:
    """How many lines a text file has."""
    return sum(1 for _ in _lines(path))


def extension(path: Path) -> str:
    """The extension that says what a file is: of `a.csv.gz`, `.csv`."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


# -- one record a line


def _read_jsonl(path: Path, reading: Reading) -> Iterator[Record]:
    del reading
    lines = ((each, f"{path}:{each.number}") for each in _lines(path))
    for (number, text, problem), place in lines:
        if problem:
            yield Record(place, {}, problem)
        elif text.startswith("[") and number == 1:
            yield from _json_list(path, [text, *(each.text for each, _ in lines)])
            return
        elif text.strip():
            yield _json_row(place, text)


def _json_list(path: Path, lines: Sequence[str]) -> Iterator[Record]:
    """The objects of a file that holds one list; its place is the number of each."""
    try:
        rows = json.loads("\n".join(lines))
    except (ValueError, RecursionError) as error:
        yield Record(str(path), {}, f"not JSON: {error}")
        return
    for number, row in enumerate(rows, 1):
        yield _checked_object(f"{path}, row {number}", row)


def _json_row(place: str, text: str) -> Record:
    try:
        return _checked_object(place, json.loads(text))
    except (ValueError, RecursionError) as error:
        return Record(place, {}, f"not JSON: {error}")


def _checked_object(place: str, row: object) -> Record:
    if isinstance(row, dict):
        return Record(place, row)
    return Record(place, {}, f"expected a JSON object, got {type(row).__name__}")


def _read_txt(path: Path, reading: Reading) -> Iterator[Record]:
    del reading
    for number, text, problem in _lines(path):
        if problem or text.strip():
            yield Record(f"{path}:{number}", {} if problem else {"text": text}, problem)


# -- tables


def _read_tsv(path: Path, reading: Reading) -> Iterator[Record]:
    delimiter = reading.delimiter or "\t"
    rows = (
        Row(each.number, each.text.split(delimiter), each.problem)
        for each in _lines(path)
        if each.problem or each.text
    )
    return _table(path, reading, rows)


def _read_csv(path: Path, reading: Reading) -> Iterator[Record]:
    return _table(path, reading, _csv_rows(path, reading.delimiter or ","))


class Row(NamedTuple):
    """The fields of a line of a table; of one that is broken over lines, of the last of them."""

    number: int
    values: list[str]
    problem: str


def _csv_rows(path: Path, delimiter: str) -> Iterator[Row]:
    unreadable: list[Line] = []

    def lines() -> Iterator[str]:
        for line in _lines(path):
            unreadable.extend([line] if line.problem else [])
            yield line.text + "\n"

    records = csv.reader(lines(), delimiter=delimiter, strict=True)
    try:
        for values in records:
            if unreadable:
                yield from (Row(number, [], problem) for number, _, problem in unreadable)
                unreadable.clear()
            elif values:
                yield Row(records.line_num, values, "")
    except csv.Error as error:
        yield Row(records.line_num, [], f"not CSV: {error}")


def _table(path: Path, reading: Reading, rows: Iterator[Row]) -> Iterator[Record]:
    """The rows of a table under the names of its columns."""
    names = list(reading.columns)
    if reading.header:
        number, values, problem = next(rows, Row(1, names, ""))
        problem = problem or _header_problem(names or values, values)
        if problem:
            yield Record(f"{path}:{number}", {}, problem)
            return
        names = names or values
    for number, values, unreadable in rows:
        problem = unreadable or _width_problem(names, values)
        fields = {} if problem else dict(zip(names, values, strict=True))
        yield Record(f"{path}:{number}", fields, problem)


def _header_problem(names: Sequence[str], header: Sequence[str]) -> str:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"expected different column names, got {', '.join(twice)} twice"
    return _width_problem(names, header)


def _width_problem(names: Sequence[str], values: Sequence[str]) -> str:
    if len(names) == len(values):
        return ""
    return f"expected {len(names)} columns ({', '.join(names)}), got {len(values)}"


# -- a word a line


def _read_conll(path: Path, reading: Reading) -> Iterator[Record]:
    """A record for each sentence: a list for each column.

    Columns are apart by tabs where a line has one, else by spaces. Before the words of a sentence,
    lines of # that have not as many columns, or a name and =, are comments; a sentence `-DOCSTART-`
    stands between documents. Of CoNLL-U the words alone are read: no empty nodes, and no words of
    several tokens.
    """
    names = reading.columns or (CONLLU if extension(path) == ".conllu" else ())
    words: list[list[str]] = []
    start, problem = 0, ""
    for line in itertools.chain(_lines(path), [Line(0, "", "")]):
        if line.problem:
            yield Record(f"{path}:{line.number}", {}, line.problem)
        elif line.text.strip():
            values = _word_columns(line.text, reading.delimiter)
            comment = not words and _is_comment(names, line.text, values)
            if comment or values[0] == "-DOCSTART-":
                continue
            names = names or tuple(map(str, range(1, len(values) + 1)))
            if _is_no_word(names, values):
                continue
            start = start or line.number
            if width := _width_problem(names, values):
                problem = problem or f"line {line.number}: {width}"
            words.append(values)
        elif words:
            columns = (
                {}
                if problem
                else dict(zip(names, map(list, zip(*words, strict=True)), strict=True))
            )
            yield Record(f"{path}:{start}", columns, problem)
            words, start, problem = [], 0, ""


def _word_columns(text: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        delimiter = "\t" if "\t" in text else None
    return text.split(delimiter)


def _is_comment(names: Sequence[str], text: str, values: Sequence[str]) -> bool:
    named = re.match(r"#\s*\S+\s*=\s", text) is not None
    return text.startswith("#") and (named or len(values) != len(names))


def _is_no_word(names: Sequence[str], values: Sequence[str]) -> bool:
    return names[0] == "id" and not values[0].isdecimal()


def _lines(path: Path) -> Iterator[Line]:
    """Every line; its bytes come as Latin-1, which is one character a byte, and are UTF-8."""
    datasets = quiet_datasets()
    place = glob.escape(str(path))
    found = datasets.load_dataset(
        "text", data_files=place, split="train", streaming=True, encoding="latin-1"
    )
    number = 0
    for chunk in found.with_format("arrow").iter(CHUNK):
        for text in chunk["text"].to_pylist():
            number += 1
            whole = text.encode("latin-1")
            mark = whole.startswith(b"\xef\xbb\xbf") and number == 1
            try:
                yield Line(number, whole[3 * mark :].decode(), "")
            except UnicodeDecodeError as error:
                byte = f"0x{error.object[error.start]:02x}"
                problem = f"expected UTF-8, got byte {byte} at byte {error.start + 1}"
                yield Line(number, "", problem)


def quiet_datasets() -> Any:
    """The library `datasets`, whose own messages would stand beside ours."""
    import datasets
    from datasets.utils import logging

    logging.set_verbosity(logging.CRITICAL)
    return datasets


READERS: dict[str, Callable[[Path, Reading], Iterator[Record]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_jsonl,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    **dict.fromkeys((".conll", ".conllu", ".bio", ".iob"), _read_conll),
    ".txt": _read_txt,
}
