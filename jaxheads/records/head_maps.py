"""Maps over heads that a study measures beside importance: one float `[L, H]` for each name.

`maps/MODEL-WHAT-SEED.npz` in the study's folder. WHAT is of small letters, digits and "_" ("arcs",
"spans", "humor"), with `.TASK` behind it where the model was fine-tuned on a task ("arcs.sst2").
SEED is that of the fine-tuning, 0 where there was none. The names inside are for readers ("nsubj",
"MST"), the first of them that of the map which sums the others up. `maps/halves/` has the same maps
of the first and of the second half of the data, where a study kept them: what a map's agreement
with others may reach at most is known from them. `maps/of/` says what each file is of: its model,
kind, task and seed, and by `training.identity.encoder_bits` which weights, so that other studies
may take them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxheads.records.folder import Room
from jaxheads.storage.files import read_json
from jaxheads.storage.store import Store

_PART = re.compile(r"[a-z0-9_.]+")

Named = Mapping[str, Float[np.ndarray, "L H"]]


class MapFile(NamedTuple):
    """Whose maps a file has; `task` is "" where the model was not fine-tuned."""

    name: str  # in the store
    model: str
    what: str
    task: str
    seed: int
    encoder: tuple[int, ...]  # the bits of its weights
    study: str = ""  # that it was copied from; "": the study's own


def save_maps(
    store: Store,
    model: str,
    what: str,
    seed: int,
    maps: Named,
    halves: tuple[Named, Named] | None = None,
    *,
    task: str = "",
    weights: Sequence[int],
) -> None:
    """Write named maps of a model's heads, whole or not at all; NaN where a head has no value.

    `task`: what the model was fine-tuned on, if it was; `weights`: its `encoder_bits`.

    Raises:
      ValueError: for names that the file cannot have, no maps, or maps of different heads.
    """
    problems = [
        f"{name}: expected small letters, digits, _ and ., got {value!r}"
        for name, value in (("model", model), ("what", what), ("task", task or "none"))
        if not _PART.fullmatch(value)
    ]
    shapes = {np.shape(array_LH) for array_LH in maps.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        problems.append(f"expected maps [layers, heads] of one model, got shapes {sorted(shapes)}")
    if halves is not None and not halves[0].keys() == halves[1].keys() <= maps.keys():
        problems.append("expected both halves of some of the maps, got other names")
    if problems:
        raise ValueError("maps: " + "; ".join(problems))
    name = map_name(model, what_of(what, task), seed)
    if halves is not None:
        both = {each: _doubles([half[each] for half in halves]) for each in halves[0]}
        store.write_arrays(halves_name(name), both)
    about = {"model": model, "what": what, "task": task, "seed": seed, "encoder": list(weights)}
    store.write_json(about_name(name), about)
    store.write_arrays(name, {each: _doubles(array_LH) for each, array_LH in maps.items()})


def load_maps(
    store: Store, model: str, what: str, seed: int
) -> dict[str, Float[np.ndarray, "L H"]]:
    """Read what `save_maps` wrote, in its order; `what` as `what_of` has it."""
    return store.read_arrays(map_name(model, what, seed))


def what_of(kind: str, task: str) -> str:
    """The name of maps of a model, fine-tuned on a task or ("") not."""
    return f"{kind}.{task}" if task else kind


def load_halves(store: Store, name: str) -> dict[str, Float[np.ndarray, "2 L H"]]:
    """The halves of a file of maps, by name; nothing where none were kept."""
    kept = halves_name(name)
    return store.read_arrays(kept) if store.exists(kept) else {}


def halves_name(name: str) -> str:
    """Where the halves of a file of maps are."""
    path = PurePosixPath(name)
    return str(path.parent / "halves" / path.name)


def about_name(name: str) -> str:
    """Where it stands of what the maps of a file are."""
    path = PurePosixPath(name)
    return str(path.parent / "of" / f"{path.stem}.json")


def map_name(model: str, what: str, seed: int) -> str:
    """Where a study's maps are; `what` as `what_of` has it."""
    return f"{Room.MAPS}/{model}-{what}-{seed}.npz"


def map_files(store: Store, model: str | None = None, folder: str = Room.MAPS) -> Iterator[MapFile]:
    """All maps of a model, or of all models, by name.

    Raises:
      ValueError: for a file that does not say what maps it is about.
    """
    for each in store.names(f"{folder}/of"):
        name, about = f"{folder}/{PurePosixPath(each).stem}.npz", f"{folder}/of/{each}"
        try:
            found = store.read(about, read_json)
            file = MapFile(name, **{**found, "encoder": tuple(found["encoder"])})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{store}/{about}: expected what maps are of, got {error}") from error
        if model in (None, file.model) and store.exists(name):
            yield file


def _doubles(array: ArrayLike) -> np.ndarray:
    return np.asarray(array, np.float64)
