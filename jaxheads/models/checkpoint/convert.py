"""Models from checkpoints in Hugging Face's layout, and back.

A directory holds `config.json` and `model.safetensors` (or shards and their index, or Flax's
`flax_model.msgpack` alone), a cut model's `pruning.json` too. Nothing is guessed: attributes that
are read and weights that are not understood are one ValueError.

Weights that a family has and a readout does not use (poolers, readouts other than the asked one,
buffers of position numbers) are not part of a `Model`; one line of the log `jaxheads` names them.
They are not lost either: `save_model(..., source=checkpoint)` carries them over bit by bit, with
the attributes of `config.json` that change no number.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.errors import refuse
from jaxheads.models.checkpoint.families import table_of
from jaxheads.models.checkpoint.family import FamilyTable
from jaxheads.models.checkpoint.hf_config import Described, read_config, write_config
from jaxheads.models.checkpoint.naming import (
    by_name,
    canonical_names,
    leaf_shapes,
    leaves,
    to_stored,
    weights_of,
)
from jaxheads.models.checkpoint.pruned import PLAN, with_plan, write_plan
from jaxheads.models.checkpoint.reading import read_params, settle_ties, stored_readout
from jaxheads.models.checkpoint.weights import (
    FLAX,
    INDEX,
    SINGLE,
    has_safetensors,
    open_weights,
    write_weights,
)
from jaxheads.models.model import Model
from jaxheads.storage.files import about_target, write_atomically
from jaxheads.storage.hub import fetch_model_dir

LOG = logging.getLogger("jaxheads")
CONFIG = "config.json"
PATTERNS = (CONFIG, PLAN, SINGLE, INDEX, "model-*.safetensors")
STORAGE = {"float32": np.float32, "float16": np.float16, "bfloat16": jnp.bfloat16}


@runtime_checkable
class Savable(Protocol):
    """What writes its own files into a directory, as a tokenizer does."""

    def save(self, directory: Path, /) -> Any: ...


def load_model(source: str | Path, *, readout: ReadoutConfig | None = None, key=None) -> Model:
    """Read a local directory or a model on the Hub; float32 parameters on the default device.

    Args:
      source: a directory, a name on the Hub, or builtin:NAME.
      readout: None: the checkpoint's own.
      key: initialises what the checkpoint lacks of the readout.

    Raises:
      ValueError: in one line, for no such model, files or numbers that are damaged, attributes or
        weights that are not understood, and a readout that needs a key and has none.
    """
    directory = _fetch(source)
    described = _described(directory)
    if described.foreign:
        LOG.info("attributes that no %s reads: %s", described.table.model_type, described.foreign)
    with open_weights(directory) as stored:
        try:
            readout, params = read_params(described, stored, readout, key)
        except ValueError as error:
            raise ValueError(f"{directory}: {error}") from error
    return Model(described.config, readout, params)


def read_layout(source: str | Path) -> Described:
    """What a model's `config.json` says, without its weights.

    Raises:
      ValueError: in one line, as `load_model`.
    """
    return _described(fetch_model_dir(source, (CONFIG,)))


def _fetch(source: str | Path) -> Path:
    """The directory of a model; from the Hub, Flax's weights where there are no others."""
    directory = fetch_model_dir(source, PATTERNS)
    if has_safetensors(directory) or directory == Path(source):
        return directory
    return fetch_model_dir(source, (*PATTERNS, FLAX))


def _described(directory: Path) -> Described:
    """What `config.json` says, and the plan of a cut model in it."""
    described = read_config(directory / CONFIG)
    config = with_plan(directory, described.config, described.raw.get("pruned_heads"))
    return described._replace(config=config)


def save_model(
    model: Model,
    directory: str | Path,
    *,
    tokenizer: Savable | None = None,
    source: str | Path | None = None,
    dtype: str = "float32",
    overwrite: bool = False,
) -> None:
    """Write a model so that `load_model`, and of a whole (or masked) model transformers, opens it.

    The directory appears complete or not at all.

    Args:
      tokenizer: saved in it too.
      source: the checkpoint that the model came from: what does not belong to a `Model` is carried
        over from it (its `model_type`, other attributes that change no number, and, under the same
        kind of readout, its architecture's name and weights that no readout uses).
      dtype: of storage, float32, float16 or bfloat16.
      overwrite: replace a directory with files in it, if these are a model's.

    Raises:
      ValueError: for an unknown type, a directory that may not be replaced, parameters that do not
        fit the config or are not finite in that type, a config that the family's `config.json`
        cannot hold, and a source of another model.
    """
    if dtype not in STORAGE:
        raise ValueError(f"dtype: expected one of {', '.join(STORAGE)}, got {dtype!r}")
    _warn_of_lookalike(model.config)
    carried = _carried(model, source)
    config = write_config(carried.table, model.config, model.readout, carried.attributes)
    arrays = _stored_arrays(model, carried, config["architectures"][0], dtype)
    with _place(Path(directory).absolute(), overwrite) as draft:
        draft.mkdir()
        text = json.dumps({**config, "dtype": dtype}, indent=2)
        (draft / CONFIG).write_text(text + "\n", encoding="utf-8")
        write_weights(draft / SINGLE, arrays)
        write_plan(draft, model.config)
        if tokenizer is not None:
            tokenizer.save(draft)


