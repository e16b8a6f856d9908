"""Attention maps of many sentences as a stream: for all heads at once, a batch in memory at a time.

Sentences of like length are padded and run together, and their pieces become units (words) on the
device. What comes out is what one sentence alone gives; padding is cut off before it is seen.
Axes: `n` sentences of a group, `U` units (queries, keys).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from jaxheads.data.pieces import Pieces, check_choices, piece_weights
from jaxheads.data.tokens import max_tokens
from jaxheads.inference.stream import stream
from jaxheads.models.model import Model
from jaxheads.objectives import ObservedPass, watch_for
from jaxheads.parallel.mesh import data_share, place_params, split_over_data

LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # each that occurs is compiled once
TOKENS = 1024  # of a batch, padding included


class Maps(NamedTuple):
    """Sentences with equally many units: their numbers, and attention from units to units."""

    index_N: Int[np.ndarray, "n"]
    attention: Float[np.ndarray, "n L H U U"]


class UnitBatch(NamedTuple):
    """Padded inputs, each piece with its unit (-1: of none) and its weights as row and column."""

    tokens_BT: Int[Array | np.ndarray, "B T"]
    real_BT: Bool[Array | np.ndarray, "B T"]
    types_BT: Int[Array | np.ndarray, "B T"]
    unit_BT: Int[Array | np.ndarray, "B T"]
    row_BT: Float[Array | np.ndarray, "B T"]
    column_BT: Float[Array | np.ndarray, "B T"]
    weight_B: Float[Array | np.ndarray, "B"]
    index_B: Int[Array | np.ndarray, "B"]


def fitting(sentences: Sequence[Pieces], most: int) -> tuple[list[int], list[int]]:
    """The numbers of the sentences of at most so many tokens (or units), and of the longer ones."""
    long = [number for number, sentence in enumerate(sentences) if _size(sentence) > most]
    return sorted(set(range(len(sentences))) - set(long)), long


def model_maps(
    model: Model,
    sentences: Sequence[Pieces],
    *,
    queries: str = "mean",
    keys: str = "sum",
    compute_dtype: str = "float32",
    mesh: Mesh | None = None,
) -> Iterator[Maps]:
    """Yield the maps of a model, as `attention_maps` does.

    Raises:
      ValueError: as `attention_maps`.
    """
    config = model.config
    return attention_maps(
        watch_for(config, compute_dtype=compute_dtype), model.params, sentences,
        pad_id=config.pad_token_id, most=max_tokens(config), queries=queries, keys=keys, mesh=mesh,
    )  # fmt: skip


def attention_maps(
    watch: ObservedPass,
    params: Any,
    sentences: Sequence[Pieces],
    *,
    pad_id: int,
    most: int,
    queries: str = "mean",
    keys: str = "sum",
    lengths: Sequence[int] = LENGTHS,
    tokens: int = TOKENS,
    mesh: Mesh | None = None,
) -> Iterator[Maps]:
    """Yield every sentence's maps once, in groups of equally many units, the short ones first.

    Args:
      watch: `objectives.watch_for` of the model's config; keep one for all calls. A head that is
        cut gives zeros, as in every other array over heads.
      most: tokens that the model can read (`data.tokens.max_tokens`); leave out longer sentences by
        `fitting`, and count them.
      queries, keys: how the pieces of a unit count as rows ("mean", "first", "last") and as columns
        ("sum", "first", "last"); a unit without pieces has a row and a column of zeros.
      lengths: padded lengths, each compiled once; `tokens`: of a batch, at least one sentence a
        device. With several processes each yields its own sentences of every batch.

    Raises:
      ValueError: for options that do not fit or longer sentences, listing all, and for attention
        that is not finite, with the sentence's number.
    """
    check_choices(queries, keys)
    _check(sentences, most, tokens)
    placed = place_params(mesh, params)

    def step(batch: UnitBatch):
        return unit_maps(watch, placed, batch, mesh=mesh)

    sizes = sorted({*(length for length in lengths if length < most), most})
    packed = unit_batches(sentences, pad_id, queries, keys, sizes, tokens, mesh)
    units_N = np.array([sentence.units for sentence in sentences], int)
    for index_b, maps in stream(step, packed, mesh=mesh, total=len(sentences), progress=False):
        count_b = units_N[index_b]
        for count in np.unique(count_b):
            own_b = count_b == count
            yield Maps(index_b[own_b], maps[own_b][..., :count, :count])


@functools.partial(jax.jit, static_argnames=("watch", "mesh"))
def unit_maps(
    watch: ObservedPass,
    params: Any,
    batch: UnitBatch,
    *,
    mesh: Mesh | None = None,
) -> Float[Array, "B L H T T"]:
    """Attention between units, as many as there are padded pieces; zeros beyond a row's own."""
    place = jnp.arange(batch.unit_BT.shape[1])
    member_BUT = batch.unit_BT[:, None, :] == place[:, None]
    row_BQT = member_BUT * batch.row_BT[:, None]
    column_BUS = member_BUT * batch.column_BT[:, None]

    def observe(view: Any) -> Float[Array, "B H Q U"]:
        to_units = jnp.einsum("bhts,bus->bhtu", view.probs_BHTS, column_BUS, precision="highest")
        return jnp.einsum("bqt,bhtu->bhqu", row_BQT, to_units, precision="highest")

    return split_over_data(mesh, watch(params, None, batch, observe))


