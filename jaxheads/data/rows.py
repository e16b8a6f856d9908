"""Strict readers of data files: each record with its line, or what is wrong with that line.

| extension | what it is |
|---|---|
| `.jsonl`, `.json` | one JSON object a line |
| `.csv` | RFC 4180: a header, commas, double quotes around fields that need them |
| `.tsv` | a header and tabs; quotes mean nothing, as in GLUE's own files, so a field holds no tab |
| `.parquet` | columns; lines are row numbers from 1 |
| `.txt` | one text a line, blank lines ignored: the field `text` |

Text is UTF-8, with or without a byte order mark. A line ends at a line feed and nowhere else:
Unicode's other separators occur inside sentences.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple


class Record(NamedTuple):
    """One record. `problem` says what is wrong with the line; then `fields` is empty."""

    line: int  # from 1
    fields: dict[str, object]
    problem: str = ""


def read_records(path: Path) -> Iterator[Record]:
    """Read a file record by record, in constant memory.

    Raises:
      ValueError: at once, for a missing file or an unknown extension.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(
            f"{path}: expected a file ending in {', '.join(READERS)}, got {path.suffix or 'none'!r}"
        )
    if not path.is_file():
        raise ValueError(
            f"{path}: {'a directory, not a file' if path.is_dir() else 'no such file'}"
        )
    return reader(path)


def _read_jsonl(path: Path) -> Iterator[Record]:
    for line, text, problem in _lines(path):
        if problem:
            yield Record(line, {}, problem)
        elif text.strip():
            yield _json_row(line, text)


def _json_row(line: int, text: str) -> Record:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Record(line, {}, f"not JSON: {error}")
    if not isinstance(fields, dict):
        return Record(line, {}, f"expected a JSON object, got {type(fields).__name__}")
    return Record(line, fields)


def _read_txt(path: Path) -> Iterator[Record]:
    for line, text, problem in _lines(path):
        if problem or text.strip():
            yield Record(line, {} if problem else {"text": text}, problem)


def _read_tsv(path: Path) -> Iterator[Record]:
    lines = _lines(path)
    _, top, unreadable = next(lines, (1, "", ""))
    header = top.split("\t")
    if problem := unreadable or _header_problem(header):
        yield Record(1, {}, problem)
        return
    for line, text, problem in lines:
        if problem:
            yield Record(line, {}, problem)
        elif text:
            yield _column_row(line, header, text.split("\t"))


def _read_csv(path: Path) -> Iterator[Record]:
    unreadable: dict[int, str] = {}

    def lines() -> Iterator[str]:
        for line, text, problem in _lines(path):
            unreadable.update({line: problem} if problem else {})
            yield text + "\n"

    records = csv.reader(lines(), strict=True)
    try:
        header = next(records, [])
        if problem := unreadable.get(1) or _header_problem(header):
            yield Record(1, {}, problem)
            return
        for record in records:
            if unreadable:
                yield from (Record(line, {}, problem) for line, problem in unreadable.items())
                unreadable.clear()
            elif record:
                yield _column_row(records.line_num, header, record)
    except csv.Error as error:
        yield Record(records.line_num, {}, f"not CSV: {error}")


def _header_problem(header: list[str]) -> str:
    twice = sorted({name for name in header if header.count(name) > 1})
    return f"expected different column names, got {', '.join(twice)} twice" if twice else ""


def _column_row(line: int, header: list[str], values: list[str]) -> Record:
    if len(values) != len(header):
        problem = f"expected {len(header)} columns ({', '.join(header)}), got {len(values)}"
        return Record(line, {}, problem)
    return Record(line, dict(zip(header, values, strict=True)))


def _read_parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    line = 0
    try:
        with pq.ParquetFile(path) as file:
            for chunk in file.iter_batches(batch_size=1024):
                for fields in chunk.to_pylist():
                    line += 1
                    yield Record(line, fields)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield Record(line + 1, {}, f"not Parquet: {' '.join(str(error).split())}")


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield each line's number, its text without the line end, and what is wrong with it."""
    with path.open("rb") as file:
        for line, whole in enumerate(file, 1):
            mark = whole.startswith(b"\xef\xbb\xbf") and line == 1
            text = whole[3 * mark :].removesuffix(b"\n").removesuffix(b"\r")
            try:
                yield line, text.decode(), ""
            except UnicodeDecodeError as error:
                byte = text[error.start]
                yield line, "", f"expected UTF-8, got byte 0x{byte:02x} at byte {error.start + 1}"


READERS: dict[str, Callable[[Path], Iterator[Record]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_jsonl,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".txt": _read_txt,
}
