"""Where arrays lie: the device mesh and shardings. Imports nothing of ours.

A mesh has the axes `data` and `model`. Batches are split over `data`; heads, feed-forward units and
the vocabulary over `model`, by the one table `PARAMETER_SPECS`. One device needs no mesh: functions
that take one accept None.

The vocabulary of a model is split whatever its size: where the axis does not divide it, as
RoBERTa's 50,265, its placed tables have zeros at their end, which `without_padding` takes off
again. No token is one of those, and the masked-LM readout gives them no probability, so their
gradients are zero.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

# The first pattern found in a parameter's path, "encoder/stack0/attention/query/kernel", says how
# it is split; a parameter that matches none is replicated, and so is a dimension that the axis does
# not divide. Optimizer states carry the same paths behind names of their own: the table fits them.
PARAMETER_SPECS: tuple[tuple[str, P], ...] = (
    (r"(attention|cross)/(query|key|value)/kernel$", P(None, None, "model")),  # [n, D, h, K]
    (r"(attention|cross)/(query|key|value)/bias$", P(None, "model")),  # [n, h, K]
    (r"(attention|cross)/out/kernel$", P(None, "model")),  # [n, h, K, D]
    (r"stack\d+/(up|factor)/kernel$", P(None, None, "model")),  # [n, D, F]
    (r"stack\d+/up/bias$", P(None, "model")),  # [n, F]
    (r"stack\d+/down/kernel$", P(None, "model")),  # [n, F, D]
    (r"embeddings/word/table$", P("model")),  # [V, E]
    (r"readout/decoder/kernel$", P(None, "model")),  # [E, V]
    (r"readout/bias$", P("model")),  # [V]
)
# What is filled up with zeros along `model` until the axis divides it: the large of the vocabulary.
FILLED = r"(encoder/embeddings/word/table|readout/decoder/kernel)$"


def make_mesh(data: int | None = None, model: int = 1) -> Mesh:
    """A mesh of `data` x `model` devices; without `data` every device is used.

    A single process may use fewer devices than it has; several processes must use all of them.

    Raises:
      ValueError: for a size below 1, or sizes that the devices do not make up.
    """
    devices = jax.devices()
    if model < 1 or (data is not None and data < 1):
        raise ValueError(f"mesh: expected positive sizes, got data={data}, model={model}")
    rows = len(devices) // model if data is None else data
    size, all_needed = rows * model, data is None or jax.process_count() > 1
    if size > len(devices) or size == 0 or (all_needed and size < len(devices)):
        raise ValueError(
            f"mesh: expected data x model = {len(devices)} devices, got data={data}, model={model}"
        )
    return jax.make_mesh(
        (rows, model), ("data", "model"), (AxisType.Auto, AxisType.Auto), devices=devices[:size]
    )


def open_mesh(data: int | None = None, model: int = 1) -> Mesh | None:
    """All devices or those asked for; no mesh where that is one of one."""
    alone = model == 1 and jax.process_count() == 1
    if alone and (data or jax.device_count()) == 1:
        return None
    return make_mesh(data, model)


def data_share(mesh: Mesh | None) -> tuple[int, int]:
    """Which part of the examples this process must read: `(part, parts)`.

    Give it to `data.loader.batches(share=...)`. Processes that differ only along `model` read the
    same part.

    Raises:
      ValueError: for processes that do not hold equally many rows of the mesh.
    """
    if mesh is None:
        return 0, 1
    owners = [tuple(sorted({device.process_index for device in row})) for row in mesh.devices]
    parts = list(dict.fromkeys(owners))
    everyone = [process for part in parts for process in part]
    if len(set(everyone)) < len(everyone) or len({owners.count(part) for part in parts}) > 1:
        raise ValueError(
            "mesh: expected every process to hold equally many rows of it along data, got rows of "
            f"the processes {owners}"
        )
    mine = (number for number, part in enumerate(parts) if jax.process_index() in part)
    return next(mine), len(parts)


def data_devices(mesh: Mesh | None) -> int:
    """Devices along `data` whose rows this process holds."""
    return 1 if mesh is None else mesh.shape["data"] // data_share(mesh)[1]


def parameter_specs(mesh: Mesh, params: Any, *, over_data: bool = False) -> Any:
    """The tree of `PartitionSpec` that the table gives to `params` (arrays or shapes).

    With `over_data` the largest dimension that is left whole and that `data` divides is split over
    `data`: for what every device keeps but none needs whole, as an optimizer's state (ZeRO, stage 1
    of Rajbhandari et al. 2020).
    """

    def spec_of(path, leaf) -> P:
        shape = np.shape(leaf)
        spec = _spec_of(mesh, _path_name(path), shape)
        return _split_over_data(mesh, spec, shape) if over_data else spec

    return jax.tree_util.tree_map_with_path(spec_of, params)


def _split_over_data(mesh: Mesh, spec: P, shape: tuple[int, ...]) -> P:
    axes = [*spec, *(None for _ in shape[len(spec) :])]
    free = [
        place
        for place, size in enumerate(shape)
        if axes[place] is None and size % mesh.shape["data"] == 0
    ]
    if free:
        axes[max(free, key=lambda place: shape[place])] = "data"
    return P(*axes)


def _path_name(path) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _axes(name: str) -> tuple[str | None, ...]:
    """The table's axis for each of the first dimensions of a parameter."""
    return next((tuple(spec) for pattern, spec in PARAMETER_SPECS if re.search(pattern, name)), ())


