"""What single heads look at in single sentences, kept for the page.

views/MODEL-WHAT[.TASK]-SEED.json   what `attention_view` draws, sentence by sentence
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxheads.records.folder import Room
from jaxheads.records.head_maps import what_of
from jaxheads.storage.store import Store


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


def save_views(
    store: Store, model: str, what: str, seed: int, views: Iterable[dict[str, Any]], task: str = ""
) -> None:
    """Write the views of a model, fine-tuned on a task or not, whole or not at all."""
    own = {"model": model, "what": what, "task": task, "seed": seed}
    name = f"{Room.VIEWS}/{model}-{what_of(what, task)}-{seed}.json"
    store.write_json(name, [own | each for each in views])
