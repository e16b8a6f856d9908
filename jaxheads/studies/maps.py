"""Maps over heads that a study measures beside importance: one float `[L, H]` for each name.

`maps/MODEL-WHAT-SEED.npz` in the study's folder, WHAT being of small letters, digits, "_" and "."
("arcs", "spans", "humor") and SEED a number: of the model's fine-tuning, 0 where there was none.
The names inside are for readers ("nsubj", "UUAS, MST"); the report finds all of them there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxheads.files import write_atomically

FOLDER = "maps"
_PART = re.compile(r"[a-z0-9_.]+")


def save_maps(
    folder: Path, model: str, what: str, seed: int, maps: Mapping[str, Float[np.ndarray, "L H"]]
) -> Path:
    """Write named maps of a model's heads, whole or not at all; NaN where a head has no value.

    ValueError for names that the file cannot have, no maps, or maps of different heads.
    """
    problems = [
        f"{name}: expected small letters, digits, _ and ., got {value!r}"
        for name, value in (("model", model), ("what", what))
        if not _PART.fullmatch(value)
    ]
    shapes = {np.shape(array_LH) for array_LH in maps.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        problems.append(f"expected maps [layers, heads] of one model, got shapes {sorted(shapes)}")
    if problems:
        raise ValueError("maps: " + "; ".join(problems))
    path = map_path(folder, model, what, seed)
    with write_atomically(path) as draft:
        arrays = {name: np.asarray(array_LH, np.float64) for name, array_LH in maps.items()}
        np.savez(draft, allow_pickle=False, **arrays)
    return path


def load_maps(
    folder: Path, model: str, what: str, seed: int
) -> dict[str, Float[np.ndarray, "L H"]]:
    """Read what `save_maps` wrote, in its order."""
    with np.load(map_path(folder, model, what, seed), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def map_path(folder: Path, model: str, what: str, seed: int) -> Path:
    """Where a study's maps are."""
    return folder / FOLDER / f"{model}-{what}-{seed}.npz"
