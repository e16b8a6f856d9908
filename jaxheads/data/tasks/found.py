"""The labels of a data set whose task names none."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jaxheads.data.records import Records
from jaxheads.data.tasks.task import Task
from jaxheads.data.tasks.values import (
    Labels,
    Reader,
    are_flags,
    is_missing,
    label_list,
    name_of,
    our_fields,
    plain_name,
    some_of,
)

LOG = logging.getLogger("jaxheads")
MANY = 50  # labels that each occur once are no classes


def names_in(task: Task, records: Records, skip: Sequence[str]) -> Labels:
    """The names of the classes of a data set: of a column of classes in its order, else sorted.

    Raises:
      ValueError: for a value that may mean that there is no label, for as many labels as examples,
        and for one label alone where a text or a word has one of several.
    """
    (column,) = task.answers
    if column in records.class_names:
        return records.class_names[column]
    counts: dict[str, int] = {}
    for value in _values_in(task, column, records):
        if not (is_missing(value, ()) and ("unlabelled" in skip or value in (None, ""))):
            counts[name_of(value)] = counts.get(name_of(value), 0) + 1
    if doubtful := [name for name in ("-1", "-", "-100") if name in counts]:
        raise ValueError(
            f"{records.name}: {column}: {doubtful[0]} may be a class or stand for no "
            "label: --labels names the classes, or --skip unlabelled leaves such rows out"
        )
    if len(counts) > MANY and set(counts.values()) == {1}:
        raise ValueError(
            f"{records.name}: {column}: expected classes, got {len(counts)} values that "
            "occur once each; is it another column, or a number (--task regress)?"
        )
    if len(counts) < (1 if task.kind == "multilabel" else 2):
        raise ValueError(_why_few(task, records, next(iter(counts), "none")))
    _tell_alike(f"{records.name}: {column}", counts)
    whole = all(name.removeprefix("-").isdecimal() for name in counts)
    return tuple(sorted(counts, key=int) if whole else sorted(counts))


def _tell_alike(where: str, names: Iterable[str]) -> None:
    """Warn of labels that are probably one."""
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(plain_name(name.strip()), []).append(name)
    for alike in (each for each in plain.values() if len(each) > 1):
        said = "%s: different labels by capitals, spaces or hyphens alone: %s"
        LOG.warning(said, where, some_of([repr(name) for name in alike]))


def _why_few(task: Task, records: Records, got: str) -> str:
    """What is wrong with data without labels that could be told apart."""
    reader, name = Reader(task, records.class_names), f"{records.name}: {task.answers[0]}"
    found = ((each, reader.read(each)) for each in records.read())
    problems = (
        read.problems[0]
        for each, read in found
        if read.problems and (each.problem or (got == "none" and read.kind != "unlabelled"))
    )
    wanted = "labels" if task.kind == "multilabel" else "two or more labels"
    return next(problems, f"{name}: expected {wanted}, got {got}")


def _values_in(task: Task, column: str, records: Records) -> Iterator[Any]:
    """Every value of the label column that can be one; what is wrong is found when it is read."""
    for record in records.read():
        value = our_fields(task, record.fields).get(column)
        if task.kind == "classify":
            yield value
        elif task.kind == "multilabel":
            names = label_list(value, task.separator)[0]
            if are_flags(names):
                said = "0 and 1 for each label: --labels names them, in their order"
                raise ValueError(f"{record.place}: {column}: {said}")
            yield from names
        elif isinstance(value, list | tuple):
            yield from value
