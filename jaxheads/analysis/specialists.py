"""The best head of each relation, chosen on half of the sentences and scored on the others.

The best of hundreds of heads on the sentences that chose it is optimistic, most so for rare
relations. Intervals are percentile bootstraps over the scored half's sentences.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxheads.analysis.arcs import ArcHits, Arcs, relation_accuracies
from jaxheads.analysis.offsets import OffsetBaseline, offset_baseline
from jaxheads.analysis.resampling import Estimate, bootstrap


class Specialist(NamedTuple):
    """A relation's best head, and what it and the best offset score on the other half.

    `chosen_accuracy` is on the half that chose the head, over `chosen_count` arcs; `gain` is the
    head's accuracy less the unsigned offset's, resampled together.
    """

    relation: str
    layer: int
    head: int
    chosen_accuracy: float
    chosen_count: int
    accuracy: Estimate
    signed: OffsetBaseline
    unsigned: OffsetBaseline
    gain: Estimate


def halves(sentences: int, seed: int = 0) -> Bool[np.ndarray, "N"]:
    """Draw the sentences on which heads are chosen: half of them, rounded down."""
    chosen_N = np.zeros(sentences, bool)
    chosen_N[np.random.default_rng(seed).permutation(sentences)[: sentences // 2]] = True
    return chosen_N


def share_interval(
    found_A: Bool[np.ndarray, "A"], arcs: Arcs, scored_A: Bool[np.ndarray, "A"], samples: int = 1000
) -> Estimate:
    """The share of the scored arcs that were found, and its interval over their sentences."""
    return _interval(found_A.astype(float), arcs, scored_A, samples)


def _interval(value_A: np.ndarray, arcs: Arcs, scored_A: np.ndarray, samples: int) -> Estimate:
    """The mean of `value_A` over the scored arcs; sentences without any change nothing."""
    if not scored_A.any():
        return Estimate(*[float("nan")] * 3)
    _, number_A = np.unique(arcs.sentence_A[scored_A], return_inverse=True)
    count_N = np.bincount(number_A)
    sum_N = np.bincount(number_A, value_A[scored_A])

    def mean(_, drawn_N):
        return float(sum_N[drawn_N].sum() / count_N[drawn_N].sum())

    return bootstrap(mean, 1, len(count_N), samples=samples)


def specialists(
    hits: ArcHits,
    method: str,
    *,
    chosen_N: Bool[np.ndarray, "N"] | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> list[Specialist]:
    """Choose each relation's best head on some sentences (None: half of them) and score the rest.

    In order of the relations' arcs in both halves, the commonest first; those without arcs in
    either half are left out. Among equally good heads the first is taken. ValueError for chosen
    sentences of another number.
    """
    arcs = hits.arcs
    chosen_N = halves(arcs.sentences, seed) if chosen_N is None else chosen_N
    if len(chosen_N) != arcs.sentences:
        raise ValueError(f"chosen_N: expected {arcs.sentences} sentences, got {len(chosen_N)}")
    chosen_A = chosen_N[arcs.sentence_A]
    accuracy_RLH = relation_accuracies(hits, method, chosen_A)
    best = []
    for number in np.argsort(-np.bincount(arcs.relation_A), kind="stable"):
        of_A = arcs.relation_A == number
        if (of_A & chosen_A).any() and (of_A & ~chosen_A).any():
            name, score_LH = arcs.relations[number], accuracy_RLH[number]
            best.append(_specialist(hits, method, name, score_LH, chosen_A, samples))
    return best


def _specialist(hits, method: str, name: str, score_LH, chosen_A, samples: int) -> Specialist:
    arcs = hits.arcs
    layer, head = (int(place) for place in np.unravel_index(score_LH.argmax(), score_LH.shape))
    of_A = arcs.of(name)
    tuned_A, scored_A = of_A & chosen_A, of_A & ~chosen_A
    found_A = hits.found_by(method, layer, head)
    signed, unsigned = (
        offset_baseline(arcs, scored_A, tuned_A, signed=kind) for kind in (True, False)
    )
    by_offset_A = np.abs(arcs.offset_A) == unsigned.offset
    return Specialist(
        relation=name,
        layer=layer,
        head=head,
        chosen_accuracy=float(score_LH[layer, head]),
        chosen_count=int(tuned_A.sum()),
        accuracy=share_interval(found_A, arcs, scored_A, samples),
        signed=signed,
        unsigned=unsigned,
        gain=_interval(found_A.astype(float) - by_offset_A, arcs, scored_A, samples),
    )
