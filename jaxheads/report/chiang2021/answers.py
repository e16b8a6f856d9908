"""The questions of the study, answered in words with numbers, each with its interval and n."""

from __future__ import annotations

from jaxheads.records.folder import OWN, Metric, Stage
from jaxheads.report.baseline import MARK, at_ceiling, at_chance, floor_suffices
from jaxheads.report.chiang2021.coherence import reliability_of
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Answer
from jaxheads.report.spread import RANGE, Spread, number, short, words


def prunability_answer(study: Study) -> Answer | None:
    """How many heads can go: k95 and k99 of the gradient order, beside random and reversed."""
    shares = {
        (model, task): share
        for model in study.models
        for task in study.tasks
        if (share := _share(study, model, task, Metric.K95, OWN)) is not None
    }
    if not shares:
        return None
    return Answer("How many heads can go?", _ends(study, shares))


def reliability_answer(study: Study) -> Answer | None:
    """Does the score repeat: on other examples, and with another fine-tuning seed."""
    lines = dict.fromkeys((r.model, r.task, r.place) for r in study.at(Stage.RELIABILITY))
    found = {line: one for line in lines if (one := reliability_of(study, *line)) is not None}
    if not found:
        return None
    lowest = min(found, key=lambda line: found[line][0].mean)
    spread, what = found[lowest]
    summary = (
        "Reliability is the Spearman correlation that a map of scores would have with one from "
        "other examples and, where several were trained, another fine-tuning seed. The lowest is "
        f"{number(spread.mean)} (with {what}), for {lowest[0]} on {shown(lowest[1])}, {lowest[2]}."
    )
    return Answer("Do the scores repeat?", summary)


def floors_answer(study: Study) -> Answer | None:
    """How many whole models are not shown to lie above both floors."""
    places = ((model, task) for model in study.models for task in study.tasks)
    below = [found for place in places if (found := _is_below(study, *place)) is not None]
    if not below:
        return None
    summary = "Numbers near these floors say nothing about heads."
    if any(below):
        summary += f" In {sum(below)} of {len(below)} cases the whole model is {MARK}, the "
        summary += "majority-class baseline, or its mean is not above the higher floor."
    return Answer("What would be reached without understanding?", summary)


# -- parts


def _ends(study: Study, shares: dict[tuple[str, str], Spread]) -> str:
    """The least and the most that can go, where that is a question."""
    asked = {
        place: share
        for place, share in shares.items()
        if not at_chance(study, *place)
        and not floor_suffices(study, *place, 0.95)
        and share.mean < 1
    }
    if not asked:
        return (
            "Unknown: of no whole model is it shown that 95% of its metric needs any head (a "
            "majority-class baseline keeps it, or the model without heads does)."
        )
    several = {p: share for p, share in asked.items() if share.has_bounds} or asked
    left = len(asked) - len(several)
    asked = several
    places = sorted(asked, key=lambda place: asked[place].mean)
    lowest, highest = (
        f"{_heads(asked[end].scaled(float(heads)), heads)} in {end[0]} on {shown(end[1])}"
        for end in (places[0], places[-1])
        if (heads := study.heads(end[0])) is not None
    )
    return (
        "With the least important heads masked first and nothing trained again, 95% of the metric "
        "is kept without "
        + (f"{highest}." if len(places) == 1 else f"{lowest} at the least, {highest} at the most.")
        + f" Not counted: {left} of one model, which says nothing of another training." * bool(left)
    )


def _heads(spread: Spread, heads: int) -> str:
    """A number of heads: "8 to 10 of 16 heads (mean 9.33 over 3 seeds)"."""
    if spread.kind != RANGE:
        return f"{words(spread, short)} of {heads} heads"
    ends = " to ".join(dict.fromkeys((short(spread.low), short(spread.high))))
    return f"{ends} of {heads} heads (mean {short(spread.mean)} over {spread.number} seeds)"


def _share(study: Study, model: str, task: str, measure: str, order: str) -> Spread | None:
    """Heads that can be removed, as a share of all."""
    own = {"model": model, "task": task, "metric": measure, "method": order}
    found = study.spread(Stage.PRUNABILITY, **own, reading="", other_task="")
    heads = study.heads(model)
    return None if found is None or not heads else found.scaled(1 / heads)


def idle(study: Study, model: str, task: str, share: float) -> str:
    """Why a number of heads says nothing of heads, where it does not."""
    said = []
    if at_chance(study, model, task):
        said.append(f"the whole model is {MARK}: this says nothing of heads")
    elif floor_suffices(study, model, task, 0.95):
        said.append(
            f"the majority-class baseline has 95% of the {study.metric(task)}: this says nothing "
            "of heads"
        )
    elif share >= 1:
        said.append("it is kept without any head: this says nothing of which heads matter")
    if at_ceiling(study, model, task):
        said.append(f"the whole model is at the ceiling of the {study.metric(task)}")
    return "; ".join(said)


def _is_below(study: Study, model: str, task: str) -> bool | None:
    """Whether a whole model is not above both floors; None where either is not known."""
    own, metric = {"model": model, "task": task}, study.metric(task)
    levels = [study.spread(Stage.FLOOR, **own, metric=m) for m in (metric, Metric.BAG_OF_WORDS)]
    whole = study.spread(Stage.WHOLE, **own, metric=metric)
    if levels[0] is None or whole is None or metric == "loss":
        return None
    highest = max(level.mean for level in levels if level is not None)
    return at_chance(study, model, task) or whole.mean <= highest
