"""Tables of ways to choose heads at equal budgets, made from the kept rows of finished runs."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from jaxheads.records.folder import OWN, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.claims import side
from jaxheads.report.folder import Study
from jaxheads.report.spread import cell, number, short, signed, spread_of
from tests.support.published import markdown, study_of

NAMES = {
    "gradient": "gradient, one pass",
    "gradient, iterative": "gradient, scored again at each budget",
    "refined": "gradient, refined by interactions",
    "refined, rescaled": "gradient, refined and rescaled",
    "magnitude": "weight magnitude",
    "random": "random",
    "random, per layer": "random, equally many in each layer",
    "meta": "pruner trained on other tasks",
}
GATES = {"subset": "subset", "subset of the paper": "subset, relaxed as in the paper's code"}
WHEN = {"pipelined": "on the fine-tuned model", "joint": "trained with the model"}
CONTRASTS = {Stage.PRUNED: Stage.PRUNED_CONTRAST, Stage.AGAIN: Stage.AGAIN_CONTRAST}


def named(method: str) -> str:
    """A way to choose heads, as readers call it."""
    gate, _, when = method.rpartition(", ")
    return NAMES.get(method) or f"{GATES.get(gate, gate)}, {WHEN[when]}"


def ways(study: Study) -> list[str]:
    """The ways to choose heads, the random draws of one as one."""
    return list(dict.fromkeys(row.method for row in study.at(Stage.PRUNED)))


def digits(study: Study) -> int:
    """After the point: of BLEU, which goes to 100, one."""
    return 1 if study.metric(study.downstream[0]) == "bleu" else 3


def value(study: Study, stage: str, method: str, budget: int) -> str:
    """Mean quality with so many heads."""
    metric = study.metric(study.downstream[0])
    spread = study.spread(stage, metric=metric, budget=budget, method=method)
    return "–" if spread is None else number(spread.mean, digits(study))


def contrast(study: Study, stage: str, method: str, budget: int) -> Row | None:
    """The difference from the gradient's order."""
    found = study.at(CONTRASTS[stage], method=method, other_method=OWN, budget=budget)
    return found[0] if found else None


def marked(study: Study, stage: str, method: str, budget: int) -> str:
    """Mean quality, with + or * where it is better or worse than the gradient's order."""
    row = contrast(study, stage, method, budget)
    mark = "" if row is None else {1: "+", 0: "", -1: "\\*"}[side(row)]
    return value(study, stage, method, budget) + mark


def differing(study: Study, stage: str, method: str, budget: int) -> str:
    """Mean quality with the difference from the gradient's order and its interval."""
    row = contrast(study, stage, method, budget)
    mean = value(study, stage, method, budget)
    form = functools.partial(signed, digits=digits(study))
    return mean if row is None else f"{mean} ({cell(spread_of([row]), form)})"


def cost(study: Study, method: str) -> str:
    """Passes forward and backward that a mask costs, the mean over budgets and seeds."""
    spread = study.spread(Stage.COST, metric=Metric.EXAMPLES, method=method)
    return "–" if spread is None else short(spread.mean)


def budgets(study: Study) -> list[int]:
    """The numbers of heads kept, from many to few."""
    return sorted({row.budget for row in study.at(Stage.PRUNED) if row.budget}, reverse=True)


def compared(name: str, *, bounds: Sequence[int] = (), again: Sequence[int] = ()) -> str:
    """Ways by budget: marks, or for the budgets of `bounds` intervals; then trained once more."""
    study = study_of(name)
    form, shown = (differing, bounds) if bounds else (marked, budgets(study))
    columns = [(Stage.PRUNED, budget) for budget in shown] + [
        (Stage.AGAIN, budget) for budget in again
    ]
    head = [f"{n} heads{', trained once more' * (stage == Stage.AGAIN)}" for stage, n in columns]
    body = (
        (named(way), *(form(study, stage, way, n) for stage, n in columns), cost(study, way))
        for way in ways(study)
    )
    return markdown(("", *head, "examples"), body)


def kinds(name: str) -> str:
    """How many heads of each kind ways to choose keep, by budget."""
    study = study_of(name)
    names = list(dict.fromkeys(row.metric for row in study.at(Stage.KINDS)))

    def means(method: str, budget: int) -> str:
        what = {"method": method, "budget": budget}
        found = (study.spread(Stage.KINDS, metric=kind, **what) for kind in names)
        return " + ".join("–" if each is None else number(each.mean, 1) for each in found)

    body = ((named(way), *(means(way, n) for n in budgets(study))) for way in ways(study))
    return markdown((" + ".join(names), *(f"{n} heads" for n in budgets(study))), body)


def li_grammar_prices() -> str:
    """L0 gates by the price of a head."""
    study = study_of("li_grammar")
    body = (
        (
            f"{price:g}",
            cell(study.spread(Stage.SWEEP, setting=price, metric=Metric.OPEN), short),
            cell(study.spread(Stage.SWEEP, setting=price, metric="accuracy")),
        )
        for price in dict.fromkeys(row.setting for row in study.at(Stage.SWEEP))
    )
    return markdown(("price of a head", "heads left open", "accuracy with these"), body)
