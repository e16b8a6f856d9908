"""A model's attention against the dependency trees of a treebank: one pass, then files to count.

maps/MODEL-arcs-0.npz        accuracies of every head
maps/MODEL-arcs.TASK-SEED.npz                          the same of a fine-tuned model
arcs/MODEL-arcs-0.npz        which gold arcs each head found, a bit for each
examples/MODEL-arcs-0.json   trees to be drawn
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxheads.analysis.arborescences import maximum_arborescences
from jaxheads.analysis.arcs import (
    METHODS,
    ArcHits,
    gold_arcs,
)
from jaxheads.analysis.specialists import halves
from jaxheads.data.language.grammar import sentence
from jaxheads.data.pieces import Pieces
from jaxheads.data.treebanks.dependency import DependencyTree, read_conllu, strip_subtype
from jaxheads.inference.attention_maps import Maps
from jaxheads.inference.dependencies import arc_hits, shares_of, word_maps
from jaxheads.models.model import Model
from jaxheads.records.folder import ARC_MAPS, Metric, Room
from jaxheads.records.head_maps import save_maps, what_of
from jaxheads.storage.store import Store
from jaxheads.studies.htut2019.settings import Htut2019
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.sharpness import Sharpness
from jaxheads.training.identity import encoder_bits

TREES = {"MST": "mst", "MST, log": "mst log", "MAX": "max"}  # map's name -> method
SHOWN_WORDS, FITTING = range(4, 15), 10  # words of a sentence that is drawn; the best number


def read_treebank(settings: Htut2019) -> list[DependencyTree]:
    """The first sentences of a file, or of the built-in language's validation split."""
    if settings.treebank is not None:
        return read_conllu(settings.treebank)[: settings.sentences]
    drawn = (sentence("validation", number) for number in range(settings.sentences or 0))
    return [
        DependencyTree(each.words, each.tags, each.heads, each.relations, f"sentence {number}")
        for number, each in enumerate(drawn)
    ]


def study_maps(study_model: StudyModel, model: Model, pieces: Sequence[Pieces]) -> Iterator[Maps]:
    """Attention between the words of sentences, all heads, as the study's settings have it."""
    own = study_model.run.study
    return word_maps(
        model, pieces, queries=own.queries, keys=own.keys, renormalise=own.renormalise,
        mesh=study_model.mesh,
    )  # fmt: skip


class ArcRecord(NamedTuple):
    """What one pass over a treebank leaves: gold arcs found, and how sharply heads attend."""

    hits: ArcHits
    sharpness: Sharpness


def record_arcs(
    trees: Sequence[DependencyTree], maps: Iterable[Maps], *, subtypes: bool = False
) -> ArcRecord:
    """Read the maps of all sentences once, a group in memory at a time."""
    sharpness = Sharpness()
    hits = arc_hits(trees, sharpness.watch(maps), tuple(METHODS), subtypes=subtypes)
    return ArcRecord(hits, sharpness)


def save_arc_record(
    study_model: StudyModel, model: Model, record: ArcRecord, task: str, seed: int, half: int
) -> None:
    """Write everything that later cells and the report read."""
    hits, sentences = record.hits, record.hits.arcs.sentences
    study_model.store.write_arrays(hits_name(study_model.name, task, seed), _packed(hits))
    first_N = halves(sentences, half)
    both = tuple(arc_maps(hits, chosen[hits.arcs.sentence_A]) for chosen in (first_N, ~first_N))
    save_maps(
        study_model.store, study_model.name, ARC_MAPS, seed, arc_maps(hits), (both[0], both[1]),
        task=task, weights=encoder_bits(model),
    )  # fmt: skip
    record.sharpness.save(study_model, model, task, seed, first_N)


def arc_maps(
    hits: ArcHits, chosen_A: Bool[np.ndarray, "A"] | None = None
) -> dict[str, Float[np.ndarray, "L H"]]:
    """Named maps of all heads on the chosen arcs (None: all).

    UUAS without punctuation of MST and MAX, and MAX accuracies by relation; with all arcs the share
    of attention that lies on them too (which is no mean over arcs, so that halves have none).
    """
    names = {method: name for name, method in TREES.items()}
    maps = {names.get(name, name): own for name, own in shares_of(hits, names, chosen_A)}
    return maps if chosen_A is not None else maps | {"attention on gold arcs": hits.gold_mass_LH}


