"""Which stored weight is which part of the parameter tree, and how one becomes the other."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.checkpoint.family import Exact, FamilyTable, Part
from jaxheads.models.layout import stacks
from jaxheads.models.model import Params, abstract_params

LEAF_ENDINGS = {"kernel": "weight", "scale": "weight", "table": "weight", "bias": "bias"}
LEGACY_ENDINGS = {".gamma": ".weight", ".beta": ".bias"}  # of layer norms, as TensorFlow has them

Path = tuple[str, ...]


class Weight(NamedTuple):
    """One stored weight: Hugging Face's name and shape, and the place in our tree that it fills."""

    name: str
    shape: tuple[int, ...]
    path: Path  # of a leaf, from the root of the tree
    row: int | None  # of a stacked leaf
    part: tuple[int, ...]  # shape of the leaf, or of one row of a stacked one
    place: int = 0  # of the leaf among the equal parts of the stored weight,
    of: int = 1  # how many there are


def leaves(tree: Params, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of nested dicts with its path."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def weights_of(
    table: FamilyTable, config: EncoderConfig, readout: ReadoutConfig
) -> tuple[Weight, ...]:
    """Every weight that such a model stores, leaf by leaf; tied ones once."""
    return tuple(
        weight
        for path, shape in leaf_shapes(config, readout).items()
        for weight in _leaf_weights(table, config, readout, path, shape)
    )


def by_name(weights: Iterable[Weight]) -> dict[str, list[Weight]]:
    """The leaves that are parts of each stored weight."""
    found: dict[str, list[Weight]] = {}
    for weight in weights:
        found.setdefault(weight.name, []).append(weight)
    return found


@functools.lru_cache
def leaf_shapes(config: EncoderConfig, readout: ReadoutConfig) -> Mapping[Path, tuple[int, ...]]:
    """The shape of every leaf of such a model's parameters, in the tree's order."""
    shapes = {path: leaf.shape for path, leaf in leaves(abstract_params(config, readout))}
    return types.MappingProxyType(shapes)


def _leaf_weights(table, config, readout, path: Path, shape) -> Iterator[Weight]:
    root, *middle, _ = path
    if root == "encoder" and middle[0].startswith("stack"):
        stack = stacks(config)[int(middle[0].removeprefix("stack"))]
        for row, block in enumerate(stack.blocks):
            inside = table.block["/".join(middle[1:])]
            module, place, of = inside if isinstance(inside, Part) else Part(inside, 0, 1)
            name = f"{table.prefix}{_block_name(table, config, block)}{module}"
            yield _weight(name, path, row, shape[1:], place, of)
        return
    if middle == ["final_norm"]:
        name = table.prefix + table.final_norm
    elif root == "encoder":
        name = table.prefix + table.embeddings["/".join(middle[1:])]
    else:
        name = table.modules(readout.kind)["/".join(middle)]
    yield _weight(name, path, None, shape)


def _block_name(table: FamilyTable, config: EncoderConfig, block: int) -> str:
    if block >= config.encoder_layers:
        return table.decoder_block_name.format(block=block - config.encoder_layers)
    group, inner = divmod(block, config.inner_groups)
    return table.block_name.format(block=block, group=group, inner=inner)


def _weight(module: str, path: Path, row: int | None, part, place: int = 0, of: int = 1) -> Weight:
    name = stored_name(module, LEAF_ENDINGS[path[-1]])
    if path[-1] == "kernel":
        inputs = _inputs(path, part)
        shape = (of * math.prod(part[inputs:]), math.prod(part[:inputs]))
    else:
        shape = (of * math.prod(part),) if path[-1] == "bias" else tuple(part)
        shape = (1, *shape) if isinstance(module, Exact) else shape
    return Weight(name, shape, path, row, tuple(part), place, of)


def stored_name(module: str, ending: str) -> str:
    """The name of a module's weight or bias."""
    return str(module) if isinstance(module, Exact) else f"{module}.{ending}"


def _inputs(path: Path, part) -> int:
    """How many leading axes of a kernel are inputs: `[h, K]` of the attention output, else one."""
    return 2 if path[-2] == "out" and len(part) == 3 else 1


def from_stored(weight: Weight, array: np.ndarray) -> np.ndarray:
    """A stored weight `[out, in]` as our kernel `[*in, *out]`; vectors and tables as they are."""
    array = np.split(array, weight.of)[weight.place]
    if weight.path[-1] == "kernel":
        array = array.T
    return array.reshape(weight.part)


def to_stored(weights: Iterable[Weight], given: Mapping[Path, np.ndarray]) -> np.ndarray:
    """The inverse of `from_stored`: a stored weight from the whole leaves that are its parts."""
    parts = []
    for weight in sorted(weights, key=lambda weight: weight.place):
        leaf = given[weight.path]
        part = leaf if weight.row is None else leaf[weight.row]
        outputs, *inputs = weight.shape
        shape = (outputs // weight.of, *inputs)
        kernel = weight.path[-1] == "kernel"
        parts.append(part.reshape(shape[::-1]).T if kernel else part.reshape(shape))
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def readout_names(table: FamilyTable) -> set[str]:
    """The names under which any readout of the family stores its weights."""
    modules = {module for readout in table.readouts.values() for module in readout.values()}
    return {stored_name(module, ending) for module in modules for ending in ("weight", "bias")}


def canonical_names(
    table: FamilyTable, config: EncoderConfig, stored: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """Stored names by their canonical ones (prefixed, no legacy endings), and all that is wrong.

    A name that the family does not have is wrong; one that a readout does not use is not. A prefix
    of all names that a wrapper left (`module.`, `_orig_mod.`) is passed over.
    """
    known = {weight.name for weight in weights_of(table, config, ReadoutConfig())}
    known |= readout_names(table) | table.ties.keys()
    found: dict[str, str] = {}
    problems = []
    wrapper = _wrapper(table, known, stored)
    for name in sorted(stored):
        full = _canonical(table, known, name.removeprefix(wrapper))
        if full is None:
            problems.append(f"{name}: unknown weight")
        elif full in found:
            problems.append(f"{name}: means the same as {found[full]}, expected one of them")
        else:
            found[full] = name
    return found, problems


def _wrapper(table: FamilyTable, known: set[str], stored: Iterable[str]) -> str:
    """What all names begin with, where without it some of them are known; else nothing."""
    names, wrapper = list(stored), ""
    while names and not any(_canonical(table, known, name) for name in names):
        first, *others = {name.partition(".")[0] for name in names}
        names = [name.partition(".")[2] for name in names]
        wrapper += f"{first}."
        if others or not all(names):
            return ""
    return wrapper


def _canonical(table: FamilyTable, known: set[str], name: str) -> str | None:
    for old, new in LEGACY_ENDINGS.items():
        name = name.removesuffix(old) + new if name.endswith(old) else name
    for candidate in (name, table.prefix + name):
        if candidate in known or candidate.startswith(table.unowned):
            return candidate
    return None
