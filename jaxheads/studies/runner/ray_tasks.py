"""What the tasks of a Ray cluster do: compute a cell, in one process or with others."""

from __future__ import annotations

import functools
import os
import socket
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxheads.parallel.processes import part_hosts, start_distributed
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.runner.engines import Load, Outcome, compute
from jaxheads.studies.runner.folder import packages
from jaxheads.studies.runner.local_workers import keep_programs, take_cores

MACHINE = "what-it-runs-on"  # in the place of a cell's name


class Where(NamedTuple):
    """What a task needs to know beside its cell."""

    study: str  # of which the process keeps the cells
    programs: str | None  # where compiled programs are kept, if the user says so
    cores: int  # to compute with, where that is said
    machine: Callable[[], dict[str, Any]]  # says what a process computes on
    packages: dict[str, str]  # of the driver


_cells: dict[str, Mapping[str, Cell]] = {}  # of the study that this process last worked on
_held: list[Any] = []  # files that are locked as long as this process lives


def compute_alone(where: Where, load: Load, name: str) -> Outcome:
    """Compute a cell in a process that may have computed others of its study."""
    _prepare(where)
    return compute(name, functools.partial(_run, where, load, name))


def compute_together(
    where: Where, load: Load, name: str, first: str, count: int, number: int
) -> tuple[int, Outcome]:
    """Compute a cell with other processes; this one's number, and how it ended here."""
    _prepare(where)
    start_distributed(first, count, number, saves=False)
    outcome = compute(name, functools.partial(_run, where, load, name))
    if outcome.rows is not None:
        part_hosts()
    return jax.process_index(), outcome


def first_of(*parts: tuple[int, Outcome]) -> Outcome:
    """How a cell ended that several processes computed: as in one in which it failed, if any."""
    failed = [outcome for _, outcome in sorted(parts) if outcome.rows is None]
    return failed[0] if failed else min(parts)[1]


def free_address() -> str:
    """A free port of this node."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    import ray

    return f"{ray.util.get_node_ip_address()}:{port}"


def _run(where: Where, load: Load, name: str) -> Iterable[Row]:
    if (own := packages()) != where.packages:
        told = (f"{name} {there} and {own[name]}" for name, there in where.packages.items()
                if own[name] != there)  # fmt: skip
        raise ValueError(
            f"expected the same packages on all nodes, got {', '.join(told)} on "
            f"{socket.gethostname()}"
        )
    if name == MACHINE:
        found: Any = where.machine()
        return [found]
    if where.study not in _cells:
        _cells.clear()
        _cells[where.study] = load()
    return _cells[where.study][name].run()


def _prepare(where: Where) -> None:
    """Before this process computes for the first time."""
    if _held:
        return
    import ray

    session = ray.get_runtime_context().get_session_name()
    programs = Path(tempfile.gettempdir(), f"jaxheads-programs-{os.getuid()}-{session}")
    keep_programs(where.programs or str(programs))
    _held.append(take_cores(where.cores, Path(tempfile.gettempdir(), f"jaxheads-{session}")))
