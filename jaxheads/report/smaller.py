"""Models whose heads were cut out of the weights: their sizes, and that they answer alike."""

from __future__ import annotations

from jaxheads.records.rows import Row
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Section, Table
from jaxheads.report.spread import cell, number, percent, spread_of

STAGE, MASKED = "cut", "pruned, then fine-tuned"
SIZE, WHOLE_SIZE = "parameters", "parameters of the whole"


def smaller_section(study: Study) -> Section | None:
    """A line for each model that was cut, beside the same model masked and the whole one."""
    cuts = [row for row in study.at(STAGE) if row.metric == study.metric(row.task)]
    body = tuple(_line(study, row) for row in cuts)
    if not body:
        return None
    lead = (
        "After fine-tuning with heads masked, the masked heads are cut out of the weights: the "
        "smaller model is saved under “smaller”, can be loaded by itself, and is measured again. "
        "Cut and masked must agree. In ALBERT the layers share one set of heads, so weights leave "
        "only with heads that no layer uses."
    )
    caption = (
        "One seed: what the cut model has, the same model with the heads masked, and the whole "
        "fine-tuned model; parameters with embeddings and readout."
    )
    head = (
        "model", "task", "heads chosen by", "metric", "heads kept", "seed", "cut", "masked",
        "all heads", SIZE, "of the whole",
    )  # fmt: skip
    return Section(
        "smaller",
        "Cut out of the weights",
        lead,
        (Table("cut-table", caption, head, body, labels=4),),
    )


def _line(study: Study, row: Row) -> tuple[str, ...]:
    own = {"model": row.model, "task": row.task, "seed": row.seed}
    chosen = own | {"method": row.method, "budget": row.budget}
    masked = spread_of(study.at(MASKED, **chosen, metric=row.metric))
    whole = spread_of(study.at("whole", **own, metric=row.metric))
    sizes = [spread_of(study.at(STAGE, **chosen, metric=name)) for name in (SIZE, WHOLE_SIZE)]
    size, full = sizes
    share = "–" if size is None or full is None else percent(size.mean / full.mean)
    return (
        row.model, shown(row.task), row.method or "–", row.metric,
        "all" if row.budget is None else str(row.budget), str(row.seed), number(row.value),
        cell(masked), cell(whole), cell(size), share,
    )  # fmt: skip
