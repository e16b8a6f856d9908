"""Constituents beside a model's attention: what it can read, and the gold spans that heads find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jax.sharding import Mesh

from jaxheads.analysis.heat_map import HeadMaps
from jaxheads.analysis.spans import LABELS, SpanCounts, label_recall, sentence_f1
from jaxheads.analysis.trees import Reading, tree_counts
from jaxheads.data.pieces import Pieces, pieces_of_words
from jaxheads.data.tokens import Tokenizer, max_tokens
from jaxheads.data.treebanks.constituency import Parse, count_unknown, iter_parses
from jaxheads.inference.attention_maps import fitting, model_maps
from jaxheads.models.model import Model


class TreebankSection(NamedTuple):
    """The sentences of a section that a model reads, and how many are left out, by reason.

    A sentence of fewer than two words has no tree to find, and counts in no score.
    """

    parses: tuple[Parse, ...]
    pieces: tuple[Pieces, ...]
    counts: dict[str, int]


def readable_section(
    tokenizer: Tokenizer, parses: Sequence[Parse], most: int, special: str, name: str = "treebank"
) -> TreebankSection:
    """Encode the sentences of at most so many tokens that have a tree to find.

    Raises:
      ValueError: where none can be scored, or most tags are not known; `name` is the section's.
    """
    unknown = count_unknown(parses, name)
    worded = [parse for parse in parses if len(parse.words) > 1]
    encoded = [tokenizer.encode_words(parse.words) for parse in worded]
    seen = [place for place, each in enumerate(encoded) if max(each.word_of_piece) >= 0]
    pieces = [
        pieces_of_words(encoded[place], len(worded[place].words), special=special) for place in seen
    ]
    kept, long = fitting(pieces, most)
    found = tuple(worded[seen[number]] for number in kept)
    if not found:
        raise ValueError(f"{name}: expected sentences to score, got none of {len(parses)}")
    counts = {
        "sentences": len(found),
        "words": sum(len(parse.words) for parse in found),
        "words without pieces": sum(
            len(encoded[seen[number]].dropped(worded[seen[number]].words)) for number in kept
        ),
        "words left out, of unknown tags": unknown,
        "left out, fewer than two words": len(parses) - len(worded),
        "left out, without pieces": len(worded) - len(seen),
        "left out, too long": len(long),
    }
    return TreebankSection(found, tuple(pieces[number] for number in kept), counts)


def named_scores(counts: SpanCounts) -> HeadMaps:
    """The maps that `constituency_maps` returns, of spans that were counted already."""
    present = [label for place, label in enumerate(LABELS) if counts.labelled[:, place].any()]
    maps = {label: label_recall(counts, label) for label in present}
    return HeadMaps(f1=sentence_f1(counts), **maps)


def constituency_maps(
    model: Model,
    tokenizer: Tokenizer,
    treebank: str | Path | Sequence[Parse],
    *,
    sentences: int | None = None,
    measure: str = "jsd",
    bias: float = 0.0,
    mesh: Mesh | None = None,
) -> HeadMaps:
    """How well the trees of each head's attention match gold trees, as in Luo (2021).

    The trees are those of Kim et al. (2020): split where the rows of neighbouring words differ
    most. Special tokens do not enter the model, and punctuation is left out.

    Args:
      model: an encoder with any readout, or none.
      tokenizer: that of the model.
      treebank: a file of bracketed trees (.mrg), or its trees.
      sentences: the first so many; None: all.
      measure: of the distance of two rows, "jsd" (Jensen-Shannon) or "hellinger".
      bias: to right-branching trees, in mean distances of the sentence (Kim et al.: 0 or 1.5).
      mesh: devices that share the sentences.

    Returns:
      A dict of arrays `[L, H]`: "f1", the mean of the sentences' F1, and for each label of
      `analysis.spans` that the treebank has, the share of its constituents found.

    Raises:
      ValueError: for a file that is no treebank, an unknown measure, and where no sentence can be
        scored.
    """
    parses = list(iter_parses(treebank)) if isinstance(treebank, str | Path) else treebank
    found = readable_section(tokenizer, parses[:sentences], max_tokens(model.config), "absent")
    reading = Reading(measure, bias)
    groups = ((each.index_N, each.attention) for each in model_maps(model, found.pieces, mesh=mesh))
    counts = tree_counts(groups, [parse.spans for parse in found.parses], [reading])
    return named_scores(counts[reading.name].heads)
