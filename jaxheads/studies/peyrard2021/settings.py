"""Settings of the study after Peyrard et al. 2021."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from jaxheads.config import TrainingConfig
from jaxheads.studies.workbench.settings import MapStudy, fields_below


@dataclasses.dataclass(frozen=True)
class Peyrard2021(MapStudy):
    """Pairs of headlines, funny and serious; without files, the built-in language's.

    Raises:
      ValueError: for numbers out of range, or some of the three files alone, listing all; and as
        `MapStudy`.
    """

    train: Path | None = None
    validation: Path | None = None  # on which heads are chosen
    test: Path | None = None  # on which everything is measured
    length: int = 64  # most tokens of a sentence; pairs with a longer one are left out and counted
    pairs: int | None = None  # read so many for training; none: all, or 4,000 of the language
    held_out_pairs: int | None = None  # ... of validation and of test each; none: all, or 500
    finetune: TrainingConfig | None = None  # on single sentences; none: the run's
    paired: TrainingConfig | None = None  # on pairs; none: as on single sentences
    permutations: int = 9999  # of the test of all heads; at least 20 for each head
    sizes: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5)  # of edits, at which accuracy is split
    views: int = 4  # headlines whose attention the page shows

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        low = {"pairs": 1, "held_out_pairs": 1, "length": 3, "permutations": 19, "views": 0}
        problems = list(fields_below(self, **low))
        if len({path is None for path in (self.train, self.validation, self.test)}) > 1:
            problems.append("train, validation, test: expected three files or none")
        if not all(0 <= size <= 1 for size in self.sizes):
            problems.append(f"sizes: expected Jaccard distances from 0 to 1, got {self.sizes}")
        yield from problems
