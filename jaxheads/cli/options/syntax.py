"""Options of the verbs `dependencies` and `constituents`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from jaxheads.cli.options.fields import option
from jaxheads.errors import refuse, too_low


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntaxOptions:
    """An encoder with any readout, the sentences to read, and where the page goes.

    Raises:
      ValueError: for numbers out of range, listing all.
    """

    model: str = option(
        "model directory, or a name on the Hugging Face Hub", metavar="DIR_OR_HUB", role="in"
    )
    sentences: int | None = option("read the first N of each file (all)", None, metavar="N")
    controls: int = option("models of random weights beside it", 1, metavar="N")
    out: Path = option("where page, rows and maps go", metavar="DIR", role="folder")

    @property
    def folder(self) -> Path:
        """Where page, rows and maps go."""
        return self.out

    def __post_init__(self) -> None:
        refuse("", too_low([("--sentences", self.sentences, 2), ("--controls", self.controls, 0)]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class DependenciesOptions(SyntaxOptions):
    """`jaxheads dependencies`: which heads follow dependency relations, after Htut et al. 2019."""

    treebank: Path = option("trees, CoNLL-U", metavar="FILE", role="in")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConstituentsOptions(SyntaxOptions):
    """`jaxheads constituents`: which heads know constituents, after Luo 2021."""

    tune: Path = option("bracketed trees (.mrg) that choose heads", metavar="FILE", role="in")
    test: Path = option("bracketed trees that heads are scored on", metavar="FILE", role="in")
