"""One record to one example: its text, and its label by the names of the classes."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jaxheads.data.lines import Record
from jaxheads.data.tasks.task import Example, Task
from jaxheads.data.tasks.texts import problem_of, shown

Label = Any  # a class, a number, or a tuple of classes
Labels = tuple[str, ...]

NOT_SAID = (-1, "-1", "-", -100, "-100")  # how data sets write that there is no label
FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
SHOWN = 8  # labels that a message lists


class Found(NamedTuple):
    """An example, or what is wrong; `kind` says as what a record may be skipped."""

    example: Example | None
    problems: list[str]
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads records of a task whose labels are settled."""

    task: Task
    class_names: Mapping[str, Labels]
    labelled: bool = True

    def read(self, record: Record) -> Found:
        """The example of a record, or what is wrong with it."""
        task, place = self.task, record.place
        if record.problem:
            return Found(None, [f"{place}: {record.problem}"], "broken")
        fields = our_fields(task, record.fields)
        if task.kind == "translate" and isinstance(fields.get("translation"), Mapping):
            fields |= fields["translation"]  # as data sets of translations on the Hub have them
        wanted = (*task.fields, *(task.answers if self.labelled else ()))
        if not fields.keys() >= {*wanted}:
            return Found(None, [f"{place}: {_without(wanted, fields)}"])
        problems = [
            f"{place}: {name}: {problem}"
            for name in task.fields
            if (problem := problem_of(task.kind, fields[name]))
        ]
        kind = "broken" if problems else ""
        label, problem = 0, ""
        if len(wanted) > len(task.fields):
            label, problem, kind = self._label(fields, kind)
        if problem:
            problems.append(f"{place}: {problem}")
        if problems:
            return Found(None, problems, kind)
        first, *rest = (fields[name] for name in task.fields)
        first = tuple(first) if task.kind == "tag" else first
        return Found(Example(first, rest[0] if rest else None, label, place), [])

    def takes_number(self, record: Record) -> bool:
        """Whether a record of a task of your own has a class by its number, not by its name."""
        task = self.task
        counted = all(each.lower() == f"label_{place}" for place, each in enumerate(task.labels))
        if task.name or len(task.answers) != 1 or task.kind == "regress" or counted:
            return False
        (column,) = task.answers
        values = record.fields.get(column)
        first = values[0] if isinstance(values, list | tuple) and values else values
        if column in self.class_names or _integer(first) is None:
            return False
        return not {str(first), plain_name(str(first))} & _places(task.labels).keys()

    def _label(self, fields: Mapping[str, Any], kind: str) -> tuple[Label, str, str]:
        """The label of a record, or what is wrong with it and as what it may be skipped."""
        task = self.task
        names = task.answers
        values = [_with_names(fields[name], self.class_names.get(name)) for name in names]
        label, problem = LABELS[task.kind](task, values)
        words = fields[task.fields[0]]
        if task.kind == "tag" and not (problem or kind) and len(words) != len(label):
            problem = f"expected a label for each of {len(words)} words, got {len(label)}"
        if problem and not kind and all(is_missing(each, task.labels) for each in values):
            kind = "unlabelled"
        return label, f"{names[0]}: {problem}" if problem else "", kind


