"""Settings of the comparison, and of the study after Li et al. 2021."""

from __future__ import annotations

import dataclasses

from jaxheads.config import TrainingConfig
from jaxheads.errors import refuse
from jaxheads.studies.workbench.settings import MetaSettings, fields_below


@dataclasses.dataclass(frozen=True)
class Compare:
    """Ways to choose heads, compared at equal budgets.

    Raises:
      ValueError: for methods that come twice or lack their settings, and numbers out of range,
        listing all.
    """

    methods: tuple[str, ...]  # of studies.li2021.selection.METHODS
    shares: tuple[float, ...] = tuple(kept / 12 for kept in range(11, 0, -1))  # 132, ..., 12 of 144
    learning_rates: tuple[float, ...] = (0.05, 0.2)  # of gates, chosen on held-out training data
    chosen_on: float = 0.1  # the share of the training examples that is held out for it
    pipelined: TrainingConfig | None = None  # gates alone, on the trained model; none: as the model
    again: bool = True  # train every pruned model once more
    draws: int = 5  # random masks for each seed and budget; the first is trained once more
    timed: tuple[float, ...] = (0.5,)  # of `shares`: budgets at which cut models are measured
    batches: tuple[int, ...] = (1, 16, 64)  # of those measurements
    repeats: int = 5
    meta: MetaSettings | None = None  # of the method "meta"

    def __post_init__(self) -> None:
        problems = list(fields_below(self, repeats=1, draws=1))
        if not self.methods or len(set(self.methods)) < len(self.methods):
            problems.append(f"methods: expected different names, got {self.methods}")
        if list(self.shares) != sorted(set(self.shares), reverse=True) or not all(
            0 < share < 1 for share in self.shares
        ):
            problems.append(f"shares: expected decreasing shares of 1, got {self.shares}")
        if not self.learning_rates or min(self.learning_rates) <= 0:
            problems.append(f"learning_rates: expected positive numbers, got {self.learning_rates}")
        if not 0 < self.chosen_on < 1:
            problems.append(f"chosen_on: expected a share between 0 and 1, got {self.chosen_on}")
        if "meta" in self.methods and self.meta is None:
            problems.append("meta: expected how a pruner learns, for the method meta, got none")
        refuse("study", problems)


@dataclasses.dataclass(frozen=True)
class Li2021(Compare):
    """The comparison, with the sweep of strengths that L0 gates need in the place of a budget.

    Raises:
      ValueError: for a strength that is not positive, and as `Compare`.
    """

    strengths: tuple[float, ...] = ()  # prices of a head, tried one by one

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strengths and min(self.strengths) <= 0:
            raise ValueError(f"study: strengths: expected positive numbers, got {self.strengths}")
