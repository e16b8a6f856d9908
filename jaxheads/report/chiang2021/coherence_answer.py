"""The answer on agreement: do the heads that matter in pre-training matter on tasks."""

from __future__ import annotations

from jaxheads.records.folder import PRETRAINING, Metric, Stage
from jaxheads.report.baseline import MARK
from jaxheads.report.chiang2021.nulls import beyond
from jaxheads.report.chiang2021.places import Place, pair_at_chance, place_of
from jaxheads.report.claims import LEVEL, out_of
from jaxheads.report.folder import Study
from jaxheads.report.parts import Answer
from jaxheads.report.spread import INTERVAL, Spread, largest_p, spreads, words

CHANCE, MORE, LESS = "not distinguishable from chance", "more than chance", "less than chance"


def coherence_answer(study: Study) -> Answer | None:
    """Do the heads that matter in pre-training matter on tasks."""
    rows = study.at(Stage.COHERENCE, metric=Metric.SPEARMAN)
    rows = [row for row in rows if PRETRAINING in (row.task, row.other_task)]
    found: dict[Place, Spread] = spreads(rows, place_of)
    if not found:
        return None
    counted = {place: s for place, s in found.items() if not pair_at_chance(study, place)}
    question = "Are the heads that matter in pre-training those that matter on tasks?"
    return Answer(question, _summed(study, counted, len(found) - len(counted)))


def _p(study: Study, place: Place) -> float | None:
    """The largest of any seed."""
    return largest_p(study.at(Stage.COHERENCE, **place._asdict(), metric=Metric.SPEARMAN))


def _agreement(study: Study, place: Place, spread: Spread) -> str:
    """By permutation where p-values stand beside it, otherwise by a 95% interval."""
    p = _p(study, place)
    if p is not None:
        clear = p < LEVEL and spread.low * spread.high > 0
    else:
        clear = spread.kind == INTERVAL and not spread.holds(0.0)
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
        beside = f", and more than each of {', '.join(nulls)} in {both or 'none'}"
    ends = sorted(counted, key=lambda place: counted[place].mean)
    return (
        f"Agreement with the pre-training task is {MORE} in {out_of(len(clear), len(counted))} "
        f"measurements{beside} (single tests at 5%, by permutation of heads in each of these "
        "models and over seeds against nulls, not corrected for their number). Spearman "
        f"correlations go from {words(counted[ends[0]])} to {words(counted[ends[-1]])}.{more}"
    )
