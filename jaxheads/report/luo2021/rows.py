"""The rows of a study of constituents: the names of their stages, and how they are picked."""

from __future__ import annotations

from jaxheads.records.rows import Row, kind_of
from jaxheads.report.figures.style import shown
from jaxheads.report.folder import Study
from jaxheads.report.spread import Spread, spread_of

PRETRAINING, F1 = "mlm", "sentence F1"
COLUMNS = (F1, "corpus F1", "SBAR", "NP", "VP", "PP", "ADJP", "ADVP")
BEST, NULLS, MARGIN = "best head", "tree baselines", "best head less baseline"
TUNED = "best head, tune"
LAYER_MEAN, LAYER_TREES = "mean of layer", "averaged layer"
CHANGE, CHANGED, BY_KIND = "change", "changed heads", "change by kind"
MASKED, AREA, WITHOUT_LAYER = "masked by ability", "area by ability", "layer masked"
CONTRAST = "contrast by ability"
UPPER = "upper layers"
HALVES = ("lower layers", UPPER, "all layers")
STAGES = {
    *("treebank", NULLS, BEST, TUNED, MARGIN, "tied splits", LAYER_MEAN, LAYER_TREES),
    *("ensembles", "rankings", "random weights", CHANGE, CHANGED, BY_KIND),
    *(MASKED, AREA, WITHOUT_LAYER, CONTRAST),
}


def by_reading(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows by model and reading: the distance, and the bias to the right."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.model, row.method.partition(": ")[0]), []).append(row)
    return groups


def of_reading(rows: list[Row], reading: str) -> list[Row]:
    """The rows of one reading."""
    return [row for row in rows if row.method.partition(": ")[0] == reading]


def null_spread(study: Study, model: str, null: str, column: str) -> Spread | None:
    """A column of a baseline, its draws taken together."""
    rows = study.at(NULLS, model=model, metric=column)
    own = [row for row in rows if kind_of(row.method) == null]
    return spread_of(own)


def layer_of(row: Row) -> int | None:
    """The layer that a row is of; None for a mean over layers."""
    name = row.method.partition(": ")[2]
    return int(name.removeprefix("layer ")) if name.startswith("layer ") else None


def trained_on(task: str) -> str:
    """What a model was trained on, as readers call it."""
    return "pre-trained" if task == PRETRAINING else shown(task)


def spoken(method: str) -> str:
    """A difference as readers call it."""
    return method.replace(" - ", " less ")
