"""The best head of each relation, or of whole trees: chosen on half of the sentences, scored on
the others.

The best of hundreds of heads on the sentences that chose it is optimistic, most so for rare
relations. Scores are sums over sentences, so that intervals are over those of the scored half.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num

from jaxheads.analysis.arcs import ArcHits, Arcs, attachment, relation_accuracies
from jaxheads.analysis.offsets import OffsetBaseline, offset_baseline
from jaxheads.analysis.sums import Sums


class Specialist(NamedTuple):
    """A relation's best head, and what it and the best offset score on the other half.

    `chosen_accuracy` is on the half that chose the head; `gain` is the head's accuracy less the
    unsigned offset's, paired over sentences.
    """

    relation: str
    layer: int
    head: int
    chosen_accuracy: float
    accuracy: Sums
    signed: OffsetBaseline
    unsigned: OffsetBaseline
    gain: Sums


class Generalist(NamedTuple):
    """The best head for whole trees, and what it scores on the other half.

    `micro` is over arcs, `macro` the mean over sentences; `best_of_all` is the highest score of any
    head on all sentences, which is how the papers choose, and optimistic.
    """

    layer: int
    head: int
    micro: Sums
    macro: Sums
    best_of_all: float


def halves(sentences: int, seed: int = 0) -> Bool[np.ndarray, "N"]:
    """Draw the sentences on which heads are chosen: half of them, rounded down."""
    chosen_N = np.zeros(sentences, bool)
    chosen_N[np.random.default_rng(seed).permutation(sentences)[: sentences // 2]] = True
    return chosen_N


def arc_sums(
    value_A: Num[np.ndarray, "A"] | Bool[np.ndarray, "A"],
    arcs: Arcs,
    scored_A: Bool[np.ndarray, "A"],
) -> Sums:
    """The sums, by sentence, of the mean of `value_A` over the scored arcs.

    With the difference of what two heads found it is paired.
    """
    value_a, sentence_a = value_A[scored_A].astype(float), arcs.sentence_A[scored_A]
    both = (np.bincount(sentence_a, each, arcs.sentences) for each in (value_a, None))
    return Sums(*(side_N.astype(float) for side_N in both))


def specialists(
    hits: ArcHits,
    method: str,
    *,
    chosen_N: Bool[np.ndarray, "N"] | None = None,
    seed: int = 0,
) -> list[Specialist]:
    """Choose each relation's best head on some sentences (None: half of them) and score the rest.

    In order of the relations' arcs in both halves, the most frequent first; those without arcs in
    either half are left out. Among equally good heads the first is taken.

    Raises:
      ValueError: for chosen sentences of another number.
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
            best.append(_specialist(hits, method, name, score_LH, chosen_A))
    return best


def _specialist(hits, method: str, name: str, score_LH, chosen_A) -> Specialist:
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
        accuracy=arc_sums(found_A, arcs, scored_A),
        signed=signed,
        unsigned=unsigned,
        gain=arc_sums(found_A.astype(float) - by_offset_A, arcs, scored_A),
    )


def generalist(
    hits: ArcHits,
    method: str,
    *,
    punctuation: bool,
    chosen_N: Bool[np.ndarray, "N"],
) -> Generalist:
    """Choose the head that finds most arcs of some sentences, and score it on the rest.

    Raises:
      ValueError: where one of the halves has no arc that counts.
    """
    score_LH, scored_A = _tried(hits, method, punctuation, chosen_N)
    layer, head = (int(place) for place in np.unravel_index(score_LH.argmax(), score_LH.shape))
    best = attachment(hits.found(method), hits.arcs, punctuation=punctuation).max()
    return _generalist(hits, method, (layer, head), scored_A, best)


def layer_generalists(
    hits: ArcHits,
    method: str,
    *,
    punctuation: bool,
    chosen_N: Bool[np.ndarray, "N"],
) -> list[Generalist]:
    """The same of each layer by itself, after Htut et al.'s figure of the best UUAS per layer.

    Raises:
      ValueError: as `generalist`.
    """
    score_LH, scored_A = _tried(hits, method, punctuation, chosen_N)
    best_L = attachment(hits.found(method), hits.arcs, punctuation=punctuation).max(1)
    return [
        _generalist(hits, method, (layer, int(score_LH[layer].argmax())), scored_A, best)
        for layer, best in enumerate(best_L)
    ]


def _tried(
    hits: ArcHits, method: str, punctuation: bool, chosen_N: Bool[np.ndarray, "N"]
) -> tuple[Float[np.ndarray, "L H"], Bool[np.ndarray, "A"]]:
    """What heads find of the half that chooses them, and which arcs are those of the other half."""
    arcs = hits.arcs
    counted_A = np.ones(len(arcs.relation_A), bool) if punctuation else arcs.words_A
    chosen_A = chosen_N[arcs.sentence_A] & counted_A
    scored_A = counted_A & ~chosen_A
    if not chosen_A.any() or not scored_A.any():
        raise ValueError("arcs: expected some in both halves of the sentences, got none in one")
    return hits.found(method, chosen_A).mean(0), scored_A


def _generalist(hits, method: str, place: tuple[int, int], scored_A, best_of_all) -> Generalist:
    found_A = hits.found_by(method, *place)
    micro, macro = (of(found_A, hits.arcs, scored_A) for of in (arc_sums, sentence_sums))
    return Generalist(*place, micro, macro, float(best_of_all))


def sentence_sums(
    found_A: Bool[np.ndarray, "A"], arcs: Arcs, scored_A: Bool[np.ndarray, "A"]
) -> Sums:
    """The sums of the mean over sentences of the share of their scored arcs that were found."""
    found_N, arcs_N = arc_sums(found_A, arcs, scored_A)
    return Sums(found_N / np.maximum(arcs_N, 1), (arcs_N > 0).astype(float))
