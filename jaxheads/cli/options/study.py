"""Options of the verbs `study` and `report`, which meet in a study's folder."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from jaxheads.cli.options.fields import option, parse_resources, process_problems
from jaxheads.errors import refuse, too_low


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """`jaxheads study`: one config, from data to records and figures."""

    config: Path = option(
        "a Python file that names its RUN, or the name of a shipped one",
        metavar="CONFIG",
        positional=True,
    )
    set: tuple[str, ...] = option("change one setting; may be repeated", (), metavar="a.b=value")
    out: Path | None = option(
        "where records and figures go; runs/NAME_OF_THE_CONFIG without it",
        None,
        metavar="DIR",
        role="folder",
    )
    workers: int = option(
        "so many processes share the cells, and this machine's cores; a tiny model leaves most of "
        "them idle",
        1,
        metavar="N",
    )
    ray: str | None = option(
        "let a Ray cluster compute the cells: auto, or HOST:PORT of its head",
        None,
        metavar="ADDRESS",
    )
    cell_resources: dict[str, float] | None = option(
        "what a cell takes of the cluster, such as cpu=1 or TPU=4,hosts=2 (nodes that compute it "
        "together); without it what the nodes offer",
        None,
        metavar="NAME=N,...",
        parse=parse_resources,
    )
    coordinator: str | None = option("first process, for several hosts", None, metavar="HOST:PORT")
    num_processes: int | None = option("how many processes there are", None, metavar="N")
    process_id: int | None = option("which one this is, from 0", None, metavar="I")
    status: bool = option("only say what is done, running, failed and to do", False)
    dry_run: bool = option(
        "only check settings and inputs, list the cells and say what they cost", False
    )
    on: str = option(
        "of --dry-run: cpu, or so many chips of a kind, as v5e-8", "cpu", metavar="PLACE"
    )

    @property
    def folder(self) -> Path:
        """Where records and figures go."""
        return self.out or Path("runs", self.config.stem)

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range and options that do not go together, listing all.
        """
        refuse("", _study_problems(self))


def _study_problems(o: StudyOptions) -> Iterator[str]:
    yield from process_problems(o.coordinator, o.num_processes, o.process_id)
    yield from too_low([("--workers", o.workers, 1)])
    ways = {"--workers": o.workers > 1, "--ray": o.ray, "--coordinator": o.coordinator}
    if len(given := [flag for flag, value in ways.items() if value]) > 1:
        yield f"expected one of {', '.join(given)}, got all of them"
    if o.ray is not None and not re.fullmatch(r"auto|[^:/\s]+:\d{1,5}", o.ray):
        yield f"--ray: expected auto, or HOST:PORT of the head, got {o.ray!r}"
    if o.cell_resources and not o.ray:
        yield "--cell-resources: expected --ray with it"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """`jaxheads report`: the page and the figures of a study, finished or not."""

    folder: Path = option(
        "a folder that `jaxheads study` wrote", metavar="DIR", positional=True, role="report"
    )
