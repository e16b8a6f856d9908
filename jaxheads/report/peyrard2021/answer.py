"""The question of the study of headlines, answered in words with numbers."""

from __future__ import annotations

from typing import NamedTuple

from jaxheads.records.folder import (
    ALL_TOKENS,
    CHOSEN,
    COMMON_PLACE,
    EDITED,
    FINAL_WORD,
    FUNNY,
    ITSELF,
    OTHER_WORD,
    OTHERS,
    POSITIONS,
    RANDOM_WORD,
    SERIOUS,
    Metric,
    Stage,
)
from jaxheads.report.baseline import MARK, at_chance
from jaxheads.report.claims import LEVEL
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Answer
from jaxheads.report.peyrard2021.humor import four_digits, places
from jaxheads.report.spread import Spread, percent, signed, spreads, words

RULES = (RANDOM_WORD, FINAL_WORD, COMMON_PLACE)
EVERY, FINAL, NOT_FINAL, _ = POSITIONS


def humor_answer(study: Study) -> Answer | None:
    """Is there a head; is it the edit that it finds; is it due to the task; does it matter."""
    found = places(study)
    if not found:
        return None
    tested = study.at(Stage.HEAD, method=ALL_TOKENS, metric=Metric.CORRECTED_P)
    able = [row for row in tested if not at_chance(study, row.model, row.task)]
    sure = [row for row in able if row.value < LEVEL]
    left = len(tested) - len(able)
    summary = (
        f"In {len(sure)} of {len(able)} classifiers (models, tasks and seeds) the head chosen on "
        "validation looks more at the edited word when it is funny, on test pairs, after "
        "correction for all heads of a classifier (p below 0.05; not corrected for the number of "
        "classifiers). Whether it finds the edit better than a rule, owes it to the task, and "
        "matters to the classifier is below, each with its interval."
        + f" Not counted: {left} of models {MARK}."
        * (left > 0)
    )
    points = (
        f"{place.name}: {text}."
        for place in (_Place(study, *each) for each in found)
        for part in (_head, _found, _due, _matters, _hangs)
        if (text := part(place))
    )
    return Answer("Does one head find what makes a headline funny?", summary, tuple(points))


class _Place(NamedTuple):
    """A classifier, whose rows are asked for."""

    study: Study
    model: str
    task: str

    @property
    def name(self) -> str:
        return f"{self.model}, {shown(self.task)}"

    def one(self, stage: str, metric: str, method: str, less: str = "", **more: str):
        """One number; with `less`, the difference of two."""
        where = {"model": self.model, "task": self.task, "metric": metric, **more}
        return self.study.spread(stage, **where, method=method, other_method=less)


def _head(at: _Place) -> str:
    """The heads of the seeds, with what they are certain of."""
    own = {"model": at.model, "task": at.task, "metric": Metric.CORRECTED_P}
    rows = at.study.at(Stage.HEAD, **own, method=ALL_TOKENS)
    rows.sort(key=lambda row: row.seed)
    heads = ", ".join(f"{row.layer}-{row.head}" for row in rows)
    ends = (four_digits(end([row.value for row in rows])) for end in (min, max))
    accuracy = at.one(Stage.WHOLE, Metric.ACCURACY, "")
    contrast = at.one(Stage.HEAD, Metric.CONTRAST, ALL_TOKENS)
    idle = f", {MARK}" * at_chance(at.study, at.model, at.task)
    said = f"accuracy {words(accuracy)}{idle}; " if accuracy is not None else ""
    said += f"head (layer-head) {heads} by seed, corrected p {' to '.join(dict.fromkeys(ends))}"
    return said + ("" if contrast is None else f", contrast {words(contrast, signed)}")


def _found(at: _Place) -> str:
    """The head against the best rule, on all headlines and by the place of the edit."""
    own = at.one(Stage.LOCALISATION, EVERY, CHOSEN)
    rules = {
        rule: spread
        for rule in RULES
        if (spread := at.one(Stage.LOCALISATION, EVERY, rule)) is not None
    }
    if own is None or not rules:
        return ""
    best = max(rules, key=lambda rule: rules[rule].mean)
    less = at.one(Stage.LOCALISATION, EVERY, CHOSEN, best)
    where = {"model": at.model, "task": at.task, "method": CHOSEN, "other_method": ""}
    found = spreads(at.study.at(Stage.LOCALISATION, **where), "metric")
    parts = [f"{n} {percent(found[n].mean)}" for n in (FINAL, NOT_FINAL) if n in found]
    text = (
        f"it points at the edited word in {percent(own.mean)} of funny headlines (edited word "
        f"{', '.join(parts)}); the best rule, the {best}, in {percent(rules[best].mean)}"
    )
    return text + ("" if less is None else f"; difference {_compared(less)}")


def _due(at: _Place) -> str:
    """The contrast in controls."""
    where = {"model": at.model, "task": at.task, "metric": Metric.CONTRAST}
    rows = at.study.at(Stage.CONTROL, **where, method=ITSELF)
    said = [
        f"{name} {_compared(spread)}"
        for name in dict.fromkeys(row.other_method for row in rows if row.other_method)
        if (spread := at.one(Stage.CONTROL, Metric.CONTRAST, ITSELF, name)) is not None
    ]
    return "its contrast less that in controls: " + "; ".join(said) if said else ""


def _matters(at: _Place) -> str:
    """What the gate costs."""
    own, others, less = (
        at.one(Stage.GATED, Metric.ACCURACY, *ways)
        for ways in ((CHOSEN,), (OTHERS,), (CHOSEN, OTHERS))
    )
    if own is None:
        return ""
    text = f"gated to zero, it changes the accuracy by {words(own, signed)}"
    if others is not None and less is not None:
        text += (
            f", another head of its layer by {signed(others.mean)} on average; difference "
            f"{_compared(less)}"
        )
    return text


def _hangs(at: _Place) -> str:
    """Whether decisions hang on the edited word, whatever heads do."""
    said = []
    for side in (FUNNY, SERIOUS):
        edited, other, less = (
            at.one(Stage.WORDS_MASKED, Metric.FLIPPED, *ways, place=side)
            for ways in ((EDITED,), (OTHER_WORD,), (EDITED, OTHER_WORD))
        )
        if edited is not None and other is not None and less is not None:
            said.append(
                f"on the {side} side {percent(edited.mean)} of decisions flip, another word "
                f"{percent(other.mean)}; difference {_compared(less)}"
            )
    return "with the edited word masked, " + "; ".join(said) if said else ""


def _compared(less: Spread) -> str:
    """A difference, with words where nothing can be told."""
    return words(less, signed) + ", not distinguishable from none" * less.holds(0.0)
