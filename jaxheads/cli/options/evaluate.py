"""Options of the verb `evaluate`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from jaxheads.cli.options.fields import further, option, parse_budget
from jaxheads.cli.options.task import TaskOptions, task_problems
from jaxheads.errors import refuse, too_low


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions(TaskOptions):
    """`jaxheads evaluate`: loss and metrics of a model on a data set, also with heads masked."""

    model: str = option(
        "model directory, or a name on the Hugging Face Hub; several are put side by side, with "
        "their sizes and the time that they take",
        metavar="DIR_OR_HUB",
        role="in",
        more="beside",
    )
    beside: tuple[str, ...] = further()
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
        refuse("", _evaluate_problems(self))


def _evaluate_problems(o: EvaluateOptions) -> Iterator[str]:
    if (o.scores is None) != (o.budget is None):
        yield "--scores and --budget: expected both or none"
    if o.beside and o.task == "translate":
        yield "--model: expected one of translations, got several"
    if len({o.model, *o.beside}) <= len(o.beside):
        yield f"--model: expected different ones, got {', '.join((o.model, *o.beside))}"
    yield from too_low([("--beams", o.beams, 0)])
    yield from task_problems(o)
