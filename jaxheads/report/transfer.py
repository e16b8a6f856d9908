"""Answers on transfer: do tasks need the same heads."""

from __future__ import annotations

from collections.abc import Iterator

from jaxheads.report.coherence import ceiling_of, p_value, reliability_of
from jaxheads.report.folder import PRETRAINING, Study
from jaxheads.report.looks import shown
from jaxheads.report.parts import Answer
from jaxheads.report.spread import (
    Spread,
    number,
    spread_of,
    spreads,
    words,
)

LEVEL = 0.05
CHANCE, MORE, LESS = "not distinguishable from chance", "more than chance", "less than chance"


def coherence_answer(study: Study) -> Answer | None:
    """Do the heads that matter in pre-training matter on tasks."""
    rows = [row for row in study.at("coherence", metric="spearman") if _with_pretraining(row.task)]
    found = spreads(rows, lambda row: (row.model, row.task, row.method))
    if not found:
        return None
    said = {key: _agreement(study, *key, spread) for key, spread in found.items()}
    more = sum(verdict == MORE for verdict in said.values())
    ends = sorted(found, key=lambda key: found[key].mean)
    summary = (
        f"Agreement with the pre-training task is {MORE} in {more} of {len(found)} measurements. "
        "Spearman correlations go "
        f"from {words(found[ends[0]])} to {words(found[ends[-1]])}."
        if len(found) > 1
        else f"Spearman correlation {words(found[ends[0]])}: {said[ends[0]]}."
    )
    points = tuple(_coherent(study, key, found[key], said[key]) for key in found)
    functional = tuple(_functional(study))
    return Answer(
        "Are the heads that matter in pre-training those that matter on tasks?",
        summary, points + functional,
    )  # fmt: skip


# -- coherence


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


def _coherent(study: Study, key: tuple[str, str, str], spread: Spread, said: str) -> str:
    model, pair, method = key
    values = study.at("coherence", model=model, task=pair, method=method, metric="p of spearman")
    p = spread_of(values)
    tested = "" if p is None else f" (largest permutation p {p_value(p.high)})"
    return (
        f"{model}, {shown(pair)}, {method}: Spearman {words(spread)}, {said}{tested}; "
        f"{_reached(study, key)}."
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
        if spread is None:
            yield (
                f"{model}, {shown(_second(pair))} pruned to {budget} heads by the masked-LM "
                "order: functional coherence undefined, its own order is no better than random."
            )
            continue
        yield (
            f"{model}, {shown(_second(pair))} pruned to {budget} heads by the masked-LM order: "
            f"functional coherence {words(spread)}, {_functionally(spread)}."
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
