"""Which models answer no question: those not shown to beat the majority-class baseline, or at
the top.
"""

from __future__ import annotations

from jaxheads.records.folder import FROZEN, TUNED, Stage
from jaxheads.report.folder import Study
from jaxheads.report.spread import by_seed, mean_of

MARK = "not shown to be above chance"
# the same in cells, and their caption
CROSS, CROSSED = " †", f" †: {MARK}, the majority-class baseline."
TOP = 0.9995  # printed as 1.000, the most that any metric but a loss can be


def at_chance(study: Study, model: str, task: str, place: str = TUNED, **regime: object) -> bool:
    """Whether a model is not shown to be better than the majority-class baseline.

    By the study's own interval of the difference where there is one; else by the values of the
    seeds, Student's t; of one seed only where its value is not above the baseline's. False where
    neither is known. The model is fine-tuned, or at another `place`, or has been pruned in a
    `regime`, whose method, reading and budget are given.
    """
    where = {"model": model, "task": task}
    rows = study.at(Stage.ABOVE_BASELINE, **where, **(regime or {"place": place}))
    if rows:
        return any(row.low is None or not row.low > 0 for row in rows)
    metric = study.metric(task)
    floor = study.spread(Stage.FLOOR, **where, metric=metric)
    stage = Stage.REGIMES if regime else {TUNED: Stage.WHOLE, FROZEN: Stage.PROBE}[place]
    values = by_seed(study.at(stage, **where, metric=metric, **regime))
    if floor is None or not values or metric == "loss":
        return False
    return not mean_of(list(values.values())).low > floor.mean


def at_ceiling(study: Study, model: str, task: str) -> bool:
    """Whether the whole model is right about everything, so that no difference above it shows."""
    whole = study.spread(Stage.WHOLE, model=model, task=task, metric=study.metric(task))
    return whole is not None and study.metric(task) != "loss" and whole.mean >= TOP


def floor_suffices(study: Study, model: str, task: str, share: float) -> bool:
    """Whether no head is needed for that share of the whole model's metric: the baseline has it."""
    own = {"model": model, "task": task, "metric": study.metric(task)}
    floor, whole = (study.spread(stage, **own) for stage in (Stage.FLOOR, Stage.WHOLE))
    return floor is not None and whole is not None and floor.mean >= share * whole.mean
