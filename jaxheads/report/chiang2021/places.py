"""Two tasks whose maps of importance are compared, and where these were measured."""

from __future__ import annotations

from typing import NamedTuple

from jaxheads.records.rows import Row
from jaxheads.report.baseline import at_chance
from jaxheads.report.folder import Study


class Place(NamedTuple):
    """The fields of rows by which two tasks are compared."""

    model: str
    task: str
    other_task: str
    place: str

    @property
    def tasks(self) -> tuple[str, str]:
        """Both tasks."""
        return self.task, self.other_task


def place_of(row: Row) -> Place:
    """The place that a row is of."""
    return Place(row.model, row.task, row.other_task, row.place)


def pair_at_chance(study: Study, place: Place) -> bool:
    """Whether the model of either task is not shown to be above chance there."""
    return any(at_chance(study, place.model, task, place.place) for task in place.tasks)
