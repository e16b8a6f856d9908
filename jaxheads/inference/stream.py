"""Running a jitted step over any number of batches at constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from jaxheads.parallel.mesh import local_rows, place_batch
from jaxheads.parallel.steps import StepBar


def stream(
    step: Callable[[Any], Any],
    batches: Iterable[Any],
    *,
    mesh: Mesh | None = None,
    total: int | None = None,
    progress: bool = True,
) -> Iterator[tuple[Int[np.ndarray, "b"], Any]]:
    """Yield the numbers of a batch's examples and this process's rows of `step(batch)`, as numpy.

    Padding rows are left out. A step's rows are fetched while the next step runs, so at most two
    batches live at a time.

    Raises:
      ValueError: for a row that is not finite, or a weight neither 0 nor 1.
    """
    shown = progress and jax.process_index() == 0
    with StepBar("", total, unit=" examples", shown=shown) as bar:

        def told(batch: Any) -> Any:
            result = step(batch)  # which returns as soon as it is compiled
            bar.compiled()
            return result

        for index_b, rows in _one_behind(told, batches, mesh):
            yield index_b, rows
            bar.add(len(index_b) * (jax.process_count() if mesh is not None else 1))


def _one_behind(step, batches, mesh):
    waiting = None
    for batch in batches:
        placed = place_batch(mesh, batch)
        result = step(placed)
        jax.tree.map(_start_copy, result)
        if waiting is not None:
            yield _fetch(*waiting)
        waiting = (placed.index_B, placed.weight_B, result)
    if waiting is not None:
        yield _fetch(*waiting)


def _start_copy(array: Any) -> None:
    if isinstance(array, jax.Array):
        array.copy_to_host_async()


def _fetch(index_B, weight_B, result):
    index_B, weight_B = local_rows(index_B), local_rows(weight_B)
    odd = weight_B[~np.isin(weight_B, (0, 1))]
    if odd.size:
        raise ValueError(f"weight_B: expected 0 or 1, got {odd[0]}")
    real = weight_B > 0
    rows = jax.tree.map(lambda array: local_rows(array)[real], result)
    for array in jax.tree.leaves(rows):
        _check_finite(index_B[real], array)
    return index_B[real], rows


def _check_finite(index_b, array) -> None:
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(1) if array.size else np.zeros(0, bool)
    if bad.any():
        raise ValueError(
            f"example {index_b[bad][0]}: expected a finite loss and scores, got inf or nan; look "
            "for such weights, and for labels that the readout does not have"
        )
