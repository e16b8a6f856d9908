"""What a checkpoint says of itself: of which run it is, and which bits it holds."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxheads.models.model import Model


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


def bits(state: Any, like: Any = None) -> list[int]:
    """A number for each array that any change of one byte changes, however it is sharded.

    The sum of its 32-bit words, each times an odd number of its own, modulo 2**32. `like` has the
    arrays' own shapes: zeros that fill them up beyond those change nothing.
    """
    own = tuple(tuple(leaf.shape) for leaf in jax.tree.leaves(state if like is None else like))
    return np.asarray(_sums_of_words(jax.tree.leaves(state), own)).tolist()


def encoder_bits(model: Model) -> list[int]:
    """By which a model's encoder is known again: equal for equal weights alone."""
    return bits(model.params["encoder"])


@functools.partial(jax.jit, static_argnums=1)
def _sums_of_words(state: list[Any], shapes: tuple[tuple[int, ...], ...]) -> jax.Array:
    return jnp.stack([_sum_of_words(*each) for each in zip(state, shapes, strict=True)])


def _sum_of_words(leaf: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    words = jax.lax.bitcast_convert_type(leaf, jnp.uint32)
    place, stride = jnp.zeros(words.shape, jnp.uint32), 1
    for axis in reversed(range(words.ndim)):
        place = place + jnp.uint32(stride) * jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis)
        stride = (stride * shape[axis]) % 2**32
    return jnp.sum(words * (2 * place + 1), dtype=jnp.uint32)


def check_same(where: Path, theirs: Any, ours: Any) -> None:
    """Check that a checkpoint is of this very run.

    Raises:
      ValueError: names every difference.
    """
    found = [f"{name.removeprefix('settings.')} {text}" for name, text in differences(theirs, ours)]
    if found:
        raise ValueError(f"{where}: expected a checkpoint of this very run, got {'; '.join(found)}")


def differences(theirs: Any, ours: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """What differs between two trees of settings: the full name, and "theirs and here ours".

    The groups of a list are compared by their names where all of them have one. A setting that one
    side lacks is as good as none, and as an empty list, so that a setting may be added.
    """
    theirs, ours = _by_name(theirs), _by_name(ours)
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            name = f"{above}.{key}" if above else key
            yield from differences(theirs.get(key), ours.get(key), name)
    elif theirs != ours:
        yield above, f"{_short(theirs)} and here {_short(ours)}"


def _by_name(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    named = all(isinstance(each, dict) and "name" in each for each in value)
    return ({each["name"]: each for each in value} if named else value) if value else None


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
