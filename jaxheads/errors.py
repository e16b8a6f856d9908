"""Problems as errors: all that is wrong in one line of bounded length. Imports nothing of ours."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

ROOM = 400  # characters for the problems that one error lists


def listed(problems: Iterable[str]) -> str:
    """Different problems on one line: those that there is room for, and how many more there are."""
    found = [shortened(problem, ROOM // 2) for problem in dict.fromkeys(problems)]
    ends = itertools.accumulate(len(problem) + 2 for problem in found)
    shown = max(1, sum(end <= ROOM for end in ends))
    more = f"; and {len(found) - shown} more" if len(found) > shown else ""
    return "; ".join(found[:shown]) + more


def shortened(text: str, room: int) -> str:
    """The text, or its beginning and its end where it has more characters than there is room."""
    cut = room - 5
    return text if len(text) <= room else f"{text[: cut - cut // 3]} ... {text[-(cut // 3) :]}"


def refuse(what: str, problems: Iterable[str]) -> None:
    """List the problems of `what` in one error; "" where each says by itself of what it is.

    Raises:
      ValueError: if there are any.
    """
    found = list(problems)
    if found:
        raise ValueError(f"{what}: {listed(found)}" if what else listed(found))


def too_low(named: Iterable[tuple[str, int | None, int]]) -> Iterator[str]:
    """A problem for each (name, value, least) whose value is given and below the least."""
    for name, value, least in named:
        if value is not None and value < least:
            yield f"{name}: expected at least {least}, got {value}"
