"""What a study left in its folder, read as one value; nothing here draws or writes."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxheads.records.rows import Row, read_rows
from jaxheads.storage.arrays import read_arrays
from jaxheads.storage.files import read_json

ROWS, CELLS, SETTINGS, SCORES, MAPS, VIEWS, TREES, TIMES, SPEEDS = (
    "rows.jsonl", "cells", "run.json", "scores", "maps", "views", "trees", "times",
    "speed.jsonl",
)  # fmt: skip
EXAMPLES = "examples"
PRETRAINING, ALL_TASKS, FROZEN = "mlm", "all tasks", "frozen"


class ScoreMap(NamedTuple):
    """The scores of a model's heads; `place` is "" or says where they were measured ("frozen")."""

    model: str
    task: str
    place: str
    seed: int
    score_LH: Float[np.ndarray, "L H"]


class HeadMap(NamedTuple):
    """What a study measured of each head beside its importance; `what` says of what kind it is."""

    model: str
    what: str
    seed: int
    name: str
    value_LH: Float[np.ndarray, "L H"]  # NaN where a head has no value


class HeadView(NamedTuple):
    """What one head looks at in one sentence, between the words that the study looked at.

    `weights[q][k]` goes from word q to word k; `marked` are numbers of words.
    """

    model: str
    what: str
    seed: int
    title: str
    layer: int
    head: int
    words: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    marked: frozenset[int]


class BracketTree(NamedTuple):
    """A sentence with gold constituents (label, first word, one past the last) and a head's."""

    model: str
    words: tuple[str, ...]
    gold: tuple[tuple[str, int, int], ...]
    found: tuple[tuple[int, int], ...]
    head: str
    reading: str
    f1: float


class ArcExample(NamedTuple):
    """A sentence with its gold arcs (dependent, head, relation) and those that heads make of it."""

    model: str
    words: tuple[str, ...]
    gold: tuple[tuple[int, int, str], ...]
    drawn: Mapping[str, tuple[tuple[int, int], ...]]  # by the name of the method and the head


_NARROW = ("model", "task", "method", "metric")  # fields that have many values in one stage


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """Everything that a report is made of; `notes` are things in the folder that it cannot use."""

    rows: tuple[Row, ...]
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]  # on which it was begun
    scores: tuple[ScoreMap, ...] = ()
    maps: tuple[HeadMap, ...] = ()
    views: tuple[HeadView, ...] = ()
    trees: tuple[BracketTree, ...] = ()
    arcs: tuple[ArcExample, ...] = ()
    finished: bool = True
    notes: tuple[str, ...] = ()
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
        found = (row.task for row in self.rows if row.task and "~" not in row.task)
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
        known = {name: fields.pop(name) for name in _NARROW if name in fields}
        found = self._narrowed(tuple(known)).get((stage, *known.values()), ())
        return [row for row in found if all(getattr(row, name) == v for name, v in fields.items())]

    def _narrowed(self, names: tuple[str, ...]) -> Mapping[tuple[object, ...], list[Row]]:
        """All rows by their stage and these fields: reports ask for few of many, many times."""
        if names not in self._by_fields:
            found = self._by_fields[names] = collections.defaultdict(list)
            for row in self.rows:
                found[row.stage, *(getattr(row, name) for name in names)].append(row)
        return self._by_fields[names]

    @functools.cached_property
    def _by_fields(self) -> dict[tuple[str, ...], dict[tuple[object, ...], list[Row]]]:
        return {}

    def metric(self, task: str) -> str:
        """What models are compared by on a task: its first metric that is not a loss."""
        for stages in (("whole",), ("masked", "floor", "similarity")):
            for row in self.rows:
                if row.task == task and row.metric != "loss" and row.stage in stages:
                    return row.metric
        return "loss"

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
    paths = [folder / ROWS] if finished else sorted((folder / CELLS).glob("*.jsonl"))
    rows = tuple(row for path in paths for row in read_rows(path))
    if not rows:
        got = "neither" if not paths else "no row in them"
        raise ValueError(f"{folder}: expected a study's {ROWS} or {CELLS}/*.jsonl, got {got}")
    (scores, odd_scores), (maps, odd_maps) = _read_scores(folder / SCORES), _read_maps(folder)
    settings, machine = _read_settings(folder / SETTINGS)
    views = tuple(view for path in sorted((folder / VIEWS).glob("*.json")) for view in _views(path))
    notes, trees = (*odd_scores, *odd_maps), _read_trees(folder / TREES)
    arcs, speeds = tuple(_read_arcs(folder / EXAMPLES)), _read_speeds(folder / SPEEDS)
    times = _read_times(folder)
    return Study(
        rows, settings, machine, scores, maps, views, trees, arcs, finished, notes, times, speeds
    )


def seconds_of(folder: Path) -> float | None:
    """What a study's cells took in all, as it noted them; None where it did not.

    Raises:
      ValueError: for a file that does not say so.
    """
    found = _read_times(folder)
    return sum(found.values()) if found else None


