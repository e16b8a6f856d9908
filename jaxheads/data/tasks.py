"""Sentence tasks: one table of what they are, and their examples from a file or from the Hub."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, overload

from jaxheads.data.headlines.humor import PAIRED, QUESTIONS, SINGLE
from jaxheads.data.headlines.pairs import read_pairs
from jaxheads.data.language.tasks import iter_drawn
from jaxheads.data.rows import Record, read_records
from jaxheads.storage import hub

SHOWN = 5  # problems of one file that its error names


@dataclasses.dataclass(frozen=True)
class Task:
    """One task, with the field and label names of the Hugging Face Hub.

    One label means regression within `span`; no labels, masked LM. `metrics` are what GLUE reports,
    the first of them being the one to compare by.
    """

    name: str
    fields: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    hub: str = "nyu-mll/glue"
    pattern: str = "{task}/{split}-*.parquet"  # where the Hub keeps a split
    revision: str | None = None
    splits: tuple[str, ...] = ("train", "validation")
    span: tuple[float, float] | None = None
    renamed: tuple[tuple[str, str], ...] = ()  # fields that the Hub calls otherwise
    aligned: bool = False  # its files hold pairs of headlines (see `pairs`), not examples
    # the two sentences are encoded separately, and compared by a pair readout
    siamese: bool = False
    generated: bool = False  # drawn from the built-in language where no file is given
    seed: int = 0  # ... by this seed

    @property
    def is_pair(self) -> bool:
        """Whether an example has two sentences."""
        return len(self.fields) == 2

    @property
    def is_regression(self) -> bool:
        """Whether the label is a real number."""
        return self.span is not None


class Example(NamedTuple):
    """One example; `label` is a class number, a real score, or 0 for masked LM."""

    first: str
    second: str | None
    label: int | float
    place: str  # "file:line"


@dataclasses.dataclass(frozen=True)
class Examples(Sequence[Example]):
    """The examples of one split, in memory."""

    task: Task
    rows: tuple[Example, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Example, ...]: ...
    def __getitem__(self, index: int | slice) -> Example | tuple[Example, ...]:
        return self.rows[index]


ENTAILMENT = ("entailment", "not_entailment")
THREE_WAY = ("entailment", "neutral", "contradiction")
PAIR = ("sentence1", "sentence2")
FUNNIER = ("second", "first")  # which of two sentences is the funny, or the incongruous one
ACCURACY = ("accuracy",)

GENERATED = {"train": 20_000, "validation": 1_000, "test": 1_000}  # examples without a limit


def _generated(
    name: str,
    fields: tuple[str, ...],
    labels: tuple[str, ...],
    metrics: tuple[str, ...] = ACCURACY,
    *,
    siamese: bool = False,
) -> Task:
    """A task of the built-in language."""
    return Task(
        name,
        fields,
        labels,
        metrics,
        hub="",
        splits=tuple(GENERATED),
        siamese=siamese,
        generated=True,
    )


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("cola", ("sentence",), ("unacceptable", "acceptable"), ("matthews",)),
        Task("sst2", ("sentence",), ("negative", "positive"), ACCURACY),
        Task("rte", PAIR, ENTAILMENT, ACCURACY),
        Task("mrpc", PAIR, ("not_equivalent", "equivalent"), ("f1", "accuracy")),
        Task("stsb", PAIR, ("similarity",), ("pearson", "spearman"), span=(0.0, 5.0)),
        Task(
            "mnli",
            ("premise", "hypothesis"),
            THREE_WAY,
            ACCURACY,
            splits=("train", "validation_matched", "validation_mismatched"),
        ),
        Task(
            "qqp",
            ("question1", "question2"),
            ("not_duplicate", "duplicate"),
            ("f1", "accuracy"),
        ),
        Task("qnli", ("question", "sentence"), ENTAILMENT, ACCURACY),
        Task("wnli", PAIR, ("not_entailment", "entailment"), ACCURACY),
        Task(
            "sick",
            ("premise", "hypothesis"),
            THREE_WAY,
            ACCURACY,
            hub="RobZamp/sick",
            pattern="default/{split}/*.parquet",
            revision="refs/convert/parquet",
            splits=("train", "validation", "test"),
            renamed=(("sentence_A", "premise"), ("sentence_B", "hypothesis")),
        ),
        Task(SINGLE, ("sentence",), ("serious", "funny"), ACCURACY, hub="", aligned=True),
        Task(PAIRED, PAIR, FUNNIER, ACCURACY, hub="", aligned=True, siamese=True),
        Task("mlm", ("text",), (), ("loss", "accuracy"), hub="", splits=("train", "validation")),
        _generated("grammar_mlm", ("text",), (), ("loss", "accuracy")),
        _generated("grammar_acceptability", ("sentence",), ("unacceptable", "acceptable")),
        _generated("grammar_sentiment", ("sentence",), ("negative", "positive")),
        _generated("grammar_entailment", ("premise", "hypothesis"), THREE_WAY),
        _generated("grammar_paraphrase", PAIR, ("not_equivalent", "equivalent")),
        _generated("grammar_incongruity", ("sentence",), ("incongruous", "congruous")),
        _generated("grammar_incongruity_pair", PAIR, FUNNIER, siamese=True),
    )
}


def read_examples(
    task: str | Task,
    path: str | Path | None = None,
    *,
    split: str = "validation",
    limit: int | None = None,
) -> Examples:
    """Read a task's examples from a file (see `rows`), or without a `path` from the Hub.

    A task of the built-in language is generated instead: `GENERATED` examples without a limit.
    `split` chooses the Hub's file, or what is generated. A limit stops after so many good examples.

    Raises:
      ValueError: for up to five problems, each by file and line; for an unknown task or split, a
        limit below 1, a task that has no data without a file, and no example.
    """
    rows = tuple(iter_examples(task, path, split=split, limit=limit))
    return Examples(task_named(task), rows)


def iter_examples(
    task: str | Task,
    path: str | Path | None = None,
    *,
    split: str = "validation",
    limit: int | None = None,
) -> Iterator[Example]:
    """Yield what `read_examples` holds, in constant memory; the ValueError comes where reached."""
    task = task_named(task)
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected at least 1 example, got {limit}")
    if path is None and task.generated:
        yield from _generate(task, split, limit)
        return
    files = [Path(path)] if path is not None else _hub_files(task, split)
    if task.aligned:
        yield from islice(_ask(task, files), limit)
        return
    problems: list[str] = []
    count = 0
    for file, row in chain.from_iterable(
        ((file, row) for row in read_records(file)) for file in files
    ):
        example, found = _read_example(task, row, f"{file}:{row.line}")
        problems += found
        if len(problems) >= SHOWN:
            break
        if example is not None and not problems:
            count += 1
            yield example
            if count == limit:
                return
    if problems:
        more = "; and perhaps more" if len(problems) >= SHOWN else ""
        raise ValueError("; ".join(problems[:SHOWN]) + more)
    if not count:
        raise ValueError(f"{', '.join(map(str, files))}: expected examples, got an empty file")


def _generate(task: Task, split: str, limit: int | None) -> Iterator[Example]:
    """Yield examples of the built-in language; the place of one is its split and number."""
    _check_split(task, split)
    drawn = iter_drawn(task.name, split, seed=task.seed)
    for number, each in enumerate(islice(drawn, limit or GENERATED[split])):
        yield Example(*each, f"{task.name}/{split}:{number}")


def _ask(task: Task, files: Sequence[Path]) -> Iterator[Example]:
    """Yield the questions of a task on pairs; those of one pair have its place."""
    for file in files:
        pairs = read_pairs(file)
        for question in QUESTIONS[task.name](pairs, task.seed):
            first, *rest = question.texts
            yield Example(
                first, rest[0] if rest else None, question.label, pairs[question.pair].place
            )


def _check_split(task: Task, split: str) -> None:
    if split not in task.splits:
        raise ValueError(
            f"{task.name}: expected a split of {', '.join(task.splits)}, got {split!r}"
        )


def task_named(task: str | Task) -> Task:
    """Look a task up by its name (ValueError for an unknown one); a Task is returned as it is."""
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    return TASKS[task]


def _hub_files(task: Task, split: str) -> list[Path]:
    """Fetch the Parquet files of a split; scripts and the `datasets` cache have no part in it."""
    if not task.hub:
        raise ValueError(f"task {task.name}: has no data on the Hub, give a file")
    if split == "validation" and split not in task.splits:
        split = task.splits[1]  # MNLI's validation set is the matched one unless asked otherwise
    _check_split(task, split)
    pattern = task.pattern.format(task=task.name, split=split)
    try:
        folder = hub.fetch_snapshot(task.hub, [pattern], kind="dataset", revision=task.revision)
    except ValueError as error:
        raise ValueError(f"{task.name} without a data file: {error}") from error
    return sorted(folder.glob(pattern))


def _read_example(task: Task, row: Record, place: str) -> tuple[Example | None, list[str]]:
    """Check one record; return its example, or what is wrong with it."""
    if row.problem:
        return None, [f"{place}: {row.problem}"]
    fields = dict(row.fields)
    for theirs, ours in task.renamed:
        if theirs in fields and ours not in fields:
            fields[ours] = fields.pop(theirs)
    wanted = task.fields + (("label",) if task.labels else ())
    missing = [name for name in wanted if name not in fields]
    if missing:
        have = ", ".join(map(str, fields)) or "none"
        return None, [f"{place}: expected the fields {', '.join(wanted)}, got {have}"]
    problems = [
        f"{place}: {name}: {problem}"
        for name in task.fields
        if (problem := _text_problem(fields[name]))
    ]
    label, wrong = _read_label(task, fields["label"]) if task.labels else (0, "")
    if wrong:
        problems.append(f"{place}: label: {wrong}")
    if problems:
        return None, problems
    first, *rest = (str(fields[name]) for name in task.fields)
    return Example(first, rest[0] if rest else None, label, place), []


def _text_problem(value: object) -> str:
    if not isinstance(value, str):
        return f"expected text, got {_shown(value)}"
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        return f"expected text, got the lone surrogate of {_shown(value)}"
    return ""


def _read_label(task: Task, value: object) -> tuple[int | float, str]:
    """Return a label and no complaint, or 0 and the complaint."""
    if task.span is not None:
        return _read_score(task.span, value)
    if isinstance(value, str) and value in task.labels:
        return task.labels.index(value), ""
    number = _integer(value)
    if number is not None and 0 <= number < len(task.labels):
        return number, ""
    if number == -1:
        return 0, "-1 stands for GLUE's hidden test labels; use a split that has labels"
    names = ", ".join(f"{index} ({name})" for index, name in enumerate(task.labels))
    return 0, f"expected one of {names}, got {_shown(value)}"


def _read_score(span: tuple[float, float], value: object) -> tuple[float, str]:
    low, high = span
    number = _number(value)
    if low <= number <= high:
        return number, ""
    hidden = " (GLUE's hidden test labels)" if number == -1 else ""
    return 0.0, f"expected a number from {low:g} to {high:g}, got {_shown(value)}{hidden}"


def _number(value: object) -> float:
    """A number, or its digits as CSV holds them; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _integer(value: object) -> int | None:
    """A whole number, or its digits as CSV holds them; a bool or 1.0 is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 10:
        return int(value)
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
