"""Batches of any source, in an order that is a pure function of the arguments.

`batch_size` counts the rows of all processes together. Process `p` of `n` yields its own
`batch_size / n` of them; all processes yield equally many batches, and equal shapes at each step.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int

from jaxheads.data.batch import Batch

LENGTHS = (16, 32, 64, 128, 256, 512)  # padded lengths; each that occurs is compiled once
WINDOW = 64  # batches within which examples of like length are brought together


@runtime_checkable
class Source(Protocol):
    """Numbered examples, and how to make a batch of any of them."""

    @property
    def lengths(self) -> Int[np.ndarray, "N"]:
        """How many tokens each example has."""
        ...

    def rows(
        self, index_B: Int[np.ndarray, "B"], epoch_B: Int[np.ndarray, "B"], length: int
    ) -> Batch:
        """Return the examples `index_B` padded to `length`; -1 makes a padding row.

        `epoch_B` is the epoch in which each is seen; masked LM draws other masks in each.
        """
        ...


@runtime_checkable
class SamplingSource(Source, Protocol):
    """A source that chooses itself what each step of training sees, as one of several tasks does.

    The choice is a pure function of the step, so that nothing else need be known to resume.
    """

    def draw(self, step: int, batch_size: int, *, seed: int) -> Int[np.ndarray, "B"]:
        """Return the examples of the whole batch of a step."""
        ...


def batches(
    source: Source,
    batch_size: int,
    *,
    share: tuple[int, int] = (0, 1),
    group: int = 1,
    lengths: Sequence[int] = LENGTHS,
    window: int = WINDOW,
) -> Iterator[Batch]:
    """Yield every example once, the last batch filled up with padding rows of weight 0.

    Example `i` belongs to process `(i // group) % processes` of `share = (process, processes)`. In
    windows of so many batches (0: none) groups are sorted by their longest example, to pad less; a
    group stays whole and in order, so that it lies in one batch if `group` divides the rows that a
    process yields. Every batch has the smallest of `lengths` that holds it; with several processes,
    the one that holds the longest example of all.

    Raises:
      ValueError: for no example, one longer than all `lengths`, a batch size that the processes do
        not divide, or a share, group or window out of range.
    """
    rows = _check(source, batch_size, share, lengths)
    if group < 1 or window < 0:
        raise ValueError(f"expected group at least 1 and window at least 0, got {group}, {window}")
    _, processes = share
    everyone = np.arange(len(source.lengths))
    mine = everyone[own_part(everyone, share, group)]
    first = own_part(everyone, (0, processes), group)  # no process has more than the first
    both = math.lcm(rows, group)  # windows end where a batch and a group end
    order = _by_length(mine, source.lengths, group, math.ceil(window * rows / both) * both)
    steps = math.ceil(int(first.sum()) / rows)
    padded = np.full(steps * rows, -1)
    padded[: len(order)] = order
    fixed = int(source.lengths.max()) if processes > 1 else 0
    for index_B in padded.reshape(steps, rows):
        longest = fixed or int(source.lengths[index_B].max(initial=1, where=index_B >= 0))
        yield source.rows(index_B, np.zeros_like(index_B), _fit(longest, lengths))


def own_part(
    number_N: Int[np.ndarray, "N"], share: tuple[int, int], group: int = 1
) -> Bool[np.ndarray, "N"]:
    """Which of the examples with these numbers `batches` gives to the process of a share."""
    process, processes = share
    return (number_N // group) % processes == process


def training_batches(
    source: Source,
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    share: tuple[int, int] = (0, 1),
    lengths: Sequence[int] = LENGTHS,
    window: int = 0,
) -> Iterator[Batch]:
    """Yield shuffled batches without end, from `start_step` on.

    Epochs follow each other without a gap: step `s` holds the places `s B` to `(s + 1) B - 1` of
    the shuffles of epoch 0, 1, ... in a row, so that each epoch has every example once and every
    batch is full. The global batch of a step does not depend on the number of processes, each of
    which takes a slice of its rows; nothing but the step need be known to resume. In windows of so
    many batches (0: none) examples of like length come together, to pad less, and the batches of a
    window are shuffled again.

    Raises:
      ValueError: for no example, one longer than all `lengths`, a batch size that the processes do
        not divide, or a share, first step or window out of range.
    """
    rows = _check(source, batch_size, share, lengths)
    for name, value in (("start_step", start_step), ("window", window)):
        if value < 0:
            raise ValueError(f"{name}: expected at least 0, got {value}")
    process, _ = share
    own = slice(process * rows, (process + 1) * rows)
    choose = chooser(source, batch_size, seed, window)
    for step in itertools.count(start_step):
        index_B, epoch_B = choose(step)
        length = _fit(int(source.lengths[index_B].max()), lengths)
        yield source.rows(index_B[own], epoch_B[own], length)


Choose = Callable[[int], tuple[np.ndarray, np.ndarray]]  # a step -> examples and their epochs


def chooser(source: Source, batch_size: int, seed: int, window: int) -> Choose:
    """What each step of training sees, as `training_batches` says."""
    if isinstance(source, SamplingSource):
        return _drawing(source, batch_size, seed)
    return _shuffling(source, batch_size, seed, window)


def _shuffling(source: Source, batch_size: int, seed: int, window: int) -> Choose:
    size = len(source.lengths)
    shuffled = functools.lru_cache(2)(
        lambda epoch: _alike(_shuffle(size, seed, epoch), source.lengths, batch_size, window)
    )

    def choose(step: int):
        epoch_B, place_B = np.divmod(np.arange(step * batch_size, (step + 1) * batch_size), size)
        index_B = np.empty(batch_size, np.int64)
        for epoch in np.unique(epoch_B):
            index_B[epoch_B == epoch] = shuffled(int(epoch))[place_B[epoch_B == epoch]]
        return index_B, epoch_B

    return choose


def _drawing(source: SamplingSource, batch_size: int, seed: int) -> Choose:
    none_B = np.zeros(batch_size, np.int64)
    return lambda step: (source.draw(step, batch_size, seed=seed), none_B)


def _check(source: Source, batch_size: int, share: tuple[int, int], lengths: Sequence[int]) -> int:
    """Raise ValueError for what cannot be batched; return the rows of one process's batch."""
    process, processes = share
    problems = []
    if not 0 <= process < processes:
        problems.append(f"share: expected 0 <= process < processes, got {process}, {processes}")
    elif batch_size < 1 or batch_size % processes:
        problems.append(f"batch_size: expected a multiple of {processes}, got {batch_size}")
    if not len(source.lengths):
        problems.append("source: expected at least one example, got none")
    elif not lengths or source.lengths.max() > max(lengths):
        problems.append(
            f"lengths: expected one of at least {source.lengths.max()} tokens, got {list(lengths)}"
        )
    if problems:
        raise ValueError("; ".join(problems))
    return batch_size // processes