def _read_times(folder: Path) -> dict[str, float]:
    """Seconds by cell."""
    return {path.stem: _seconds(path) for path in sorted((folder / TIMES).glob("*.json"))}


def _seconds(path: Path) -> float:
    try:
        return float(read_json(path)["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected seconds, got {error!r}") from error


def _read_speeds(path: Path) -> tuple[dict[str, Any], ...]:
    """The last timing of each thing; nothing where there is no file."""
    if not path.is_file():
        return ()
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        wanted = ("model", "task", "method", "budget", "seed", "what")
        return tuple({tuple(line[k] for k in wanted): line for line in lines}.values())
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected lines of what was timed, got {error!r}") from error


def _read_settings(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the file says under "run" and "made_on"; nothing where there is no file."""
    if not path.is_file():
        return {}, {}
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: expected the settings of a study, got {error}") from error
    parts = [found.get(key) for key in ("run", "made_on")] if isinstance(found, dict) else []
    run, made_on = parts or (None, None)
    if not isinstance(run, dict) or not isinstance(made_on, dict):
        raise ValueError(f"{path}: expected an object with the objects run and made_on")
    return run, made_on


def _read_scores(folder: Path) -> tuple[tuple[ScoreMap, ...], tuple[str, ...]]:
    """The scores of whole models; other readings of them and pruned models' are passed over."""
    maps, notes = [], []
    for path in sorted(folder.glob("*.npz")):
        model, *middle, last = path.stem.split("-")
        seed, _, reading = last.partition(".")
        if not middle or not seed.isdecimal():
            notes.append(f"{SCORES}/{path.name} is not named MODEL-TASK-SEED and is not shown.")
        elif not reading and len(middle) == 1:
            maps.append(ScoreMap(model, middle[0], "", int(seed), _read_score(path)))
        elif not reading and middle[1:] == [FROZEN]:
            maps.append(ScoreMap(model, middle[0], FROZEN, int(seed), _read_score(path)))
    return tuple(maps), tuple(notes)


def _read_maps(folder: Path) -> tuple[tuple[HeadMap, ...], tuple[str, ...]]:
    """All named maps, in the order of the files' names and in each file in its own."""
    maps, notes = [], []
    for path in sorted((folder / MAPS).glob("*.npz")):
        model, what, seed, *more = [*path.stem.split("-"), "", ""]
        if not what or not seed.isdecimal() or any(more):
            notes.append(f"{MAPS}/{path.name} is not named MODEL-WHAT-SEED and is not shown.")
            continue
        for name, value_LH in read_arrays(path, what="maps").items():
            maps.append(HeadMap(model, what, int(seed), name, _checked(path, value_LH)))
    return tuple(maps), tuple(notes)


def _views(path: Path) -> Iterator[HeadView]:
    """The sentences of a file MODEL-WHAT-SEED.json, as the studies write them."""
    try:
        model, what, seed = path.stem.split("-")
        for each in json.loads(path.read_text(encoding="utf-8")):
            words = tuple(str(word) for word in each["words"])
            weights = tuple(tuple(float(weight) for weight in row) for row in each["weights"])
            if {len(words)} != {len(weights), *map(len, weights)}:
                raise ValueError(f"weights between {len(words)} words expected")
            yield HeadView(
                model, what, int(seed), str(each["title"]), int(each["layer"]), int(each["head"]),
                words, weights, frozenset(map(int, each["marked"])),
            )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected views of heads, got {error!r}") from error


def _read_trees(folder: Path) -> tuple[BracketTree, ...]:
    """The sentences with trees of all models, in the order of the files' names."""
    trees = []
    for path in sorted(folder.glob("*.json")):
        try:
            for each in json.loads(path.read_text()):
                gold = tuple((str(label), int(a), int(b)) for label, a, b in each["gold"])
                found = tuple((int(a), int(b)) for a, b in each["found"])
                words = tuple(map(str, each["words"]))
                f1 = float(each["f1"])
                trees.append(
                    BracketTree(path.stem, words, gold, found, each["head"], each["reading"], f1)
                )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: expected sentences with trees, got {error!r}") from error
    return tuple(trees)


def _read_arcs(folder: Path) -> Iterator[ArcExample]:
    """The sentences of files named MODEL-arcs-SEED.json."""
    for path in sorted(folder.glob("*-arcs-*.json")):
        try:
            for one in json.loads(path.read_text(encoding="utf-8")):
                gold = tuple((int(d), int(h), str(name)) for d, h, name in one["gold"])
                drawn = {
                    str(name): tuple((int(a), int(b)) for a, b in pairs)
                    for name, pairs in one["drawn"].items()
                }
                words = tuple(str(word) for word in one["words"])
                yield ArcExample(path.stem.split("-")[0], words, gold, drawn)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: expected sentences with arcs, got {error!r}") from error


def _read_score(path: Path) -> Float[np.ndarray, "L H"]:
    found = read_arrays(path, "score", what="scores")
    return _checked(path, found["score"])


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
