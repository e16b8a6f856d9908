"""What a checkpoint says of itself: of which run it is, and which bits it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def plain(value: Any) -> Any:
    """JSON's own types: what is read back equals what was written."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return np.asarray(value).tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def shapes(state: Any) -> dict[str, list[int]]:
    """The shape of every array, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): list(leaf.shape)
        for path, leaf in leaves
    }


def bits(state: Any) -> list[int]:
    """A number for each array that any change of one byte changes, however it is sharded.

    The sum of its 32-bit words, each times an odd number of its own, modulo 2**32.
    """
    return np.asarray(_sums_of_words(state)).tolist()


@jax.jit
def _sums_of_words(state: Any) -> jax.Array:
    return jnp.stack([_sum_of_words(leaf) for leaf in jax.tree.leaves(state)])


def _sum_of_words(leaf: jax.Array) -> jax.Array:
    words = jax.lax.bitcast_convert_type(leaf, jnp.uint32)
    place, stride = jnp.zeros(words.shape, jnp.uint32), 1
    for axis in reversed(range(words.ndim)):
        place = place + jnp.uint32(stride) * jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis)
        stride = (stride * words.shape[axis]) % 2**32
    return jnp.sum(words * (2 * place + 1), dtype=jnp.uint32)


def check_same(where: Path, theirs: Any, ours: Any) -> None:
    """Refuse the checkpoint of another run with every difference."""
    found = list(_differences("", theirs, ours))
    if found:
        raise ValueError(f"{where}: expected a checkpoint of this very run, got {'; '.join(found)}")


def _differences(name: str, theirs: Any, ours: Any) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            inner = f"{name}.{key}" if name else key
            yield from _differences(inner, _item(theirs, key), _item(ours, key))
    elif theirs != ours:
        name = name.removeprefix("settings.")
        yield f"{name} {_short(theirs)} and here {_short(ours)}"


_NOTHING = object()


def _item(tree: dict, key: str) -> Any:
    return tree.get(key, _NOTHING)


def _short(value: Any) -> str:
    text = "none" if value is _NOTHING or value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
