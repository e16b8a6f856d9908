"""Tables of what single heads know of syntax, made from the kept rows of finished runs."""

from __future__ import annotations

from collections.abc import Callable

from jaxheads.report.spread import cell, number, percent, signed, spread_of
from tests.support.published import Place, by_place, markdown, reader, study_of

BEST, RELATION, BLIND, CHANGE = "best head", "relation", "baseline", "change by fine-tuning"
RANDOM, UUAS, LM, TUNED_ON = ", random weights", "UUAS", "mlm", "grammar_sentiment"
MODELS: dict[str, Place] = {"RoBERTa": ("roberta", LM), "ALBERT": ("albert", LM)}
COMMON = 80  # arcs, of which a relation in the table has at least as many
TREES = {"max": "MAX", "mst": "MST"}


def points(value: float) -> str:
    """A difference of shares as percentage points."""
    return f"{round(100 * value, 1) + 0.0:+.1f}".replace("-", "−")


def htut_grammar_trees() -> str:
    """Whole dependency trees: the best head beside what sees no word or is not trained."""
    study, line = study_of("htut_grammar"), reader("htut_grammar")

    def blind(method: str) -> Callable[[str, str], str]:
        def read(model: str, task: str) -> str:
            rows = study.at(BLIND, model=model, task=task, metric=UUAS)
            row = max((r for r in rows if r.method.startswith(method)), key=lambda r: r.value)
            return f"{cell(spread_of([row]), percent)} ({row.method.partition(': ')[2]})"

        return read

    def change(method: str) -> Callable[[str, str], str]:
        return lambda model, _: line(CHANGE, UUAS, method=method, form=points)(model, TUNED_ON)

    lines = {}
    for method, name in TREES.items():
        random = line(BEST + RANDOM, UUAS, method=method, form=percent)
        lines |= {
            f"{name}: best head": line(BEST, UUAS, method=method, form=percent),
            f"{name}: best head that sees no word": blind(method),
            f"{name}: best head of random weights, 2 draws": random,
            f"{name}: change by fine-tuning on sentiment, points": change(method),
        }
    return by_place(MODELS, lines)


def htut_grammar_relations() -> str:
    """Single relations: the best head, and what it gains over a fixed distance."""
    study = study_of("htut_grammar")
    names = [row.metric for row in study.at(RELATION, model="roberta", task=LM, method="max")]
    columns = ("best head", "gain over the offset, points")
    head = [
        "relation",
        "arcs",
        "best offset",
        *(f"{m}: {what}" for m in MODELS for what in columns),
    ]
    body = []
    for name in (name for name in names if "," not in name):
        at = {"stage": RELATION, "task": LM, "method": "max"}
        (arcs,) = study.at(**at, model="roberta", metric=f"{name}, arcs")
        if arcs.value < COMMON:
            continue
        (offset,) = study.at(**at, model="roberta", metric=f"{name}, unsigned")
        cells = [name, number(arcs.value, 0), percent(offset.value)]
        for model, _ in MODELS.values():
            for metric, form in ((name, percent), (f"{name}, gain", points)):
                cells.append(cell(spread_of(study.at(**at, model=model, metric=metric)), form))
        body.append(cells)
    return markdown(head, body)


# -- constituents

S_F1, LESS, TREES_ALONE = "sentence F1", "best head less baseline", "tree baselines"
UNTRAINED, KINDS = "random weights", "change by kind"
READINGS = {
    "jsd": "Jensen-Shannon",
    "jsd, bias 1.5": "Jensen-Shannon, right-branching bias",
    "hellinger": "Hellinger",
    "hellinger, bias 1.5": "Hellinger, right-branching bias",
}


def luo_grammar_heads() -> str:
    """The best head at whole constituency trees, against trees that no model made."""
    study = study_of("luo_grammar")
    body = []
    for reading, name in READINGS.items():
        found = {
            row.method.removeprefix(f"{reading}: "): row
            for row in study.at(BEST, task=LM, metric=S_F1)
            if row.method.startswith(f"{reading}: ")
        }
        ((head, row),) = found.items()
        less = (
            study.at(LESS, task=LM, metric=S_F1, method=f"{reading}: best head - {tree}")
            for tree in ("right", "balanced", "random")
        )
        random = study.at(UNTRAINED, metric=S_F1, method=f"{reading}: best head")
        body.append(
            (
                name, head, cell(spread_of([row])),
                *(cell(spread_of(rows), signed) for rows in less), cell(spread_of(random)),
            )
        )  # fmt: skip
    lead = ("distance", "head", "S-F1", "less right-branching", "less balanced", "less random")
    return markdown((*lead, "best head of random weights"), body)


def luo_grammar_changes() -> str:
    """How fine-tuning changes the upper layers' mean, by the kind of task."""
    study = study_of("luo_grammar")
    kinds = {
        "paraphrase (similarity)": "similarity",
        "entailment": "entailment",
        "similarity less entailment": "similarity - entailment",
    }
    readings = [r for r in READINGS if study.at(KINDS, method=f"{r}: similarity: upper layers")]
    body = (
        (
            name,
            *(
                cell(spread_of(study.at(KINDS, method=f"{r}: {kind}: upper layers")), signed)
                for r in readings
            ),
        )
        for name, kind in kinds.items()
    )
    return markdown(("", *(READINGS[r] for r in readings)), body)
