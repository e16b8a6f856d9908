"""Masks that are better than a ranking, from effects on single examples: no pass of a model more.

The effects `G [N, L, H]` that `score_heads(keep=...)` wrote are the gradients of each example's
loss by the gates. Their second moment `F = G'G / N` is the empirical Fisher information, and
`removed' F removed / 2` the loss that removing a set of heads is expected to add, near a minimum. A
ranking by `fisher` takes the diagonal of F alone: of two heads that stand in for each other it
drops both. Kwon et al. 2022 ("A Fast Post-Training Pruning Framework for Transformers",
arXiv 2204.09656) rearrange a mask by whole rows of F; they do so layer by layer, where we exchange
heads of the whole model.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from jaxheads.pruning.mask import mask_from_scores

CHUNK = 4096  # examples read at a time
LEAST = 1e-12  # gain of an exchange, as a share of the cost: less is rounding


def interaction(effect_NLH: Float[np.ndarray, "N L H"]) -> Float[np.ndarray, "heads heads"]:
    """`G'G / N` over the heads in the order of their layers, float64."""
    heads = effect_NLH.shape[1] * effect_NLH.shape[2]
    total = np.zeros((heads, heads))
    for start in range(0, len(effect_NLH), CHUNK):
        rows = np.asarray(effect_NLH[start : start + CHUNK], np.float64).reshape(-1, heads)
        total += rows.T @ rows
    return total / max(len(effect_NLH), 1)


def refined(
    fisher: Float[np.ndarray, "n n"],
    mask_LH: Bool[np.ndarray, "L H"],
) -> Bool[np.ndarray, "L H"]:
    """The mask after exchanges of a kept and a dropped head, best first, that lower the cost.

    The budget stays. Each exchange lowers the cost, so this ends; at a minimum of single exchanges,
    which need not be the best mask.
    """
    mask = mask_LH.ravel().copy()
    diagonal, scale = np.diag(fisher), max(float(np.trace(fisher)), np.finfo(float).tiny)
    while True:
        kept, dropped = np.flatnonzero(mask), np.flatnonzero(~mask)
        if not len(kept) or not len(dropped):
            break
        pull = fisher[:, ~mask].sum(1)  # of all that is dropped, on each head
        # i goes, j comes back: (F_ii + F_jj) / 2 + pull_i - pull_j - F_ij
        lose = diagonal[kept] / 2 + pull[kept]
        gain = diagonal[dropped] / 2 - pull[dropped]
        change = lose[:, None] + gain[None, :] - fisher[np.ix_(kept, dropped)]
        i, j = np.unravel_index(np.argmin(change), change.shape)
        if change[i, j] >= -LEAST * scale:
            break
        mask[kept[i]], mask[dropped[j]] = False, True
    return mask.reshape(mask_LH.shape)


def refined_mask(
    effect_NLH: Float[np.ndarray, "N L H"],
    budget: int,
) -> Bool[np.ndarray, "L H"]:
    """The best `budget` heads by the diagonal of the Fisher information, then rearranged."""
    fisher = interaction(effect_NLH)
    score_LH = np.diag(fisher).reshape(effect_NLH.shape[1:])
    return refined(fisher, mask_from_scores(score_LH, budget))


def rescaling(
    fisher: Float[np.ndarray, "n n"],
    mask_LH: Bool[np.ndarray, "L H"],
    *,
    damping: float = 1.0,
    most: float = 2.0,
) -> Float[np.ndarray, "L H"]:
    """Gates by which the kept heads make up, by least squares, for those that are dropped.

    To first order dropping heads changes an example's loss by minus the sum of their effects, and
    gates `1 + a` on the others by `G a`. These gates minimise the mean square of both together,
    with `damping` times the mean of the kept heads' diagonal as a ridge: 0 where dropped, clipped
    to `1 / most` to `most` elsewhere. (Kwon et al. match the outputs of each layer; we match the
    losses, which are what was kept.) `pruning.cut.fold` puts them into the output projection.

    Raises:
      ValueError: for a damping that is not positive, or a bound below 1.
    """
    if damping <= 0 or most < 1:
        raise ValueError(f"rescaling: expected damping > 0 and most >= 1, got {damping}, {most}")
    kept = mask_LH.ravel()
    gate = kept.astype(np.float64)
    if kept.any() and not kept.all():
        inner = fisher[np.ix_(kept, kept)]
        ridge = damping * max(float(np.diag(inner).mean()), np.finfo(float).tiny)
        pull = fisher[np.ix_(kept, ~kept)].sum(1)
        gate[kept] += np.linalg.solve(inner + ridge * np.eye(int(kept.sum())), pull)
        gate[kept] = np.clip(gate[kept], 1 / most, most)
    return gate.reshape(mask_LH.shape)
