"""Exact metrics over a whole split, at any gate on the heads."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Num

from jaxheads.data.batch import Batch
from jaxheads.inference.metrics import check_metrics, constant_answer, loss_floor, measure
from jaxheads.objectives import Objective, Outcome, Params
from jaxheads.parallel.mesh import local_rows, place_batch, place_params, split_over_data
from jaxheads.parallel.processes import gather_rows


class AnswerRows(NamedTuple):
    """What is kept of every example: what was answered, and what was due."""

    number: Num[np.ndarray, "N"]
    loss: Num[np.ndarray, "N"]
    terms: Num[np.ndarray, "N"]
    guess: Num[np.ndarray, "N *P"]
    label: Num[np.ndarray, "N *P"]


class Answers(NamedTuple):
    """What was answered to each of `M` questions and what was due, in the examples' order.

    A question is an example, a word that is tagged, or a predicted token of a masked LM.
    """

    guess_M: Num[np.ndarray, "M *C"]  # a class, 0 and 1 for each class, or a real number
    label_M: Num[np.ndarray, "M *C"]
    example_M: Int[np.ndarray, "M"]  # whose question it is; words share their sentence's


class Evaluation(NamedTuple):
    """Metrics of a split by name, and the floor under each.

    The floor is what the majority-class baseline gets: the most frequent label (masked LM: the
    most frequent target token), or the mean of real labels. `loss` is the mean over terms, in nats
    or squared units; its floor knows how often each label occurs.
    """

    metrics: dict[str, float]
    floors: dict[str, float]
    examples: int
    answers: Answers
    loss_N: Float[np.ndarray, "N"]  # of each example, the sum over its terms


def evaluate(
    objective: Objective,
    params: Params,
    batches: Iterable[Batch],
    metrics: Sequence[str],
    *,
    classes: Sequence[int] = (),
    names: Sequence[str] = (),
    gate: Float[Array | np.ndarray, "..."] | None = None,
    mesh: Mesh | None = None,
) -> Evaluation:
    """The `metrics` (names of `METRICS`) and the loss over all examples of `batches`.

    Sums are float64 in the order of the examples' numbers, so they do not depend on how the
    examples were batched. With several processes all of them call and get the same.

    Args:
      classes: the readout's number for each of the task's classes, by which classes are told here
        (see `class_numbers`); none: the readout's own numbers, of which none is F1's class 1.
      names: the labels in the order of `classes`, of which spans of words are made.
      gate: traced, as the objective's own: all gates of one shape share one compilation. Dropout is
        off.

    Raises:
      ValueError: for an unknown metric, F1 of one class without `classes`, no example, or a loss
        that is not finite.
    """
    return evaluation_of(_rows(objective, params, batches, gate, mesh), metrics, classes, names)


def evaluation_of(
    parts: Iterable[AnswerRows],
    metrics: Sequence[str],
    classes: Sequence[int] = (),
    names: Sequence[str] = (),
) -> Evaluation:
    """What `evaluate` returns, from the answers that a pass over the examples has found.

    Args:
      parts: of this process, batch by batch; padding rows have the number -1, or are left out.
      metrics, classes, names: as `evaluate` takes them.

    Raises:
      ValueError: as `evaluate`.
    """
    check_metrics(metrics)
    if "f1" in metrics and not classes:
        raise ValueError("f1: expected `classes`, as jh.class_numbers(task, readout) has them")
    rows = _collect(parts)
    _check_rows(rows)
    answers = _answers(rows, classes)
    constant = answers._replace(guess_M=constant_answer(answers.label_M))
    named = [name for name in metrics if name != "loss"]  # which is always there
    loss = float(rows.loss.sum() / max(rows.terms.sum(), 1.0))
    return Evaluation(
        {"loss": loss} | measure(named, *answers, names),
        {"loss": loss_floor(answers.label_M)} | measure(named, *constant, names),
        len(rows.number),
        answers,
        rows.loss,
    )


def _answers(rows: AnswerRows, classes: Sequence[int]) -> Answers:
    """The answers that are due, with the task's numbers of classes."""
    number_N, order = np.arange(len(rows.number)), list(classes)
    if rows.guess.dtype == bool:  # each class by itself
        order = order or list(range(rows.label.shape[1]))
        guess, label = (side[:, order].astype(np.int32) for side in (rows.guess, rows.label))
        return Answers(guess, label, number_N)
    taken = rows.label >= 0 if rows.label.ndim == 2 else np.ones(rows.label.shape, bool)
    example = np.broadcast_to(number_N.reshape(-1, *[1] * (rows.label.ndim - 1)), taken.shape)
    guess, label = rows.guess[taken], rows.label[taken]
    if order:
        guess, label = (np.argsort(order)[side] for side in (guess, label))
    return Answers(guess, label, example[taken])


