"""A pruner on disk: its settings as JSON, its parameters as safetensors. No pickle is ever read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from jaxheads.config import PrunerConfig
from jaxheads.importance.meta.pruner import Pruner, init_pruner
from jaxheads.storage.files import read_json, write_atomically
from jaxheads.storage.hub import BUILTIN, builtin_dir

SETTINGS, WEIGHTS = "pruner.json", "pruner.safetensors"
_FIELDS = {field.name: type(field.default) for field in dataclasses.fields(PrunerConfig)}


def save_pruner(directory: str | Path, pruner: Pruner) -> None:
    """Write a pruner into a free directory, which appears complete or not at all."""
    arrays = {name: np.asarray(leaf, np.float32) for name, leaf in _leaves(pruner.params)}
    with write_atomically(directory) as draft:
        draft.mkdir()
        text = json.dumps(dataclasses.asdict(pruner.config), indent=2)
        (draft / SETTINGS).write_text(text + "\n", encoding="utf-8")
        (draft / WEIGHTS).write_bytes(save(arrays))


def load_pruner(source: str | Path) -> Pruner:
    """Read what `save_pruner` wrote, or the built-in pruner that `builtin:NAME` names.

    Raises:
      ValueError: in one line, for anything else, listing all that is wrong.
    """
    builtin = str(source).startswith(BUILTIN)
    directory = builtin_dir(str(source), SETTINGS) if builtin else Path(source)
    if not directory.is_dir():
        raise ValueError(f"{directory}: expected the directory of a pruner, there is none")
    config = _read_config(directory / SETTINGS)
    path = directory / WEIGHTS
    try:
        arrays = load(path.read_bytes())
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file") from error
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: expected a whole safetensors file, got {error}") from error
    like = init_pruner(config, 0).params
    problems = list(_array_problems(dict(_leaves(like)), arrays))
    if problems:
        raise ValueError(f"{path}: " + "; ".join(problems))
    tree = jax.tree_util.tree_map_with_path(lambda path, _: arrays[_name(path)], like)
    return Pruner(config, jax.tree.map(jax.numpy.asarray, tree))


def _read_config(path: Path) -> PrunerConfig:
    found = read_json(path)
    problems = [f"{name}: unknown" for name in sorted(found.keys() - _FIELDS.keys())]
    problems += [f"{name}: missing" for name in sorted(_FIELDS.keys() - found.keys())]
    problems += [
        f"{name}: expected {kind.__name__}, got {found[name]!r}"
        for name, kind in _FIELDS.items()
        if name in found and type(found[name]) is not kind
    ]
    if problems:
        raise ValueError(f"{path}: " + "; ".join(problems))
    try:
        return PrunerConfig(**found)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _array_problems(expected: dict[str, Any], got: dict[str, np.ndarray]) -> Iterator[str]:
    for name in sorted(expected.keys() | got.keys()):
        if name not in expected or name not in got:
            yield f"{name}: {'missing' if name in expected else 'unknown'}"
        elif got[name].dtype != np.float32 or got[name].shape != expected[name].shape:
            yield (
                f"{name}: expected float32 {list(expected[name].shape)}, got {got[name].dtype} "
                f"{list(got[name].shape)}"
            )
        elif not np.isfinite(got[name]).all():
            yield f"{name}: expected finite numbers, got inf or nan"


def _leaves(params: Any) -> Iterator[tuple[str, Any]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        yield _name(path), leaf


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
