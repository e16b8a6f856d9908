"""What models with heads masked answered to the held-out examples, and differences of these.

answers/NAME.npz    what was due, and by way to choose heads what was answered, at each budget
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Num

from jaxheads.analysis.intervals import Contrast, Estimate, contrast
from jaxheads.inference.evaluate import Evaluation
from jaxheads.inference.metrics import METRICS
from jaxheads.records.folder import OWN, RANDOM, REVERSED, Room, Stage
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.tasks import PreparedTask


class Way(NamedTuple):
    """How heads are chosen, by the fields that rows have for it."""

    method: str
    reading: str = ""
    other_task: str = ""
    draw: int | None = None

    @property
    def kind(self) -> Way:
        """The way without the number of its draw."""
        return self._replace(draw=None)

    @property
    def name(self) -> str:
        """In names of cells and files."""
        of = f"of {self.other_task}" if self.other_task else ""
        number = "" if self.draw is None else str(self.draw)
        return "-".join(filter(None, (self.method, of, self.reading, number)))

    def less(self, other: Way) -> dict[str, Any]:
        """The fields of a difference."""
        own = self._asdict() | {"other_method": other.method, "other_reading": other.reading}
        return own | {"draw": None}


WHOLE_MODEL = Way("")  # of a model as it is
Guesses = Num[np.ndarray, "*budgets_M_C"]  # a row of 0 and 1 for each question of several labels


class Answered(NamedTuple):
    """What was due, and what was answered under each way's masks, at its budgets if it has any."""

    label_M: Num[np.ndarray, "M *C"]
    example_M: Num[np.ndarray, "M"]
    guesses: dict[Way, Guesses]
    budgets: dict[Way, Num[np.ndarray, "budgets"]]

    def of_kind(self, way: Way) -> list[Guesses]:
        """All draws of a way, or its only answers."""
        return [guess for each, guess in self.guesses.items() if each.kind == way.kind]


def save_answers(
    store: Store,
    name: str,
    found: Evaluation,
    guesses: Mapping[Way, Guesses] | None = None,
    budgets: Mapping[Way, Sequence[int]] | None = None,
) -> None:
    """Keep answers to the questions of an evaluation, which are its own where no others are given.

    They are there for intervals that are computed later.
    """
    guesses = guesses or {WHOLE_MODEL: found.answers.guess_M}
    arrays = {"label": found.answers.label_M, "example": found.answers.example_M}
    arrays["ways"] = np.array([json.dumps(way) for way in guesses])
    for place, (way, guess) in enumerate(guesses.items()):
        arrays[f"guess/{place}"] = guess
        if budgets:
            arrays[f"budgets/{place}"] = np.array(budgets[way])
    store.write_arrays(_file(name), arrays)


def load_answers(store: Store, name: str) -> Answered:
    """What `save_answers` wrote.

    Raises:
      FileNotFoundError: there are none.
      ValueError: for a damaged file.
    """
    found = store.read_arrays(_file(name), Room.ANSWERS)
    ways = [Way(*json.loads(text)) for text in found["ways"].tolist()]
    guesses, budgets = (
        {way: found[key] for n, way in enumerate(ways) if (key := f"{what}/{n}") in found}
        for what in ("guess", "budgets")
    )
    return Answered(found["label"], found["example"], guesses, budgets)


def _file(name: str) -> str:
    return f"{Room.ANSWERS}/{name}.npz"


# -- rows of values with intervals


def estimate_rows(
    model: StudyModel, task: str, metric: str, found: Estimate, **what: Any
) -> list[Row]:
    """The row of a value with its interval."""
    ends = {name: float(getattr(found, name)) for name in ("low", "high", "p_value")}
    return model.make_rows(task, {metric: found.value}, **ends, **what)


def contrast_rows(
    model: StudyModel,
    task: PreparedTask,
    one: Sequence[Sequence[Guesses]],
    two: Sequence[Sequence[Guesses]],
    due: Answered,
    **what: Any,
) -> list[Row]:
    """The row of a difference of answers, by seed and draw, with what it was computed from."""
    metric = task.metrics[0]
    found: Contrast = contrast(one, two, due.label_M, METRICS[metric], due.example_M)
    counts = found._asdict()
    return estimate_rows(model, task.name, metric, counts.pop("difference"), **counts, **what)


def contrasts(
    model: StudyModel,
    task: PreparedTask,
    names: Iterable[str],
    pairs: Sequence[tuple[Way, Way]] = (
        (Way(OWN), Way(RANDOM)),
        (Way(RANDOM), Way(REVERSED)),
    ),
    stage: str = Stage.CONTRAST,
) -> list[Row]:
    """The first order of each pair less the second, nearest half of the heads, with intervals.

    The interval is over seeds, draws and examples (`analysis.intervals.contrast`). `names`: whose
    answers are read, by seed.
    """
    answers = [load_answers(model.store, name) for name in names]
    first = next(way for way in answers[0].guesses if way.kind == pairs[0][0])
    budgets = answers[0].budgets[first]
    place = int(np.argmin(np.abs(budgets - budgets[0] / 2)))

    def of(way: Way) -> list[list[Guesses]]:
        return [[guess[place] for guess in each.of_kind(way)] for each in answers]

    rows: list[Row] = []
    for one, two in pairs:
        what = {"stage": stage, "budget": int(budgets[place]), **one.less(two)}
        rows += contrast_rows(model, task, of(one), of(two), answers[0], **what)
    return rows
