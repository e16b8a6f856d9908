"""The effects of every head on every example, `[N, L, H]` float32, streamed to an npy file."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxheads.parallel.processes import gather_processes, is_primary, run_on_primary
from jaxheads.storage.files import write_atomically

CHUNK = 4096  # rows read at a time


class Rows:
    """Rows of a matrix on disk, each to be filled once."""

    def __init__(self, matrix_NLH: np.ndarray):
        self._matrix_NLH = matrix_NLH
        self._seen_N = np.zeros(len(matrix_NLH), bool)

    def fill(self, index_b: Int[np.ndarray, "b"], values_bLH: Float[np.ndarray, "b L H"]) -> None:
        """Write the rows numbered `index_b`.

        Raises:
          ValueError: for a number that there is no row for, or a row that was written before.
        """
        wrong = (index_b < 0) | (index_b >= len(self._seen_N))
        if wrong.any():
            raise ValueError(
                f"kept effects: expected example numbers below {len(self._seen_N)}, got "
                f"{index_b[wrong][0]}"
            )
        number_u, count_u = np.unique(index_b, return_counts=True)
        again = number_u[(count_u > 1) | self._seen_N[number_u]]
        if again.size:
            raise ValueError(f"kept effects: got example {again[0]} twice")
        self._matrix_NLH[index_b] = values_bLH
        self._seen_N[index_b] = True

    def missing(self) -> int:
        """How many rows were not written."""
        return int((~self._seen_N).sum())


@contextmanager
def keep_rows(
    path: str | Path, shape: tuple[int, int, int], *, alone: bool | None = None
) -> Iterator[Rows]:
    """A file for the effects on `shape[0]` examples; whole at the end of the block, or not there.

    With several processes each writes `name.P.npy` with its own examples, the others' rows NaN;
    `gather_kept` puts them together.

    Args:
      path: ends in .npy.
      shape: `(N, L, H)`.
      alone: whether this process has all rows; None: where there is no other.

    Raises:
      ValueError: for another file name, and at the end of the block for a row that was not filled
        by a process that has all of them.
    """
    path, alone = Path(path), jax.process_count() == 1 if alone is None else alone
    if path.suffix != ".npy":
        raise ValueError(f"kept effects: expected a file name that ends in .npy, got {path}")
    path = path if alone else part_of(path, jax.process_index())
    with write_atomically(path) as draft:
        matrix_NLH = np.lib.format.open_memmap(draft, "w+", np.float32, shape)
        _reserve(draft)
        if not alone:
            matrix_NLH[:] = np.nan
        rows = Rows(matrix_NLH)
        yield rows
        if alone and rows.missing():
            raise ValueError(
                f"kept effects: expected {shape[0]} examples, got {shape[0] - rows.missing()}"
            )
        matrix_NLH.flush()


def _reserve(path: Path) -> None:
    """Take the file's room on the disk now: a full disk is an OSError, and no crash later.

    A mapped file has holes, and a write into a hole that finds no room kills the process.
    """
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def part_of(path: str | Path, process: int) -> Path:
    """Where one of several processes keeps its effects."""
    path = Path(path)
    return path.with_name(f"{path.stem}.{process}{path.suffix}")


def token_file(path: str | Path) -> Path:
    """Where the effects by position are kept beside those of whole examples."""
    path = Path(path)
    return path.with_name(f"{path.stem}.token{path.suffix}")


def join_kept(
    path: str | Path,
    shape: tuple[int, int, int],
    chunks: Iterable[Float[np.ndarray, "P _ L H"]],
) -> None:
    """Write as one file what several processes have kept.

    Args:
      chunks: the same rows of all processes; those that are another's are NaN.

    Raises:
      ValueError: for an example that is missing, or comes twice.
    """
    start = 0
    with keep_rows(path, shape, alone=True) as rows:
        for chunk_PnLH in chunks:
            for chunk in chunk_PnLH:
                own = np.flatnonzero(~np.isnan(chunk).any((1, 2)))
                rows.fill(start + own, chunk[own])
            start += chunk_PnLH.shape[1]


def gather_kept(path: str | Path) -> None:
    """Leave one file, with the first process, where each has kept its own part; all call.

    Raises:
      ValueError: for an example that is missing, or comes twice.
    """
    if jax.process_count() == 1:
        return
    for each in (Path(path), token_file(path)):
        mine = part_of(each, jax.process_index())
        if mine.is_file():
            _gather(each, open_kept(mine))
            mine.unlink()


def _gather(path: Path, part: Float[np.ndarray, "N L H"]) -> None:
    starts = range(0, len(part), CHUNK)
    chunks = (gather_processes(np.asarray(part[start : start + CHUNK])) for start in starts)

    failed: Exception | None = None
    if is_primary():
        try:
            join_kept(path, (len(part), part.shape[1], part.shape[2]), chunks)
        except (OSError, ValueError) as error:
            failed = error
    for _ in chunks:  # what was not asked for yet: all of them send all they have
        pass
    run_on_primary(functools.partial(_end, failed))


def _end(failed: Exception | None) -> None:
    if failed is not None:
        raise failed


def open_kept(path: str | Path) -> Float[np.ndarray, "N L H"]:
    """The effects kept in a file, read from disk as they are used.

    Raises:
      ValueError: for a file that is not float32 `[N, L, H]`.
    """
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: expected an npy file of effects, got {error}") from error
    if matrix.ndim != 3 or matrix.dtype != np.float32:
        raise ValueError(
            f"{path}: expected float32 effects [N, L, H], got {matrix.dtype} {list(matrix.shape)}"
        )
    return matrix
