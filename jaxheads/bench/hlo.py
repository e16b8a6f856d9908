"""The text of a compiled program (HLO) as computations of instructions, with sizes in bytes."""

from __future__ import annotations

import dataclasses
import functools
import math
import re

BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64, "c64": 64, "token": 0}
SCALARS = ("u", "s", "f")  # and a number of bits

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_NAMED = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = ")
_ARRAY = re.compile(r"([a-z]\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_COMMENT = re.compile(r"/\*.*?\*/")  # "/*index=5*/" before every fifth part of a tuple
_CALLED = re.compile(r"(?:body|to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_SPACE = re.compile(r"S\((\d+)\)")
_TILE = re.compile(r"T\(([\d,]+)\)")


@dataclasses.dataclass(frozen=True)
class Array:
    """One array: its element type, sides, and layout ("minor to major:tiles, memory space")."""

    dtype: str
    sides: tuple[int, ...]
    layout: str = ""

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.sides)

    @property
    def in_main_memory(self) -> bool:
        """Whether it lies in the device's main memory, not in a smaller one on the chip."""
        space = _SPACE.search(self.layout)
        return space is None or space[1] == "0"

    @property
    def bytes(self) -> int:
        """Its bytes without what its layout adds."""
        return self.elements * _bits(self.dtype) // 8

    @property
    def laid_out(self) -> int:
        """Its bytes in memory, where the last sides are filled up to whole tiles."""
        order, _, rest = self.layout.partition(":")
        tile = _TILE.search(rest)
        if tile is None or not self.sides:
            return self.bytes
        sides = [self.sides[int(axis)] for axis in reversed(order.split(","))]
        for place, step in enumerate(reversed([int(side) for side in tile[1].split(",")]), 1):
            if place <= len(sides):
                sides[-place] += -sides[-place] % step
        return math.prod(sides) * _bits(self.dtype) // 8


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line: what it makes, of which kind, from which others, and the words behind."""

    name: str
    kind: str
    arrays: tuple[Array, ...]  # more than one for a tuple
    operands: tuple[str, ...]
    words: str
    is_root: bool

    @property
    def called(self) -> tuple[str, ...]:
        """The computations it runs, without the condition of a loop."""
        branches = _BRANCHES.search(self.words)
        more = re.findall(r"[\w.\-]+", branches[1]) if branches else ()
        return (*_CALLED.findall(self.words), *more)

    def attribute(self, name: str) -> str | None:
        """What stands behind `name=`, up to the next comma or blank that is in no brackets."""
        found = re.search(rf"\b{name}=(\{{[^}}]*\}}|[^\s,]+)", self.words)
        return found and found[1]


class Computation(dict[str, Instruction]):
    """Instructions by name, in order."""

    @functools.cached_property
    def root(self) -> Instruction:
        """The last word: what the computation returns."""
        return next(each for each in self.values() if each.is_root)

    @functools.cached_property
    def users(self) -> dict[str, list[Instruction]]:
        """The instructions that read each one."""
        found: dict[str, list[Instruction]] = {name: [] for name in self}
        for each in self.values():
            for operand in dict.fromkeys(each.operands):
                found[operand].append(each)
        return found

    @functools.cached_property
    def parameters(self) -> dict[int, Instruction]:
        """The parameters by number."""
        given = (each for each in self.values() if each.kind == "parameter")
        return {int(each.words.split(")")[0]): each for each in given}


@dataclasses.dataclass(frozen=True)
class Program:
    """All computations by name, and which one is run."""

    parts: dict[str, Computation]
    entry: str

    def trips(self, part: Computation, loop: Instruction) -> int | None:
        """How often the body of a loop runs: as the text says, or as its condition and start do.

        None where it cannot be told.
        """
        if stated := _TRIPS.search(loop.words):
            return int(stated[1])
        condition = loop.attribute("condition")
        test = self.parts[condition.lstrip("%")] if condition else Computation()
        if not test or test.root.kind != "compare" or test.root.attribute("direction") != "LT":
            return None
        counter, end = (_source(test, name) for name in test.root.operands)
        place = counter.attribute("index")
        last = _constant(end)
        given = _source(part, loop.operands[0])
        if place is None or last is None or given.kind != "tuple":
            return None
        begin = _constant(_source(part, given.operands[int(place)]))
        return None if begin is None else last - begin


def read_program(text: str) -> Program:
    """Read the text of a compiled program.

    Raises:
      ValueError: for a text without an entry.
    """
    parts: dict[str, Computation] = {}
    entry = name = ""
    for line in text.splitlines():
        if (header := _HEADER.match(line)) and " = " not in line:
            name = header[2]
            parts[name] = Computation()
            entry = name if header[1] else entry
        elif name and (named := _NAMED.match(line)):
            parts[name][named[2]] = _instruction(named, line[named.end() :])
    if not entry:
        raise ValueError("expected the text of a compiled program, got none with an ENTRY")
    return Program(parts, entry)


def _instruction(named: re.Match[str], rest: str) -> Instruction:
    rest = _COMMENT.sub("", rest)
    end = _closing(rest) if rest.startswith("(") else rest.index(" ")
    shape, rest = rest[:end], rest[end:].lstrip()
    kind, _, rest = rest.partition("(")
    end = _closing("(" + rest) - 1
    arrays = tuple(
        Array(dtype, tuple(int(side) for side in filter(None, sides.split(","))), layout)
        for dtype, sides, layout in _ARRAY.findall(shape)
        if dtype in BITS or dtype[0] in SCALARS
    )
    operands = () if kind in ("constant", "parameter") else _names(rest[: end - 1])
    keep = rest if kind in ("constant", "parameter") else rest[end:]
    return Instruction(named[2], kind, arrays, operands, keep, bool(named[1]))


def _names(operands: str) -> tuple[str, ...]:
    """The names among operands, which may stand behind their shapes."""
    return tuple(re.findall(r"%([\w.\-]+)", operands)) or tuple(
        part.split()[-1] for part in operands.split(",") if part.strip()
    )


def _closing(text: str) -> int:
    """The place behind the bracket that closes the first one."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return place + 1
    return len(text)


def _source(part: Computation, name: str) -> Instruction:
    """What an instruction copies, or itself."""
    each = part[name]
    while each.kind in ("copy", "bitcast", "convert") and each.operands:
        each = part[each.operands[0]]
    return each


def _constant(each: Instruction) -> int | None:
    value = each.words.split(")")[0]
    return int(value) if each.kind == "constant" and re.fullmatch(r"-?\d+", value) else None


def _bits(dtype: str) -> int:
    known = BITS.get(dtype)
    if known is not None:
        return known
    digits = re.match(r"[a-z]+(\d+)", dtype)  # s32, f8e4m3fn
    return int(digits[1]) if digits else 0
