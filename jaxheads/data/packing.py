"""Batches whose rows hold several short examples each, so that little is padding.

All batches have one shape, which is compiled once. Which examples share a row is a pure function of
their lengths; each is computed as if it were alone (`models.packing`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from jaxheads.data.batch import Batch
from jaxheads.data.loader import Source, batches, bucket_lengths, chooser, own_part
from jaxheads.parallel.mesh import data_devices, data_share
from jaxheads.parallel.processes import broadcast_int, gather_processes

STEP = 8  # rows have a multiple of so many tokens
PLACES = 8  # for examples in a row, at most
SAMPLE = 4096  # examples by which the length of rows is chosen
FEW = 8  # of a training batch's rows, its number of rows is a multiple of about an eighth
FAR = 512  # tokens of a row whose attention costs about as much as all else


def example_batches(
    source: Source,
    batch_size: int,
    kind: str,
    mesh: Mesh | None,
    *,
    group: int = 1,
) -> Iterator[Batch]:
    """Yield each example of this process once: packed for a classifier, else padded.

    Args:
      kind: of the model's readout; "" for methods that look at attention, row by row.
      mesh: that computes on them, or None for one device.
      group: as `loader.batches` takes it.

    Raises:
      ValueError: as `packed_batches` and `loader.batches`.
    """
    share = data_share(mesh)
    if kind == "classification":
        devices = data_devices(mesh)
        return packed_batches(source, batch_size, share=share, group=group, devices=devices)
    lengths = bucket_lengths(int(source.lengths.max()))
    return batches(source, batch_size, share=share, group=group, lengths=lengths)


class Rows(NamedTuple):
    """How examples are packed: the length of all rows, and the numbers of the examples of each."""

    length: int
    rows: list[list[int]]


def packed_batches(
    source: Source,
    batch_size: int,
    *,
    share: tuple[int, int] = (0, 1),
    group: int = 1,
    devices: int = 1,
) -> Iterator[Batch]:
    """Yield every example once, in packed batches of about `batch_size` examples of all processes.

    Args:
      source: examples of one sequence each.
      share: `(process, processes)`, as `loader.batches` takes it, with its `group`.
      devices: of this process along `data`, each of which takes equally many rows.

    Raises:
      ValueError: for no example, or a batch size below the number of processes.
    """
    process, processes = share
    lengths = np.asarray(source.lengths)
    if not len(lengths) or batch_size < processes:
        raise ValueError(
            f"packed batches: expected examples and a batch size of at least {processes}, got "
            f"{len(lengths)} and {batch_size}"
        )
    mine = np.flatnonzero(own_part(np.arange(len(lengths)), (process, processes), group))
    length = row_length(lengths[mine], int(lengths.max()))
    if processes > 1:
        length = broadcast_int(length)
    found = pack(lengths[mine], length)
    share_of = batch_size / processes * lengths.mean() / length
    rows = max(1, round(share_of / devices)) * devices
    steps = math.ceil(len(found.rows) / rows)
    places = max((len(row) for row in found.rows), default=1)
    if processes == 1:  # equally full batches, so that the last is not mostly padding
        rows = math.ceil(len(found.rows) / steps / devices) * devices
    else:
        steps, places = gather_processes(np.array([steps, places])).max(0).tolist()
    for step in range(steps):
        chosen = found.rows[step * rows : (step + 1) * rows]
        index_RS = np.full((rows, places), -1)
        for row, examples in enumerate(chosen):
            index_RS[row, : len(examples)] = mine[examples]
        yield packed(source, index_RS, length)


def packed_training_batches(
    source: Source,
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    share: tuple[int, int] = (0, 1),
    devices: int = 1,
) -> Iterator[Batch]:
    """Yield the batches of `loader.training_batches` without end, each in packed rows.

    A batch has the same examples as there. Its number of rows is one of a few, for each of which a
    program is compiled; it is the same in all processes, each of which packs its own slice.

    Args:
      source, batch_size, seed, start_step, share: as `loader.training_batches` has them; examples
        are of one sequence each, and the same in every epoch.
      devices: of this process along `data`, each of which takes equally many rows.

    Raises:
      ValueError: for a batch size that the processes do not divide.
    """
    (process, processes), lengths = share, np.asarray(source.lengths)
    if batch_size % processes:
        raise ValueError(f"batch_size: expected a multiple of {processes}, got {batch_size}")
    length = row_length(lengths, int(lengths.max()))
    sample = lengths[:: math.ceil(len(lengths) / SAMPLE)]
    places = max(map(len, pack(sample, length).rows))
    usual = batch_size / processes * lengths.mean() / length
    multiple = max(1, round(usual / FEW / devices)) * devices
    choose = chooser(source, batch_size, seed, 0)
    for step in itertools.count(start_step):
        parts = np.split(choose(step)[0], processes)
        found = [pack(lengths[part], length, places).rows for part in parts]
        rows = math.ceil(max(map(len, found)) / multiple) * multiple
        index_RS = np.full((rows, places), -1)
        for row, examples in enumerate(found[process]):
            index_RS[row, : len(examples)] = parts[process][examples]
        yield packed(source, index_RS, length)


def row_length(lengths: Int[np.ndarray, "n"], longest: int) -> int:
    """The length of rows that takes the least: little padding, and attention that is not far."""
    shortest = -(-longest // STEP) * STEP
    if not len(lengths):
        return shortest

    sample = lengths[:: math.ceil(len(lengths) / SAMPLE)]

    def cost(length: int) -> float:
        return len(pack(sample, length).rows) * length * (1 + length / FAR)

    return min(range(shortest, max(2 * shortest, 64) + 1, STEP), key=cost)


def pack(lengths: Int[np.ndarray, "n"], length: int, places: int = PLACES) -> Rows:
    """Put each example, the longest first, into the fullest row that has room for it."""
    rows: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(length + 1)]  # rows by the tokens left in them
    for number in np.argsort(-lengths, kind="stable").tolist():
        size = int(lengths[number])
        room = next((left for left in range(size, length + 1) if with_room[left]), None)
        row = len(rows) if room is None else with_room[room].pop()
        if room is None:
            rows.append([])
        rows[row].append(number)
        if len(rows[row]) < places:
            with_room[(length if room is None else room) - size].append(row)
    return Rows(length, rows)


def packed(source: Source, index_RS: Int[np.ndarray, "R S"], length: int) -> Batch:
    """The examples `index_RS` in rows of `length` tokens; -1 is a place without one.

    Raises:
      ValueError: for examples that do not fit their row, or have more than one sequence.
    """
    rows, places = index_RS.shape
    index_B = index_RS.ravel()
    alone = source.rows(index_B, np.zeros_like(index_B), length)
    if alone.tokens_BT.ndim != 2 or alone.where_BP is not None:
        raise ValueError("packed rows: expected examples of one sequence each, with one label")
    real_BT = np.asarray(alone.real_BT) & (index_B >= 0)[:, None]
    count_RS = real_BT.sum(1).reshape(rows, places)
    start_RS = np.cumsum(count_RS, axis=1) - count_RS
    if (count_RS.sum(1) > length).any():
        raise ValueError(f"packed rows: expected at most {length} tokens in each")
    example_n, place_n = np.nonzero(real_BT)
    at = (example_n // places, start_RS.ravel()[example_n] + place_n)

    def filled(value: int, array: np.ndarray) -> np.ndarray:
        row_RT = np.full((rows, length), value, array.dtype)
        row_RT[at] = array[example_n, place_n]
        return row_RT

    slot_BT = np.broadcast_to((np.arange(len(index_B)) % places)[:, None], real_BT.shape)
    padding = source.rows(np.array([-1]), np.array([0]), 2).tokens_BT[0, 1]
    return alone._replace(
        tokens_BT=filled(int(padding), np.asarray(alone.tokens_BT)),
        real_BT=filled(0, real_BT),
        types_BT=filled(0, np.asarray(alone.types_BT)),
        slot_RT=filled(-1, slot_BT.astype(np.int32)),
        start_RS=np.where(index_RS >= 0, start_RS, 0).astype(np.int32),
    )
