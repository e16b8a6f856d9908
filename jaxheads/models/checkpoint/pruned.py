"""Which heads a cut checkpoint still has: our `pruning.json`, `pruned_heads` of transformers 4."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from jaxheads.config import EncoderConfig
from jaxheads.storage.files import read_json

PLAN = "pruning.json"
FORMAT = 1

Kept = tuple[tuple[int, ...], ...]


def with_plan(directory: Path, config: EncoderConfig, pruned_heads: Any) -> EncoderConfig:
    """The config with the heads that each layer keeps.

    Raises:
      ValueError: for a plan that is no plan or of another model, or two that differ.
    """
    theirs = kept_of_pruned(directory, pruned_heads, config) if pruned_heads else None
    path = directory / PLAN
    if not path.exists():
        return dataclasses.replace(config, kept=theirs)
    ours = _read_kept(path, config)
    try:
        planned = dataclasses.replace(config, kept=ours)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if theirs is not None and ours != theirs:
        raise ValueError(
            f"{path}: expected the heads that pruned_heads of config.json leaves, "
            f"{_rows(theirs)}, got {_rows(ours)}"
        )
    return planned


def _read_kept(path: Path, config: EncoderConfig) -> Kept:
    plan = read_json(path)
    expected = {"format": FORMAT, "family": config.family, "num_heads": config.num_heads}
    problems = [
        f"{name}: expected {value!r}, got {plan.get(name)!r}"
        for name, value in expected.items()
        if plan.get(name) != value
    ]
    problems += [f"unknown entry {name}" for name in sorted(plan.keys() - expected - {"kept"})]
    kept = plan.get("kept")
    if not isinstance(kept, list) or not all(_is_heads(row) for row in kept):
        problems.append(f"kept: expected a list of head numbers for every layer, got {kept!r}")
    if problems:
        raise ValueError(f"{path}: " + "; ".join(problems))
    return tuple(tuple(row) for row in plan["kept"])


def _is_heads(row: Any) -> bool:
    return isinstance(row, list) and all(type(head) is int for head in row)


def write_plan(directory: Path, config: EncoderConfig) -> None:
    """Write the plan of a cut model; nothing for a whole one."""
    if config.kept is None:
        return
    plan = {
        "format": FORMAT,
        "family": config.family,
        "num_heads": config.num_heads,
        "kept": _rows(config.kept),
    }
    (directory / PLAN).write_text(json.dumps(plan) + "\n", encoding="utf-8")


def kept_of_pruned(directory: Path, pruned_heads: Any, config: EncoderConfig) -> Kept:
    """The heads that transformers 4 left; its keys number layers, or ALBERT's unique blocks.

    Raises:
      ValueError: for blocks or heads that the model does not have.
    """
    blocks = {str(block): block for block in config.block_by_layer}
    heads = range(config.num_heads)
    if not (
        isinstance(pruned_heads, dict)
        and pruned_heads.keys() <= blocks.keys()
        and all(_is_heads(row) and set(row) <= set(heads) for row in pruned_heads.values())
    ):
        raise ValueError(
            f"{directory / 'config.json'}: pruned_heads: expected lists of heads below "
            f"{len(heads)} for blocks below {len(blocks)}, got {json.dumps(pruned_heads)}"
        )
    pruned = {blocks[key]: set(row) for key, row in pruned_heads.items()}
    return tuple(
        tuple(head for head in heads if head not in pruned.get(block, ()))
        for block in config.block_by_layer
    )


def _rows(kept: Kept) -> list[list[int]]:
    return [list(row) for row in kept]
