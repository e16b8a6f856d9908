"""Malformed data files of own tasks, made by a generator: one line, status 2, nothing left."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from jaxheads.cli.main import main

Rows = list[dict]
WORDS = ("fine", "warm", "dull", "cold")
OWN = {
    "classify": ("classification", ("a", "b")),
    "regress": ("classification", ("score",)),
    "multilabel": ("multilabel", ("a", "b")),
    "tag": ("tagging", ("O", "B-X")),
}


def rows_of(kind: str, dice: random.Random) -> Rows:
    """Good rows of a kind of task."""
    found = []
    for _ in range(dice.randint(2, 6)):
        words = dice.choices(WORDS, k=dice.randint(1, 4))
        labels = {
            "classify": dice.choice("ab"),
            "regress": dice.random(),
            "multilabel": dice.sample(("a", "b"), dice.randint(0, 2)),
            "tag": dice.choices(("O", "B-X"), k=len(words)),
        }
        found.append({"text": words if kind == "tag" else " ".join(words), "label": labels[kind]})
    return found


def spoil_row(dice: random.Random, rows: Rows) -> bytes:
    """JSON lines in which one value is of no use to any task."""
    row = dice.choice(rows)
    junk = [
        None,
        {},
        {"a": 1},
        True,
        float("nan"),
        "x" * 5000,
        [None],
        [["a"]],
        "\ud800",
        10**40,
        -7,
    ]
    field = dice.choice(("text", "label"))
    row[field] = dice.choice(junk if field == "label" else [*junk[:5], *junk[6:]])
    if dice.random() < 0.3:
        row.pop(field)
    return "".join(json.dumps(each) + "\n" for each in rows).encode()


def spoil_bytes(dice: random.Random, rows: Rows) -> bytes:
    """JSON lines with damaged syntax or bytes."""
    lines = [json.dumps(each).encode() for each in rows]
    place = dice.randrange(len(lines))
    line = lines[place]
    lines[place] = dice.choice(
        [
            line[:-1],
            line + b"}",
            b"[1, 2]",
            b"nonsense",
            b"\xff" + line,
            line.replace(b":", b"=", 1),
        ]
    )
    return b"\n".join(lines) + b"\n"


def spoil_table(dice: random.Random, rows: Rows) -> bytes:
    """CSV with rows of another width, another header, open quotes, or another delimiter."""
    lines = ["text,label", *(f"{' '.join(row['text'])},{row['label']!r}" for row in rows)]
    place = dice.randrange(1, len(lines))
    lines[place] = dice.choice([lines[place] + ",more", "alone", '"open', '"a"b,c'])
    if dice.random() < 0.4:
        lines[0] = dice.choice(["text;label", "text,text", "words,topic", "text,label,more", ""])
    return "\n".join(lines).encode()


def spoil_words(dice: random.Random, rows: Rows) -> bytes:
    """CoNLL with lines of another width."""
    return dice.choice([b"fine O\ndull\n\n", b"fine O\n\ncold O O\n", b"fine\n\ndull O\n", b"\n\n"])


def spoil_columns(dice: random.Random, rows: Rows) -> bytes:
    """Parquet that ends too early, or is none."""
    return dice.choice([b"", b"PAR1", b"PAR1" + dice.randbytes(60), dice.randbytes(200)])


SPOILERS: dict[str, Callable[[random.Random, Rows], bytes]] = {
    ".jsonl": spoil_row,
    ".json": spoil_bytes,
    ".csv": spoil_table,
    ".conll": spoil_words,
    ".parquet": spoil_columns,
}


def check_refused(seed: int, checkpoint, folder: Path, capsys, monkeypatch) -> None:
    dice = random.Random(seed)
    kind = dice.choice([*OWN])
    ending = dice.choice([each for each in SPOILERS if kind == "tag" or each != ".conll"])
    rows = rows_of(kind, dice)
    data = folder / f"data{seed}{ending}"
    data.write_bytes(SPOILERS[ending](dice, rows))
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    words = ["--model", checkpoint(*OWN[kind]), "--task", kind, "--data", data.name]
    columns = ["--text", "1", "--label", "2"] if ending == ".conll" else []
    status = main(["score", *map(str, words), *columns, "--out", "new/s.npz"])
    out, err = capsys.readouterr()
    told = (seed, kind, ending, data.read_bytes()[:200], err)
    assert (status, out) == (2, ""), told
    assert err.startswith("jaxheads: error: ") and err.count("\n") == 1, told
    assert len(err) <= 600, told
    assert sorted(folder.iterdir()) == before, told


def test_malformed_data_are_one_line(checkpoint, tmp_path, capsys, monkeypatch):
    for seed in range(25):
        check_refused(seed, checkpoint, tmp_path, capsys, monkeypatch)


@pytest.mark.slow
def test_any_malformed_data_are_one_line(checkpoint, tmp_path, capsys, monkeypatch):
    for seed in range(25, 175):
        check_refused(seed, checkpoint, tmp_path, capsys, monkeypatch)