def our_fields(task: Task, fields: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(fields)
    for theirs, ours in task.renamed:
        if theirs in found and ours not in found:
            found[ours] = found.pop(theirs)
    return found


def _without(wanted: Sequence[str], fields: Mapping[str, Any]) -> str:
    have = [str(name)[:60] for name in fields]
    said = f"expected the fields {', '.join(wanted)}, got {some_of(have) or 'none'}"
    if have and all(map(str.isdecimal, have)):
        return f"{said}; --columns names them"
    lone = next(iter(fields)) if len(fields) == 1 else ""
    marks = [mark for mark in ";\t|" if mark in str(lone)]
    return f"{said}; --delimiter {marks[0]!r} may be what they are apart by" if marks else said


# -- labels by kind: each returns a label and no complaint, or any and the complaint


def _class(task: Task, values: Sequence[Any]) -> tuple[Label, str]:
    number = class_number(task.labels, values[0])
    return (0, _unknown(task.labels, values[0])) if number is None else (number, "")


def _score(task: Task, values: Sequence[Any]) -> tuple[Label, str]:
    low, high = task.span or (-math.inf, math.inf)
    number = _number(values[0])
    if math.isfinite(number) and low <= number <= high:
        return number, ""
    wanted = f"a number from {low:g} to {high:g}" if task.span else "a finite number"
    return 0.0, f"expected {wanted}, got {shown(values[0])}{_hint(values[0])}"


def _several(task: Task, values: Sequence[Any]) -> tuple[Label, str]:
    """All classes of a text, ascending: of a list, of text with a separator, or of 0 and 1."""
    if len(values) > 1:
        flags = [FLAGS.get(str(each).lower()) for each in values]
        if None in flags:
            place = flags.index(None)
            return (), f"{task.answers[place]}: expected 0 or 1, got {shown(values[place])}"
        return tuple(place for place, each in enumerate(flags) if each), ""
    names, problem = label_list(values[0], task.separator)
    if problem:
        return (), problem
    if are_flags(names):
        wanted = f"expected 0 or 1 for each of {len(task.labels)} labels, got {shown(names)}"
        flagged = tuple(place for place, each in enumerate(names) if each)
        return flagged, wanted * (len(names) != len(task.labels))
    if len(task.labels) == 2 and sorted(map(str, names)) == ["0", "1"]:
        said = "is it the numbers of both labels, or 0 and 1 for each? names of labels tell"
        return (), f"got {shown(names)}: {said}"
    return _numbers(task.labels, names, sorted)


def _tags(task: Task, values: Sequence[Any]) -> tuple[Label, str]:
    if not isinstance(values[0], list | tuple):
        return (), f"expected a list of labels, got {shown(values[0])}"
    return _numbers(task.labels, values[0], list)


LABELS = {"classify": _class, "regress": _score, "multilabel": _several, "tag": _tags}


def _numbers(labels: Labels, values: Iterable[Any], arrange) -> tuple[Label, str]:
    found = {value: class_number(labels, value) for value in map(_hashable, values)}
    wrong = next((value for value, number in found.items() if number is None), None)
    if None in found.values():
        return (), _unknown(labels, wrong)
    numbers = [found[_hashable(value)] for value in values]
    return tuple(arrange(set(numbers) if arrange is sorted else numbers)), ""


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else repr(value)


def are_flags(values: Sequence[Any]) -> bool:
    """Whether a list can only be 0 and 1 for each label: it repeats itself, or is not of ints."""
    if not values or not all(isinstance(each, int | float) and each in (0, 1) for each in values):
        return False
    return len({*values}) < len(values) or not all(type(each) is int for each in values)


def label_list(value: Any, separator: str | None) -> tuple[Sequence[Any], str]:
    """The labels in one column of multilabel: a list, a JSON list, or text with a separator."""
    if isinstance(value, list | tuple):
        return value, ""
    if isinstance(value, str) and separator is not None:
        return [name.strip() for name in value.split(separator) if name.strip()], ""
    if isinstance(value, str) and value.startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(value), ""
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            if repr(found := ast.literal_eval(value)) == value:  # as pandas writes a list
                return found, ""
    way_out = "; --separator says what stands between labels" if isinstance(value, str) else ""
    return [], f"expected a list of labels, got {shown(value)}{_hint(value)}{way_out}"


@functools.lru_cache
def _places(labels: Labels) -> dict[str, int]:
    """The number of each label by its name, and by its name in small letters where that is one's
    alone.
    """
    plain = [plain_name(label) for label in labels]
    alone = {name: place for place, name in enumerate(plain) if plain.count(name) == 1}
    return alone | {label: place for place, label in enumerate(labels)}


def class_number(labels: Labels, value: Any) -> int | None:
    """The number of a value's class: by its name, or where no name is a number, its own number."""
    places, name = _places(labels), name_of(value)
    if name in places or plain_name(name) in places:
        return places.get(name, places.get(plain_name(name)))
    number = _integer(value)
    named = any(math.isfinite(_number(label)) for label in labels)  # by numbers
    if number is None or not 0 <= number < len(labels) or named:
        return None
    return number


def plain_name(name: str) -> str:
    """A label in small letters, with _ for spaces and hyphens; of the number 1.0 the name 1."""
    number = _number(name) if name[-1:].isdecimal() else math.nan
    if number.is_integer():
        return str(int(number))
    return name.lower().replace("-", "_").replace(" ", "_")


def name_of(value: Any) -> str:
    """A value as the name of a class: of the number 1 and of the text "1" the same."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with_names(value: Any, names: Labels | None) -> Any:
    """Names of classes instead of their numbers; a number of none stays."""
    if names is None:
        return value
    if isinstance(value, list):
        return [_with_names(each, names) for each in value]
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names)
    return names[value] if known else value


def is_missing(value: Any, labels: Labels) -> bool:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return True
    return not isinstance(value, list | bool) and value in NOT_SAID and name_of(value) not in labels


def _unknown(labels: Labels, value: Any) -> str:
    """A value that is no class."""
    names = [
        name if name.isdecimal() else f"{number} ({name})" for number, name in enumerate(labels)
    ]
    return f"expected one of {some_of(names)}, got {shown(value)}{_hint(value)}"


def _hint(value: Any) -> str:
    if not is_missing(value, ()):
        return ""
    return "; if that stands for no label (GLUE's hidden test labels), --skip unlabelled"


def some_of(names: Sequence[str]) -> str:
    """Names in a message, the first of many."""
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _number(value: Any) -> float:
    """A number, or its digits as CSV holds them; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _integer(value: Any) -> int | None:
    """A whole number, or its digits as CSV holds them; a bool or 1.0 is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 10:
        return int(value)
    return None