def _fit(longest: int, lengths: Sequence[int]) -> int:
    return min(length for length in lengths if length >= longest)


def _by_length(
    mine: Int[np.ndarray, "n"], lengths: Int[np.ndarray, "N"], group: int, window: int
) -> Int[np.ndarray, "n"]:
    """Sort whole groups by their longest example in windows; a last group that is short stays."""
    if not window:
        return mine
    parts = [mine[:0]]  # a process may have no example
    for start in range(0, len(mine), window):
        part = mine[start : start + window]
        whole = len(part) // group * group
        groups = part[:whole].reshape(-1, group)
        parts += [groups[np.argsort(lengths[groups].max(1), kind="stable")].ravel(), part[whole:]]
    return np.concatenate(parts)


def _shuffle(size: int, seed: int, epoch: int) -> Int[np.ndarray, "N"]:
    """Return the order of one epoch: raw generator bits, which no numpy release may change."""
    bits = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(size)
    return np.argsort(bits, kind="stable")


def _alike(
    order: Int[np.ndarray, "N"], lengths: Int[np.ndarray, "N"], batch_size: int, window: int
) -> Int[np.ndarray, "N"]:
    """Sort an epoch by length in windows, then put each window's batches in an order of chance."""
    if not window:
        return order
    parts = []
    for start in range(0, len(order), window * batch_size):
        part = order[start : start + window * batch_size]
        chance = part[::batch_size]  # example numbers, which the shuffle has put here
        part = part[np.argsort(lengths[part], kind="stable")]
        whole = len(part) // batch_size
        places = np.argsort(chance[:whole], kind="stable")
        parts += [part[: whole * batch_size].reshape(whole, batch_size)[places].ravel()]
        parts += [part[whole * batch_size :]]
    return np.concatenate(parts)


def bucket_lengths(longest: int) -> tuple[int, ...]:
    """The padded lengths to compile for, the last of them `longest`."""
    return (*(length for length in LENGTHS if length < longest), longest)
