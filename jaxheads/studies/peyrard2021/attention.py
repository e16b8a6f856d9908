"""What a model's heads look at in headlines: one pass over its attention, kept as an npz file.

    attention/MODEL-VARIANT-SEED.npz   numbers of each pair and head

A variant is the untuned model, one fine-tuned on a task of headlines (with true or shuffled
labels), or one fine-tuned on another task.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxheads.analysis.contrast import (
    PLACES,
    Contrasts,
    Looked,
    attention_distance,
    gather_pairs,
    looked,
    place_weights,
    received,
    word_weights,
)
from jaxheads.analysis.localisation import predicted_words
from jaxheads.data.headlines.encoded import EncodedPair, analysable, encode_pairs
from jaxheads.data.headlines.pairs import with_random_words
from jaxheads.data.pieces import single_pieces
from jaxheads.data.tokens import EncodedWords, max_tokens
from jaxheads.inference.attention_maps import Maps, model_maps
from jaxheads.models.model import Model
from jaxheads.records.folder import FUNNY, SERIOUS, Metric, Room
from jaxheads.studies.peyrard2021.headlines import TEST, VALIDATION, read_headlines
from jaxheads.studies.workbench.model import StudyModel

QUERIES = ("all", "first")
DISTANCES = (Metric.FROM_UNTUNED, Metric.BETWEEN_SIDES)
REPLACED = "replaced"  # test pairs whose edited words are random ones on the funny side
OTHER = "other"  # test pairs that the filter leaves out


class PairSide(NamedTuple):
    """One sentence to look at: a side of a pair of a split."""

    split: str
    number: int
    side: str
    encoded: EncodedWords
    edited: tuple[int, ...]
    equal: bool  # whether the other side has as many tokens


class Seen(NamedTuple):
    """All that is kept of a pass over a model's attention.

    `contrast` by split (or REPLACED) and queries; `number` of the pairs in it, by split.
    `predicted`, by queries and by whether special tokens stand for election, of the funny sides of
    the small test pairs. `mean` has distances and the attention by place (`PLACES`) by their names,
    each a mean over so many test sentences or pairs (`counted`).
    """

    contrast: dict[tuple[str, str], Contrasts]
    number: dict[str, Int[np.ndarray, "X"]]
    predicted: dict[tuple[str, bool], Int[np.ndarray, "X L H"]]
    mean: dict[str, Float[np.ndarray, "L H"]]
    counted: dict[str, int]


def measure_attention(study_model: StudyModel, model: Model, base: Model | None) -> Seen:
    """Look at all small pairs of validation and test, and measure distances on all test pairs.

    Two distances: from the `base` model's maps, over the sentences of both sides; and between the
    sides of a pair, over the pairs of equally many tokens.
    """
    sentences, notes = list(sentences_of(study_model)), _Notes()
    own = _maps(study_model, model, sentences)
    if base is None:
        for maps in own:
            notes.take(sentences, maps)
    else:
        for maps, other in zip(own, _maps(study_model, base, sentences), strict=True):
            notes.take(sentences, maps)
            notes.compare(sentences, maps, other)
    return notes.seen()


def sentences_of(model: StudyModel) -> Iterator[PairSide]:
    """Both sides of every pair that is looked at; of replaced pairs the funny side alone.

    A replaced sentence that is too long is left out: a word of chance may have many pieces.
    """
    splits = read_headlines(model).splits
    small = {split: analysable(splits[split]) for split in (VALIDATION, TEST)}
    for split, found in small.items():
        yield from _sides(split, found.pairs)
    rest = set(range(len(splits[TEST]))).difference(small[TEST].places)
    yield from _sides(OTHER, [splits[TEST][place] for place in sorted(rest)])
    random = tuple(with_random_words([each.pair for each in small[TEST].pairs], 0))
    most = max_tokens(model.base.config)
    for each in _sides(REPLACED, encode_pairs(model.tokenizer, random, sys.maxsize).pairs):
        if each.side == FUNNY and len(each.encoded.ids) <= most:
            yield each


def _sides(split: str, pairs: Sequence[EncodedPair]) -> Iterator[PairSide]:
    for number, (pair, funny, serious) in enumerate(pairs):
        equal = len(funny.ids) == len(serious.ids)
        yield PairSide(split, number, FUNNY, funny, pair.funny_edits, equal)
        yield PairSide(split, number, SERIOUS, serious, pair.serious_edits, equal)


def _maps(study_model: StudyModel, model: Model, sentences: Sequence[PairSide]) -> Iterator[Maps]:
    """Attention between all tokens, special ones too; the same order for every model."""
    inputs = [single_pieces(each.encoded.ids) for each in sentences]
    return model_maps(model, inputs, mesh=study_model.mesh)


class _Notes:
    """Gathers what is kept, sentence by sentence, in any order."""

    def __init__(self) -> None:
        self.looked_at: dict[tuple[str, str, str, int], Looked] = {}
        self.words: dict[tuple[str, bool, int], np.ndarray] = {}
        self.totals: dict[str, list] = {n: [0.0, 0] for n in (*DISTANCES, *PLACES)}
        self.waiting: dict[tuple[str, int], np.ndarray] = {}  # the side that came first

    def take(self, sentences: Sequence[PairSide], maps: Maps) -> None:
        """Note what each sentence's words get, and how far the sides of a pair lie apart."""
        weights = {queries: received(maps.attention, queries) for queries in QUERIES}
        for row, number in enumerate(maps.index_N):
            sentence = sentences[number]
            if sentence.split != OTHER:
                for queries in QUERIES:
                    self._look(sentence, queries, weights[queries][row])
            if sentence.split in (TEST, OTHER):
                places = place_weights(weights[QUERIES[0]][row], sentence.encoded.word_of_piece)
                for name, value_LH in places.items():
                    self._add(name, value_LH, 1)
                if sentence.equal:
                    self._compare_sides(sentence, maps.attention[row])

    def compare(self, sentences: Sequence[PairSide], maps: Maps, other: Maps) -> None:
        """Note how far the maps of two models lie apart on the same sentences."""
        assert (maps.index_N == other.index_N).all(), "both models read the same sentences"
        counted = [sentences[number].split in (TEST, OTHER) for number in maps.index_N]
        if any(counted):
            found = attention_distance(maps.attention[counted], other.attention[counted])
            self._add(Metric.FROM_UNTUNED, found.sum(0), len(found))

    def _look(self, sentence: PairSide, queries: str, weight_LHT: np.ndarray) -> None:
        split, number, side, encoded, edited, _ = sentence
        weight_LHN = word_weights(weight_LHT, encoded.word_of_piece)
        self.looked_at[split, queries, side, number] = looked(weight_LHN, edited)
        if (split, side) == (TEST, FUNNY):
            for specials in (False, True):
                self.words[queries, specials, number] = predicted_words(
                    weight_LHT, encoded.word_of_piece, specials=specials
                )

    def _compare_sides(self, sentence: PairSide, attention_LHTT: np.ndarray) -> None:
        first = self.waiting.pop((sentence.split, sentence.number), None)
        if first is None:
            self.waiting[sentence.split, sentence.number] = attention_LHTT
        else:
            self._add(Metric.BETWEEN_SIDES, attention_distance(first, attention_LHTT), 1)

    def _add(self, name: str, value_LH: np.ndarray, count: int) -> None:
        self.totals[name][0] = self.totals[name][0] + value_LH
        self.totals[name][1] += count

    def seen(self) -> Seen:
        """Everything by pair, in the order of the pairs."""
        number, contrast = {}, {}
        for split in (VALIDATION, TEST, REPLACED):
            own = sorted({n for s, _, side, n in self.looked_at if (s, side) == (split, FUNNY)})
            number[split] = np.array(own, int)
            serious = TEST if split == REPLACED else split
            for queries in QUERIES:
                contrast[split, queries] = gather_pairs(
                    [
                        (
                            self.looked_at[split, queries, FUNNY, n],
                            self.looked_at[serious, queries, SERIOUS, n],
                        )
                        for n in own
                    ]
                )
        predicted = {
            (queries, specials): np.stack([self.words[queries, specials, n] for n in number[TEST]])
            for queries, specials in itertools.product(QUERIES, (False, True))
        }
        totals = {name: total for name, total in self.totals.items() if total[1]}
        return Seen(
            contrast,
            number,
            predicted,
            {name: total / count for name, (total, count) in totals.items()},
            {name: count for name, (_, count) in totals.items()},
        )


