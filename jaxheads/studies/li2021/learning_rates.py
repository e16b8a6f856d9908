"""At which rate gates learn: tried on training examples that are held out for it.

Pipelined gates are tried on a model that was fine-tuned without those examples too.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import numpy as np

from jaxheads.data.encode import EncodedSource
from jaxheads.data.sources import take
from jaxheads.records.rows import Row, read_rows
from jaxheads.studies.li2021.selection import (
    METHODS,
    budgets,
    choice_of,
    has_rate,
    is_pipelined,
    plain,
)
from jaxheads.studies.runner.cells import Cell, cell_path
from jaxheads.studies.workbench.model import Lab
from jaxheads.studies.workbench.tasks import Subject

CHOSEN = "choice of rate"


def rate_cells(lab: Lab, task: str, base: tuple[str, ...]) -> Iterator[Cell]:
    """A cell for each method that has a rate, after that of the model which some of them need."""
    methods = [method for method in lab.run.study.methods if has_rate(method)]
    before = base
    if len(lab.run.study.rates) > 1 and any(map(is_pipelined, methods)):
        before = (f"{lab.name}-{task}-tuned-for-rates",)
        yield Cell(*before, functools.partial(_tuned, lab, task), needs=base)
    for method in methods:
        work = functools.partial(choose_rate, lab, task, method)
        yield Cell(rate_cell(lab, task, method), work, needs=before)


def rate_cell(lab: Lab, task: str, method: str) -> str:
    """The cell in which a method's rate is chosen."""
    return f"{lab.name}-{task}-{plain(method)}-rate"


def rate_of(lab: Lab, name: str, method: str) -> float:
    """The rate that was chosen; that of methods without gates is not used."""
    if not has_rate(method):
        return 1.0
    rows = read_rows(cell_path(lab.folder, rate_cell(lab, name, method)))
    return next(row.value for row in rows if row.metric == "rate")


def choose_rate(lab: Lab, name: str, method: str) -> list[Row]:
    """The rate with the best metric on training examples that no part of the trial has seen.

    The mean over all budgets (at a large one nearly any heads will do), with the first seed; a
    single rate needs no choice. `steps of all trials` counts the fine-tuning that they start from,
    which pipelined methods share.
    """
    how = lab.run.study
    if len(how.rates) == 1:
        return lab.note.rows(name, {"rate": how.rates[0]}, stage=CHOSEN, method=method)
    part = _without_tried(lab, name)
    assert part.training is not None
    rows: list[Row] = []
    found: dict[float, list[float]] = {rate: [] for rate in how.rates}
    steps = part.training.steps if is_pipelined(method) else 0
    for rate, budget in itertools.product(how.rates, budgets(lab)):
        chosen = METHODS[method](choice_of(lab, part, lab.run.seeds[0], budget, rate))
        steps += chosen.steps
        metrics = lab.measure(chosen.model, part, chosen.mask_LH).metrics
        found[rate].append(metrics[part.metrics[0]])
        what = {"stage": CHOSEN, "method": method, "budget": budget}
        rows += lab.note.rows(name, {f"{part.metrics[0]} at {rate:g}": found[rate][-1]}, **what)
    best = max(found, key=lambda rate: sum(found[rate]))
    values = {"rate": best, "steps of all trials": float(steps)}
    return rows + lab.note.rows(name, values, stage=CHOSEN, method=method)


def _tuned(lab: Lab, name: str) -> list[Row]:
    """The fine-tuned model of the trials."""
    lab.trained(_without_tried(lab, name), lab.run.seeds[0])
    return []


def _without_tried(lab: Lab, name: str) -> Subject:
    """The task as trials have it: what is held out is a part of its training examples by chance."""
    task = lab.subject(name)
    assert isinstance(task.train, EncodedSource), "downstream tasks are read whole"
    train, rest = parted(task.train, lab.run.study.chosen_on)
    batches = list(lab.reader.batches(rest, task.lengths, lab.run.curve.batch_size))
    return task._replace(name=f"{name}-for-rates", train=train, held_out=batches)


def parted(source: EncodedSource, share: float) -> tuple[EncodedSource, EncodedSource]:
    """A source without a share of its examples, drawn by a fixed seed, and those by themselves.

    Files may be sorted, so the last examples would not do.
    """
    count = len(source.lengths)
    order = np.random.default_rng(0).permutation(count)
    left_out = round(count * share)
    rest, kept = np.sort(order[:left_out]), np.sort(order[left_out:])
    return take(source, kept), take(source, rest)