def _spec_of(mesh: Mesh, name: str, shape: tuple[int, ...]) -> P:
    axes = _axes(name)
    if len(axes) > len(shape):
        return P()
    fits = (axis and size % mesh.shape[axis] == 0 for axis, size in zip(axes, shape, strict=False))
    return P(*(axis if fit else None for axis, fit in zip(axes, fits, strict=True)))


def padded_shapes(mesh: Mesh, params: Any) -> Any:
    """The shapes of `params` (arrays or shapes) once they are placed, as `ShapeDtypeStruct`."""

    def shape_of(path, leaf) -> jax.ShapeDtypeStruct:
        shape = list(np.shape(leaf))
        if re.search(FILLED, name := _path_name(path)):
            for place, (axis, _) in enumerate(zip(_axes(name), shape, strict=False)):
                shape[place] += -shape[place] % (mesh.shape[axis] if axis else 1)
        return jax.ShapeDtypeStruct(tuple(shape), jnp.result_type(leaf))

    return jax.tree_util.tree_map_with_path(shape_of, params)


def place_params(mesh: Mesh | None, params: Any) -> Any:
    """`params` on the devices, split as `parameter_specs`; on the default device without a mesh.

    A vocabulary is filled up to `padded_shapes`. Every process passes the same whole values; what
    already lies on several processes stays.
    """
    if mesh is None:
        return jax.device_put(params)
    shapes = padded_shapes(mesh, params)
    specs = parameter_specs(mesh, shapes)

    def place(leaf, like: jax.ShapeDtypeStruct, spec: P):
        sharding = NamedSharding(mesh, spec)
        return (
            _place(leaf, sharding) if np.shape(leaf) == like.shape else _fill(leaf, like, sharding)
        )

    return jax.tree.map(place, params, shapes, specs)


def _place(leaf, sharding: NamedSharding):
    if jax.process_count() == 1:
        return jax.device_put(leaf, sharding)
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return leaf
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def _fill(leaf, like: jax.ShapeDtypeStruct, sharding: NamedSharding):
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return jax.jit(zero_padded, static_argnums=1, out_shardings=sharding)(leaf, like.shape)
    return _place(zero_padded(np.asarray(leaf), like.shape), sharding)


def zero_padded(array, shape: tuple[int, ...]):
    """The array with zeros at the end of its axes, up to a shape."""
    if array.shape == shape:
        return array
    room = [(0, new - old) for new, old in zip(shape, array.shape, strict=True)]
    return (np if isinstance(array, np.ndarray) else jnp).pad(array, room)


