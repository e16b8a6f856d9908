"""Models whose heads were cut out of the weights: their sizes, and that they answer alike."""

from __future__ import annotations

from jaxheads.records.folder import Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.folder import Study
from jaxheads.report.names import heads_kept, shown, way
from jaxheads.report.parts import Section, Table, section
from jaxheads.report.spread import cell, number, percent


def smaller_section(study: Study) -> Section | None:
    """A line for each model that was cut, beside the same model masked and the whole one."""
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
        "all heads", Metric.PARAMETERS, "of the whole",
    )  # fmt: skip
    body = tuple(_line(study, row) for row in study.main(Stage.CUT))
    table = Table("cut-table", caption, head, body, labels=4)
    return section("smaller", "Cut out of the weights", lead, table)


def _line(study: Study, row: Row) -> tuple[str, ...]:
    own = {"model": row.model, "task": row.task, "seed": row.seed}
    chosen = own | {"method": row.method, "budget": row.budget}
    masked = study.spread(Stage.PRUNED_FIRST, **chosen, reading=row.reading, metric=row.metric)
    whole = study.spread(Stage.WHOLE, **own, metric=row.metric)
    size, full = (
        study.spread(Stage.CUT, **chosen, metric=name)
        for name in (Metric.PARAMETERS, Metric.WHOLE_PARAMETERS)
    )
    share = "–" if size is None or full is None else percent(size.mean / full.mean)
    return (
        row.model, shown(row.task), way(row), row.metric, heads_kept(row.budget), str(row.seed),
        number(row.value), cell(masked), cell(whole), cell(size), share,
    )  # fmt: skip
