"""One worker on a study of sleeping cells.

    python tests/cluster/worker_of_many.py FOLDER SHARD PLACE [FAILING...]

It says that it is ready and waits for a line; where there is a file FOLDER.meet no cell ends before
another worker has begun one. Every cell adds its name to FOLDER.log when it begins and when it
ends. The study's folder is PLACE: FOLDER, or a URL.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import tests.cluster.shelf  # noqa: F401 so that shelf:// is known
from jaxheads.cli.options.fields import parse_shard
from jaxheads.cli.options.study import StudyOptions
from jaxheads.records.rows import Row
from jaxheads.storage.remote import localised
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.runner.workers import run_cells

CHAINS, LINKS = 4, 4


def cells(log: Path, failing: tuple[str, ...] = ()) -> list[Cell]:
    """Chains of cells, and a last one that needs all their ends."""

    def work(name: str, number: int) -> list[Row]:
        note(log, f"begin {name} {os.getpid()}")
        time.sleep(0.05)
        while log.with_suffix(".meet").is_file() and not met(log):
            time.sleep(0.01)
        if name in failing:
            raise RuntimeError(f"{name} cannot be computed")
        note(log, f"end {name} {os.getpid()}")
        return [Row("sleep", "none", name, "number", float(number), seed=number)]

    made = []
    for chain in range(CHAINS):
        for link in range(LINKS):
            name, needs = f"m-{chain}-{link}", (f"m-{chain}-{link - 1}",) if link else ()
            made.append(Cell(name, functools.partial(work, name, len(made)), needs=needs))
    ends = tuple(f"m-{chain}-{LINKS - 1}" for chain in range(CHAINS))
    made.append(Cell("m-all", functools.partial(work, "m-all", len(made)), needs=ends))
    return made


def met(log: Path) -> bool:
    """Whether two workers have begun something."""
    return len({line.split()[2] for line in log.read_text().splitlines()}) > 1


def note(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    folder, shard, place, *failing = sys.argv[1:]
    assert "jax" not in sys.modules
    print("ready", flush=True)
    sys.stdin.readline()
    made = cells(Path(f"{folder}.log"), tuple(failing))
    with localised(StudyOptions(config=Path("a.py"), out=Path(place))) as local:
        run_cells(local.folder, made, parse_shard(shard))
