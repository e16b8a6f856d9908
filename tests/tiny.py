"""Any study's settings, made as small as they can be: every cell runs, no number means anything."""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxheads.studies.settings import Run

# At most so many of what a field counts, wherever it stands.
MOST = {
    "steps": 2, "frozen_steps": 1, "batch_size": 16, "warmup_steps": 1, "save_every": 0,
    "paragraphs": 200, "held_out_blocks": 8, "examples": 48, "held_out_examples": 24,
    "ablated": 8, "rescored": 8, "splits": 2, "points": 3, "draws": 2,
    "pairs": 48, "held_out_pairs": 24, "views": 1, "permutations": 399,
    "sentences": 24, "tune_sentences": 16, "test_sentences": 16, "controls": 1, "least": 2,
    "repeats": 1,
}  # fmt: skip
FIRST = {"seeds": 2, "kept": 2, "shares": 2, "learning_rates": 2, "strengths": 2, "batches": 1}


def shrink(run: Run) -> Run:
    """The run with few seeds, steps, examples and budgets; the same cells otherwise."""
    return _smaller("run", run)


def _smaller(name: str, value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if name == "encoder":
            return value
        changes = {
            field.name: _smaller(field.name, getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
        if "compared" in changes:
            changes["compared"] = tuple(s for s in changes["compared"] if s in changes["kept"])
        return dataclasses.replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(_smaller("", each) for each in value[: FIRST.get(name)])
    if isinstance(value, int) and not isinstance(value, bool) and name in MOST:
        return min(value, MOST[name])
    return value
