"""One made-up folder with rows for the sections that no single study has together."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from jaxheads.records.rows import write_rows
from tests.report.agreement_rows import agreement_rows
from tests.report.htut2019.dependency_rows import add_dependencies, dependency_rows
from tests.report.li2021.comparison_rows import study
from tests.report.luo2021.constituent_rows import add_constituents, constituent_rows
from tests.report.peyrard2021.humor_rows import add_humor_files, humor_rows
from tests.report.zhang2020.meta_rows import made_rows

SECTIONS = ("humor", "constituency", "dependencies", "agreement", "comparison", "meta")


def make_full_folder(folder: Path) -> Path:
    """Dependencies first: they give the page its title."""
    add_dependencies(folder)
    add_constituents(folder)
    compared = study()
    rows = (dependency_rows(), constituent_rows(), humor_rows(), agreement_rows())
    write_rows(folder / "rows.jsonl", itertools.chain(*rows, compared.rows, made_rows()))
    add_humor_files(folder)
    pruner = {**compared.speeds[-1], "what": "training a pruner", "value": 60.0}
    (folder / "speeds").mkdir()
    (folder / "speeds" / "all.json").write_text(json.dumps([*compared.speeds, pruner]))
    (folder / "times").mkdir()
    write_lines(folder / "times" / "roberta-pruner-0.json", [{"seconds": 60.0}])
    return folder


def write_lines(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """One JSON object a line."""
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
