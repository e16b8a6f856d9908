"""What one device does in one run of a compiled program: products, bytes, collectives.

XLA's own count takes the body of a loop once; here it counts with its turns.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import re
from typing import NamedTuple

from jaxheads.bench.hlo import Array, Computation, Instruction, Program, read_program

COLLECTIVES = (
    "all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute",
    "collective-broadcast", "ragged-all-to-all",
)  # fmt: skip
# What moves nothing: names for parts of others, and what is counted where it begins.
FREE = (
    "parameter", "constant", "get-tuple-element", "tuple", "bitcast", "after-all", "partition-id",
    "replica-id", "domain", "opt-barrier", "add-dependency",
)  # fmt: skip
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
NAMES = ("AllocateBuffer", "ConcatBitcast", "AssumeGatherIndicesInBound")  # custom calls, free too
RUNS = ("while", "conditional", "call", "async-start")  # counted by what they run


@dataclasses.dataclass(frozen=True)
class Moved:
    """Of one kind of collective: how many run, and the bytes of their results on one device."""

    count: int
    bytes: int


class Product(NamedTuple):
    """A matrix product: the types that it multiplies, and its operations in one run."""

    dtypes: tuple[str, ...]
    flops: int
    name: str


class Counted(NamedTuple):
    """One run on one device.

    `flops` are those of matrix products, two for a multiplication with its addition. `bytes` are
    those read from main memory and written there, layouts filled up to tiles; what stays in the
    chip's own memory costs none. `cycles` are those that a TPU's compiler notes beside its
    operations as what it expects; kernels of one's own have none. A collective that is written in
    several parts counts once.
    """

    flops: int
    bytes: int
    cycles: int
    collectives: dict[str, Moved]
    products: tuple[Product, ...]


def count(text: str, *, once: bool = False, everywhere: bool = False) -> Counted:
    """Count in the text of a compiled program.

    Args:
      once: the bodies of loops once, as XLA's own figures do.
      everywhere: bytes of every memory, as XLA's own figures do.

    Raises:
      ValueError: for a text without an entry, or a loop whose number of turns is not known.
    """
    counter = _Counter(read_program(text), once, everywhere)
    counter.run(counter.program.entry, 1)
    kinds = collections.defaultdict(list)
    for kind, size, times in counter.moved.values():
        kinds[kind].append((size, times))
    collectives = {
        kind: Moved(sum(n for _, n in kinds[kind]), sum(size * n for size, n in kinds[kind]))
        for kind in COLLECTIVES
        if kind in kinds
    }
    flops = sum(product.flops for product in counter.products)
    return Counted(flops, counter.bytes, counter.cycles, collectives, tuple(counter.products))


class _Counter:
    def __init__(self, program: Program, once: bool, everywhere: bool):
        self.program, self.once, self.everywhere = program, once, everywhere
        self.bytes = self.cycles = 0
        self.products: list[Product] = []
        self.moved: dict[str, tuple[str, int, int]] = {}  # by channel: kind, bytes, times

    def run(self, name: str, times: int) -> None:
        """Count a computation that runs so often."""
        part = self.program.parts[name]
        for each in part.values():
            if each.kind in RUNS or each.kind.startswith("async-"):
                self._run_called(part, each, times)
                continue
            self._products(part, each, times)
            self._collective(part, each, times)
            self.bytes += times * self._traffic(part, each)
            if expected := _CYCLES.search(each.words):
                self.cycles += times * int(expected[1])

    def _run_called(self, part: Computation, each: Instruction, times: int) -> None:
        if each.kind in ("async-update", "async-done"):
            return
        turns: int | None = 1
        if each.kind == "while" and not self.once:
            turns = self.program.trips(part, each)
        for called in each.called:
            if turns is None:
                raise ValueError(f"{called}: expected a loop with a known number of turns")
            self.run(called, times * turns)

    # -- matrix products

    def _products(self, part: Computation, each: Instruction, times: int) -> None:
        if each.kind == "fusion":
            for called in each.called:
                inner = self.program.parts[called]
                for deeper in inner.values():
                    self._products(inner, deeper, times)
                    self._collective(inner, deeper, times)
        elif each.kind in ("dot", "convolution"):
            operands = [part[name].arrays[0] for name in each.operands[:2]]
            flops = 2 * (_dot if each.kind == "dot" else _convolution)(each, *operands)
            types = tuple(operand.dtype for operand in operands)
            self.products.append(Product(types, times * flops, each.name))

    # -- collectives

    def _collective(self, part: Computation, each: Instruction, times: int) -> None:
        kind = each.kind.removesuffix("-start")
        if kind not in COLLECTIVES:
            return
        sizes = [array.bytes for array in each.arrays]
        pairs = kind != each.kind and kind != "all-reduce"  # what goes in stands before what comes
        size = sizes[len(sizes) // 2] if pairs else sum(sizes)
        users = part.users[each.name]
        if kind == "all-reduce" and each.is_root is False and _is_slice(users):
            kind, size = "reduce-scatter", users[0].arrays[0].bytes
        channel = each.attribute("channel_id") or each.name
        _, _, before = self.moved.get(channel, ("", 0, 0))
        self.moved[channel] = (kind, size, max(before, times))

    # -- bytes

    def _traffic(self, part: Computation, each: Instruction) -> int:
        if each.kind in FREE or each.kind.endswith("-done"):
            return 0
        if each.kind == "custom-call" and any(f'"{name}"' in each.words for name in NAMES):
            return 0
        if each.kind in ("copy-start", "slice-start"):
            outcome = each.arrays[each.kind == "slice-start"]  # (to, from) or ((from), to)
            source = part[each.operands[0]].arrays[0]
            read = outcome.laid_out if self._counts(source) else 0
            return read + self._size(outcome)
        return self._read(part, each) + self._written(part, each)

    def _read(self, part: Computation, each: Instruction) -> int:
        total = 0
        for number, name in enumerate(each.operands):
            sources = part[name].arrays
            if len(sources) == 1 and self._counts(sources[0]):
                total += self._used(each, number, sources[0])
            elif len(sources) > 1:
                total += sum(map(self._size, sources))
        return total

    def _used(self, each: Instruction, number: int, source: Array) -> int:
        """Bytes that an instruction reads of one operand: of a part of it, only that."""
        made = each.arrays[0] if each.arrays else source
        if each.kind in ("dynamic-slice", "slice", "gather") and number == 0:
            return min(source.laid_out, made.laid_out)
        if each.kind in ("dynamic-update-slice", "scatter") and number == 0:
            return 0  # in place; what is written is counted there
        if each.kind != "fusion":
            return source.laid_out
        inner = self.program.parts[each.called[0]]
        return min(source.laid_out, self._of_parameter(inner, inner.parameters[number], source))

    def _of_parameter(self, inner: Computation, given: Instruction, source: Array) -> int:
        total = 0
        for user in inner.users[given.name]:
            place = user.operands.index(given.name)
            if user.kind == "bitcast":
                total += self._of_parameter(inner, user, source)
            else:
                total += self._used(user, place, source)
        return total

    def _written(self, part: Computation, each: Instruction) -> int:
        if each.kind == "fusion":
            return self._of_root(self.program.parts[each.called[0]], each.arrays)
        if each.kind == "dynamic-update-slice":
            return self._size(part[each.operands[1]].arrays[0], of=each.arrays[0])
        if each.kind == "scatter":
            return 2 * self._size(part[each.operands[-1]].arrays[0], of=each.arrays[0])
        return sum(map(self._size, each.arrays))

    def _of_root(self, inner: Computation, arrays: tuple[Array, ...]) -> int:
        roots = [inner.root]
        if inner.root.kind == "tuple":
            roots = [inner[name] for name in inner.root.operands]
        total = 0
        for root, array in zip(roots, arrays, strict=False):
            made = root
            while made.kind in ("bitcast", "copy") and made.operands:
                made = inner[made.operands[0]]
            if made.kind == "fusion":
                total += self._of_root(self.program.parts[made.called[0]], (array,))
            elif made.kind in ("dynamic-update-slice", "scatter"):
                total += self._written(inner, made) if self._counts(array) else 0
            else:
                total += self._size(array)
        return total

    def _counts(self, array: Array) -> bool:
        return self.everywhere or array.in_main_memory

    def _size(self, array: Array, of: Array | None = None) -> int:
        return array.laid_out if self._counts(of or array) else 0


def _is_slice(users: list[Instruction]) -> bool:
    """Whether a sum over devices is only read by a cut to each one's own part."""
    return len(users) == 1 and users[0].kind == "dynamic-slice"


