"""Which readout a task needs, and which of its classes is which of the task's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jaxheads.config import ReadoutConfig, ReadoutKind
from jaxheads.data.tasks.task import UNLABELLED, Task
from jaxheads.data.tasks.values import plain_name, some_of

KINDS: dict[str, tuple[ReadoutKind, ...]] = {
    "classify": ("classification", "pair"),
    "regress": ("classification", "pair"),
    "multilabel": ("multilabel",),
    "tag": ("tagging",),
    "translate": ("translation",),
    "mlm": ("masked_lm",),
}


def new_readout(task: Task) -> ReadoutConfig:
    """The readout that a model gets for a task whose labels are settled."""
    if task.siamese:
        return ReadoutConfig("pair", task.labels)
    return ReadoutConfig(KINDS[task.kind][0], task.labels)


def check_readout(task: Task, readout: ReadoutConfig, *, found: bool = False) -> None:
    """Check that a readout can do a task; data in which labels were `found` may lack some.

    Raises:
      ValueError: for another kind of readout than the task needs, or another number of labels.
    """
    if task.kind in UNLABELLED:
        if (readout.kind,) != KINDS[task.kind]:
            wanted = {"mlm": "a masked LM", "translate": "an encoder-decoder"}[task.kind]
            raise ValueError(f"task {task.title}: expected {wanted}, got {_described(readout)}")
        return
    kinds = KINDS[task.kind] if task.is_pair else KINDS[task.kind][:1]
    count = 1 if task.is_regression else len(task.labels)
    right = len(readout.labels) == count or (found and len(readout.labels) > count)
    if readout.kind not in kinds or not right:
        wanted = f" for {len(task.labels)} classes" if task.labels else ""
        wanted = " for regression" if task.is_regression else wanted
        raise ValueError(
            f"task {task.title}: expected a {' or '.join(kinds)} readout{wanted}, got "
            f"{_described(readout)}; such a model comes from fine-tuning on the task"
        )


def _described(readout: ReadoutConfig) -> str:
    if readout.kind == "none":
        return "a model without a readout"
    labels = f" with {len(readout.labels)} labels" if readout.labels else ""
    return f"a {readout.kind} readout{labels}"


def class_numbers(task: Task, readout: ReadoutConfig, *, found: bool = False) -> tuple[int, ...]:
    """The readout's number for each class of a task: by name; none where there are no classes.

    Checkpoints disagree on the order (of MNLI's classes, for one). A readout whose names only count
    (LABEL_0) is taken to have the task's order, and a task whose names are numbers has those of the
    readout. Labels that were `found` in data have no order that a readout could have.

    Raises:
      ValueError: for names that are not the readout's.
    """
    if task.kind == "regress" or task.kind in UNLABELLED:
        return ()
    theirs, ours = [*readout.labels], [*task.labels]
    for _ in range(2):  # by the very names, else in small letters
        same = sorted(theirs) == sorted(ours) or (found and {*ours} <= {*theirs})
        if same and len({*theirs}) == len(theirs):
            return tuple(theirs.index(name) for name in ours)
        theirs, ours = ([plain_name(name) for name in each] for each in (theirs, ours))
    numbers = all(name.isdecimal() and int(name) < len(theirs) for name in ours)
    if numbers and not any(map(str.isdecimal, theirs)):
        return tuple(map(int, ours))
    if not found and len(theirs) == len(ours) and _counts(theirs):
        return tuple(range(len(ours)))
    raise ValueError(
        f"task {task.title}: expected the labels of the model, {some_of(readout.labels)}, got "
        f"{some_of(task.labels)}; --labels names the classes of a model that only counts them"
    )


def _counts(names: Sequence[str]) -> bool:
    """Whether names only count: LABEL_0, or the numbers themselves."""
    return all(name in (f"label_{place}", str(place)) for place, name in enumerate(names))


def renamed(readout: ReadoutConfig, labels: tuple[str, ...]) -> ReadoutConfig:
    """The readout with names for classes that it only counts; without labels, as it is.

    Raises:
      ValueError: for labels that are not those of a readout which names its own.
    """
    if not labels or not readout.labels:
        return readout
    if sorted(map(plain_name, labels)) == sorted(map(plain_name, readout.labels)):
        return readout
    if len(labels) == len(readout.labels) and _counts([plain_name(n) for n in readout.labels]):
        return dataclasses.replace(readout, labels=labels)
    raise ValueError(
        f"--labels: expected the model's own, {some_of(readout.labels)}, got {some_of(labels)}"
    )


def with_labels_of(task: Task, readout: ReadoutConfig) -> Task:
    """A task of your own with the labels that a model has for it, where it named none."""
    if task.labels or task.kind in UNLABELLED or readout.kind not in KINDS[task.kind]:
        return task
    of_number = task.answers if task.is_regression else ()
    wrong = bool(of_number) != (len(readout.labels) == 1)
    return dataclasses.replace(task, labels=of_number if wrong else readout.labels)
