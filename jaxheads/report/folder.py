"""What a study left in its folder, read as one value; nothing here draws or writes."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from jaxheads.records.folder import (
    ALL_TASKS,
    FROZEN,
    PRETRAINING,
    ROWS,
    SETTINGS,
    TUNED,
    Room,
    Stage,
    score_file,
)
from jaxheads.records.head_maps import map_files
from jaxheads.records.rows import Row, read_rows
from jaxheads.report.spread import Spread, spread_of
from jaxheads.storage.files import read_arrays, read_json
from jaxheads.storage.store import Store

T = TypeVar("T")


class ScoreMap(NamedTuple):
    """The scores of a model's heads, measured in the fine-tuned model or at another `place`."""

    model: str
    task: str
    place: str
    score_LH: Float[np.ndarray, "L H"]


class HeadMap(NamedTuple):
    """What a study measured of each head beside its importance; `what` says of what kind it is.

    `task` is what the model was fine-tuned on, "" where it was not.
    """

    model: str
    what: str
    task: str
    seed: int
    name: str
    value_LH: Float[np.ndarray, "L H"]  # NaN where a head has no value


class HeadView(NamedTuple):
    """What one head looks at in one sentence, between the words that the study looked at.

    `weights[q][k]` goes from word q to word k; `marked` are numbers of words.
    """

    model: str
    what: str
    task: str
    title: str
    seed: int
    layer: int
    head: int
    words: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    marked: frozenset[int]


class BracketTree(NamedTuple):
    """A sentence with gold constituents (label, first word, one past the last) and a head's."""

    model: str
    head: str
    reading: str
    words: tuple[str, ...]
    gold: tuple[tuple[str, int, int], ...]
    found: tuple[tuple[int, int], ...]
    f1: float


class ArcExample(NamedTuple):
    """A sentence with its gold arcs (dependent, head, relation) and those that heads make of it."""

    model: str
    words: tuple[str, ...]
    gold: tuple[tuple[int, int, str], ...]
    drawn: Mapping[str, tuple[tuple[int, int], ...]]  # by the name of the method and the head


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """Everything that a report is made of."""

    rows: tuple[Row, ...]
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]  # on which it was begun
    scores: tuple[ScoreMap, ...] = ()
    maps: tuple[HeadMap, ...] = ()
    views: tuple[HeadView, ...] = ()
    trees: tuple[BracketTree, ...] = ()
    arcs: tuple[ArcExample, ...] = ()
    finished: bool = True
    times: Mapping[str, float] = dataclasses.field(default_factory=dict)  # seconds of each cell
    speeds: tuple[Mapping[str, Any], ...] = ()  # what was timed: no rows, since no run repeats it

    @property
    def name(self) -> str:
        """Of the study, as its rows have it."""
        return self.rows[0].study

    @property
    def models(self) -> list[str]:
        """In the order of the settings, then of the rows."""
        return _ordered((row.model for row in self.rows), _names(self.settings, "models"))

    @property
    def tasks(self) -> list[str]:
        """The single tasks, the pre-training task first, then as the settings have them."""
        found = (row.task for row in self.rows if row.task)
        first = [PRETRAINING, *_names(self.settings, "tasks")]
        return [task for task in _ordered(found, first) if task != ALL_TASKS]

    @property
    def downstream(self) -> list[str]:
        """The single tasks but the pre-training task."""
        return [task for task in self.tasks if task != PRETRAINING]

    @property
    def stages(self) -> list[str]:
        """In the order of the rows."""
        return _ordered(row.stage for row in self.rows)

    def at(self, stage: str, **fields: object) -> list[Row]:
        """The rows of a stage that have these fields, in their order."""
        names = tuple(fields)
        if names not in self._by_fields:  # reports ask for few of many, many times
            found = self._by_fields[names] = collections.defaultdict(list)
            for row in self.rows:
                found[row.stage, *(getattr(row, name) for name in names)].append(row)
        return list(self._by_fields[names].get((stage, *fields.values()), ()))

    def spread(self, stage: str, **fields: object) -> Spread | None:
        """These rows taken together."""
        return spread_of(self.at(stage, **fields))

    def main(self, stage: str, **fields: object) -> list[Row]:
        """The rows of a stage in the metric of their task."""
        return [row for row in self.at(stage, **fields) if row.metric == self.metric(row.task)]

    @functools.cached_property
    def _by_fields(self) -> dict[tuple[str, ...], dict[tuple[object, ...], list[Row]]]:
        return {}

    @functools.cached_property
    def _metrics(self) -> dict[str, str]:
        """By task; that of whole models comes first."""
        found: dict[str, str] = {}
        for stages in ((Stage.WHOLE,), (Stage.MASKED, Stage.FLOOR, Stage.SIMILARITY)):
            for row in self.rows:
                if row.stage in stages and row.metric != "loss":
                    found.setdefault(row.task, row.metric)
        return found

    def metric(self, task: str) -> str:
        """What models are compared by on a task: its first metric that is not a loss."""
        return self._metrics.get(task, "loss")

    def heads(self, model: str) -> int | None:
        """How many (layer, head) places a model has, if that can be known."""
        sizes = [found.score_LH.size for found in self.scores if found.model == model]
        kept = [row.budget for row in self.rows if row.model == model and row.budget is not None]
        return max([*sizes, *kept], default=None)


