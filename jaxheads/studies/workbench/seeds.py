"""Rows whose intervals are over examples, and the same of all seeds, over seeds and examples.

sums/CELL.npz    by the fields of a row, the sums by example that its value comes from

Seeds that are right about the same examples are together no surer than one of them, others are. The
rows of single seeds do not tell which it is; the sums do.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxheads.analysis.sums import Sums, together
from jaxheads.records.folder import Room
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.workbench.answers import estimate_rows
from jaxheads.studies.workbench.model import StudyModel


@dataclasses.dataclass(frozen=True)
class Sampled:
    """Makes the rows of one model that have intervals over examples, and gathers their sums."""

    study_model: StudyModel
    task: str
    seed: int
    sums: dict[str, Sums] = dataclasses.field(default_factory=dict)  # by fields of rows, as JSON

    def rows(
        self, metric: str, sums: Sums, own: Mapping[str, Any] | None = None, **what: Any
    ) -> list[Row]:
        """The row of a value; `own` are fields that rows of all seeds together do not have."""
        self.sums[json.dumps({"metric": metric, **what})] = sums
        what |= {"seed": self.seed, **(own or {})}
        return estimate_rows(self.study_model, self.task, metric, sums.intervals().at(), **what)

    def plain_rows(self, values: Mapping[Any, float], **what: Any) -> list[Row]:
        """Rows of single numbers."""
        return self.study_model.make_rows(self.task, values, seed=self.seed, **what)

    def save(self, cell: str) -> None:
        """Keep the sums, once the cell has all of them."""
        arrays = {
            f"{place}/{side}": array
            for place, own in enumerate(self.sums.values())
            for side, array in own._asdict().items()
        }
        self.study_model.store.write_arrays(_file(cell), {"rows": np.array([*self.sums]), **arrays})


def together_cell(
    model: StudyModel, task: str, cells: Iterable[Sequence[Cell]], of: str = "seeds"
) -> Iterator[Cell]:
    """The cell of several models together, if there are several; `cells`: those of each model."""
    cells = list(cells)
    if len(cells) > 1:
        names = [[each.name for each in own] for own in cells]
        every = itertools.chain(*cells)
        yield cell(together_rows, model, task, after=every, names=names, **{of: len(names)})


def together_rows(
    model: StudyModel, task: str, *, names: Sequence[Sequence[str]], **counts: int
) -> list[Row]:
    """The rows that several models have in common, over these models and examples.

    `names`: by model its cells. `counts` are the fields that say how many models there are.
    """
    found = [
        {key: sums for name in own for key, sums in _read(model, name).items()} for own in names
    ]
    rows: list[Row] = []
    for key in found[0]:
        sums = [each[key] for each in found if key in each]
        if len(sums) == len(found):
            what = {**json.loads(key), **counts}
            rows += estimate_rows(model, task, what.pop("metric"), together(sums).at(), **what)
    return rows


def _file(cell: str) -> str:
    return f"{Room.SUMS}/{cell}.npz"


def _read(model: StudyModel, cell: str) -> dict[str, Sums]:
    found = model.store.read_arrays(_file(cell))
    return {
        key: Sums(*(found[f"{place}/{side}"] for side in Sums._fields))
        for place, key in enumerate(found["rows"].tolist())
    }
