"""Settings of the study after Luo 2021."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from jaxheads.studies.workbench.settings import MapStudy, fields_below


@dataclasses.dataclass(frozen=True)
class Luo2021(MapStudy):
    """Trees from attention against gold trees: heads are chosen on `tune` and scored on `test`.

    Raises:
      ValueError: for numbers out of range, values that come twice, and neither a file nor a number
        of sentences, listing all; and as `MapStudy`.
    """

    tune: Path | None = None  # bracketed trees (.mrg); without files, the built-in language's
    test: Path | None = None
    tune_sentences: int | None = None  # the first so many; none: all, of a file alone
    test_sentences: int | None = None
    measures: tuple[Literal["jsd", "hellinger"], ...] = ("jsd", "hellinger")  # the first: in depth
    biases: tuple[float, ...] = (0.0, 1.5)  # to the right; the first: in depth
    special: Literal["absent", "dropped"] = "absent"  # special tokens; dropped: seen, without rows
    queries: Literal["mean", "first", "last"] = "mean"  # of a word's pieces, as it attends
    keys: Literal["sum", "first", "last"] = "sum"  # ... and as it is attended to
    controls: int = 3  # models with random weights
    examples: int = 4  # sentences whose trees are drawn

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        low = {"tune_sentences": 1, "test_sentences": 1, "controls": 0, "examples": 0}
        problems = list(fields_below(self, **low))
        problems += [
            f"{name}: expected different values, at least one, got {getattr(self, name)}"
            for name in ("measures", "biases")
            if not 0 < len(getattr(self, name)) == len(set(getattr(self, name)))
        ]
        if any(not 0 <= bias < math.inf for bias in self.biases):
            problems.append(f"biases: expected numbers of at least 0, got {self.biases}")
        problems += [
            f"{name}, {name}_sentences: expected a file, or a number of the built-in language's"
            for name in ("tune", "test")
            if getattr(self, name) is None and getattr(self, f"{name}_sentences") is None
        ]
        yield from problems
