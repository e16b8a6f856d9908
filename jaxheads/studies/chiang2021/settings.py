"""Settings of the study after Chiang & Chen 2021."""

from __future__ import annotations

import dataclasses

from jaxheads.errors import refuse
from jaxheads.studies.workbench.settings import fields_below


@dataclasses.dataclass(frozen=True)
class Chiang2021:
    """What is pruned before fine-tuning, and trained again after it.

    Raises:
      ValueError: for shares outside (0, 1), `kept` that do not decrease or lack one of `compared`,
        or draws below 0.
    """

    kept: tuple[float, ...] = (0.75, 0.5, 0.25)  # shares of the heads: the acceptable deduction
    draws: int = 1  # random masks for each seed and share
    compared: tuple[float, ...] = (0.5,)  # of `kept`: shares at which four regimes are compared
    tolerances: tuple[float, ...] = (0.01, 0.05)  # of the downstream metric

    def __post_init__(self) -> None:
        problems = [
            f"{name}: expected shares between 0 and 1, got {getattr(self, name)}"
            for name in ("kept", "compared", "tolerances")
            if any(not 0 < share < 1 for share in getattr(self, name))
        ]
        if unknown := sorted(set(self.compared) - set(self.kept)):
            problems.append(f"compared: expected any of kept {self.kept}, got {unknown}")
        if list(self.kept) != sorted(set(self.kept), reverse=True):
            problems.append(f"kept: expected decreasing shares, got {self.kept}")
        refuse("study", [*problems, *fields_below(self, draws=0)])
