"""Which readout a task needs, and which of its classes is which of the task's."""

from __future__ import annotations

from jaxheads.config import ReadoutConfig
from jaxheads.data.tasks import Task


def new_readout(task: Task) -> ReadoutConfig:
    """The readout that a model gets for a task."""
    if not task.labels:
        return ReadoutConfig("masked_lm")
    return ReadoutConfig("pair" if task.siamese else "classification", task.labels)


def check_readout(task: Task, readout: ReadoutConfig) -> None:
    """Check that a readout can do a task.

    Raises:
      ValueError: for another kind of readout than the task needs, or another number of labels.
    """
    if not task.labels:
        if readout.kind != "masked_lm":
            raise ValueError(f"task {task.name}: expected a masked LM, got {_described(readout)}")
        return
    kinds = ("classification", "pair") if task.is_pair else ("classification",)
    if readout.kind not in kinds or len(readout.labels) != len(task.labels):
        wanted = "regression" if task.is_regression else f"{len(task.labels)} classes"
        raise ValueError(
            f"task {task.name}: expected a {' or '.join(kinds)} readout for {wanted}, got "
            f"{_described(readout)}; such a model comes from fine-tuning on the task"
        )


def _described(readout: ReadoutConfig) -> str:
    if readout.kind == "none":
        return "a model without a readout"
    labels = f" with {len(readout.labels)} labels" if readout.labels else ""
    return f"a {readout.kind} readout{labels}"


def class_numbers(task: Task, readout: ReadoutConfig) -> tuple[int, ...]:
    """The readout's number for each class of a task: by name where its names are the task's.

    Checkpoints disagree on the order (of MNLI's classes, for one). A readout with names of its own
    (LABEL_0) is taken to have the task's order.
    """
    named = [_plain(name) for name in readout.labels]
    wanted = [_plain(name) for name in task.labels]
    if sorted(named) != sorted(wanted):
        return tuple(range(len(wanted)))
    return tuple(named.index(name) for name in wanted)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
