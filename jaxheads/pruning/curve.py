"""What a pruning curve says in one number: prunability and deductions.

The definitions are ours (the abstract of Chiang & Chen 2021 names the questions, no formulas); a
curve is a metric, higher being better, at decreasing budgets that start with all heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


def removable(
    budgets: Sequence[int] | Int[np.ndarray, "K"],
    metric_K: Sequence[float] | Float[np.ndarray, "K"],
    share: float,
) -> int:
    """k95, k99: the most heads that can go while the metric keeps `share` of its first value.

    It must keep it at every larger budget of the curve too; budgets between its points are not
    looked at. 0 where already the second point is below.

    Raises:
      ValueError: for a metric and budgets that do not match or do not decrease, fewer than two
        points, or a whole model whose metric is not positive.
    """
    budget_K, metric_K = _curve(budgets, metric_K)
    kept_K = metric_K >= share * metric_K[0] - 1e-12
    last = len(kept_K) if kept_K.all() else int(np.argmin(kept_K))
    return int(budget_K[0] - budget_K[last - 1])


def area(
    budgets: Sequence[int] | Int[np.ndarray, "K"],
    metric_K: Sequence[float] | Float[np.ndarray, "K"],
) -> float:
    """The mean of the metric as a share of its first value, over all numbers of heads removed.

    Trapezoids between the points; 1 for a curve that never falls.

    Raises:
      ValueError: as `removable`.
    """
    budget_K, metric_K = _curve(budgets, metric_K)
    removed_K = (budget_K[0] - budget_K) / (budget_K[0] - budget_K[-1])
    return float(np.trapezoid(metric_K / metric_K[0], removed_K))


def acceptable_deduction(
    loss_K: Sequence[float] | Float[np.ndarray, "K"],
    margin_K: Sequence[float] | Float[np.ndarray, "K"],
) -> tuple[float, int]:
    """How much may be lost on the pre-training task, before fine-tuning, for what is kept after it.

    Args:
      loss_K: what the pre-trained model lost at each budget, the first being the whole model (0).
      margin_K: by how much the downstream metric, after fine-tuning, lies above the least that is
        asked for.

    Returns:
      The largest loss of a good budget, and the place of the last of them; a budget is good if
      neither its margin nor one before it is negative.

    Raises:
      ValueError: for curves of different length, or none.
    """
    loss_K, margin_K = np.asarray(loss_K, float), np.asarray(margin_K, float)
    if loss_K.shape != margin_K.shape or loss_K.ndim != 1 or not len(loss_K):
        raise ValueError(
            f"deduction: expected two curves of equal length, got {loss_K.shape}, {margin_K.shape}"
        )
    good_K = margin_K >= -1e-12
    if not good_K[0]:
        return 0.0, 0
    last = len(good_K) if good_K.all() else int(np.argmin(good_K))
    return float(loss_K[:last].max()), last - 1


def _curve(budgets, metric_K) -> tuple[np.ndarray, np.ndarray]:
    budget_K, metric_K = np.asarray(budgets), np.asarray(metric_K, float)
    if budget_K.shape != metric_K.shape or len(budget_K) < 2 or (np.diff(budget_K) >= 0).any():
        raise ValueError(
            f"curve: expected a metric for each of at least two decreasing budgets, got "
            f"{metric_K.tolist()} for {budget_K.tolist()}"
        )
    if not metric_K[0] > 0:
        raise ValueError(f"curve: expected a positive metric of all heads, got {metric_K[0]}")
    return budget_K, metric_K
