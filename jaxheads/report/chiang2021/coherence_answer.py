"""The answer on agreement: do the heads that matter in pre-training matter on tasks."""

from __future__ import annotations

from collections.abc import Iterator

from jaxheads.records.folder import PRETRAINING, Metric, Stage
from jaxheads.report.baseline import MARK, at_chance
from jaxheads.report.chiang2021.coherence import ceiling_of, reliability_of
from jaxheads.report.chiang2021.nulls import against_nulls, beyond
from jaxheads.report.chiang2021.places import Place, pair_at_chance, place_of
from jaxheads.report.claims import LEVEL
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Answer
from jaxheads.report.spread import Spread, largest_p, number, p_text, spread_of, spreads, words

CHANCE, MORE, LESS = "not distinguishable from chance", "more than chance", "less than chance"


def coherence_answer(study: Study) -> Answer | None:
    """Do the heads that matter in pre-training matter on tasks."""
    rows = study.at(Stage.COHERENCE, metric=Metric.SPEARMAN)
    rows = [row for row in rows if PRETRAINING in (row.task, row.other_task)]
    found: dict[Place, Spread] = spreads(rows, place_of)
    if not found:
        return None
    counted = {place: s for place, s in found.items() if not pair_at_chance(study, place)}
    points = (_coherent(study, place, spread) for place, spread in found.items())
    return Answer(
        "Are the heads that matter in pre-training those that matter on tasks?",
        _summed(study, counted, len(found) - len(counted)), (*points, *_functional(study)),
    )  # fmt: skip


def _p(study: Study, place: Place) -> float | None:
    """The largest of any seed."""
    return largest_p(study.at(Stage.COHERENCE, **place._asdict(), metric=Metric.SPEARMAN))


def _agreement(study: Study, place: Place, spread: Spread) -> str:
    """By permutation where p-values stand beside it, otherwise by the bounds."""
    p = _p(study, place)
    if p is not None:
        clear = p < LEVEL and spread.low * spread.high > 0
    else:
        clear = spread.has_bounds and not spread.holds(0.0)
    if not clear:
        return CHANCE
    return MORE if spread.mean > 0 else LESS


def _summed(study: Study, counted: dict[Place, Spread], left: int) -> str:
    """How many measurements are more than chance, and more than every null."""
    more = f" Not counted: {left} of models {MARK}." if left else ""
    if not counted:
        return f"Unknown: no measurement is of models that do their tasks.{more}"
    verdicts = {place: _agreement(study, place, spread) for place, spread in counted.items()}
    against = {place: beyond(study, place) for place in counted}
    nulls = list(dict.fromkeys(each.null for found in against.values() for each in found))
    beside = ", and no null was measured: it may be heads of large weights that are shared"
    if len(counted) == 1:
        ((place, spread),) = counted.items()
        if nulls:
            beside = "".join(f"; {each.verdict}" for each in against[place])
        return f"Spearman correlation {words(spread)}: {verdicts[place]}{beside}.{more}"
    clear = [place for place, said in verdicts.items() if said == MORE]
    if nulls:
        both = sum(bool(against[key]) and all(n.clear for n in against[key]) for key in clear)
        beside = f", and more than each of {', '.join(nulls)} in {both}"
    ends = sorted(counted, key=lambda place: counted[place].mean)
    return (
        f"Agreement with the pre-training task is {MORE} in {len(clear)} of {len(counted)} "
        f"measurements{beside} (single tests at 5%, not corrected for their number). Spearman "
        f"correlations go from {words(counted[ends[0]])} to {words(counted[ends[-1]])}.{more}"
    )


def _coherent(study: Study, place: Place, spread: Spread) -> str:
    p = _p(study, place)
    tested = "" if p is None else f" (largest permutation p {p_text(p)})"
    said = f"{_agreement(study, place, spread)}{tested}"
    nulls = "".join(f"; {each.words}" for each in beyond(study, place))
    if pair_at_chance(study, place):
        said, nulls = f"of a model {MARK}, which says nothing of heads", ""
    return (
        f"{place.model}, {' ~ '.join(map(shown, place.tasks))}, {place.place}: Spearman "
        f"{words(spread)}, {said}; {_reached(study, place)}{nulls}."
    )


def _reached(study: Study, place: Place) -> str:
    """The ceiling of a correlation, with the reliabilities that it comes from."""
    top = ceiling_of(study, place)
    if top is None:
        return "no ceiling was measured"
    parts = [
        f"{shown(task)} {number(found[0].mean)} with {found[1]}"
        for task in place.tasks
        if (found := reliability_of(study, place.model, task, place.place)) is not None
    ]
    return f"ceiling {number(top.mean)} (reliabilities: {', '.join(parts)})"


def _functional(study: Study) -> Iterator[str]:
    """At the number of heads nearest to half: what the pre-training order keeps on each task."""
    rows = study.main(Stage.FUNCTIONAL, other_task=PRETRAINING)
    for model, task in dict.fromkeys((row.model, row.task) for row in rows):
        own = [row for row in rows if (row.model, row.task) == (model, task)]
        half = (study.heads(model) or 0) / 2
        budget = min((row.budget or 0 for row in own), key=lambda b: abs(b - half))
        spread = spread_of(row for row in own if row.budget == budget)
        if at_chance(study, model, task):
            yield f"{model}, {shown(task)}: the model is {MARK}, its orders say nothing."
            continue
        lead = f"{model}, {shown(task)} pruned to {budget} heads by the masked-LM order"
        said = "undefined, its own order is no better than random"
        if spread is not None:
            said = f"{words(spread)}, {_functionally(spread)}"
            said += against_nulls(study, model, task, PRETRAINING)
        yield f"{lead}: functional coherence {said}."


def _functionally(spread: Spread) -> str:
    if not spread.has_bounds:
        return "no interval, no claim"
    said = []
    if spread.holds(0.0):
        said.append("not distinguishable from random orders (0)")
    if spread.holds(1.0):
        said.append("not distinguishable from the task's own order (1)")
    return " and ".join(said) or (
        "worse than random orders"
        if spread.high < 0
        else "better than random orders (0), worse than the task's own (1)"
        if spread.high < 1
        else "better than the task's own order"
    )
