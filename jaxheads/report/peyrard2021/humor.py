"""Headlines: what classifiers reach, the head that looks at the funny word, and its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from jaxheads.records.rows import Row
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Section, Table
from jaxheads.report.peyrard2021.figures import distance_drawing, has_maps, map_drawing, views_of
from jaxheads.report.spread import Spread, cell, number, signed, spread_of

HEAD, LOCAL, CONTROL, GATED = "head", "localisation", "control", "gated"
MASKED = "words masked"
HEAD_WORDS = ("edited, funny", "other, funny", "edited, serious", "other, serious")
POSITIONS = ("all", "final", "not final", "answered right")
ITSELF = "itself - "  # begins the name of a difference


def humor_section(study: Study) -> Section | None:
    """All tables and figures of the study of headlines."""
    if not study.at(HEAD):
        return None
    lead = (
        "Pairs of headlines that differ in a word or two. A head's contrast is how much more "
        "attention the edited word gets than others on the funny side, less the same on the "
        "serious side. The head of each classifier and seed is the one of the greatest contrast on "
        "validation pairs; its contrast, p-values (signs of whole originals flipped; corrected by "
        "Holm for all heads) and intervals (over originals and several seeds) are of test pairs."
    )
    parts = [
        *_made(study, (_pairs, _accuracy, _sizes, _oppositions, _heads)),
        *(map_drawing(study, *place) for place in places(study) if has_maps(study, *place)),
        *_made(study, (_localisation, _masked, _controls, _gates)),
        *filter(None, (distance_drawing(study, model) for model in study.models)),
        *_made(study, (_by_place,)),
        *views_of(study),
    ]
    return Section("humor", "The head that looks at the funny word", lead, tuple(parts))


def places(study: Study) -> list[tuple[str, str]]:
    """The models and tasks that have a head."""
    return list(dict.fromkeys((row.model, row.task) for row in study.at(HEAD)))


def _made(study: Study, makers: Sequence[Callable[[Study], Table]]) -> Iterator[Table]:
    tables = (make(study) for make in makers)
    return (table for table in tables if table.body)


# -- pairs and classifiers


def _pairs(study: Study) -> Table:
    columns = (
        "pairs", "left out as too long", "small edits", "left out for words without pieces",
    )  # fmt: skip
    rows = study.at("pairs of headlines")
    lines = dict.fromkeys((row.model, row.method) for row in rows)
    body = tuple(
        (
            model,
            split,
            *(_count(_one(rows, model=model, method=split, metric=m)) for m in columns),
        )
        for model, split in lines
    )
    caption = (
        "Pairs of each split; no original is in two of them. Small edits pass the published filter "
        "(as many words, three or more, one or two that differ) and are those that heads are "
        "looked at on."
    )
    return Table("humor-pairs", caption, ("model", "split", *columns), body)


def _accuracy(study: Study) -> Table:
    body = []
    for model, task in places(study):
        own = {"model": model, "task": task}

        def at(stage: str, own=own, **more: str) -> str:
            return cell(spread_of(study.at(stage, **own, **more)))

        body.append(
            (
                model, shown(task),
                at("floor", metric="accuracy"),
                at("surface leak", metric="longer is funny"),
                at("surface leak", metric="naive Bayes"),
                at("floor", metric="bag of words"),
                at("labels shuffled"),
                at("linear probe", metric="accuracy"),
                at("accuracy on headlines", metric="accuracy", method="all"),
                at("accuracy on headlines", metric="accuracy", method="rated serious by all"),
            )
        )  # fmt: skip
    head = (
        "model", "task", "constant", "longer is funny", "naive Bayes", "bag of words",
        "labels shuffled", "linear probe", "fine-tuned", "rated serious by all",
    )  # fmt: skip
    caption = (
        "Accuracy on test. humor_single: is this sentence funny; humor_pair: is the first of two. "
        "Constant, longer, naive Bayes and bag of words see no model. Square brackets: 95% "
        "intervals over originals and seeds; round ones: seeds."
    )
    return Table("humor-accuracy", caption, head, tuple(body))


def _sizes(study: Study) -> Table:
    rows = study.at("accuracy by size of edit")
    methods = list(dict.fromkeys(row.method for row in rows))
    body = tuple(
        (model, shown(task), *(cell(_one(rows, model=model, task=task, method=m)) for m in methods))
        for model, task in places(study)
        if _one(rows, model=model, task=task) is not None
    )
    caption = (
        "Accuracy by the size of the edit: the Jaccard distance of the two sets of words. A dash "
        "where there is no such pair."
    )
    return Table("humor-sizes", caption, ("model", "task", *methods), body)


def _oppositions(study: Study) -> Table:
    rows = study.at("accuracy by opposition")
    names = dict.fromkeys(row.method for row in rows)
    body = tuple(
        (model, shown(task), name, cell(found))
        for model, task in places(study)
        for name in names
        if (found := _one(rows, model=model, task=task, method=name)) is not None
    )
    caption = (
        "Accuracy by what the two sides of a pair oppose, where the pairs say it (several may "
        "apply); in the built-in language the kind of the noun that is out of its place. Square "
        "brackets: 95% intervals over originals."
    )
    head = ("model", "task", "opposition", "accuracy")
    return Table("humor-oppositions", caption, head, body, labels=3)


def _by_place(study: Study) -> Table:
    rows = study.at("attention by place")
    columns = tuple(dict.fromkeys(row.metric for row in rows))
    body = tuple(
        (model, shown(variant), *(_place_cell(rows, model, variant, name) for name in columns))
        for model, variant in dict.fromkeys((row.model, row.method) for row in rows)
    )
    caption = (
        "Mean attention that a word gets by its place, and a special token, over all heads, tokens "
        "that look and test sentences of both sides; a word has the sum of its pieces. Round "
        "brackets: seeds."
    )
    return Table("humor-places", caption, ("model", "variant", *columns), body)


def _place_cell(rows: Sequence[Row], model: str, variant: str, name: str) -> str:
    return cell(_one(rows, model=model, method=variant, metric=name), lambda value: f"{value:.4f}")


# -- the head


def _heads(study: Study) -> Table:
    body = []
    for row in study.at(HEAD, metric="contrast", seeds=None):
        own = study.at(HEAD, model=row.model, task=row.task, method=row.method, seed=row.seed)
        value = {each.metric: each.value for each in own}
        share = value.get("share of its layer's distance")
        body.append(
            (
                row.model, shown(row.task), row.method, str(row.seed),
                f"{value['layer']:.0f}-{value['head']:.0f}",
                signed(value["contrast on validation"]), cell(spread_of([row]), signed),
                p_value(value["p"]), p_value(value["corrected p"]),
                f"{value['heads with corrected p below 0.05']:.0f} of {value['heads']:.0f}",
                f"{value['rank by the last word']:.0f}",
                "–" if share is None else number(share),
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


def p_value(value: float) -> str:
    """Four digits after the point: the least that 9,999 permutations give."""
    return f"{value:.4f}"


def _localisation(study: Study) -> Table:
    rows = [row for row in study.at(LOCAL) if row.metric in POSITIONS]
    lines = dict.fromkeys((row.model, row.task, row.method) for row in rows)
    body = tuple(
        (
            *(model, shown(task), method),
            *(
                _share(method, _one(rows, model=model, task=task, method=method, metric=position))
                for position in POSITIONS
            ),
        )
        for model, task, method in lines
    )
    caption = (
        "Share of funny test headlines whose edited word is pointed at: by the head (the word of "
        "its greatest weight summed over who looks; “special tokens too”: these may win), by a "
        "word at random, by the final word, by the place edited most often on validation. By "
        "whether the last word is edited, and on the headlines that the classifier answered right, "
        "as the paper has it."
    )
    return Table("humor-localisation", caption, ("model", "task", "by", *POSITIONS), body, labels=3)


def _share(method: str, found: Spread | None) -> str:
    if method == "headlines":
        return _count(found)
    return cell(found, signed if " - " in method else number)


def _masked(study: Study) -> Table:
    rows = study.at(MASKED)
    forms = (("edited", number), ("other", number), ("edited - other", signed))
    body = tuple(
        (
            model, shown(task), side,
            *(
                cell(_one(rows, model=model, task=task, method=f"{name}, {side}"), form)
                for name, form in forms
            ),
        )
        for model, task in places(study)
        for side in ("funny", "serious")
        if _one(rows, model=model, task=task) is not None
    )  # fmt: skip
    caption = (
        "Share of the classifier's decisions that flip when one word is masked, on the test pairs "
        "of small edits: the edited words of the funny or of the serious side, the others of the "
        "same sentence, and the difference, with 95% intervals over originals. In pairs the other "
        "side stays as it is."
    )
    head = ("model", "task", "side", "edited word", "another word", "difference")
    return Table("humor-masked", caption, head, body, labels=3)


def _controls(study: Study) -> Table:
    rows = study.at(CONTROL)
    lines = [
        line
        for line in dict.fromkeys((row.model, row.task, row.method) for row in rows)
        if not line[2].startswith((ITSELF, "best head, "))
    ]
    body = []
    for model, task, method in lines:
        own = [row for row in rows if (row.model, row.task) == (model, task)]
        best = f"best head, {method}"
        body.append(
            (
                model, shown(task), method,
                cell(_one(own, method=method, metric="contrast"), signed),
                cell(_one(own, method=ITSELF + method, metric="contrast"), signed),
                *(cell(_one(own, method=method, metric=name)) for name in HEAD_WORDS),
                cell(_one(own, method=best, metric="contrast"), signed),
                cell(_one(own, method=best, metric="corrected p"), p_value),
            )
        )  # fmt: skip
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
    columns = ("head", "others of its layer", "head - others of its layer")
    rows = study.at(GATED)
    body = tuple(
        (
            model, shown(task),
            *(
                cell(_one(rows, model=model, task=task, method=m, metric="accuracy"), signed)
                for m in columns
            ),
            cell(
                _one(rows, model=model, task=task, metric="rank of loss in its layer"),
                lambda value: f"{value:.1f}",
            ),
        )
        for model, task in places(study)
    )  # fmt: skip
    caption = (
        "Change of the test accuracy when the head is gated to zero, when each other head of its "
        "layer is (the mean of these), and the difference; rank 1: the greatest loss in its layer."
    )
    return Table("humor-gates", caption, ("model", "task", *columns, "rank"), body)


def _count(found: Spread | None) -> str:
    """How many there are, on average over seeds."""
    return "–" if found is None else f"{found.mean:.0f}"


def _one(rows: Sequence[Row], **fields: str) -> Spread | None:
    return spread_of(
        row for row in rows if all(getattr(row, name) == value for name, value in fields.items())
    )
