"""The questions of the study, answered in words with numbers, each with its interval and n."""

from __future__ import annotations

from collections.abc import Iterator

from jaxheads.records.folder import OWN, PRETRAINING, RANDOM, REVERSED, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import MARK, at_ceiling, at_chance, floor_suffices
from jaxheads.report.chiang2021.coherence import REPEATED, reliability_of
from jaxheads.report.claims import NONE, clear_in, counted, said_of
from jaxheads.report.folder import Study
from jaxheads.report.names import difference, shown
from jaxheads.report.parts import Answer
from jaxheads.report.spread import Spread, bounds, number, percent, short, with_ends, words

BELOW = ": the whole model is not above its floor."


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
    points = tuple(_prunable(study, *place, share) for place, share in shares.items())
    return Answer("How many heads can go?", _ends(study, shares), points)


def contrast_answer(study: Study) -> Answer | None:
    """Is the score better than chance, and chance better than the score reversed."""
    rows = study.at(Stage.CONTRAST)
    if not rows:
        return None
    several, left_out = counted(study, rows)
    summary = NONE
    if several:
        summary = (
            f"In {clear_in(several)} comparisons over several seeds the order that should be "
            "better is: its 95% interval over seeds, random draws and examples lies above 0."
        )
    points = tuple(_compared(study, row) for row in rows)
    return Answer("Is the order of the score better than chance?", summary + left_out, points)


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
    return Answer("Do the scores repeat?", summary, tuple(_repeats(study, *line) for line in found))


def floors_answer(study: Study) -> Answer | None:
    """How far whole models lie above the majority-class baseline, and above a bag of words."""
    points = tuple(_floors(study))
    if not points:
        return None
    below = sum(point.endswith(BELOW) for point in points)
    summary = "Numbers near these floors say nothing about heads." + (
        f" In {below} of {len(points)} cases the whole model does not reach the higher floor."
        if below
        else ""
    )
    return Answer("What would be reached without understanding?", summary, points)


# -- parts


def _compared(study: Study, row: Row) -> str:
    """One difference, with what it is worth."""
    number_of = "" if row.seeds is None else f", n = {row.seeds} seed{'s' * (row.seeds > 1)}"
    return (
        f"{row.model}, {shown(row.task)}, {row.budget} heads kept: {difference(row)} "
        f"{with_ends(row, unit=row.metric)}{number_of}: {said_of(study, row)}."
    )


def _repeats(study: Study, model: str, task: str, place: str) -> str:
    """The reliability of a map, in parts."""
    own = {"model": model, "task": task, "place": place, "metric": Metric.SPEARMAN}
    parts = []
    for what, of in zip(REPEATED, ("values", "pairs", "seeds"), strict=True):
        found = study.spread(Stage.RELIABILITY, **own, method=what)
        parts += [] if found is None else [f"{what} {words(found, of=of)}"]
    where = "" if task == PRETRAINING else f", {place}"
    return f"{model}, {shown(task)}{where}: {'; '.join(parts)}."


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
    asked = {p: share for p, share in asked.items() if share.has_bounds} or asked
    places = sorted(asked, key=lambda place: asked[place].mean)
    lowest, highest = (
        f"{words(asked[end], percent)} of the heads in {end[0]} on {shown(end[1])}"
        for end in (places[0], places[-1])
    )
    return (
        "With the least important heads masked first and nothing trained again, 95% of the metric "
        "is kept without "
        + (f"{highest}." if len(places) == 1 else f"{lowest} at the least, {highest} at the most.")
    )


def _share(study: Study, model: str, task: str, measure: str, order: str) -> Spread | None:
    """Heads that can be removed, as a share of all."""
    own = {"model": model, "task": task, "metric": measure, "method": order}
    found = study.spread(Stage.PRUNABILITY, **own, reading="", other_task="")
    heads = study.heads(model)
    return None if found is None or not heads else found.scaled(1 / heads)


def _prunable(study: Study, model: str, task: str, share: Spread) -> str:
    heads = study.heads(model) or 0
    of = bounds(share, percent) if share.has_bounds else "one value, no interval"
    text = (
        f"{model}, {shown(task)}: up to {percent(share.mean)} of the heads "
        f"({short(share.mean * heads)} of {heads}) can be masked in the order of the {OWN} score "
        f"with 95% of the {study.metric(task)} kept ({of})"
    )
    stricter = _share(study, model, task, Metric.K99, OWN)
    text += "" if stricter is None else f", {words(stricter, percent)} with 99%"
    others = [
        f"{prefix} {words(found, percent, of)}"
        for order, prefix, of in ((RANDOM, "at random", "draws"), (REVERSED, "reversed", "seeds"))
        if (found := _share(study, model, task, Metric.K95, order)) is not None
    ]
    compared = "; with 95%, " + ", ".join(others) if others else ""
    return f"{text}{compared}{_idle(study, model, task, share)}."


def _idle(study: Study, model: str, task: str, share: Spread) -> str:
    """Why a number of heads says nothing of heads, where it does not."""
    said = []
    if at_chance(study, model, task):
        said.append(f"the whole model is {MARK}: this says nothing of heads")
    elif floor_suffices(study, model, task, 0.95):
        said.append(
            f"the majority-class baseline has 95% of the {study.metric(task)}: this says nothing "
            "of heads"
        )
    elif share.mean >= 1:
        said.append("it is kept without any head: this says nothing of which heads matter")
    if at_ceiling(study, model, task):
        said.append(f"the whole model is at the ceiling of the {study.metric(task)}")
    return f". But {'; '.join(said)}" if said else ""


def _floors(study: Study) -> Iterator[str]:
    for model in study.models:
        for task in study.tasks:
            own, metric = {"model": model, "task": task}, study.metric(task)
            floor = study.spread(Stage.FLOOR, **own, metric=metric)
            if floor is None:
                continue
            bag = study.spread(Stage.FLOOR, **own, metric=Metric.BAG_OF_WORDS)
            whole = study.spread(Stage.WHOLE, **own, metric=metric)
            known = [level.mean for level in (floor, bag) if level is not None]
            below = whole is not None and metric != "loss" and whole.mean <= max(known)
            yield (
                f"{model}, {shown(task)}: {metric} of the majority-class baseline "
                f"{number(floor.mean)}"
                + (f", of a bag of words {number(bag.mean)}" if bag is not None else "")
                + (f", of the whole model {words(whole)}" if whole is not None else "")
                + (BELOW if below else ".")
            )
