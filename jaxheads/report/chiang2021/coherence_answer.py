"""The answer on agreement: do the heads that matter in pre-training matter on tasks."""

from __future__ import annotations

from collections.abc import Iterator

from jaxheads.report.baseline import MARK, at_chance, pair_at_chance
from jaxheads.report.chiang2021.coherence import TUNED, ceiling_of, p_value, reliability_of
from jaxheads.report.chiang2021.nulls import against_nulls, beyond
from jaxheads.report.claims import LEVEL
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import PRETRAINING, Study
from jaxheads.report.parts import Answer
from jaxheads.report.spread import Spread, number, spread_of, spreads, words

CHANCE, MORE, LESS = "not distinguishable from chance", "more than chance", "less than chance"


def coherence_answer(study: Study) -> Answer | None:
    """Do the heads that matter in pre-training matter on tasks."""
    rows = [row for row in study.at("coherence", metric="spearman") if _with_pretraining(row.task)]
    found = spreads(rows, lambda row: (row.model, row.task, row.method))
    if not found:
        return None
    counted = {key: s for key, s in found.items() if not pair_at_chance(study, *key)}
    points = tuple(_coherent(study, key, found[key]) for key in found)
    return Answer(
        "Are the heads that matter in pre-training those that matter on tasks?",
        _summed(study, counted, len(found) - len(counted)), points + tuple(_functional(study)),
    )  # fmt: skip


def _with_pretraining(pair: str) -> bool:
    return PRETRAINING in pair.split("~")


def _agreement(study: Study, model: str, task: str, method: str, spread: Spread) -> str:
    """By permutation where p-values stand beside it, otherwise by the bounds."""
    values = study.at("coherence", model=model, task=task, method=method, metric="p of spearman")
    p = spread_of(values)
    if p is not None:
        clear = p.high < LEVEL and spread.low * spread.high > 0
    else:
        clear = spread.has_bounds and not spread.holds(0.0)
    if not clear:
        return CHANCE
    return MORE if spread.mean > 0 else LESS


def _summed(study: Study, counted: dict[tuple[str, str, str], Spread], left: int) -> str:
    """How many measurements are more than chance, and more than every null."""
    more = ""
    if left:
        more = f" Not counted: {left} of models {MARK}."
    if not counted:
        return f"Unknown: no measurement is of models that do their tasks.{more}"
    verdicts = {key: _agreement(study, *key, spread) for key, spread in counted.items()}
    against = {key: beyond(study, *key) for key in counted}
    nulls = list(dict.fromkeys(each.null for found in against.values() for each in found))
    beside = ", and no null was measured: it may be heads of large weights that are shared"
    if len(counted) == 1:
        ((key, spread),) = counted.items()
        if nulls:
            beside = "".join(f"; {each.verdict}" for each in against[key])
        return f"Spearman correlation {words(spread)}: {verdicts[key]}{beside}.{more}"
    clear = [key for key, said in verdicts.items() if said == MORE]
    if nulls:
        both = sum(bool(against[key]) and all(n.clear for n in against[key]) for key in clear)
        beside = f", and more than each of {', '.join(nulls)} in {both}"
    ends = sorted(counted, key=lambda key: counted[key].mean)
    return (
        f"Agreement with the pre-training task is {MORE} in {len(clear)} of {len(counted)} "
        f"measurements{beside} (single tests at 5%, not corrected for their number). Spearman "
        f"correlations go from {words(counted[ends[0]])} to {words(counted[ends[-1]])}.{more}"
    )


def _coherent(study: Study, key: tuple[str, str, str], spread: Spread) -> str:
    model, pair, place = key
    values = study.at("coherence", model=model, task=pair, method=place, metric="p of spearman")
    p = spread_of(values)
    tested = "" if p is None else f" (largest permutation p {p_value(p.high)})"
    said = f"{_agreement(study, *key, spread)}{tested}"
    nulls = "".join(f"; {each.words}" for each in beyond(study, *key))
    if pair_at_chance(study, *key):
        said, nulls = f"of a model {MARK}, which says nothing of heads", ""
    return (
        f"{model}, {shown(pair)}, {place}: Spearman {words(spread)}, {said}; "
        f"{_reached(study, key)}{nulls}."
    )


def _reached(study: Study, key: tuple[str, str, str]) -> str:
    """The ceiling of a correlation, with the reliabilities that it comes from."""
    model, pair, method = key
    top = ceiling_of(study, model, pair, method)
    if top is None:
        return "no ceiling was measured"
    parts = [
        f"{shown(task)} {number(found[0].mean)} with {found[1]}"
        for task in pair.split("~")
        if (found := reliability_of(study, model, task, method)) is not None
    ]
    return f"ceiling {number(top.mean)} (reliabilities: {', '.join(parts)})"


def _functional(study: Study) -> Iterator[str]:
    """At the number of heads nearest to half: what the pre-training order keeps on each task."""
    rows = [
        row
        for row in study.at("functional coherence")
        if row.task.startswith(f"{PRETRAINING}~") and row.metric == study.metric(_second(row.task))
    ]
    for model, pair in dict.fromkeys((row.model, row.task) for row in rows):
        own = [row for row in rows if (row.model, row.task) == (model, pair)]
        half = (study.heads(model) or 0) / 2
        budget = min((row.budget or 0 for row in own), key=lambda b: abs(b - half))
        spread = spread_of(row for row in own if row.budget == budget)
        if at_chance(study, model, _second(pair), TUNED):
            yield f"{model}, {shown(_second(pair))}: the model is {MARK}, its orders say nothing."
            continue
        if spread is None:
            yield (
                f"{model}, {shown(_second(pair))} pruned to {budget} heads by the masked-LM "
                "order: functional coherence undefined, its own order is no better than random."
            )
            continue
        yield (
            f"{model}, {shown(_second(pair))} pruned to {budget} heads by the masked-LM order: "
            f"functional coherence {words(spread)}, {_functionally(spread)}"
            f"{against_nulls(study, model, _second(pair), PRETRAINING)}."
        )


def _second(pair: str) -> str:
    return pair.partition("~")[2]


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