def _dot(each: Instruction, left: Array, right: Array) -> int:
    """Multiplications of a product: of each number that is made, over the summed sides."""
    del right
    summed = each.attribute("lhs_contracting_dims") or "{}"
    axes = [int(axis) for axis in summed.strip("{}").split(",") if axis]
    return each.arrays[0].elements * math.prod(left.sides[axis] for axis in axes)


def _convolution(each: Instruction, left: Array, kernel: Array) -> int:
    """Multiplications of a convolution; what falls into padding or between dilated places is none.

    A TPU's compiler writes matrix products as convolutions, with their batch as places.
    """
    labels = each.attribute("dim_labels") or ""
    of_left, of_kernel, of_made = labels.replace("->", "_").split("_")
    window = _window(each.words, sum(letter.isdigit() for letter in of_left))
    made = each.arrays[0]
    valid = 1
    for place, (size, stride, low, dilated, apart) in enumerate(window):
        inner = left.sides[of_left.index(str(place))]
        outer = made.sides[of_made.index(str(place))]
        valid *= sum(
            1
            for out in range(outer)
            for step in range(size)
            if (at := out * stride - low + step * apart) % dilated == 0
            and 0 <= at // dilated < inner
        )
    batch, features = made.sides[of_made.index("b")], made.sides[of_made.index("f")]
    groups = int(each.attribute("batch_group_count") or 1)
    return valid * batch * features * kernel.sides[of_kernel.index("i")] // groups


def _window(words: str, places: int) -> list[tuple[int, int, int, int, int]]:
    """Size, stride, padding before, dilation of the input and of the window, for each place."""
    text = words.partition("window={")[2].partition("}")[0]
    given = dict(part.split("=") for part in text.split() if "=" in part)

    def each(name: str, otherwise: str) -> list[int]:
        parts = given.get(name, "x".join([otherwise] * places)).split("x")
        return [int(part.split("_")[0]) for part in parts if part]

    names = (("size", "1"), ("stride", "1"), ("pad", "0"), ("lhs_dilate", "1"), ("rhs_dilate", "1"))
    return list(zip(*(each(*name) for name in names), strict=True)) if places else []
