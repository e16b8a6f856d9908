"""Exact metrics over a whole split, at any gate on the heads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Num
from scipy import stats

from jaxheads.data.batch import Batch
from jaxheads.objectives import Objective, Params
from jaxheads.parallel.mesh import local_rows, place_batch, place_params, split_over_data
from jaxheads.parallel.processes import gather_rows


class Answers(NamedTuple):
    """What was answered to each of `M` questions and what was due, in the examples' order.

    A question is an example, or a predicted token of a masked LM.
    """

    guess_M: Num[np.ndarray, "M"]  # a class, or a real number
    label_M: Num[np.ndarray, "M"]
    example_M: Int[np.ndarray, "M"]  # whose question it is; predicted tokens share their text's


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
    gate: Float[Array | np.ndarray, "..."] | None = None,
    mesh: Mesh | None = None,
) -> Evaluation:
    """The `metrics` (names of `METRICS`) and the loss over all examples of `batches`.

    `gate` is traced, as the objective's own: all gates of one shape share one compilation. Dropout
    is off. Sums are float64 in the order of the examples' numbers, so they do not depend on how the
    examples were batched. With several processes all of them call and get the same.

    Raises:
      ValueError: for an unknown metric, no example, or a loss that is not finite.
    """
    _check(metrics)
    rows = _collect(_rows(objective, params, batches, gate, mesh))
    _check_rows(rows)
    taken = rows.label >= 0 if rows.label.ndim == 2 else np.ones(rows.label.shape, bool)
    label, guess = rows.label[taken], rows.guess[taken]
    number_N = np.arange(len(rows.number)).reshape(-1, *[1] * (rows.label.ndim - 1))
    example = np.broadcast_to(number_N, rows.label.shape)[taken]
    loss = rows.loss.sum() / max(rows.terms.sum(), 1.0)
    constant = constant_answer(label)
    return Evaluation(
        {"loss": float(loss)} | {name: METRICS[name](guess, label) for name in _named(metrics)},
        {"loss": _loss_floor(label)} | {n: METRICS[n](constant, label) for n in _named(metrics)},
        len(rows.number),
        Answers(guess, label, example),
        rows.loss,
    )


class _Rows(NamedTuple):
    """What is kept of every example."""

    number: Num[np.ndarray, "N"]
    loss: Num[np.ndarray, "N"]
    terms: Num[np.ndarray, "N"]
    guess: Num[np.ndarray, "N *P"]
    label: Num[np.ndarray, "N *P"]


@functools.partial(jax.jit, static_argnames=("objective", "mesh"))
def _answer(objective: Objective, params: Params, gate, batch: Batch, mesh: Mesh | None):
    """Index, loss, terms, answer and label of every row of a batch."""
    outcome = objective(params, gate, batch, None)
    logits = outcome.logits
    real = logits.shape[-1] == 1
    guess = logits[..., 0] if real else jnp.argmax(logits, -1).astype(jnp.int32)
    index_B = jnp.where(batch.weight_B > 0, batch.index_B, -1)
    rows = (index_B, outcome.loss_B, outcome.terms_B, guess, jnp.asarray(batch.labels))
    return tuple(split_over_data(mesh, row) for row in rows)


def _rows(objective, params, batches, gate, mesh):
    """The answers on every batch; each is fetched when the next is under way."""
    before, params = None, place_params(mesh, params)
    for batch in batches:
        after = _answer(objective, params, gate, _placed(mesh, batch), mesh)
        if before is not None:
            yield _Rows(*map(local_rows, before))
        before = after
    if before is not None:
        yield _Rows(*map(local_rows, before))


def _placed(mesh: Mesh | None, batch: Batch) -> Batch:
    """The batch on the mesh; one whose arrays lie there already is left there."""
    return batch if isinstance(batch.tokens_BT, jax.Array) else place_batch(mesh, batch)


def _collect(parts: Iterable[_Rows]) -> _Rows:
    """All processes' rows, in the order of their numbers, without padding rows."""
    parts = list(parts)
    if not parts:
        return _Rows(*(np.zeros(0) for _ in _Rows._fields))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    columns = [gather_rows(column) for column in columns]
    order = np.argsort(columns[0], kind="stable")
    order = order[columns[0][order] >= 0]
    rows = _Rows(*(column[order] for column in columns))
    return rows._replace(loss=rows.loss.astype(np.float64), terms=rows.terms.astype(np.float64))


def _check_rows(rows: _Rows) -> None:
    if not len(rows.number):
        raise ValueError("evaluation: expected at least one example, got none")
    bad = rows.number[~np.isfinite(rows.loss)]
    if len(bad):
        raise ValueError(f"evaluation: expected finite losses, got another at example {bad[0]}")


def constant_answer(label: Num[np.ndarray, "N"]) -> Num[np.ndarray, "N"]:
    """The majority-class baseline: the mean, or the most frequent label (of equals, the lowest)."""
    if label.dtype.kind == "f":
        return np.full(len(label), label.mean(dtype=np.float64))
    return np.full(len(label), np.bincount(label).argmax())


def _loss_floor(label: Num[np.ndarray, "N"]) -> float:
    """The variance of real labels, or the entropy of the label frequencies."""
    if label.dtype.kind == "f":
        return float(label.var(dtype=np.float64))
    share = np.bincount(label) / len(label)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


# -- metrics, each of (answers, labels)


def _accuracy(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    return float(np.mean(guess == label))


def _f1(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    """Of class 1; 0 where it is neither given nor due."""
    right = int(((guess == 1) & (label == 1)).sum())
    either = int((guess == 1).sum() + (label == 1).sum())
    return 2 * right / either if either else 0.0


def _matthews(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    """Of any number of classes (Gorodkin 2004); 0 where either side is constant."""
    classes = max(guess.max(), label.max()) + 1
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (label, guess), 1)
    due, given, total = table.sum(1), table.sum(0), table.sum()
    spread = float(total**2 - due @ due) * float(total**2 - given @ given)
    return float(np.trace(table) * total - due @ given) / spread**0.5 if spread else 0.0


def _pearson(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    return _correlation(stats.pearsonr, guess, label)


def _spearman(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    return _correlation(stats.spearmanr, guess, label)


def _correlation(of: Callable, guess, label) -> float:
    """0 where either side is constant, or where there is only one pair."""
    guess, label = (np.asarray(side, np.float64) for side in (guess, label))
    if np.ptp(guess) == 0 or np.ptp(label) == 0:
        return 0.0
    return float(of(guess, label).statistic)


METRICS: dict[str, Callable[..., float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}


def _named(metrics: Sequence[str]) -> list[str]:
    """The metrics asked for, less the loss, which is always there."""
    return [name for name in metrics if name != "loss"]


def _check(metrics: Sequence[str]) -> None:
    unknown = [name for name in _named(metrics) if name not in METRICS]
    if unknown:
        raise ValueError(
            f"metrics: expected any of loss, {', '.join(METRICS)}, got {', '.join(unknown)}"
        )
