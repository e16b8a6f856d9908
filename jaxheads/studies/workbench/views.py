"""What single heads look at in single sentences, kept for the page.

views/MODEL-WHAT-SEED.json   what `attention_view` draws, sentence by sentence
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxheads.storage.store import Store

FOLDER = "views"


def view(
    title: str,
    head: tuple[int, int],
    words: Sequence[str],
    weights: Float[np.ndarray, "P P"],
    marked: Iterable[int] = (),
) -> dict[str, Any]:
    """One head (layer, number; from 0) over one sentence; `marked` are numbers of words."""
    return {
        "title": title,
        "layer": head[0],
        "head": head[1],
        "words": list(words),
        "marked": list(marked),
        "weights": [[round(float(value), 4) for value in row] for row in weights],
    }


def save_views(folder: Path, name: str, views: Iterable[dict[str, Any]]) -> None:
    """Write the views MODEL-WHAT-SEED into a study's folder, whole or not at all."""
    Store(folder).write_json(f"{FOLDER}/{name}.json", list(views))
