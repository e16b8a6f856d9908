"""The examples of a task: from a data set, from the Hub, or of the built-in language."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from jaxheads.data.headlines.humor import QUESTIONS
from jaxheads.data.headlines.pairs import read_pairs
from jaxheads.data.language.tasks import iter_drawn
from jaxheads.data.lines import PLAIN, Reading
from jaxheads.data.records import Records, from_hub, open_parallel, open_records, two_files
from jaxheads.data.tasks.found import names_in
from jaxheads.data.tasks.named import task_named
from jaxheads.data.tasks.task import UNLABELLED, Example, Examples, Task
from jaxheads.data.tasks.values import Reader, some_of

LOG = logging.getLogger("jaxheads")
SHOWN = 5  # problems of one data set that its error names
GENERATED = {"train": 20_000, "validation": 1_000, "test": 1_000}  # examples without a limit


def read_examples(
    task: str | Task,
    data: Any = None,
    *,
    split: str = "validation",
    limit: int | None = None,
    reading: Reading = PLAIN,
) -> Examples:
    """Read a task's examples into memory.

    Args:
      task: its name, or your own.
      data: a path, a name on the Hub, a `datasets.Dataset`, a pandas frame or a list of dicts (see
        `records`), of a translation also two files of lines, as a pair or "A,B"; None: the task's
        own on the Hub, or of the built-in language, of which `GENERATED` examples are drawn
        without a limit.
      split: of what is on the Hub, was saved by `datasets`, or is drawn.
      limit: stop after so many good examples.
      reading: how the data are read, where they do not say so themselves.

    Returns:
      The examples with their task. Where the task did not name its labels, they are now those of
      the data: of a column of classes in its order, else sorted.

    Raises:
      ValueError: for up to five problems, each by its place; for an unknown task or split, a limit
        below 1, a task that has no data of its own, and no example.
    """
    found = stream_examples(task, data, split=split, limit=limit, reading=reading)
    return dataclasses.replace(found, rows=tuple(found.rows))


def stream_examples(
    task: str | Task,
    data: Any = None,
    *,
    split: str = "validation",
    limit: int | None = None,
    reading: Reading = PLAIN,
    labelled: bool = True,
) -> Examples:
    """Examples as of `read_examples`, but read anew when they are gone through, in constant memory.

    Without `labelled` the labels are not read, and all are 0.

    Raises:
      ValueError: as `read_examples`; for a single example where it is reached.
    """
    task = task_named(task)
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected at least 1 example, got {limit}")
    if data is None and task.generated:
        _check_split(task, tuple(GENERATED), split)
        return Examples(task, _Again(lambda: _drawn(task, split, limit)))
    if task.aligned:
        if data is None:
            raise ValueError(f"task {task.title}: has no data of its own, give a file")
        return Examples(task, _Again(lambda: islice(_questions(task, Path(data)), limit)))
    records = _records(task, data, split, reading)
    named = settled(task, records, reading) if labelled else task
    reader = Reader(named, records.class_names, labelled)
    rows = _Again(lambda: _examples(reader, records, reading, limit))
    return Examples(named, rows, found=named.labels != task.labels)


@dataclasses.dataclass(frozen=True)
class _Again:
    """What an iterator yields, again whenever it is gone through."""

    begin: Callable[[], Iterator[Example]]

    def __iter__(self) -> Iterator[Example]:
        return self.begin()


def settled(task: Task, records: Records, reading: Reading) -> Task:
    """The task with labels: its own, or where it has none those of the data.

    Raises:
      ValueError: for labels of data that cannot be told from missing ones, or are those of numbers.
    """
    if task.labels or task.kind in UNLABELLED:
        return task
    if task.kind == "regress":
        return dataclasses.replace(task, labels=task.answers)
    return dataclasses.replace(task, labels=names_in(task, records, reading.skip))


def _records(task: Task, data: Any, split: str, reading: Reading) -> Records:
    """What is given, or the task's own data set on the Hub."""
    if task.kind == "translate" and (files := two_files(data)):
        return open_parallel(files, task.fields)
    if data is not None:
        if task.headless and not reading.columns:
            reading = _headless(task, data, reading)
        return open_records(data, split=split, reading=reading)
    if task.hub is None:
        raise ValueError(f"task {task.title}: has no data of its own, give a file")
    if split == "validation" and split not in task.hub.splits:
        split = task.hub.splits[1]  # MNLI's validation set is the matched one unless told otherwise
    _check_split(task, task.hub.splits, split)
    try:
        return from_hub(task.hub.name, task.hub.subset, split, task.hub.revision)
    except ValueError as error:
        raise ValueError(f"{task.title} without a data file: {error}") from error


