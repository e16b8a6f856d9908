"""Settings of the study after Htut et al. 2019."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from jaxheads.studies.workbench.settings import MapStudy, fields_below


@dataclasses.dataclass(frozen=True)
class Htut2019(MapStudy):
    """Attention against dependency trees: heads are chosen on half of the sentences.

    Raises:
      ValueError: for numbers out of range, and neither a treebank nor a number of sentences,
        listing all; and as `MapStudy`.
    """

    treebank: Path | None = None  # CoNLL-U; none: the built-in language's gold trees
    sentences: int | None = None  # the first so many; none: all, of a file alone
    special: Literal["dropped", "absent"] = "dropped"  # special tokens: seen, but no rows; unseen
    queries: Literal["mean", "first", "last"] = "mean"  # of a word's pieces, as it attends
    keys: Literal["sum", "first", "last"] = "sum"  # ... and as it is attended to
    renormalise: bool = False  # attention between words to a sum of one; counts in trees alone
    subtypes: bool = False  # "nmod:poss" apart from "nmod"
    half: int = 0  # seed of the half on which heads are chosen
    least: int = 20  # arcs of a relation in the scored half, for it to be reported
    controls: int = 1  # models with random weights
    examples: int = 3  # sentences whose arcs are drawn

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        low = {"half": 0, "controls": 0, "examples": 0, "least": 1, "sentences": 2}
        problems = list(fields_below(self, **low))
        if self.treebank is None and self.sentences is None:
            problems.append(
                "treebank, sentences: expected a file, or a number of the built-in language's"
            )
        yield from problems
