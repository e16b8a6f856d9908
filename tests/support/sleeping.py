"""A study of cells that sleep: chains, and a last one that needs all their ends.

Every cell adds a line to a log when it begins and when it ends. Its row is the same every time.
"""

from __future__ import annotations

import collections
import os
import time
from pathlib import Path

from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell, cell

CHAINS, LINKS = 4, 4
ALL = CHAINS * LINKS + 1


def cells(
    log: Path, *, seconds: float = 0.02, failing: tuple[str, ...] = (), chains: int = CHAINS
) -> dict[str, Cell]:
    """The cells by name."""
    made: list[Cell] = []
    how = {"log": log, "seconds": seconds, "failing": failing}
    for chain in range(chains):
        for link in range(LINKS):
            made.append(cell(asleep, chain, link, after=made[-1:] if link else (), **how))
    made.append(cell(asleep, "all", after=made[LINKS - 1 :: LINKS], **how))
    return {each.name: each for each in made}


def asleep(*of: object, log: Path, seconds: float, failing: tuple[str, ...]) -> list[Row]:
    """Sleep for a while."""
    name = "-".join(map(str, of))
    note(log, f"begin {name} {os.getpid()}")
    time.sleep(seconds)
    if name in failing:
        raise RuntimeError(f"{name} cannot be computed")
    note(log, f"end {name} {os.getpid()}")
    return [Row("sleep", "none", name, "number", float(len(name)))]


def note(log: Path, line: str) -> None:
    """Add a line to a file that several processes write."""
    with log.open("a") as file:
        file.write(line + "\n")


def counted(log: Path, kind: str) -> collections.Counter[str]:
    """How often each cell began, or ended."""
    lines = log.read_text().splitlines() if log.is_file() else []
    return collections.Counter(line.split()[1] for line in lines if line.startswith(kind))


def processes(log: Path) -> list[int]:
    """The processes that have begun a cell, in their order."""
    lines = log.read_text().splitlines() if log.is_file() else []
    return list(dict.fromkeys(int(line.split()[2]) for line in lines if line.startswith("begin")))