def _headless(task: Task, data: Any, reading: Reading) -> Reading:
    """How a file is read that may be the task's original one, whose first line is an example."""
    if not (isinstance(data, str | Path) and str(data).endswith(".tsv") and reading.header):
        return reading
    bare = dataclasses.replace(reading, columns=task.headless, header=False)
    top = next(open_records(data, reading=bare).read(), None)
    if top is None or top.problem or {*task.fields, *task.answers} <= {*top.fields.values()}:
        return reading
    return bare


def _check_split(task: Task, splits: tuple[str, ...], split: str) -> None:
    if split not in splits:
        raise ValueError(f"{task.title}: expected a split of {', '.join(splits)}, got {split!r}")


def _drawn(task: Task, split: str, limit: int | None) -> Iterator[Example]:
    """Examples of the built-in language; the place of one is its split and number."""
    drawn = iter_drawn(task.name, split, seed=task.seed)
    for number, each in enumerate(islice(drawn, limit or GENERATED[split])):
        yield Example(*each, f"{task.name}/{split}:{number}")


def _questions(task: Task, file: Path) -> Iterator[Example]:
    """The questions of a task on pairs; those of one pair have its place."""
    pairs = read_pairs(file)
    for question in QUESTIONS[task.name](pairs, task.seed):
        first, *rest = question.texts
        place = pairs[question.pair].place
        yield Example(first, rest[0] if rest else None, question.label, place)


def _examples(
    reader: Reader, records: Records, reading: Reading, limit: int | None
) -> Iterator[Example]:
    """The good examples of a data set, up to its first problem; then its problems in one error."""
    problems: list[tuple[str, str]] = []
    broken = False
    left_out = dict.fromkeys(reading.skip, 0)
    count = 0
    for record in records.read():
        found, place = reader.read(record), record.place
        if found.kind in left_out:
            left_out[found.kind] += 1
            continue
        problems += [(place, each.removeprefix(f"{place}: ")) for each in found.problems]
        broken |= found.kind == "broken"
        if len(problems) >= SHOWN:
            break
        if found.example is not None and not problems:
            if not count and reader.labelled and reader.takes_number(record):
                _tell_numbers(records.name, reader.task)
            count += 1
            yield found.example
            if count == limit:
                break
    way_out = "--skip broken leaves such rows out" if broken and count else ""
    _raise(records.name, problems, count, way_out)
    for kind, number in left_out.items():
        LOG.warning("%s: rows left out: %d %s", records.name, number, kind)


@functools.lru_cache  # files are read several times
def _tell_numbers(name: str, task: Task) -> None:
    said = some_of([f"{number} ({label})" for number, label in enumerate(task.labels)])
    said = f"{task.answers[0]}: numbers are taken as those of the labels: {said}"
    LOG.warning("%s: %s", name, said)


def _raise(name: str, problems: Sequence[tuple[str, str]], count: int, way_out: str) -> None:
    if problems:
        places: dict[str, list[str]] = {}
        for place, problem in problems[:SHOWN]:
            places.setdefault(problem, []).append(place)
        first, *others = (
            f"{where[0]}: {problem}{_also(where[1:])}" for problem, where in places.items()
        )
        folder = f"{Path(name).parent}/"  # which is said once
        more = ["and perhaps more"] if len(problems) >= SHOWN else []
        more += [way_out] * bool(way_out)
        raise ValueError("; ".join([first, *(each.removeprefix(folder) for each in others), *more]))
    if not count:
        raise ValueError(f"{name}: expected examples, got none")


def _also(places: Sequence[str]) -> str:
    """Further places of a problem, by the numbers of their lines or rows."""
    numbers = (place[len(place.rstrip("0123456789")) :] for place in places)
    return f" (also {', '.join(numbers)})" if places else ""