def _warn_of_lookalike(config: EncoderConfig) -> None:
    """A cut ALBERT all of whose heads are used by some layer has the weights of a whole one."""
    whole = all(len(heads) == config.num_heads for heads in config.heads_by_block)
    if whole and any(len(heads) < config.num_heads for heads in config.heads_by_layer):
        LOG.warning("this cut model has a whole model's weights: transformers would use all heads")


class _Carried(NamedTuple):
    """What a saved model takes from its source besides parameters."""

    table: FamilyTable
    attributes: dict[str, Any]
    arrays: dict[str, np.ndarray]


def _carried(model: Model, source: str | Path | None) -> _Carried:
    if source is None:
        return _Carried(table_of(model.config.family), {}, {})
    directory = _fetch(source)
    described = _described(directory)
    _check_source(directory, described.config, model.config)
    attributes = dict(described.raw)
    attributes.pop("torch_dtype", None)  # an older name of dtype
    if described.kind != model.readout.kind:
        attributes.pop("architectures", None)
    owned = {weight.name for weight in weights_of(described.table, model.config, model.readout)}
    with open_weights(directory) as stored:
        found, _ = canonical_names(described.table, described.config, stored.shapes)
        settle_ties(described.table, described.tied, stored, found)
        theirs = stored_readout(described, found)
        if theirs is None or theirs.kind != model.readout.kind:
            return _Carried(described.table, attributes, {})
        arrays = {full: stored.read(name) for full, name in found.items() if full not in owned}
    return _Carried(described.table, attributes, arrays)


def _check_source(directory: Path, theirs: EncoderConfig, ours: EncoderConfig) -> None:
    sizes = ("family", "vocab_size", "hidden_size", "num_layers", "num_heads", "max_positions")
    problems = [
        f"{name}: expected {getattr(ours, name)}, got {getattr(theirs, name)}"
        for name in sizes
        if getattr(ours, name) != getattr(theirs, name)
    ]
    refuse(f"{directory}: not the model's source", problems)


def _stored_arrays(
    model: Model, carried: _Carried, architecture: str, dtype: str
) -> dict[str, np.ndarray]:
    """Every weight under its Hugging Face name, in the storage type; ValueError lists misfits."""
    config, readout, params = model
    table = carried.table
    given = {path: np.asarray(leaf) for path, leaf in leaves(params)}
    expected = leaf_shapes(config, readout)
    got = {path: leaf.shape for path, leaf in given.items()}
    problems = [
        f"{'/'.join(path)}: expected shape {expected.get(path)}, got {got.get(path)}"
        for path in sorted(expected.keys() | got.keys())
        if expected.get(path) != got.get(path)
    ]
    refuse("params do not fit the config", problems)
    arrays = dict(carried.arrays)
    for name, parts in by_name(weights_of(table, config, readout)).items():
        arrays[name] = to_stored(parts, given)
    if readout.kind == "masked_lm" and not readout.tied:  # untied, theirs has the bias twice
        modules = table.readouts["masked_lm"]
        arrays[f"{modules['decoder']}.bias"] = arrays[f"{modules['']}.bias"]
    bare = table.prefix if architecture == table.written("none") else ""
    cast = {name.removeprefix(bare): _cast(arrays[name], dtype) for name in sorted(arrays)}
    infinite = [name for name, array in cast.items() if not np.isfinite(array).all()]
    if infinite:
        raise ValueError(f"expected finite numbers in {dtype}, got others in {', '.join(infinite)}")
    return cast


def _cast(array: np.ndarray, dtype: str) -> np.ndarray:
    """Floats in the storage type; buffers of integers as they are."""
    if array.dtype.kind in "iub":
        return array
    with np.errstate(over="ignore"):  # infinite numbers are reported by name
        return np.ascontiguousarray(array, STORAGE[dtype])


@contextlib.contextmanager
def _place(target: Path, overwrite: bool) -> Iterator[Path]:
    """A draft that becomes the directory `target` at the end, replacing an older model if asked."""
    if not (overwrite and target.is_dir() and any(target.iterdir())):
        with write_atomically(target) as draft:
            yield draft
        return
    strange = [path.name for path in target.iterdir() if path.is_dir()]
    if strange or not (target / CONFIG).is_file():
        got = f"folders {', '.join(sorted(strange))}" if strange else f"no {CONFIG}"
        raise ValueError(f"{target}: expected a saved model to overwrite, got {got} in it")
    new, old = (target.with_name(f".{target.name}.{os.getpid()}.{tag}") for tag in ("new", "old"))
    try:
        with write_atomically(new) as draft:
            yield draft
    except OSError as error:
        raise (about_target(error, new, target) or error) from error
    os.rename(target, old)
    os.rename(new, target)
    shutil.rmtree(old)
