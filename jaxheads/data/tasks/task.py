"""What a task is: the columns that it reads, what is asked about them, and its labels.

A leaf: it never starts jax.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Literal, NamedTuple, overload

from jaxheads.errors import refuse

Kind = Literal["classify", "regress", "multilabel", "tag", "translate", "mlm"]

KINDS: dict[str, tuple[str, ...]] = {  # with their metrics, the one to compare by first
    "classify": ("accuracy", "f1_macro"),
    "regress": ("pearson", "spearman"),
    "multilabel": ("f1_micro", "f1_macro", "accuracy"),
    "tag": ("accuracy", "f1_macro"),
    "translate": ("loss", "accuracy"),
    "mlm": ("loss", "accuracy"),
}
UNLABELLED = ("translate", "mlm")  # whose texts are their own answers
COLUMNS = {"tag": (1,), "mlm": (1,), "translate": (2,)}  # of text, where not one or two
SPANS = ("span_f1", "span_precision", "span_recall", "accuracy")  # of tags that mark spans


@dataclasses.dataclass(frozen=True)
class Hub:
    """Where a task's examples are on the Hub, if no data are given."""

    name: str
    subset: str | None = None  # which the library `datasets` calls its config
    revision: str | None = None
    splits: tuple[str, ...] = ("train", "validation")


@dataclasses.dataclass(frozen=True)
class Task:
    """What is asked about texts, in which columns text and answer stand, and what is measured.

    Those that have a name, as `sst2`, are in `named.TASKS`. Your own:
    `Task("classify", text="review", label="topic")`.

    Raises:
      ValueError: for an unknown kind, no text or more than two, labels that come twice, and labels
        or columns that the kind cannot have, listing all.
    """

    kind: Kind
    text: str | tuple[str, ...] = "text"  # columns: "review", or of a pair "premise,hypothesis"
    label: str | tuple[str, ...] = "label"  # one column; multilabel: or one of 0 and 1 for each
    # in the order of their numbers; none: those of the model, or of the data; of several columns of
    # 0 and 1 the columns
    labels: tuple[str, ...] = ()
    _: dataclasses.KW_ONLY
    name: str = ""  # in messages and records; none: the kind
    metrics: tuple[str, ...] = ()  # the one to compare by first; none: those of the kind
    separator: str | None = None  # between the labels of one text, where a column of text has them
    span: tuple[float, float] | None = None  # within which a real label must be
    renamed: tuple[tuple[str, str], ...] = ()  # columns that other files call otherwise
    headless: tuple[str, ...] = ()  # columns of the task's own files that have no header
    hub: Hub | None = None
    aligned: bool = False  # its files hold pairs of headlines (see `pairs`), not examples
    # the two sentences are encoded separately, and compared by a pair readout
    siamese: bool = False
    generated: bool = False  # drawn from the built-in language where no file is given
    seed: int = 0  # ... by this seed

    def __post_init__(self) -> None:
        for part in ("text", "label", "labels"):
            if not isinstance(given := getattr(self, part), str):
                object.__setattr__(self, part, tuple(map(str, given)))
        if isinstance(self.labels, str):
            object.__setattr__(self, "labels", tuple(self.labels.split(",")))
        refuse(f"task {self.title}", _problems(self))
        if len(self.answers) > 1 and not self.labels:
            object.__setattr__(self, "labels", self.answers)

    @property
    def title(self) -> str:
        """The task's name, or its kind."""
        return self.name or self.kind

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of the text: one, or two for a pair."""
        return _columns(self.text)

    @property
    def answers(self) -> tuple[str, ...]:
        """The columns of the label; none where nothing is labelled."""
        return () if self.kind in UNLABELLED else _columns(self.label)

    @property
    def is_pair(self) -> bool:
        """Whether an example has two sentences."""
        return len(self.fields) == 2

    @property
    def is_regression(self) -> bool:
        """Whether the label is a real number."""
        return self.kind == "regress"

    @property
    def measured(self) -> tuple[str, ...]:
        """The task's metrics, the one to compare by first."""
        if self.metrics:
            return self.metrics
        return SPANS if self.kind == "tag" and mark_spans(self.labels) else KINDS[self.kind]


def _columns(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(names.split(",")) if isinstance(names, str) else names


def _problems(task: Task) -> Iterator[str]:
    if task.kind not in KINDS:
        yield f"expected one of {', '.join(KINDS)}, got {task.kind!r}"
        return
    if len(task.fields) not in (counts := COLUMNS.get(task.kind, (1, 2))):
        wanted = " or ".join(("one", "two")[count - 1] for count in counts)
        yield f"text: expected {wanted} of the columns, got {', '.join(task.fields)}"
    if len(task.answers) > 1 and task.kind != "multilabel":
        yield f"label: expected one column, got {', '.join(task.answers)}"
    if len(task.answers) > 1 and task.labels and len(task.labels) != len(task.answers):
        counts = f"{len(task.answers)} columns, got {len(task.labels)}"
        yield f"labels: expected one for each of {counts}"
    if not all((*task.fields, *task.answers)):
        yield "text and label: expected names of columns, got an empty one"
    if twice := sorted({name for name in task.labels if task.labels.count(name) > 1}):
        yield f"labels: expected different names, got {', '.join(twice)} twice"
    if task.kind in ("classify", "tag") and len(task.labels) == 1:
        yield f"labels: expected two or more, got {task.labels[0]}"
    if task.kind == "regress" and len(task.labels) > 1:
        yield f"labels: expected one name of a number, got {', '.join(task.labels)}"
    if task.separator is not None and (task.kind != "multilabel" or not task.separator):
        yield f"separator: expected one between labels of multilabel, got {task.separator!r}"


def mark_spans(labels: Sequence[str]) -> bool:
    """Whether tags mark spans, as B-PER, I-PER and O do."""
    marked = [label for label in labels if label != "O"]
    return bool(marked) and all(
        label[:1] in "BIES" and label[1:2] == "-" and len(label) > 2 for label in marked
    )


class Example(NamedTuple):
    """One example.

    `label` is a class number, a real number, the numbers of all classes that a text has, or one
    for each word; 0 where texts are their own answers. `first` are the words of a sentence whose
    words are tagged.
    """

    first: str | tuple[str, ...]
    second: str | None
    label: Any
    place: str  # "file:line"

    @property
    def text(self) -> str:
        """The first sentence; of words, as they would stand with spaces."""
        return self.first if isinstance(self.first, str) else " ".join(self.first)


@dataclasses.dataclass(frozen=True)
class Examples:
    """A task, whose labels are settled, and examples of it.

    They are in memory, or read anew each time they are gone through.
    """

    task: Task
    rows: Iterable[Example]
    found: bool = False  # whether the task's labels are those that the data have

    def __iter__(self) -> Iterator[Example]:
        return iter(self.rows)

    def __len__(self) -> int:
        if not isinstance(self.rows, Sized):
            raise TypeError("these examples are read as they are gone through, and not counted")
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Example, ...]: ...
    def __getitem__(self, index: int | slice) -> Example | tuple[Example, ...]:
        if not isinstance(self.rows, tuple):
            raise TypeError("these examples are read as they are gone through, and not numbered")
        return self.rows[index]
