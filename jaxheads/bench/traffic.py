"""What devices send each other in one run of a compiled program, read from its HLO text."""

from __future__ import annotations

import collections
import re
from typing import NamedTuple

COLLECTIVES = (
    "all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute",
    "collective-broadcast",
)  # fmt: skip

_BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64}
_HEADER = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_WORK = re.compile(r"= (?P<shape>\([^=]*?\)|\S+) (?P<kind>[a-z\-]+)\(")
_ARRAY = re.compile(r"\b(pred|bf16|[fsu]\d+)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:body|to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)")
_COMMENT = re.compile(r"/\*.*?\*/")  # "/*index=5*/" before every fifth part of a tuple
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class _Computation(NamedTuple):
    moved: collections.Counter[str]  # by kind of collective
    called: list[tuple[str, int]]  # other computations, and how often


def bytes_moved(hlo: str) -> dict[str, int]:
    """Bytes that one device receives the result of, by kind of collective, in one run.

    The size of a collective's result, which for an all-reduce is the array that is summed (a ring
    sends nearly twice that from every device). What stands in a loop counts once for each turn.

    Raises:
      ValueError: for a text without an entry, or a loop that has collectives in it and whose number
        of turns is not known.
    """
    parts, entry = _computations(hlo)
    total = _total(parts, entry)
    return {kind: total[kind] for kind in COLLECTIVES if total[kind]}


def _computations(hlo: str) -> tuple[dict[str, _Computation], str]:
    parts: dict[str, _Computation] = {}
    entry = name = ""
    for line in _COMMENT.sub("", hlo).splitlines():
        if header := _HEADER.match(line):
            name = header[1]
            parts[name] = _Computation(collections.Counter(), [])
            entry = name if line.startswith("ENTRY") else entry
        elif (work := _WORK.search(line)) and name:
            _note(parts[name], work, line)
    if not entry:
        raise ValueError("expected the text of a compiled program, got none with an ENTRY")
    return parts, entry


def _note(part: _Computation, work: re.Match[str], line: str) -> None:
    kind = work["kind"]
    begins = kind.endswith("-start")
    if (plain := kind.removesuffix("-start")) in COLLECTIVES:
        sizes = [_bytes(*array) for array in _ARRAY.findall(work["shape"])]
        pairs = begins and plain != "all-reduce"  # what goes in stands before what comes out
        part.moved[plain] += sizes[len(sizes) // 2] if pairs else sum(sizes)
        return
    trips = 1
    if kind == "while":
        found = _TRIPS.search(line)
        trips = int(found[1]) if found else -1
    part.called.extend((called, trips) for called in _CALLED.findall(line))


def _total(parts: dict[str, _Computation], name: str) -> collections.Counter[str]:
    found = collections.Counter(parts[name].moved) if name in parts else collections.Counter()
    for called, trips in parts[name].called if name in parts else ():
        inner = _total(parts, called)
        if inner and trips < 0:
            raise ValueError(f"{called}: expected a loop with a known number of turns")
        for kind, size in inner.items():
            found[kind] += size * trips
    return found


def _bytes(kind: str, shape: str) -> int:
    bits = _BITS.get(kind) or int(kind[1:])
    size = 1
    for side in filter(None, shape.split(",")):
        size *= int(side)
    return size * bits // 8
