"""Trainings of several cells, of one shape, at once and ahead of the cells (`Run.together`).

    together/NAME        a model that waits for its cell, which takes it and removes it

A cell that trains a model says so beside what it does (`Cell.trains`). Those of one group get one
cell more, which comes before them: seeds, masks and budgets as one program, so many at a time. A
cell that is stopped when it has taken its model trains it by itself, to the same but for rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

from jaxheads.records import Row
from jaxheads.studies.cells import Cell, Trains
from jaxheads.studies.fits import Fit
from jaxheads.studies.lab import Lab
from jaxheads.training.together import Member, fit_together


def trains(lab: Lab, group: str, needs: tuple[str, ...], fit: Callable[[], Fit]) -> Trains:
    """That a cell of a model trains `fit()`, for which the cells that it `needs` must be finished.

    Those of a group differ in their names, seeds and masks, and in where they start.
    """
    return Trains(f"{lab.name}-{group}-together", needs, fit, lab)


def tunes(lab: Lab, task: str, seed: int, needs: tuple[str, ...]) -> Trains:
    """That a cell fine-tunes a model with all its heads."""
    return trains(lab, task, needs, lambda: lab.tuning(lab.subject(task), seed))


def ahead(cells: Sequence[Cell], together: int) -> Iterator[Cell]:
    """The cells, each group of trainings in a cell before them, `together` of them at a time.

    ValueError where no two trainings are of one group.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.trains is not None:
            groups.setdefault(cell.trains.group, []).append(cell)
    groups = {name: group for name, group in groups.items() if len(group) > 1}
    if not groups:
        raise ValueError(f"together: expected none for this study, got {together}")
    begun: set[str] = set()
    for cell in cells:
        if cell.trains is None or cell.trains.group not in groups:
            yield cell
            continue
        name = cell.trains.group
        if name not in begun:
            begun.add(name)
            members = [each.trains for each in groups[name] if each.trains is not None]
            yield Cell(name, functools.partial(_train, members, together), cell.trains.needs)
        needs = None if cell.needs is None else (*cell.needs, name)
        yield cell._replace(needs=needs)


def _train(members: Sequence[Trains], together: int) -> list[Row]:
    """Train what has not been trained yet; each model is kept when its part is finished."""
    lab: Lab = members[0].lab
    fits = [each.fit() for each in members]
    left = [fit for fit in fits if not lab.ahead_path(fit.name).is_dir()]
    for start in range(0, len(left), together):
        _train_part(lab, left[start : start + together])
    return []


def _train_part(lab: Lab, part: Sequence[Fit]) -> None:
    first = part[0]
    assert all(fit.task is first.task for fit in part), "of one group: the same examples"
    found = fit_together(
        lab.training_objective(first),
        [
            Member(fit.name, fit.model.params, fit.training.seed, fit.gate, lab.log_path(fit.name))
            for fit in part
        ],
        first.task.train,
        first.training,
        gates=first.gates,
        only=first.only,
        mesh=lab.mesh,
        lengths=first.task.lengths,
    )
    for fit, fitted in zip(part, found, strict=True):
        lab.save_model(fit.model._replace(params=fitted.params), lab.ahead_path(fit.name))
