"""Kept rows of finished runs as cells of Markdown tables, with the reports' own reading.

`python -m tests.support.published runs/NAME` keeps the rows of a finished run.
"""

from __future__ import annotations

import functools
import gzip
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from jaxheads.records.rows import read_rows
from jaxheads.report.folder import Study
from jaxheads.report.spread import cell, number
from tests.support.paths import ROOT

RESULTS = ROOT / "configs" / "results"
Place = tuple[str, str]
Lines = dict[str, Callable[[str, str], str]]


@functools.cache
def study_of(name: str) -> Study:
    """The kept rows of a config's finished run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(gzip.decompress((RESULTS / f"{name}.jsonl.gz").read_bytes()))
        return Study(tuple(read_rows(path)), {}, {})


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, a line a row."""
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def by_place(places: dict[str, Place], lines: Lines) -> str:
    """A table with a column for each model and task."""
    body = ((name, *(line(*place) for place in places.values())) for name, line in lines.items())
    return markdown(("", *places), body)


def reader(name: str) -> Callable[..., Callable[[str, str], str]]:
    """Lines of one study: `stage` and fields of rows give what stands for a model and a task.

    `first`: the task whose agreement with the other one it is.
    """
    study = study_of(name)
    plain = ("method", "reading", "other_task", "other_method", "other_reading")

    def line(stage: str, metric="accuracy", *, form=number, first="", **fields):
        def read(model: str, task: str) -> str:
            where = dict.fromkeys(plain, "") | {"task": task, "metric": metric, **fields}
            where |= {"task": first, "other_task": task} if first else {}
            return cell(study.spread(stage, model=model, **where), form)

        return read

    return line


def keep(folder: Path) -> None:
    """Put the rows of a finished run, which is named as its config, where tables are made from."""
    rows = (folder / "rows.jsonl").read_bytes()
    (RESULTS / f"{folder.name}.jsonl.gz").write_bytes(gzip.compress(rows, mtime=0))


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