def without_padding(mesh: Mesh | None, params: Any, like: Any) -> Any:
    """Placed `params` with the shapes of `like` again.

    What was filled up lies whole on every device then, so that it can have its own size.
    """

    def cut(leaf, own):
        if np.shape(leaf) == np.shape(own):
            return leaf
        assert mesh is not None, "only a mesh needs padding"
        whole = NamedSharding(mesh, P())
        return jax.jit(first_of, static_argnums=1, out_shardings=whole)(leaf, np.shape(own))

    return jax.tree.map(cut, params, like)


def first_of(array, shape: tuple[int, ...]):
    """The first elements along every axis: what `zero_padded` was given."""
    return array[tuple(map(slice, shape))]


@contextlib.contextmanager
def in_host_memory(mesh: Mesh | None) -> Iterator[None]:
    """New arrays are in the host's memory for now, where a model is to be split over `model`.

    No single device may be able to hold such a model. Nothing changes where jax has no CPU.
    """
    with contextlib.ExitStack() as stack:
        if mesh is not None and mesh.shape["model"] > 1:
            with contextlib.suppress(RuntimeError):
                host = jax.local_devices(backend="cpu")[0]
                stack.enter_context(jax.default_device(host))
        yield


def place_batch(mesh: Mesh | None, batch: Any) -> Any:
    """One global batch from each process's own rows (equally many), split over `data`.

    Rows of weight 0 and index -1 are added where the devices do not divide the rows, so that no
    result depends on the number of devices. Without a mesh the batch is returned as it is.
    """
    if mesh is None:
        return batch
    _, parts = data_share(mesh)
    padded = pad_rows(batch, mesh.shape["data"] // parts)
    sharding = NamedSharding(mesh, P("data"))
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), padded
    )


def pad_rows(batch: Any, multiple: int) -> Any:
    """`batch` up to a multiple of so many rows: copies of the last, of weight 0 and index -1."""
    rows = len(batch.weight_B)
    extra = -rows % multiple
    if not extra:
        return batch
    pick = np.minimum(np.arange(rows + extra), rows - 1)
    grown = jax.tree.map(lambda leaf: np.asarray(leaf)[pick], batch)
    added = np.arange(rows + extra) >= rows
    return grown._replace(
        weight_B=np.where(added, 0, grown.weight_B).astype(grown.weight_B.dtype),
        index_B=np.where(added, -1, grown.index_B).astype(grown.index_B.dtype),
    )


def split_over_data(mesh: Mesh | None, array: jax.Array) -> jax.Array:
    """Inside jit: rows split over `data`, all of a row on every device along `model`."""
    if mesh is None:
        return array
    return jax.lax.with_sharding_constraint(array, NamedSharding(mesh, P("data")))


def split_gate(mesh: Mesh | None, gate_BLHt: jax.Array) -> jax.Array:
    """Inside jit: a per-example gate split as what it multiplies, heads over `model`."""
    if mesh is None:
        return gate_BLHt
    heads = "model" if gate_BLHt.shape[2] % mesh.shape["model"] == 0 else None
    spec = NamedSharding(mesh, P("data", None, heads))
    return jax.lax.with_sharding_constraint(gate_BLHt, spec)


def local_rows(array: jax.Array | np.ndarray) -> np.ndarray:
    """This process's rows of an array split over `data`; a row that several hold goes to one."""
    if not isinstance(array, jax.Array) or array.is_fully_addressable:
        return np.asarray(array)
    own = [shard for shard in array.addressable_shards if shard.replica_id == 0]
    own.sort(key=lambda shard: shard.index[0].start or 0)
    if not own:
        return np.zeros((0, *array.shape[1:]), array.dtype)
    return np.concatenate([np.asarray(shard.data) for shard in own])


def whole_params(params: Any) -> Any:
    """`params` so that each process can read all of them; all must call."""
    return jax.tree.map(_whole, params)


def _whole(leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable or leaf.is_fully_replicated:
        return leaf
    return multihost_utils.process_allgather(leaf, tiled=True)
