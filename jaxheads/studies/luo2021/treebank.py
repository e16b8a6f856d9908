"""The sections of a treebank as one model meets them, and its attention over their sentences."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxheads.data.language.grammar import iter_sentences
from jaxheads.data.pieces import Pieces, pieces_of_words
from jaxheads.data.tokens import max_tokens
from jaxheads.data.treebanks.constituency import Parse, iter_parses, parse_of
from jaxheads.inference.attention_maps import attention_maps, fitting
from jaxheads.models.model import Model
from jaxheads.objectives import watch_for
from jaxheads.studies.luo2021.settings import Luo2021
from jaxheads.studies.workbench.model import StudyModel

SPLITS = {"tune": "validation", "test": "test"}  # of the built-in language, in the place of files


class TreebankSection(NamedTuple):
    """The sentences of a section that a model reads, and how many are left out, by reason.

    A sentence of fewer than two words has no tree to find, and counts in no score.
    """

    parses: tuple[Parse, ...]
    pieces: tuple[Pieces, ...]
    counts: dict[str, int]


@functools.lru_cache(4)
def section_of(model: StudyModel, which: str) -> TreebankSection:
    """The section "tune" or "test".

    Raises:
      ValueError: where none of its sentences can be scored.
    """
    read = list(_parses(model.run.study, which))
    worded = [parse for parse in read if len(parse.words) > 1]
    encoded = [model.tokenizer.encode_words(parse.words) for parse in worded]
    seen = [place for place, each in enumerate(encoded) if max(each.word_of_piece) >= 0]
    special = model.run.study.special
    pieces = [
        pieces_of_words(encoded[place], len(worded[place].words), special=special) for place in seen
    ]
    kept, long = fitting(pieces, max_tokens(model.base.config))
    parses = tuple(worded[seen[number]] for number in kept)
    if not parses:
        raise ValueError(f"{which}: expected sentences to score, got none of {len(read)}")
    counts = {
        "sentences": len(parses),
        "words": sum(len(parse.words) for parse in parses),
        "words without pieces": sum(
            len(encoded[seen[number]].dropped(worded[seen[number]].words)) for number in kept
        ),
        "left out, fewer than two words": len(read) - len(worded),
        "left out, without pieces": len(worded) - len(seen),
        "left out, too long": len(long),
    }
    return TreebankSection(parses, tuple(pieces[number] for number in kept), counts)


def _parses(settings: Luo2021, which: str) -> Iterator[Parse]:
    path: Path | None = getattr(settings, which)
    count: int | None = getattr(settings, f"{which}_sentences")
    if path is not None:
        return itertools.islice(iter_parses(path), count)
    assert count is not None, settings
    return map(parse_of, itertools.islice(iter_sentences(SPLITS[which]), count))


def attention_of(
    study_model: StudyModel, model: Model, pieces: tuple[Pieces, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers of sentences of equally many words, with their attention `[n, L, H, N, N]`.

    Raises:
      ValueError: for several processes.
    """
    if jax.process_count() > 1:
        raise ValueError(f"constituents: expected one process, got {jax.process_count()}")
    config, settings = model.config, study_model.run.study
    maps = attention_maps(
        watch_for(config), model.params, pieces,
        pad_id=study_model.tokenizer.pad_id,
        most=max_tokens(config), mesh=study_model.mesh, queries=settings.queries,
        keys=settings.keys,
    )  # fmt: skip
    return ((each.index_N, each.attention) for each in maps)
