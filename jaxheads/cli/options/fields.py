"""What options of the command line are made of: fields, and the shapes of their values. A leaf."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple


def option(
    help: str,  # noqa: A002 argparse's word
    default: Any = dataclasses.MISSING,
    *,
    metavar: str = "",
    parse: Callable[[str], Any] | None = None,
    positional: bool = False,
    role: Literal["in", "out", "folder", "report"] | None = None,
    more: str = "",
) -> Any:
    """A dataclass field that is a command-line option; `parse` replaces the type's own parser.

    A field that is a tuple of texts may be given repeatedly. `role` is that of a path which may
    also be remote: whether it is read, written, or a folder to work in (see `remote`). Several
    values may be given where `more` is the field, no option itself, of all but the first.
    """
    metadata = {
        "help": help, "metavar": metavar, "parse": parse, "positional": positional, "role": role,
        "more": more,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def further() -> Any:
    """The field of what is given beside the first value of an option."""
    return dataclasses.field(default=(), metadata={"hidden": True})


class MeshShape(NamedTuple):
    """Devices along each mesh axis; `data` None: all that `model` leaves."""

    data: int | None = None
    model: int = 1


def parse_mesh(text: str) -> MeshShape:
    """Read "data=4,model=2", in any order, either left out.

    Raises:
      ValueError: for any other text, or a size below 1.
    """
    sizes: dict[str, int] = {}
    for part in text.split(","):
        name, _, size = part.strip().partition("=")
        if name not in MeshShape._fields or name in sizes or not size.isdecimal() or int(size) < 1:
            raise ValueError(f"expected data=N,model=M with sizes from 1, got {text!r}")
        sizes[name] = int(size)
    return MeshShape(**sizes)


def parse_budget(text: str) -> int | float:
    """Read "36" heads, or a share of them: "50%" or "0.5".

    Raises:
      ValueError: for any other text, and a share that is not from 0 to 1.
    """
    share = text.endswith("%") or not text.isdecimal()
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not share:
        return int(text)
    if not 0 <= value <= 1:
        raise ValueError(f"expected a number of heads, 50% or 0.5, got {text!r}")
    return value


def parse_resources(text: str) -> dict[str, float]:
    """Read "cpu=1,gpu=1": names of Ray's resources, of which cpu and gpu may be small.

    Raises:
      ValueError: for any other text, or an amount that is not above 0.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, amount = part.strip().partition("=")
        name = name.upper() if name in ("cpu", "gpu") else name
        try:
            value = float(amount)
        except ValueError:
            value = 0.0
        if not name or name in found or not 0 < value < math.inf:
            raise ValueError(f"expected NAME=N,... with amounts above 0, as cpu=1, got {text!r}")
        if name == "hosts" and value % 1:
            raise ValueError(f"expected a whole number of hosts, got {text!r}")
        found[name] = value
    return found


def process_problems(
    coordinator: str | None, count: int | None, number: int | None
) -> Iterator[str]:
    """What is wrong with the options that start one of several processes by hand."""
    given = {"--coordinator": coordinator, "--num-processes": count, "--process-id": number}
    missing = [flag for flag, value in given.items() if value is None]
    if 0 < len(missing) < len(given):
        yield f"several hosts: expected all of {', '.join(given)}, got no {', '.join(missing)}"
    elif number is not None and not 0 <= number < (count or 0):
        yield f"--process-id: expected a number below {count}, got {number}"
