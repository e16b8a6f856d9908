"""The question of the study of headlines, answered in words with numbers."""

from __future__ import annotations

from collections.abc import Iterator

from jaxheads.report.baseline import MARK, at_chance
from jaxheads.report.claims import LEVEL
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Answer
from jaxheads.report.peyrard2021.humor import CONTROL, GATED, HEAD, LOCAL, MASKED, places
from jaxheads.report.spread import Spread, percent, signed, spread_of, words

RULES = ("random word", "final word", "most edited place")
ALL = "all tokens"


def humor_answer(study: Study) -> Answer | None:
    """Is there a head; is it the edit that it finds; is it due to the task; does it matter."""
    found = places(study)
    if not found:
        return None
    tested = study.at(HEAD, method=ALL, metric="corrected p")
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
    return Answer(
        "Does one head find what makes a headline funny?",
        summary,
        tuple(line for place in found for line in _points(study, *place)),
    )


def _points(study: Study, model: str, task: str) -> Iterator[str]:
    name = f"{model}, {shown(task)}"
    yield f"{name}: {_head(study, model, task)}."
    for part in (_found, _due, _matters, _hangs):
        text = part(study, model, task)
        if text:
            yield f"{name}: {text}."


def _one(
    study: Study, stage: str, model: str, task: str, method: str, metric: str
) -> Spread | None:
    return spread_of(study.at(stage, model=model, task=task, method=method, metric=metric))


def _head(study: Study, model: str, task: str) -> str:
    """The heads of the seeds, with what they are certain of."""
    at = {"model": model, "task": task, "method": ALL}
    value = {(row.seed, row.metric): row.value for row in study.at(HEAD, **at)}
    seeds = sorted({seed for seed, _ in value})
    heads = [f"{value[s, 'layer']:.0f}-{value[s, 'head']:.0f}" for s in seeds]
    accuracy = spread_of(study.at("whole", model=model, task=task, metric="accuracy"))
    ps = [value[seed, "corrected p"] for seed in seeds]
    contrast = _one(study, HEAD, model, task, ALL, "contrast")
    idle = f", {MARK}" * at_chance(study, model, task)
    said = f"accuracy {words(accuracy)}{idle}; " if accuracy is not None else ""
    said += f"head (layer-head) {', '.join(heads)} by seed, corrected p {_range(ps)}"
    return said + ("" if contrast is None else f", contrast {words(contrast, signed)}")


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.4f}", f"{max(values):.4f}"
    return low if low == high else f"{low} to {high}"


def _found(study: Study, model: str, task: str) -> str:
    """The head against the best rule, on all headlines and by the place of the edit."""
    own = _one(study, LOCAL, model, task, "head", "all")
    rules = {
        rule: spread
        for rule in RULES
        if (spread := _one(study, LOCAL, model, task, rule, "all")) is not None
    }
    if own is None or not rules:
        return ""
    best = max(rules, key=lambda rule: rules[rule].mean)
    less = _one(study, LOCAL, model, task, f"head - {best}", "all")
    parts = [
        f"{'not ' * (position == 'not final')}final {percent(spread.mean)}"
        for position in ("final", "not final")
        if (spread := _one(study, LOCAL, model, task, "head", position)) is not None
    ]
    text = (
        f"it points at the edited word in {percent(own.mean)} of funny headlines (edited word "
        f"{', '.join(parts)}); the best rule, the {best}, in {percent(rules[best].mean)}"
    )
    return text + ("" if less is None else f"; difference {words(less, signed)}{_verdict(less)}")


def _due(study: Study, model: str, task: str) -> str:
    """The contrast in controls."""
    rows = study.at(CONTROL, model=model, task=task, metric="contrast")
    names = [n for n in dict.fromkeys(r.method for r in rows) if n.startswith("itself - ")]
    said = []
    for name in names:
        spread = _one(study, CONTROL, model, task, name, "contrast")
        if spread is not None:
            said.append(
                f"{name.removeprefix('itself - ')} {words(spread, signed)}{_verdict(spread)}"
            )
    return "its contrast less that in controls: " + "; ".join(said) if said else ""


def _matters(study: Study, model: str, task: str) -> str:
    """What the gate costs."""
    own = _one(study, GATED, model, task, "head", "accuracy")
    others = _one(study, GATED, model, task, "others of its layer", "accuracy")
    less = _one(study, GATED, model, task, "head - others of its layer", "accuracy")
    if own is None:
        return ""
    text = f"gated to zero, it changes the accuracy by {words(own, signed)}"
    if others is not None and less is not None:
        text += (
            f", another head of its layer by {signed(others.mean)} on average; difference "
            f"{words(less, signed)}{_verdict(less)}"
        )
    return text


def _hangs(study: Study, model: str, task: str) -> str:
    """Whether decisions hang on the edited word, whatever heads do."""
    said = []
    for side in ("funny", "serious"):
        edited, other, less = (
            _one(study, MASKED, model, task, f"{name}, {side}", "decisions flipped")
            for name in ("edited", "other", "edited - other")
        )
        if edited is not None and other is not None and less is not None:
            said.append(
                f"on the {side} side {percent(edited.mean)} of decisions flip, another word "
                f"{percent(other.mean)}; difference {words(less, signed)}{_verdict(less)}"
            )
    return "with the edited word masked, " + "; ".join(said) if said else ""


def _verdict(spread: Spread) -> str:
    """Words where nothing can be told."""
    return ", not distinguishable from none" if spread.holds(0.0) else ""