def relation_masses(
    hits: ArcHits, words: Sequence[int], least: int
) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """Of every relation with so many arcs, by direction: the share of a word's attention to others.

    Of the best head (on all sentences), the mean of heads, and what looking anywhere would give in
    sentences of so many words.
    """
    others_A = np.asarray(words)[hits.arcs.sentence_A] - 1
    for number, relation in enumerate(hits.arcs.relations):
        of_A = hits.arcs.of(relation)
        if of_A.sum() >= least:
            uniform = float((1 / others_A[of_A]).mean())
            yield (
                relation,
                {
                    direction: {
                        Metric.BEST_HEAD: float(share_RLH[number].max()),
                        Metric.MEAN_OF_HEADS: float(share_RLH[number].mean()),
                        Metric.UNIFORM: uniform,
                    }
                    for direction, share_RLH in hits.mass.items()
                },
            )


def hits_name(model: str, task: str, seed: int) -> str:
    """Where a pass's hits are."""
    return f"arcs/{model}-{what_of(ARC_MAPS, task)}-{seed}.npz"


def load_hits(
    store: Store, model: str, task: str, seed: int, trees: Sequence[DependencyTree], subtypes: bool
) -> ArcHits:
    """The hits of an earlier pass over the same sentences."""
    found = store.read_arrays(hits_name(model, task, seed))
    bits = {name.removeprefix("bits "): found[name] for name in found if name.startswith("bits ")}
    mass = {name.removeprefix("mass "): found[name] for name in found if name.startswith("mass ")}
    layers, heads = found["gold mass"].shape
    arcs = gold_arcs(trees, subtypes=subtypes)
    return ArcHits(arcs, (layers, heads), bits, mass, found["gold mass"])


def _packed(hits: ArcHits) -> dict[str, np.ndarray]:
    return {
        **{f"bits {name}": array for name, array in hits.bits.items()},
        **{f"mass {name}": array for name, array in hits.mass.items()},
        "gold mass": hits.gold_mass_LH,
    }


# -- trees to be drawn


def examples(
    trees: Sequence[DependencyTree], chosen_N: Bool[np.ndarray, "N"], count: int
) -> list[int]:
    """Sentences on which no head was chosen, of a length that fits a page."""
    fits = [
        number
        for number, tree in enumerate(trees)
        if not chosen_N[number] and len(tree.words) in SHOWN_WORDS
    ]
    fits.sort(key=lambda number: abs(len(trees[number].words) - FITTING))
    return fits[:count]


def drawn_arcs(
    tree: DependencyTree, attention: Float[np.ndarray, "L H T T"], heads: Mapping[str, tuple]
) -> dict:
    """A sentence with its gold arcs and, by name, those that one head makes (words from 0).

    `heads`: the method ("mst", "max") and the layer and head of each name.
    """
    off = attention * ~np.eye(attention.shape[-1], dtype=bool)
    made = {}
    for name, (method, layer, head) in heads.items():
        own_TT = off[layer, head].astype(np.float64)
        to_T = own_TT.argmax(1)
        if method == "mst":
            to_T = maximum_arborescences(own_TT[None], tree.heads.index(0))[0]
        pairs = {(min(a, b), max(a, b)) for a, b in enumerate(to_T.tolist()) if b >= 0}
        made[name] = sorted(pairs)
    gold = [
        [word, head - 1, strip_subtype(relation)]
        for word, (head, relation) in enumerate(zip(tree.heads, tree.relations, strict=True))
        if head
    ]
    return {"name": tree.name, "words": list(tree.words), "gold": gold, "drawn": made}


def save_examples(store: Store, model: str, found: Sequence[dict]) -> None:
    """Write sentences with their arcs for the report."""
    own = [{"model": model, **each} for each in found]
    store.write_json(f"{Room.EXAMPLES}/{model}-{ARC_MAPS}-0.json", own)
