"""The sections of a treebank as one model meets them, and its attention over their sentences."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from jaxheads.data.language.grammar import iter_sentences
from jaxheads.data.pieces import Pieces
from jaxheads.data.tokens import max_tokens
from jaxheads.data.treebanks.constituency import Parse, iter_parses, parse_of
from jaxheads.inference.attention_maps import model_maps
from jaxheads.inference.constituents import TreebankSection, readable_section
from jaxheads.models.model import Model
from jaxheads.studies.luo2021.settings import Luo2021
from jaxheads.studies.workbench.model import StudyModel

SPLITS = {"tune": "validation", "test": "test"}  # of the built-in language, in the place of files


@functools.lru_cache(4)
def section_of(model: StudyModel, which: str) -> TreebankSection:
    """The section "tune" or "test".

    Raises:
      ValueError: where none of its sentences can be scored.
    """
    own = model.run.study
    most = max_tokens(model.base.config)
    return readable_section(model.tokenizer, list(_parses(own, which)), most, own.special, which)


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
    own = study_model.run.study
    maps = model_maps(model, pieces, queries=own.queries, keys=own.keys, mesh=study_model.mesh)
    return ((each.index_N, each.attention) for each in maps)