def read_study(folder: Path) -> Study:
    """A finished study's rows, or those of its finished cells; scores and settings beside them.

    Raises:
      ValueError: where there are no rows, and for files that are not what their names say.
    """
    finished = (folder / ROWS).is_file()
    paths = [folder / ROWS] if finished else sorted((folder / Room.CELLS).glob("*.jsonl"))
    rows = tuple(row for path in paths for row in read_rows(path))
    if not rows:
        got = "neither" if not paths else "no row in them"
        raise ValueError(f"{folder}: expected a study's {ROWS} or {Room.CELLS}/*.jsonl, got {got}")
    settings, machine = _read_settings(folder / SETTINGS)
    study = Study(
        rows, settings, machine, (), tuple(_read_maps(folder)),
        tuple(_read_each(folder / Room.VIEWS, _view, "views of heads")),
        tuple(_read_each(folder / Room.TREES, _tree, "sentences with trees")),
        tuple(_read_each(folder / Room.EXAMPLES, _arcs, "sentences with arcs")),
        finished, _read_times(folder), _read_speeds(folder / Room.SPEEDS),
    )  # fmt: skip
    return dataclasses.replace(study, scores=tuple(_read_scores(folder / Room.SCORES, study)))


def seconds_of(folder: Path) -> float | None:
    """What a study's cells took in all, as it noted them; None where it did not.

    Raises:
      ValueError: for a file that does not say so.
    """
    found = _read_times(folder)
    return sum(found.values()) if found else None


@contextlib.contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Whatever is wrong with the values of a file is said of that file."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected {what}, got {error!r}") from error


def _read_times(folder: Path) -> dict[str, float]:
    """Seconds by cell."""
    found = {}
    for path in sorted((folder / Room.TIMES).glob("*.json")):
        with _reading(path, "seconds"):
            found[path.stem] = float(read_json(path)["seconds"])
    return found


def _read_speeds(folder: Path) -> tuple[dict[str, Any], ...]:
    """What every cell has timed."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        with _reading(path, "what was timed"):
            found += [dict(line.items()) for line in json.loads(path.read_text())]
    return tuple(found)


def _read_settings(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the file says under "run" and "made_on"; nothing where there is no file."""
    if not path.is_file():
        return {}, {}
    found = read_json(path)
    run, made_on = (found.get(key) for key in ("run", "made_on"))
    if not isinstance(run, dict) or not isinstance(made_on, dict):
        raise ValueError(f"{path}: expected an object with the objects run and made_on")
    return run, made_on


def _read_scores(folder: Path, study: Study) -> Iterator[ScoreMap]:
    """The scores of whole models that rows are of; other readings of them are passed over."""
    seeds = sorted({row.seed for row in study.rows})
    for model, task, place in itertools.product(study.models, study.tasks, (TUNED, FROZEN)):
        names = dict.fromkeys(score_file(model, task, seed, place) for seed in seeds)
        for path in (folder / f"{name}.npz" for name in names):
            if path.is_file() and not (task == PRETRAINING and place == FROZEN):
                found = read_arrays(path, "score", what="scores")
                yield ScoreMap(model, task, place, _checked(path, found["score"]))


def _read_maps(folder: Path) -> Iterator[HeadMap]:
    """All named maps, in the order of the files' names and in each file in its own."""
    for file, model, what, task, seed, *_ in map_files(Store(folder)):
        path = folder / file
        for name, value_LH in read_arrays(path, what="maps").items():
            yield HeadMap(model, what, task, seed, name, _checked(path, value_LH))


def _read_each(folder: Path, make: Callable[[Any], T], what: str) -> Iterator[T]:
    """What a function makes of each entry of the lists in JSON files, in the order of names."""
    for path in sorted(folder.glob("*.json")):
        with _reading(path, what):
            yield from map(make, json.loads(path.read_text(encoding="utf-8")))


def _view(each: Mapping[str, Any]) -> HeadView:
    words = tuple(map(str, each["words"]))
    weights = tuple(tuple(map(float, row)) for row in each["weights"])
    if {len(words)} != {len(weights), *map(len, weights)}:
        raise ValueError(f"weights between {len(words)} words expected")
    marked = frozenset(map(int, each["marked"]))
    model, what, task, title = (str(each[key]) for key in ("model", "what", "task", "title"))
    seed, layer, head = (int(each[key]) for key in ("seed", "layer", "head"))
    return HeadView(model, what, task, title, seed, layer, head, words, weights, marked)


def _tree(each: Mapping[str, Any]) -> BracketTree:
    gold = tuple((str(label), int(a), int(b)) for label, a, b in each["gold"])
    found = tuple((int(a), int(b)) for a, b in each["found"])
    model, head, reading = (str(each[key]) for key in ("model", "head", "reading"))
    words = tuple(map(str, each["words"]))
    return BracketTree(model, head, reading, words, gold, found, float(each["f1"]))


def _arcs(each: Mapping[str, Any]) -> ArcExample:
    gold = tuple((int(d), int(h), str(name)) for d, h, name in each["gold"])
    drawn = {
        str(name): tuple((int(a), int(b)) for a, b in pairs)
        for name, pairs in each["drawn"].items()
    }
    return ArcExample(str(each["model"]), tuple(map(str, each["words"])), gold, drawn)


def _checked(path: Path, value_LH: np.ndarray) -> Float[np.ndarray, "L H"]:
    if value_LH.ndim != 2 or value_LH.dtype.kind != "f" or not value_LH.size:
        got = f"{value_LH.dtype} {list(value_LH.shape)}"
        raise ValueError(f"{path}: expected floats [layers, heads], got {got}")
    return value_LH


def _ordered(found: Iterable[str], first: Iterable[str] = ()) -> list[str]:
    """Different names in order, those of `first` that are among them before the others."""
    names = list(dict.fromkeys(found))
    known = [name for name in dict.fromkeys(first) if name in names]
    return known + [name for name in names if name not in known]


def _names(settings: Mapping[str, Any], key: str) -> Iterator[str]:
    parts = settings.get(key)
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and isinstance(part.get("name"), str):
            yield part["name"]
