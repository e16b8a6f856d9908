"""The weights of a checkpoint directory: safetensors, or Flax's msgpack. No pickle is ever read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from jaxheads.storage.files import read_json

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FLAX = "flax_model.msgpack"  # arrays, no code: what FlaxPreTrainedModel wrote
FLOATS = ("F32", "F16", "BF16", "F64")
FLOAT_NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}
FLAX_ENDINGS = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}

# Turns every pytorch_model*.bin of a directory into one model.safetensors, whatever the model.
CONVERT = (
    'python -c "import glob, torch; from safetensors.torch import save_file; '
    "save_file({{k: v.clone().contiguous() for f in sorted(glob.glob('pytorch_model*.bin')) "
    "for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}}, "
    "'model.safetensors', metadata={{'format': 'pt'}})\""
)


class Stored(NamedTuple):
    """The weights of one checkpoint by the names that PyTorch gives them."""

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]  # as safetensors calls them
    read: Callable[[str], np.ndarray]  # a weight as it is stored, not read before it is asked for


def _stored_safetensors(handles: Mapping[str, Any], paths: Mapping[str, Path]) -> Stored:
    slices = {name: handle.get_slice(name) for name, handle in handles.items()}

    def read(name: str) -> np.ndarray:
        try:
            return handles[name].get_tensor(name)
        except (SafetensorError, TypeError, AttributeError) as error:
            raise ValueError(f"{paths[name]}: {name}: {_line(error)}") from error

    return Stored(
        {name: tuple(part.get_shape()) for name, part in slices.items()},
        {name: str(part.get_dtype()) for name, part in slices.items()},
        read,
    )


def _stored_flax(path: Path) -> Stored:
    """Flax's arrays, whose kernels are the transposes of PyTorch's weights."""
    from flax.serialization import msgpack_restore

    try:
        tree: Any = msgpack_restore(path.read_bytes())
        arrays = dict(_flax_weights(tree))
    except Exception as error:  # whatever msgpack and numpy make of other bytes
        raise ValueError(f"{path}: expected Flax's arrays, got {_line(error)}") from error
    names = {name: array.dtype.name for name, array in arrays.items()}
    return Stored(
        {name: array.shape for name, array in arrays.items()},
        {name: FLOAT_NAMES.get(dtype, dtype) for name, dtype in names.items()},
        arrays.__getitem__,
    )


def _flax_weights(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flax_weights(value, f"{path}{key}.")
        else:
            array = np.asarray(value)
            yield path + FLAX_ENDINGS.get(key, key), array.T if key == "kernel" else array


@contextlib.contextmanager
def open_weights(directory: Path) -> Iterator[Stored]:
    """Open `model.safetensors`, the shards that its index names, or where both are missing Flax's.

    Raises:
      ValueError: for files that are missing, damaged or pickled, and an index that they contradict.
    """
    if (directory / FLAX).exists() and not has_safetensors(directory):
        yield _stored_flax(directory / FLAX)
        return
    with contextlib.ExitStack() as stack:
        handles: dict[str, Any] = {}
        paths: dict[str, Path] = {}
        for path in _weight_files(directory):
            for name, handle in _open(path, stack):
                if name in paths:
                    raise ValueError(f"{path}: weight {name} is also in {paths[name].name}")
                handles[name], paths[name] = handle, path
        _check_index(directory, paths)
        yield _stored_safetensors(handles, paths)


def has_safetensors(directory: Path) -> bool:
    """Whether there are weights in the usual format."""
    return (directory / SINGLE).exists() or (directory / INDEX).exists()


def _open(path: Path, stack: contextlib.ExitStack) -> Iterator[tuple[str, Any]]:
    try:
        handle = stack.enter_context(safe_open(path, framework="numpy"))
        names = list(handle.keys())
    except (SafetensorError, OSError, ValueError) as error:
        size = path.stat().st_size if path.exists() else None
        held = "no such file" if size is None else f"{size} bytes, {_line(error)}"
        raise ValueError(f"{path}: expected a whole safetensors file, got {held}") from error
    for name in names:
        yield name, handle


def _weight_files(directory: Path) -> list[Path]:
    if (directory / SINGLE).exists():
        return [directory / SINGLE]
    if (directory / INDEX).exists():
        return [directory / name for name in sorted(set(_weight_map(directory).values()))]
    found = sorted(path.name for path in directory.iterdir())
    if any(name.startswith("pytorch_model") and ".bin" in name for name in found):
        raise ValueError(
            f"{directory}: expected {SINGLE}, got only pickled weights, which are never loaded; "
            f"convert them by: cd {directory} && {CONVERT.format()}"
        )
    raise ValueError(
        f"{directory}: expected {SINGLE} or {INDEX}, found {', '.join(found) or 'nothing'}; "
        "weights in another format (pytorch_model.bin) must be converted to safetensors first"
    )


def _weight_map(directory: Path) -> dict[str, str]:
    path = directory / INDEX
    table = read_json(path).get("weight_map")
    if not isinstance(table, dict) or not all(isinstance(file, str) for file in table.values()):
        raise ValueError(f"{path}: expected weight_map from weight names to files, got {table!r}")
    outside = sorted({file for file in table.values() if Path(file).name != file or not file})
    if outside:
        raise ValueError(f"{path}: expected names of files beside it, got {', '.join(outside)}")
    return table


def _check_index(directory: Path, paths: Mapping[str, Path]) -> None:
    """The index and its shards name the same weights in the same files."""
    if (directory / SINGLE).exists():
        return
    table = _weight_map(directory)
    problems = [
        f"{name}: expected in {table.get(name, 'no file')}, "
        f"got {paths[name].name if name in paths else 'no such weight'}"
        for name in sorted(table.keys() | paths.keys())
        if name not in paths or table.get(name) != paths[name].name
    ]
    if problems:
        raise ValueError(f"{directory / INDEX}: " + "; ".join(problems))


def write_weights(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write contiguous arrays as one safetensors file, marked as Hugging Face expects.

    Who may read it is as for any new file; safetensors itself makes one for its owner alone.

    Raises:
      OSError: where it cannot be written.
    """
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(dict(arrays), path, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, for one
        raise OSError(f"{path}: not written: {_line(error)}") from error
    path.chmod(mode)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
