"""Options of the verbs `study` and `report`, which meet in a study's folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from jaxheads.cli.options.fields import Shard, below, option, parse_shard, process_problems, refuse


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """`jaxheads study`: one config, from data to records and figures."""

    config: Path = option("a Python file that names its RUN", metavar="CONFIG", positional=True)
    set: tuple[str, ...] = option("change one setting; may be repeated", (), metavar="a.b=value")
    out: Path | None = option(
        "where records and figures go; runs/NAME_OF_THE_CONFIG without it",
        None,
        metavar="DIR",
        role="folder",
    )
    shard: Shard = option(
        "one of several workers on one folder: begin with this share of the cells, then help with "
        "what nobody has taken",
        Shard(),
        metavar="I/N",
        parse=parse_shard,
    )
    workers: int = option(
        "so many processes share the cells, and this machine's cores; a tiny model leaves most of "
        "them idle",
        1,
        metavar="N",
    )
    coordinator: str | None = option("first process, for several hosts", None, metavar="HOST:PORT")
    num_processes: int | None = option("how many processes there are", None, metavar="N")
    process_id: int | None = option("which one this is, from 0", None, metavar="I")
    status: bool = option("only say what is done, running, failed and to do", False)

    @property
    def roles(self) -> dict[str, str]:
        """Roles of paths, other than those of the fields."""
        return {"out": "look"} if self.status else {}

    @property
    def folder(self) -> Path:
        """Where records and figures go."""
        return self.out or Path("runs", self.config.stem)

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range and options that do not go together, listing all.
        """
        refuse(_study_problems(self))


def _study_problems(o: StudyOptions) -> Iterator[str]:
    yield from process_problems(o.coordinator, o.num_processes, o.process_id)
    yield from below(1, o.workers, "--workers")
    if o.workers > 1 and (o.shard.of > 1 or o.coordinator is not None):
        yield "--workers: expected neither --shard nor --coordinator with it"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """`jaxheads report`: the page and the figures of a study, finished or not."""

    folder: Path = option(
        "a folder that `jaxheads study` wrote", metavar="DIR", positional=True, role="report"
    )
