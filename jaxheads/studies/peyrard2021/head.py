"""The head that looks at the funny word: chosen, tested, localised, and looked at elsewhere.

Chosen on validation pairs, by the greatest mean contrast of all tokens' attention; everything else
is of test pairs, with intervals and signs drawn by whole originals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxheads.analysis.contrast import Contrasts, choose_head, find_head
from jaxheads.analysis.localisation import (
    Located,
    head_hits,
    most_edited_place,
    positions,
    rule_hits,
)
from jaxheads.analysis.sums import grouped
from jaxheads.data.headlines.encoded import EncodedPair, analysable
from jaxheads.data.headlines.humor import PAIRED, QUESTIONS, SINGLE
from jaxheads.records.folder import (
    ALL_TOKENS,
    CHOSEN,
    COMMON_PLACE,
    FIRST_TOKEN,
    HEAD_WORDS,
    ITSELF,
    POINTED_AT,
    POSITIONS,
    RANDOM_WORD,
    TUNED,
    UNTUNED,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.studies.peyrard2021.attention import QUERIES, REPLACED, Seen, load_seen
from jaxheads.studies.peyrard2021.headlines import (
    SHUFFLED,
    TEST,
    VALIDATION,
    other_tasks,
    read_headlines,
    variant_file,
)
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.answers import WHOLE_MODEL, load_answers
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.seeds import Sampled

CALLED = {"all": ALL_TOKENS, "first": FIRST_TOKEN}  # whose attention is meant


class Case(NamedTuple):
    """One classifier whose head is in question."""

    study_model: StudyModel
    task: str
    seed: int
    seen: Seen
    pairs: tuple[EncodedPair, ...]  # the test pairs that were looked at
    places: tuple[int, ...]  # where they stand among all test pairs
    found: Sampled

    @property
    def groups(self) -> list[str]:
        """The original of each pair."""
        return [each.pair.group for each in self.pairs]

    @property
    def chosen(self) -> tuple[int, int]:
        """The (layer, head) of the greatest contrast on validation."""
        return choose_head(self.seen.contrast[VALIDATION, QUERIES[0]])

    def rows(self, values: Mapping[Any, float | int], **what: Any) -> list[Row]:
        """Rows of numbers without an interval."""
        return self.found.plain_rows({n: float(value) for n, value in values.items()}, **what)


def case_of(model: StudyModel, task: str, seed: int) -> Case:
    """The classifier, whose attention has been looked at by now."""
    seen = load_seen(model, variant_file(model, task, seed))
    found = analysable(read_headlines(model).splits[TEST])
    return Case(model, task, seed, seen, found.pairs, found.places, Sampled(model, task, seed))


def head(model: StudyModel, task: str, seed: int) -> list[Row]:
    """Choose the head and test it; localise with it; look at the same head in other models."""
    case = case_of(model, task, seed)
    rows = [
        *(row for queries in QUERIES for row in _tested(case, queries)),
        *_localised(case),
        *_controlled(case),
    ]
    case.found.save(name_of(head, model, task, seed))
    return rows


# -- the test


def _tested(case: Case, queries: str) -> Iterator[Row]:
    """The head chosen by this kind of queries, its contrast, its four numbers, all corrected."""
    test = case.seen.contrast[TEST, queries]
    what = {"stage": Stage.HEAD, "method": CALLED[queries]}
    found = find_head(
        case.seen.contrast[VALIDATION, queries], test, case.groups,
        permutations=case.study_model.run.study.permutations,
    )  # fmt: skip
    layer, number = found.layer, found.head
    own = {"layer": layer, "head": number}
    yield from case.found.rows(Metric.CONTRAST, found.test, own, **what)
    values: dict[str, float] = {
        Metric.ON_VALIDATION: found.validation,
        Metric.P: found.p_value,
        Metric.CORRECTED_P: found.holm_LH[layer, number],
        Metric.CLEAR_HEADS: int((found.holm_LH < 0.05).sum()),
        Metric.HEADS: found.holm_LH.size,
        Metric.PAIRS: len(case.pairs),
    }
    last_LH = case.seen.mean["last word"]
    distance_LH = case.seen.mean.get(Metric.BETWEEN_SIDES)
    values[Metric.LAST_WORD_RANK] = 1 + int((last_LH > last_LH[layer, number]).sum())
    if distance_LH is not None and distance_LH[layer].any():
        values[Metric.LAYER_SHARE] = distance_LH[layer, number] / distance_LH[layer].sum()
    for name, value_LH in test.maps()._asdict().items():
        values[name.removesuffix("_LH").replace("_", ", ")] = value_LH[layer, number]
    yield from case.rows(values, **own, **what)


# -- localisation


def _localised(case: Case) -> Iterator[Row]:
    """How often the head points at the edited word of the funny side, and how often rules do."""
    (layer, number), stage = case.chosen, Stage.LOCALISATION
    validation = analysable(read_headlines(case.study_model).splits[VALIDATION]).pairs
    common = most_edited_place([_located(each) for each in validation])
    headlines = [_located(each) for each in case.pairs]
    hits = {(rule, ""): hit_X for rule, hit_X in rule_hits(headlines, common).items()}
    rules = list(hits)
    for (queries, specials), predicted_XLH in case.seen.predicted.items():
        named = [each._replace(predicted_LH=p) for each, p in zip(headlines, predicted_XLH)]  # noqa: B905
        hit_X = head_hits(named)[:, layer, number].astype(float)
        hits[_pointing(queries, specials), ""] = hit_X
    own = hits[_pointing(QUERIES[0], specials=False), ""]
    hits |= {(CHOSEN, rule): own - hits[rule, ""] for rule, _ in rules}
    right = {POSITIONS[-1]: _answered_right(case)}
    for position, own_X in (positions(headlines) | right).items():
        if not own_X.any():
            continue
        yield from case.rows({position: int(own_X.sum())}, method=POINTED_AT, stage=stage)
        for (method, less), hit_X in hits.items():
            found, what = grouped(hit_X, case.groups, own_X), {"stage": stage, "method": method}
            yield from case.found.rows(position, found, other_method=less, **what)
    yield from case.rows({Metric.PLACE: common}, method=COMMON_PLACE, stage=stage)


def _located(each: EncodedPair) -> Located:
    return Located(len(each.pair.funny), each.pair.funny_edits)


def _pointing(queries: str, specials: bool) -> str:
    """What the head is called that points by these queries, at words or special tokens too."""
    more = [CALLED[queries]] * (queries != QUERIES[0]) + ["special tokens too"] * specials
    return ", ".join([CHOSEN, *more])


def _answered_right(case: Case) -> Bool[np.ndarray, "X"]:
    """Whether the funny side was called funny, or the pair put in the right order."""
    answers = load_answers(
        case.study_model.store, variant_file(case.study_model, case.task, case.seed)
    )
    pairs = [each.pair for each in read_headlines(case.study_model).splits[TEST]]
    questions = QUESTIONS[case.task](pairs, case.seed)
    right = {
        question.pair
        for question, guess, label in zip(
            questions, answers.guesses[WHOLE_MODEL], answers.label_M, strict=True
        )
        if guess == label and (question.label or case.task == PAIRED)
    }
    return np.array([place in right for place in case.places])


# -- controls


def controls(model: StudyModel, task: str) -> dict[tuple[str, str], str]:
    """The other models in which the head of a task is looked at, by method and task of rows."""
    other = PAIRED if task == SINGLE else SINGLE
    tuned = {(TUNED, name): name for name in (other, *other_tasks(model))}
    return {(UNTUNED, ""): UNTUNED, (Stage.SHUFFLED, ""): task + SHUFFLED} | tuned


def _controlled(case: Case) -> Iterator[Row]:
    """The contrast of the same head in other models, and beside random words in place of edits."""
    layer, number = case.chosen
    own = case.seen.contrast[TEST, QUERIES[0]]
    contrast = Metric.CONTRAST
    yield from _same_head(case, own, method=ITSELF)
    yield from _random_word(case, own)
    for (called, of), variant in controls(case.study_model, case.task).items():
        there = load_seen(case.study_model, variant_file(case.study_model, variant, case.seed))
        test = there.contrast[TEST, QUERIES[0]]
        yield from _same_head(case, test, method=called, other_task=of)
        less_X = own.contrast()[:, layer, number] - test.contrast()[:, layer, number]
        less, what = grouped(less_X, case.groups), {"stage": Stage.CONTROL, "method": ITSELF}
        what |= {"other_method": called, "other_task": of}
        yield from case.found.rows(contrast, less, **what)
        best = find_head(
            there.contrast[VALIDATION, QUERIES[0]], test, case.groups,
            permutations=case.study_model.run.study.permutations,
        )  # fmt: skip
        corrected = {Metric.CORRECTED_P: float(best.holm_LH[best.layer, best.head])}
        head = {"layer": best.layer, "head": best.head}
        elsewhere = {"stage": Stage.BEST_ELSEWHERE, "method": called, "other_task": of}
        yield from case.rows(corrected, **head, **elsewhere)
        yield from case.found.rows(contrast, best.test, head, **elsewhere)


def _same_head(case: Case, test: Contrasts, **called: str) -> list[Row]:
    layer, number = case.chosen
    value_X = test.contrast()[:, layer, number]
    values = {
        name.replace("_", ", "): float(side_XLH[:, layer, number].mean())
        for name, side_XLH in test._asdict().items()
    }
    what = {"stage": Stage.CONTROL, **called}
    contrast = grouped(value_X, case.groups)
    return [*case.found.rows(Metric.CONTRAST, contrast, **what), *case.rows(values, **what)]


def _random_word(case: Case, own: Contrasts) -> Iterator[Row]:
    """The head on funny sides with a random word in place of the edited one."""
    layer, number = case.chosen
    which = case.seen.number[REPLACED]
    groups = [case.groups[place] for place in which]
    replaced = case.seen.contrast[REPLACED, QUERIES[0]]
    there_X, here_X = (
        _at(side.contrast(), layer, number)
        for side in (replaced, Contrasts(*(s[which] for s in own)))
    )
    what = {"stage": Stage.CONTROL, "method": RANDOM_WORD}
    yield from case.found.rows(Metric.CONTRAST, grouped(there_X, groups), **what)
    less = {"stage": Stage.CONTROL, "method": ITSELF, "other_method": RANDOM_WORD}
    yield from case.found.rows(Metric.CONTRAST, grouped(here_X - there_X, groups), **less)
    edited, other, *_ = HEAD_WORDS
    means = {edited: replaced.edited_funny, other: replaced.other_funny}
    values = {name: float(_at(side, layer, number).mean()) for name, side in means.items()}
    yield from case.rows(values, **what)


def _at(value_XLH: Float[np.ndarray, "X L H"], layer: int, number: int) -> np.ndarray:
    return value_XLH[:, layer, number]
