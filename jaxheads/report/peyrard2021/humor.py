"""Headlines: what classifiers reach, the head that looks at the funny word, and its controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jaxheads.records.folder import (
    CHOSEN,
    EDITED,
    FUNNY,
    HEAD_WORDS,
    ITSELF,
    OTHER_WORD,
    OTHERS,
    POINTED_AT,
    POSITIONS,
    SERIOUS,
    SURELY_SERIOUS,
    Metric,
    Stage,
)
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Section, Table, section
from jaxheads.report.peyrard2021.figures import distance_drawing, map_drawing, views_of
from jaxheads.report.spread import Form, cell, count, number, signed, spread_of, spreads
from jaxheads.report.tables import table_of

ON_TASK = {"model": "model", "task": "task"}


def humor_section(study: Study) -> Section | None:
    """All tables and figures of the study of headlines."""
    if not study.at(Stage.HEAD):
        return None
    lead = (
        "Pairs of headlines that differ in a word or two. A head's contrast is how much more "
        "attention the edited word gets than others on the funny side, less the same on the "
        "serious side. The head of each classifier and seed is the one of the greatest contrast on "
        "validation pairs; its contrast, p-values (signs of whole originals flipped; corrected by "
        "Holm for all heads) and intervals (over originals and several seeds) are of test pairs."
    )
    return section(
        "humor", "The head that looks at the funny word", lead,
        _pairs(study), _accuracy(study), _sizes(study), _oppositions(study), _heads(study),
        (drawing for place in places(study) if (drawing := map_drawing(study, *place))),
        _localisation(study), _masked(study), _controls(study), _gates(study),
        filter(None, (distance_drawing(study, model) for model in study.models)),
        _by_place(study), views_of(study),
    )  # fmt: skip


def places(study: Study) -> list[tuple[str, str]]:
    """The models and tasks that have a head."""
    return list(dict.fromkeys((row.model, row.task) for row in study.at(Stage.HEAD)))


# -- pairs and classifiers


def _pairs(study: Study) -> Table:
    columns = (Metric.PAIRS, Metric.TOO_LONG, Metric.SMALL_EDITS, Metric.WITHOUT_PIECES)
    caption = (
        "Pairs of each split; no original is in two of them. Small edits pass the published filter "
        "(as many words, three or more, one or two that differ) and are those that heads are "
        "looked at on."
    )
    lines = {"model": "model", "split": "method"}
    rows = study.at(Stage.PAIRS)
    return table_of("humor-pairs", caption, rows, lines, columns, by="metric", form=count)


Column = tuple[Stage, Mapping[str, str], Form]  # a stage, fields of its rows, how numbers look


def _cells(study: Study, columns: Iterable[Column], **line: str) -> tuple[str, ...]:
    return tuple(cell(study.spread(stage, **line, **what), form) for stage, what, form in columns)


def _by_task(study: Study, name: str, caption: str, columns: Mapping[str, Column]) -> Table:
    """A line for each model and task that have a head."""
    body = tuple(
        (model, shown(task), *_cells(study, columns.values(), model=model, task=task))
        for model, task in places(study)
    )
    return Table(name, caption, ("model", "task", *columns), body)


def _accuracy(study: Study) -> Table:
    accuracy, asked = {"metric": Metric.ACCURACY}, {"metric": Metric.QUESTIONS}
    columns: dict[str, Column] = {
        "constant": (Stage.FLOOR, accuracy, number),
        Metric.LONGER: (Stage.LEAK, {"metric": Metric.LONGER}, number),
        Metric.BAYES: (Stage.LEAK, {"metric": Metric.BAYES}, number),
        Metric.BAG_OF_WORDS: (Stage.FLOOR, {"metric": Metric.BAG_OF_WORDS}, number),
        Stage.SHUFFLED: (Stage.SHUFFLED, accuracy, number),
        Stage.PROBE: (Stage.PROBE, accuracy, number),
        "fine-tuned": (Stage.HEADLINES, accuracy | {"method": "all"}, number),
        "questions": (Stage.HEADLINES, asked | {"method": "all"}, count),
        SURELY_SERIOUS: (Stage.HEADLINES, accuracy | {"method": SURELY_SERIOUS}, number),
        "of these": (Stage.HEADLINES, asked | {"method": SURELY_SERIOUS}, count),
    }
    caption = (
        "Accuracy on test. humor_single: is this sentence funny; humor_pair: is the first of two. "
        "Constant, longer, naive Bayes and bag of words see no model. Square brackets: 95% "
        "intervals over originals and seeds; round ones: seeds."
    )
    return _by_task(study, "humor-accuracy", caption, columns)


def _sizes(study: Study) -> Table:
    caption = (
        "Accuracy by the size of the edit: the Jaccard distance of the two sets of words. A dash "
        "where there is no such pair."
    )
    rows = study.at(Stage.BY_SIZE)
    return table_of(
        "humor-sizes", caption, rows, ON_TASK, by=lambda row: f"{row.method} {row.setting:g}"
    )


def _oppositions(study: Study) -> Table:
    caption = (
        "Accuracy by what the two sides of a pair oppose, where the pairs say it (several may "
        "apply); in the built-in language the kind of the noun that is out of its place. Square "
        "brackets: 95% intervals over originals."
    )
    rows, lines = study.at(Stage.BY_OPPOSITION), ON_TASK | {"opposition": "method"}
    columns = {Metric.ACCURACY: number, Metric.QUESTIONS: count}
    return table_of("humor-oppositions", caption, rows, lines, columns, by="metric")


def _by_place(study: Study) -> Table:
    caption = (
        "Mean attention that a word gets by its place, and a special token, over all heads, tokens "
        "that look and test sentences of both sides; a word has the sum of its pieces. Round "
        "brackets: seeds."
    )
    rows, lines = study.at(Stage.BY_PLACE), {"model": "model", "variant": "method"}
    return table_of("humor-places", caption, rows, lines, by="metric", form=four_digits)


# -- the head


def _heads(study: Study) -> Table:
    body = []
    for row in study.at(Stage.HEAD, metric=Metric.CONTRAST, seeds=None):
        where = {"model": row.model, "task": row.task, "method": row.method, "seed": row.seed}
        value = {each.metric: each.value for each in study.at(Stage.HEAD, **where)}
        share = value.get(Metric.LAYER_SHARE)
        body.append(
            (
                row.model, shown(row.task), row.method, str(row.seed), f"{row.layer}-{row.head}",
                signed(value[Metric.ON_VALIDATION]), cell(spread_of([row]), signed),
                four_digits(value[Metric.P]), four_digits(value[Metric.CORRECTED_P]),
                f"{value[Metric.CLEAR_HEADS]:.0f} of {value[Metric.HEADS]:.0f}",
                f"{value[Metric.LAST_WORD_RANK]:.0f}", "–" if share is None else number(share),
                *(number(value[name]) for name in HEAD_WORDS),
            )
        )  # fmt: skip
    head = (
        "model", "task", "who looks", "seed", "head", "contrast, validation", "contrast, test", "p",
        "corrected p", "heads below 0.05", "rank by last word", "share of its layer", *HEAD_WORDS,
    )  # fmt: skip
    caption = (
        "The head (layer-head, from 0) chosen for each classifier, and the mean attention that an "
        "edited and another word get from it on test. Looking are all tokens, or the first alone. "
        "Rank by last word: its place among all heads by how much they look at the last word. "
        "Share of its layer: of the distance between sides, summed over the layer's heads."
    )
    return Table("humor-heads", caption, head, tuple(body), labels=4)


def four_digits(value: float) -> str:
    """Four digits after the point: the least p-value that 9,999 permutations give."""
    return f"{value:.4f}"


def _localisation(study: Study) -> Table:
    rows = [row for row in study.at(Stage.LOCALISATION) if row.metric in POSITIONS]
    found = spreads(rows, "model", "task", "method", "other_method", "metric")
    body = []
    for line in dict.fromkeys(key[:4] for key in found):
        model, task, one, two = line
        own = [found.get((*line, position)) for position in POSITIONS]
        cells = [cell(spread, signed if two else number) for spread in own]
        if one == POINTED_AT:
            cells = ["–" if spread is None else count(spread.mean) for spread in own]
        body.append((model, shown(task), f"{one} − {two}" if two else one, *cells))
    caption = (
        "Share of funny test headlines whose edited word is pointed at: by the head (the word of "
        "its greatest weight summed over who looks; “special tokens too”: these may win), by a "
        "word at random, by the final word, by the place edited most often on validation. By "
        "whether the last word is edited, and on the headlines that the classifier answered right, "
        "as the paper has it."
    )
    head = ("model", "task", "by", *POSITIONS)
    return Table("humor-localisation", caption, head, tuple(body), labels=3)


def _masked(study: Study) -> Table:
    columns: dict[str, Column] = {
        "edited word": (Stage.WORDS_MASKED, {"method": EDITED, "other_method": ""}, number),
        "another word": (Stage.WORDS_MASKED, {"method": OTHER_WORD}, number),
        "difference": (
            Stage.WORDS_MASKED, {"method": EDITED, "other_method": OTHER_WORD}, signed,
        ),
    }  # fmt: skip
    body = tuple(
        (
            model, shown(task), side,
            *_cells(study, columns.values(), model=model, task=task, place=side),
        )
        for model, task in places(study)
        for side in (FUNNY, SERIOUS)
        if study.at(Stage.WORDS_MASKED, model=model, task=task)
    )  # fmt: skip
    caption = (
        "Share of the classifier's decisions that flip when one word is masked, on the test pairs "
        "of small edits: the edited words of the funny or of the serious side, the others of the "
        "same sentence, and the difference, with 95% intervals over originals. In pairs the other "
        "side stays as it is."
    )
    return Table("humor-masked", caption, ("model", "task", "side", *columns), body, labels=3)


def _controls(study: Study) -> Table:
    rows = study.at(Stage.CONTROL, metric=Metric.CONTRAST, other_method="")
    lines = dict.fromkeys((row.model, row.task, row.method, row.other_task) for row in rows)
    contrast = {"metric": Metric.CONTRAST}
    body = []
    for model, task, method, of in lines:
        own = {"method": method, "other_task": of, "other_method": ""}
        itself = {"method": ITSELF, "other_method": method, "other_task": of}
        columns: tuple[Column, ...] = (
            (Stage.CONTROL, own | contrast, signed),
            (Stage.CONTROL, itself | contrast, signed),
            *((Stage.CONTROL, own | {"metric": name}, number) for name in HEAD_WORDS),
            (Stage.BEST_ELSEWHERE, own | contrast, signed),
            (Stage.BEST_ELSEWHERE, own | {"metric": Metric.CORRECTED_P}, four_digits),
        )
        cells = _cells(study, columns, model=model, task=task)
        body.append((model, shown(task), f"{method} on {shown(of)}" if of else method, *cells))
    head = (
        "model", "task", "where", "contrast of the head", "itself less this", *HEAD_WORDS,
        "contrast of its own best head", "corrected p of that",
    )  # fmt: skip
    caption = (
        "The same head elsewhere: in the model before fine-tuning, fine-tuned on shuffled labels, "
        "or on another task, and with a random word of other headlines in place of the edited one. "
        "The last columns choose a head anew on the validation pairs of that model."
    )
    return Table("humor-controls", caption, head, tuple(body), labels=3)


def _gates(study: Study) -> Table:
    accuracy = {"metric": Metric.ACCURACY}
    columns: dict[str, Column] = {
        CHOSEN: (Stage.GATED, accuracy | {"method": CHOSEN, "other_method": ""}, signed),
        OTHERS: (Stage.GATED, accuracy | {"method": OTHERS}, signed),
        "difference": (
            Stage.GATED, accuracy | {"method": CHOSEN, "other_method": OTHERS}, signed,
        ),
        "rank": (Stage.GATED, {"metric": Metric.LOSS_RANK}, lambda value: f"{value:.1f}"),
    }  # fmt: skip
    caption = (
        "Change of the test accuracy when the head is gated to zero, when each other head of its "
        "layer is (the mean of these), and the difference; rank 1: the greatest loss in its layer."
    )
    return _by_task(study, "humor-gates", caption, columns)
