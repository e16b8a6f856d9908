"""Which models answer no question: those not shown to beat the majority-class baseline, or at
the top.
"""

from __future__ import annotations

from jaxheads.records.rows import kind_of
from jaxheads.report.folder import Study
from jaxheads.report.spread import by_seed, mean_of, spread_of

STAGE = "above the baseline"
MARK = "not shown to be above chance"
# the same in cells, and their caption
CROSS, CROSSED = " †", f" †: {MARK}, the majority-class baseline."
TUNED, FROZEN, TIMED = "fine-tuned", "linear probe", "before and after"
TOP = 0.9995  # printed as 1.000, the most that any metric but a loss can be


def at_chance(
    study: Study, model: str, task: str, method: str = TUNED, budget: int | None = None
) -> bool:
    """Whether a model is not shown to be better than the majority-class baseline.

    By the study's own interval of the difference where there is one; else by the values of the
    seeds, Student's t; of one seed only where its value is not above the baseline's. False where
    neither is known. `method` is "fine-tuned", "linear probe", or one of the regimes with its
    `budget`.
    """
    where = {"model": model, "task": task}
    rows = study.at(STAGE, **where, method=method, budget=budget)
    if rows:
        return any(row.low is None or not row.low > 0 for row in rows)
    metric = study.metric(task)
    floor = spread_of(study.at("floor", **where, metric=metric))
    stage = {TUNED: "whole", FROZEN: FROZEN}.get(method, TIMED)
    found = study.at(stage, **where, metric=metric, budget=budget)
    values = by_seed(row for row in found if stage != TIMED or kind_of(row.method) == method)
    if floor is None or not values or metric == "loss":
        return False
    return not mean_of(list(values.values())).low > floor.mean


def pair_at_chance(study: Study, model: str, pair: str, method: str) -> bool:
    """Whether either side of a pair of tasks is."""
    return any(at_chance(study, model, task, method) for task in pair.split("~"))


def at_ceiling(study: Study, model: str, task: str) -> bool:
    """Whether the whole model is right about everything, so that no difference above it shows."""
    whole = spread_of(study.at("whole", model=model, task=task, metric=study.metric(task)))
    return whole is not None and study.metric(task) != "loss" and whole.mean >= TOP
