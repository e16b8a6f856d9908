"""What the head is worth to its classifier, and what it looks at in a few headlines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from jaxheads.analysis.localisation import Located, head_hits
from jaxheads.analysis.sums import grouped
from jaxheads.data.headlines.encoded import EncodedPair
from jaxheads.data.headlines.humor import QUESTIONS
from jaxheads.data.pieces import pieces_of_words
from jaxheads.data.tokens import EncodedWords
from jaxheads.inference.attention_maps import model_maps
from jaxheads.models.model import Model
from jaxheads.records.folder import CHOSEN, FUNNY, HUMOR_MAPS, OTHERS, SERIOUS, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.records.views import save_views, view
from jaxheads.studies.peyrard2021.attention import QUERIES
from jaxheads.studies.peyrard2021.head import Case, case_of
from jaxheads.studies.peyrard2021.headlines import (
    TEST,
    humor_task,
    model_of,
    read_headlines,
)
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.model import StudyModel


def gated(study_model: StudyModel, task: str, seed: int) -> list[Row]:
    """How the test accuracy changes when the head, or another one of its layer, is gated to zero.

    Beside the changes stands the head's less the mean of the others', paired over questions.
    """
    case, prepared = case_of(study_model, task, seed), humor_task(study_model, task, seed)
    model = model_of(study_model, task, seed)
    layer, chosen = case.chosen
    shape = (model.config.num_layers, model.config.num_heads)
    pairs = [each.pair for each in read_headlines(study_model).splits[TEST]]
    groups = [pairs[question.pair].group for question in QUESTIONS[task](pairs, seed)]

    def correct(mask_LH: Bool[np.ndarray, "L H"]) -> np.ndarray:
        answers = study_model.scorer.measure(model, prepared, mask_LH).answers
        return (answers.guess_M == answers.label_M).astype(float)

    whole_N, changes = correct(np.ones(shape, bool)), []
    for number in range(shape[1]):
        mask_LH = np.ones(shape, bool)
        mask_LH[layer, number] = False
        changes.append(correct(mask_LH) - whole_N)
    others = [change for number, change in enumerate(changes) if number != chosen]
    named: list[tuple[dict[str, Any], np.ndarray]] = [
        ({"layer": layer, "head": n}, change) for n, change in enumerate(changes)
    ]
    named.append(({"method": CHOSEN}, changes[chosen]))
    if others:
        rest_N = np.mean(others, 0)
        named.append(({"method": OTHERS}, rest_N))
        named.append(({"method": CHOSEN, "other_method": OTHERS}, changes[chosen] - rest_N))
    rows: list[Row] = []
    for what, change_N in named:
        change = grouped(change_N, groups)
        rows += case.found.rows(Metric.ACCURACY, change, stage=Stage.GATED, **what)
    case.found.save(name_of(gated, study_model, task, seed))
    lower = sum(float(change.mean()) <= float(changes[chosen].mean()) for change in changes)
    return rows + case.rows({Metric.LOSS_RANK: lower}, stage=Stage.GATED, method=CHOSEN)


# -- views


def views(study_model: StudyModel, task: str, seed: int) -> list[Row]:
    """Keep the head's attention over a few headlines, both sides, for the page.

    The first test pairs on which it points at the edited word, and as many on which it does not.
    """
    case, count = case_of(study_model, task, seed), study_model.run.study.views
    model = model_of(study_model, task, seed)
    found = list(_views(case, model, _shown(case, count)))
    save_views(study_model.store, study_model.name, HUMOR_MAPS, seed, found, task)
    return []


def _shown(case: Case, count: int) -> dict[int, bool]:
    """The pairs to show, and whether the head points at their edited word."""
    layer, number = case.chosen
    predicted = case.seen.predicted[QUERIES[0], False]
    headlines = [
        Located(len(each.pair.funny), each.pair.funny_edits, predicted_LH)
        for each, predicted_LH in zip(case.pairs, predicted, strict=True)
    ]
    hit_X = head_hits(headlines)[:, layer, number]
    places = [*np.flatnonzero(hit_X)[: -(-count // 2)], *np.flatnonzero(~hit_X)[: count // 2]]
    return {int(place): bool(hit_X[place]) for place in places}


def _views(case: Case, model: Model, shown: dict[int, bool]) -> Iterator[dict[str, Any]]:
    """Each side with its words, special tokens among them, and what each attends to."""
    layer, number = case.chosen
    sides = [
        (place, side, *_side(case.pairs[place], side))
        for place in shown
        for side in (FUNNY, SERIOUS)
    ]
    inputs = [pieces_of_words(each[3], len(each[2]), special="kept") for each in sides]
    maps = {
        int(index): attention[layer, number]
        for group in model_maps(model, inputs, mesh=case.study_model.mesh)
        for index, attention in zip(group.index_N, group.attention, strict=True)
    }
    for index, (place, side, words, encoded, edited) in enumerate(sides):
        names, marked = _units(case.study_model, words, encoded, edited)
        title = f"{side} ({'finds' if shown[place] else 'misses'} the edit)"
        yield view(title, case.chosen, names, maps[index], marked)


def _side(each: EncodedPair, side: str) -> tuple[Sequence[str], EncodedWords, tuple[int, ...]]:
    pair = each.pair
    if side == FUNNY:
        return pair.funny, each.funny, pair.funny_edits
    return pair.serious, each.serious, pair.serious_edits


def _units(
    model: StudyModel, words: Sequence[str], encoded: EncodedWords, edited: tuple[int, ...]
) -> tuple[list[str], list[int]]:
    """What the rows of a map with special tokens are called, and which of them are edited words."""
    units = pieces_of_words(encoded, len(words), special="kept")
    first = {int(unit): place for place, unit in reversed(list(enumerate(units.unit_T)))}
    names, marked = [], []
    for unit in range(units.units):
        word = encoded.word_of_piece[first[unit]]
        special = model.tokenizer.pipeline.id_to_token(encoded.ids[first[unit]])
        names.append(special if word < 0 else words[word])
        marked += [unit] if word in edited else []
    return names, marked
