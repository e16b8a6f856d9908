"""Dependency trees from CoNLL-U files, as published by Universal Dependencies.

https://universaldependencies.org/format.html. Multiword tokens (`4-5`) and empty nodes (`8.1`) are
passed over: words are the lines with whole numbers, and only their basic tree is read. Each
sentence must be a tree with one root. (The library `conllu` names no file and line, stops at the
first problem and checks no tree.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SHOWN = 5  # problems of one file that its error names
COLUMNS = 10
NOT_A_WORD = re.compile(r"[1-9][0-9]*-[1-9][0-9]*|[0-9]+\.[1-9][0-9]*")  # 4-5 or 8.1
NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class DependencyTree(NamedTuple):
    """The words of a sentence, each with its tag, head and relation.

    `heads` are 1-based, 0 is the root's; `tags` are universal (UPOS), `relations` keep their
    subtypes ("nmod:poss"); `name` is the `sent_id`, or `file:line` where there is none.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]
    name: str = ""


def read_conllu(path: str | Path) -> list[DependencyTree]:
    """Read all sentences of a UTF-8 file.

    Raises:
      ValueError: for a missing or empty file, and for up to five problems of its lines and trees,
        each as file:line.
    """
    path = Path(path)
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "no such file"
        raise ValueError(f"{path}: expected a CoNLL-U file, got {kind}")
    trees: list[DependencyTree] = []
    problems: list[str] = []
    for lines in _blocks(path):
        tree, found = _read_tree(path, lines)
        problems += found
        if len(problems) >= SHOWN:
            break
        trees += [tree] if tree else []
    if problems:
        more = "; and perhaps more" if len(problems) >= SHOWN else ""
        raise ValueError("; ".join(problems[:SHOWN]) + more)
    if not trees:
        raise ValueError(f"{path}: expected sentences, got none")
    return trees


def tree_problem(heads: Sequence[int]) -> str:
    """Say why 1-based heads are no tree with one root (head 0), or return nothing.

    An empty sentence, heads out of range, none or several roots, and circles are named.
    """
    roots = [word for word, head in enumerate(heads, 1) if head == 0]
    if len(roots) != 1:
        return f"expected one root, got {len(roots)}{_listed(roots)}"
    outside = [word for word, head in enumerate(heads, 1) if not 0 <= head <= len(heads)]
    if outside:
        word = outside[0]
        return f"expected the head of word {word} in 0 to {len(heads)}, got {heads[word - 1]}"
    reaches = {0}  # the words known to reach the root
    for start in range(1, len(heads) + 1):
        path, word = [], start
        while word not in reaches:
            if word in path:
                circle = path[path.index(word) :]
                return f"expected a tree, got a circle{_listed(circle)}"
            path.append(word)
            word = heads[word - 1]
        reaches.update(path)
    return ""


def strip_subtype(relation: str) -> str:
    """Return a relation without its subtype: "nmod" for "nmod:poss"."""
    return relation.partition(":")[0]


def _listed(words: Sequence[int]) -> str:
    return f": {', '.join(map(str, words[:5]))}{', ...' if len(words) > 5 else ''}" if words else ""


class _Line(NamedTuple):
    number: int
    text: str
    problem: str = ""


def _blocks(path: Path) -> Iterator[list[_Line]]:
    """Yield the lines of each sentence, comments among them; empty lines stand between."""
    block: list[_Line] = []
    with path.open("rb") as file:
        for number, whole in enumerate(file, 1):
            start = 3 if number == 1 and whole.startswith(b"\xef\xbb\xbf") else 0
            line = _decoded(number, whole[start:].removesuffix(b"\n").removesuffix(b"\r"))
            if line.text.strip() or line.problem:
                block.append(line)
            elif block:
                yield block
                block = []
    if block:
        yield block


def _decoded(number: int, line: bytes) -> _Line:
    try:
        return _Line(number, line.decode())
    except UnicodeDecodeError as error:
        return _Line(number, "", f"expected UTF-8, got byte 0x{line[error.start]:02x}")


def _read_tree(path: Path, lines: list[_Line]) -> tuple[DependencyTree | None, list[str]]:
    """Check one sentence; return its tree, or what is wrong with it. Comments alone are neither."""
    name = f"{path}:{lines[0].number}"
    problems: list[str] = []
    rows: list[list[str]] = []
    word, last = 1, 0  # the number that comes next, and the last that a range of words needs
    for line in lines:
        if line.text.startswith("#"):
            key, _, value = line.text[1:].partition("=")
            name = value.strip() if key.strip() == "sent_id" else name
            continue
        columns = line.text.split("\t")
        problem = line.problem or _line_problem(columns, word)
        if NOT_A_WORD.fullmatch(columns[0]):
            last = max(last, _end_of(columns[0]))
        else:
            rows.append(columns)
            word = int(columns[0]) + 1 if NUMBER.fullmatch(columns[0]) else word + 1
        if problem:
            problems.append(f"{path}:{line.number}: {problem}")
    if not problems and last > len(rows):
        problems.append(f"{path}:{lines[0].number}: expected word {last}, which a range names")
    if problems or not rows:
        return None, problems
    heads = tuple(int(row[6]) for row in rows)
    if problem := tree_problem(heads):
        return None, [f"{path}:{lines[0].number}: {problem}"]
    words, tags, relations = (tuple(row[column] for row in rows) for column in (1, 3, 7))
    if len(words) > 1 and {*words} == {"_"}:
        withheld = (
            "expected words, got _ for each: they are withheld, as the text may not be shared"
        )
        return None, [f"{path}:{lines[0].number}: {withheld}"]
    return DependencyTree(words, tags, heads, relations, name), []


def _end_of(number: str) -> int:
    """The last word of a range "3-4"; 0 of an empty node "3.1"."""
    return int(number.partition("-")[2] or 0)


def _line_problem(columns: list[str], number: int) -> str:
    """Check the columns of one line, which is to be word `number` unless it is no word."""
    if len(columns) != COLUMNS:
        return f"expected {COLUMNS} columns between tabs, got {len(columns)}"
    if NOT_A_WORD.fullmatch(columns[0]):
        first, between, end = columns[0].partition("-")
        if between and not (int(first) == number < int(end)):
            return f"expected a range that begins with word {number}, got {columns[0]!r}"
        return ""
    checks = (
        (columns[0] == str(number), f"expected word {number}, got {columns[0]!r}"),
        (columns[1].strip(), "expected a form in column 2, got none"),
        (NUMBER.fullmatch(columns[6]), f"expected a head in column 7, got {columns[6]!r}"),
        (columns[7] not in ("", "_"), f"expected a relation in column 8, got {columns[7]!r}"),
    )
    return next((problem for right, problem in checks if not right), "")