@functools.partial(jax.jit, static_argnames=("objective", "mesh"))
def answer(objective: Objective, params: Params, gate, batch: Batch, mesh: Mesh | None):
    """The answers to every row of a batch."""
    return answer_rows(objective(params, gate, batch, None), batch, mesh)


def answer_rows(outcome: Outcome, batch: Batch, mesh: Mesh | None) -> AnswerRows:
    """Inside jit: what a pass has answered to every row of a batch, split over `data`."""
    logits = outcome.logits
    labels = jnp.asarray(batch.labels)
    if logits.shape == labels.shape:  # each class by itself
        guess = logits > 0
    elif logits.shape[-1] == 1:  # a real number, also where labels are whole ones
        guess = logits[..., 0]
    else:
        guess = jnp.argmax(logits, -1).astype(jnp.int32)
    index_B = jnp.where(batch.weight_B > 0, batch.index_B, -1)
    rows: tuple[Any, ...] = (index_B, outcome.loss_B, outcome.terms_B, guess, labels)
    split: list[Any] = [split_over_data(mesh, row) for row in rows]
    return AnswerRows(*split)


def _rows(objective, params, batches, gate, mesh):
    """The answers on every batch; each is fetched when the next is under way."""
    before, params = None, place_params(mesh, params)
    for batch in batches:
        after = answer(objective, params, gate, _placed(mesh, batch), mesh)
        if before is not None:
            yield AnswerRows(*map(local_rows, before))
        before = after
    if before is not None:
        yield AnswerRows(*map(local_rows, before))


def _placed(mesh: Mesh | None, batch: Batch) -> Batch:
    """The batch on the mesh; one whose arrays lie there already is left there."""
    return batch if isinstance(batch.tokens_BT, jax.Array) else place_batch(mesh, batch)


def _collect(parts: Iterable[AnswerRows]) -> AnswerRows:
    """All processes' rows, in the order of their numbers, without padding rows."""
    parts = list(parts)
    if not parts:
        return AnswerRows(*(np.zeros(0) for _ in AnswerRows._fields))
    columns = [np.concatenate(_as_wide(column)) for column in zip(*parts, strict=True)]
    columns = [gather_rows(column) for column in columns]
    order = np.argsort(columns[0], kind="stable")
    order = order[columns[0][order] >= 0]
    rows = AnswerRows(*(column[order] for column in columns))
    return rows._replace(loss=rows.loss.astype(np.float64), terms=rows.terms.astype(np.float64))


def _as_wide(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Arrays of words with -1 behind, which is no label, where batches are of several lengths."""
    if arrays[0].ndim == 1:
        return [*arrays]
    width = max(array.shape[1] for array in arrays)
    return [
        np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=-1)
        if array.shape[1] < width
        else array
        for array in arrays
    ]


def _check_rows(rows: AnswerRows) -> None:
    if not len(rows.number):
        raise ValueError("evaluation: expected at least one example, got none")
    bad = rows.number[~np.isfinite(rows.loss)]
    if len(bad):
        raise ValueError(f"evaluation: expected finite losses, got another at example {bad[0]}")
