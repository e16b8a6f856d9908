"""Options of the verb `evaluate`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from jaxheads.cli.options.fields import option, parse_budget, refuse
from jaxheads.cli.options.task import TaskOptions, task_problems
from jaxheads.errors import too_low


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions(TaskOptions):
    """`jaxheads evaluate`: loss and metrics of a model on a data set, also with heads masked."""

    split: str = option("of a data set that has splits", "validation")
    scores: Path | None = option(
        "what `jaxheads score` wrote: measure also with the other heads masked", None,
        metavar="FILE", role="in",
    )  # fmt: skip
    budget: int | float | None = option(
        "heads to keep by the scores: 36, 50% or 0.5", None, metavar="N", parse=parse_budget
    )
    seed: int = option("of the masks of a masked LM", 0)
    beams: int = option(
        "of translations, for BLEU and chrF2: hypotheses at a time, 1 is greedy, 0 is none", 4
    )
    out: Path | None = option("also as JSON", None, metavar="FILE", role="out")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range and options that do not go together, listing all.
        """
        refuse(_evaluate_problems(self))


def _evaluate_problems(o: EvaluateOptions) -> Iterator[str]:
    if (o.scores is None) != (o.budget is None):
        yield "--scores and --budget: expected both or none"
    yield from too_low([("--beams", o.beams, 0)])
    yield from task_problems(o)
