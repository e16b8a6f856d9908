"""What a study writes: typed rows <-> JSON lines, one row a number.

A file of rows is written whole or not at all, so a bad line in it is an error.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from jaxheads.storage.files import write_atomically

_NON_FINITE = ("nan", "inf", "-inf")  # JSON has no such numbers; written as these strings
_SHOWN = 20  # problems listed by one error


@dataclasses.dataclass(frozen=True)
class Row:
    """One measured number and everything that names it; `[L, H]` arrays go to npz files beside.

    `metric` is what `value` measures ("accuracy", "spearman"), `method` how heads were chosen
    ("gradient", "random"; "" where none were), `budget` the number of heads kept (None: all of
    them), `stage` the place in the study ("before fine-tuning"). `low` and `high` bound a 95%
    interval of the value where one was computed, both or neither; `p_value` is that of 0, `chance`
    the value to expect by chance.

    `reading` is how scores or attention were read ("token", "jsd", the name of a map), `place`
    where in the study or the model ("linear probe", "upper layers"), `layer` and `head` count from
    0, `draw` numbers a random choice. `other_task`, `other_method` and `other_reading` are the
    second side of what has two: of a difference what is subtracted, of an agreement the other map,
    of an order of heads the task that it comes from. `relation` is that of dependency arcs, and
    `setting` the number that was set (a tolerance, a price, a learning rate).

    Of a mean over fine-tuned models `seeds` is their number (and `seed` 0), of one over random
    draws `draws`; the interval is then over these and examples. Of a difference between two ways to
    choose heads in one model, `draws` counts its random masks, `ahead` and `behind` those of them
    in which the difference is above and below 0.

    Raises:
      ValueError: names every field that is of the wrong kind or out of range.
    """

    study: str
    model: str
    task: str
    metric: str
    value: float
    seed: int = 0
    method: str = ""
    budget: int | None = None
    stage: str = ""
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    seeds: int | None = None
    draws: int | None = None
    ahead: int | None = None
    behind: int | None = None
    layer: int | None = None
    head: int | None = None
    draw: int | None = None
    reading: str = ""
    place: str = ""
    other_task: str = ""
    other_method: str = ""
    other_reading: str = ""
    relation: str = ""
    setting: float | None = None
    chance: float | None = None

    def __post_init__(self) -> None:
        _check_fields(vars(self))


class RowFactory(NamedTuple):
    """Makes rows of one study and one model."""

    study: str
    model: str

    def __call__(self, task: str, values: Mapping[Any, float], **what: Any) -> list[Row]:
        """One row for each metric of `values`; `what` are further fields of `Row`."""
        return [
            Row(self.study, self.model, task, metric, float(value), **what)
            for metric, value in values.items()
        ]


_FIELDS = {field.name: field for field in dataclasses.fields(Row)}
_REQUIRED = tuple(n for n, f in _FIELDS.items() if f.default is dataclasses.MISSING)
_ALWAYS = (*_REQUIRED, "seed", "method", "budget", "stage")  # of every line; others where set
_TEXTS = tuple(name for name, field in _FIELDS.items() if field.type == "str")
_COUNTS = tuple(name for name, field in _FIELDS.items() if field.type == "int | None")
_BOUNDS = ("low", "high")
_NUMBERS = tuple(n for n, field in _FIELDS.items() if field.type in ("float", "float | None"))


def write_rows(path: str | Path, rows: Iterable[Row]) -> None:
    """Write `rows` as the file, which is whole or absent; the folder is made.

    Args:
        path: the file; one that stands there is replaced.
        rows: what it holds, also where there are none.

    Raises:
        OSError: the place cannot be written.
    """
    text = "".join(json.dumps(_encode(row), ensure_ascii=False) + "\n" for row in rows)
    with write_atomically(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="")


def read_rows(path: str | Path) -> list[Row]:
    """Read every row of the file, in order.

    Raises:
        ValueError: lines that are no rows, each named by file and line; a last line that is cut
            short is one of them.
        OSError: the file cannot be read.
    """
    *whole, tail = Path(path).read_bytes().split(b"\n")
    rows: list[Row] = []
    problems: list[str] = []
    for number, line in enumerate(whole, start=1):
        try:
            rows.append(_decode(line))
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
    if tail:
        problems.append(
            f"{path}:{len(whole) + 1}: expected a whole file, its last line is cut short; remove "
            "the file, and the study's command computes it again"
        )
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] * (len(problems) > _SHOWN)
        raise ValueError("\n".join(problems[:_SHOWN] + more))
    return rows


def _check_fields(fields: Mapping[str, object]) -> None:
    problems = [
        f"{name}: expected text, got {fields[name]!r}"
        for name in _TEXTS
        if not isinstance(fields.get(name, ""), str)
    ]
    if not _is_integer(fields.get("seed", 0)):
        problems.append(f"seed: expected an integer, got {fields['seed']!r}")
    for name in _COUNTS:
        count = fields.get(name)
        if count is not None and not (_is_integer(count) and count >= 0):
            what = "a number of heads" if name == "budget" else "a number, 0 or more,"
            problems.append(f"{name}: expected {what} or null, got {count!r}")
    if not isinstance(fields["value"], float):
        problems.append(f"value: expected a number, got {fields['value']!r}")
    problems += [
        f"{name}: expected a number or null, got {fields[name]!r}"
        for name in ("p_value", "setting", "chance")
        if not isinstance(fields.get(name), float | None)
    ]
    bounds = [fields.get(name) for name in _BOUNDS]
    if any(not (bound is None or isinstance(bound, float)) for bound in bounds):
        problems.append(f"low, high: expected numbers or null, got {bounds}")
    elif (bounds[0] is None) != (bounds[1] is None):
        problems.append(f"low, high: expected both or neither, got {bounds}")
    if problems:
        raise ValueError("; ".join(problems))


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _encode(row: Row) -> dict[str, str | int | float | None]:
    """A row as JSON has it; what it lacks is left out."""
    kept: dict = {n: v for n, v in vars(row).items() if n in _ALWAYS or v != _FIELDS[n].default}
    for name in set(_NUMBERS) & set(kept):
        value = float(kept[name])  # numpy's numbers too; a Python float survives JSON bit for bit
        kept[name] = value if math.isfinite(value) else str(value)
    return kept


def _decode(line: bytes) -> Row:
    fields = json.loads(line.decode(), parse_constant=_refuse_constant)
    if not isinstance(fields, Mapping):
        raise ValueError(f"expected an object, got {type(fields).__name__}")
    unknown = [name for name in fields if name not in _FIELDS]
    missing = [name for name in _REQUIRED if name not in fields]
    if unknown or missing:
        raise ValueError(
            "; ".join(
                [f"unknown field {name!r}" for name in unknown]
                + [f"missing field {name!r}" for name in missing]
            )
        )
    fields = {**fields, **{n: _number(fields[n]) for n in _NUMBERS if n in fields}}
    _check_fields(fields)
    return Row(**fields)


def _number(value: object) -> object:
    """A float for every JSON number and for the names of the numbers that JSON lacks."""
    if isinstance(value, str) and value in _NON_FINITE:
        return float(value)
    return float(value) if _is_integer(value) else value


def _refuse_constant(name: str) -> float:
    raise ValueError(f'expected a number or one of "nan", "inf", "-inf", got {name}')