def named_maps(seen: Seen) -> dict[str, Float[np.ndarray, "L H"]]:
    """The contrast of the test pairs and its four maps, by all tokens and by the first alone."""
    return _named({queries: seen.contrast[TEST, queries] for queries in QUERIES})


def half_maps(
    seen: Seen,
) -> tuple[dict[str, Float[np.ndarray, "L H"]], dict[str, Float[np.ndarray, "L H"]]] | None:
    """The same of the first and of the second half of the test pairs; None of a single pair."""
    middle = len(seen.number[TEST]) // 2
    if not middle:
        return None
    first, second = (
        _named({q: Contrasts(*(v[half] for v in seen.contrast[TEST, q])) for q in QUERIES})
        for half in (slice(middle), slice(middle, None))
    )
    return first, second


def _named(contrasts: Mapping[str, Contrasts]) -> dict[str, Float[np.ndarray, "L H"]]:
    found: dict[str, np.ndarray] = {}
    for queries, test in contrasts.items():
        suffix = "" if queries == "all" else ", first token"
        found[f"contrast{suffix}"] = test.contrast().mean(0)
        for name, value_LH in test.maps()._asdict().items():
            found[name.removesuffix("_LH").replace("_", ", ") + suffix] = value_LH
    return found


# -- on disk


def save_seen(model: StudyModel, name: str, seen: Seen) -> None:
    """Write what a pass found, whole or not at all."""
    arrays = {f"number/{split}": value for split, value in seen.number.items()}
    for (split, queries), found in seen.contrast.items():
        arrays |= {f"contrast/{split}/{queries}/{k}": v for k, v in found._asdict().items()}
    for (queries, specials), found in seen.predicted.items():
        arrays[f"predicted/{queries}/{int(specials)}"] = found
    for each, value in seen.mean.items():
        arrays |= {f"mean/{each}": value, f"counted/{each}": np.array(seen.counted[each])}
    model.store.write_arrays(_file(name), arrays)


def load_seen(model: StudyModel, name: str) -> Seen:
    """Read what `save_seen` wrote."""
    arrays = model.store.read_arrays(_file(name))

    def part(kind: str) -> dict[str, np.ndarray]:
        return {k.removeprefix(f"{kind}/"): v for k, v in arrays.items() if k.startswith(kind)}

    splits, predicted = part("number"), part("predicted")
    fields = part("contrast")
    contrast = {
        (split, queries): Contrasts(*(fields[f"{split}/{queries}/{f}"] for f in Contrasts._fields))
        for split, queries in itertools.product(splits, QUERIES)
    }
    return Seen(
        contrast,
        splits,
        {(q, bool(s)): predicted[f"{q}/{s}"] for q, s in itertools.product(QUERIES, (0, 1))},
        part("mean"),
        {name: int(count) for name, count in part("counted").items()},
    )


def _file(name: str) -> str:
    return f"{Room.ATTENTION}/{name}.npz"