def _size(sentence: Pieces) -> int:
    """How long an array must be to hold it; words without pieces may outnumber the pieces."""
    return max(len(sentence.ids), sentence.units)


def _check(sentences: Sequence[Pieces], most: int, tokens: int) -> None:
    problems = []
    _, long = fitting(sentences, most)
    if long:
        shown = ", ".join(map(str, long[:5])) + (", ..." if len(long) > 5 else "")
        problems.append(
            f"sentences {shown}: expected at most {most} tokens, got up to "
            f"{max(_size(sentences[number]) for number in long)}"
        )
    if tokens < 1:
        problems.append(f"tokens: expected at least 1, got {tokens}")
    if problems:
        raise ValueError("attention maps: " + "; ".join(problems))


def unit_batches(
    sentences: Sequence[Pieces],
    pad_id: int,
    queries: str,
    keys: str,
    lengths: Sequence[int],
    tokens: int,
    mesh: Mesh | None,
) -> Iterator[UnitBatch]:
    """Batches of one padded length, in it by the number of units; this process's rows of each."""
    sizes = np.array([min(n for n in lengths if n >= _size(s)) for s in sentences], int)
    part, parts = data_share(mesh)
    rows_each = 1 if mesh is None else mesh.shape["data"] // parts
    for size in np.unique(sizes):
        own = np.flatnonzero(sizes == size).tolist()
        own.sort(key=lambda number: sentences[number].units)
        devices = rows_each * parts
        count = max(1, tokens // (int(size) * devices)) * devices
        for start in range(0, len(own), count):
            padded_B = np.full(count, -1)
            chosen = own[start : start + count]
            padded_B[: len(chosen)] = chosen
            share = padded_B[part * count // parts : (part + 1) * count // parts]
            yield _pack(sentences, share, pad_id, queries, keys, int(size))


def _pack(
    sentences: Sequence[Pieces],
    index_B: Int[np.ndarray, "B"],
    pad_id: int,
    queries: str,
    keys: str,
    size: int,
) -> UnitBatch:
    """Pad sentences to one length; -1 makes a padding row of one token."""
    shape = (len(index_B), size)
    batch = UnitBatch(
        tokens_BT=np.full(shape, pad_id, np.int32),
        real_BT=np.zeros(shape, bool),
        types_BT=np.zeros(shape, np.int32),
        unit_BT=np.full(shape, -1, np.int32),
        row_BT=np.zeros(shape, np.float32),
        column_BT=np.zeros(shape, np.float32),
        weight_B=(index_B >= 0).astype(np.float32),
        index_B=index_B.astype(np.int32),
    )
    batch.real_BT[:, 0] = True
    for row, number in enumerate(index_B):
        if number < 0:
            continue
        sentence, own = sentences[number], slice(len(sentences[number].ids))
        batch.tokens_BT[row, own] = sentence.ids
        batch.real_BT[row, own], batch.unit_BT[row, own] = True, sentence.unit_T
        batch.types_BT[row, own] = 0 if sentence.types_T is None else sentence.types_T
        weights = piece_weights(sentence.unit_T, queries, keys)
        batch.row_BT[row, own], batch.column_BT[row, own] = weights
    return batch
