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
    ArcRecorder,
    gold_arcs,
    relation_accuracies,
)
from jaxheads.analysis.specialists import halves
from jaxheads.analysis.words import renormalised
from jaxheads.data.language.grammar import sentence
from jaxheads.data.pieces import Pieces, pieces_of_words
from jaxheads.data.tokens import Tokenizer, max_tokens
from jaxheads.data.treebanks.dependency import DependencyTree, read_conllu, strip_subtype
from jaxheads.inference.attention_maps import Maps, attention_maps, fitting
from jaxheads.models.model import Model
from jaxheads.objectives import watch_for
from jaxheads.records.folder import ARC_MAPS, Metric, Room
from jaxheads.records.head_maps import save_maps, what_of
from jaxheads.storage.store import Store
from jaxheads.studies.htut2019.settings import Htut2019
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.sharpness import Sharpness
from jaxheads.training.identity import encoder_bits

TREES = {"MST": "mst", "MST, log": "mst log", "MAX": "max"}  # map's name -> method
KINDS = ("read", "of one word", "with words without pieces", "too long")  # of sentences
SHOWN_WORDS, FITTING = range(4, 15), 10  # words of a sentence that is drawn; the best number


class Sentences(NamedTuple):
    """The sentences of a treebank that a model can read, and how many there are of each kind."""

    trees: list[DependencyTree]
    pieces: list[Pieces]
    counts: dict[str, int]


def read_treebank(settings: Htut2019) -> list[DependencyTree]:
    """The first sentences of a file, or of the built-in language's validation split."""
    if settings.treebank is not None:
        return read_conllu(settings.treebank)[: settings.sentences]
    drawn = (sentence("validation", number) for number in range(settings.sentences or 0))
    return [
        DependencyTree(each.words, each.tags, each.heads, each.relations, f"sentence {number}")
        for number, each in enumerate(drawn)
    ]


def readable(
    tokenizer: Tokenizer, trees: Sequence[DependencyTree], most: int, special: str
) -> Sentences:
    """Encode what can be compared with a tree.

    Left out, and counted, are sentences of one word (they have no arc), those with a word of which
    the tokenizer leaves nothing, and those of more than `most` tokens.

    Raises:
      ValueError: where none stays.
    """
    counts: dict[str, int] = dict.fromkeys(KINDS, 0)
    kept: list[tuple[DependencyTree, Pieces]] = []
    for tree in trees:
        encoded = tokenizer.encode_words(tree.words)
        if len(tree.words) < 2:
            counts["of one word"] += 1
        elif encoded.dropped(tree.words):
            counts["with words without pieces"] += 1
        else:
            kept.append((tree, pieces_of_words(encoded, len(tree.words), special=special)))
    fits, long = fitting([pieces for _, pieces in kept], most)
    counts |= {"read": len(fits), "too long": len(long)}
    if not fits:
        raise ValueError(f"treebank: expected sentences that the model can read, got {counts}")
    return Sentences([kept[n][0] for n in fits], [kept[n][1] for n in fits], counts)


def word_maps(
    study_model: StudyModel, model: Model, pieces: Sequence[Pieces], settings: Htut2019
) -> Iterator[Maps]:
    """Attention between the words of sentences, all heads, as the settings have it."""
    found = attention_maps(
        watch_for(model.config),
        model.params,
        pieces,
        pad_id=study_model.tokenizer.pad_id,
        most=max_tokens(model.config),
        queries=settings.queries,
        keys=settings.keys,
        mesh=study_model.mesh,
    )
    for index_N, attention in found:
        yield Maps(index_N, renormalised(attention) if settings.renormalise else attention)


class ArcRecord(NamedTuple):
    """What one pass over a treebank leaves: gold arcs found, and how sharply heads attend."""

    hits: ArcHits
    sharpness: Sharpness


def record_arcs(
    trees: Sequence[DependencyTree], maps: Iterable[Maps], *, subtypes: bool = False
) -> ArcRecord:
    """Read the maps of all sentences once, a group in memory at a time."""
    recorder, sharpness = ArcRecorder(tuple(METHODS), subtypes=subtypes), Sharpness()
    for index_N, attention in sharpness.watch(maps):
        numbers = index_N.tolist()
        recorder.add_group(numbers, [trees[number] for number in numbers], attention)
    return ArcRecord(recorder.result(), sharpness)


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
    arcs = hits.arcs
    counted_A = arcs.words_A if chosen_A is None else arcs.words_A & chosen_A
    maps = {name: hits.found(method, counted_A).mean(0) for name, method in TREES.items()}
    every_RLH = relation_accuracies(hits, "max", chosen_A)
    order = np.argsort(-np.bincount(arcs.relation_A, minlength=len(arcs.relations)), kind="stable")
    maps |= {arcs.relations[number]: every_RLH[number] for number in order}
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
