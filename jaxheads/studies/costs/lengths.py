"""How long and how many the examples of a task are, where its files are there to be read."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from jaxtyping import Int

from jaxheads.data.loader import bucket_lengths
from jaxheads.data.tasks.examples import stream_examples
from jaxheads.data.tasks.task import Example
from jaxheads.studies.workbench.settings import Data, TaskSettings
from jaxheads.studies.workbench.tasks import task_of

PIECES = 1.3  # tokens a word, about, of a vocabulary that belongs to the text
READ = 20_000  # examples that stand for all


def examples_of(settings: TaskSettings) -> int | None:
    """How many examples the held-out file of a task has; None: there is no such file."""
    lengths_N = _lengths(settings, settings.held_out, None)
    return None if lengths_N is None else len(lengths_N)


@functools.lru_cache
def mean_padded(settings: TaskSettings, size: int, window: int, *, trained: bool) -> int:
    """The mean length of batches that are no longer than their longest example needs.

    Args:
      settings: of the task; the most that it allows without its files.
      size: of a batch.
      window: batches in which examples of like length meet; 0: none.
      trained: whether it is of the training examples, in an order of chance, or of held-out ones.
    """
    data = settings.train if trained else settings.held_out
    lengths_N = _lengths(settings, data, READ)
    if lengths_N is None:
        return settings.length
    if trained:
        lengths_N = np.random.default_rng(0).permutation(lengths_N)
        step = max(window, 1) * size
        parts = [lengths_N[at : at + step] for at in range(0, len(lengths_N), step)]
        lengths_N = np.concatenate([np.sort(part) for part in parts]) if window else lengths_N
    padded = bucket_lengths(settings.length)
    longest = [lengths_N[at : at + size].max() for at in range(0, len(lengths_N), size)]
    return round(np.mean([next(p for p in padded if p >= each) for each in longest]))


@functools.lru_cache
def _lengths(
    settings: TaskSettings, data: Data | None, limit: int | None
) -> Int[np.ndarray, "N"] | None:
    """The tokens of examples by their words, at most as many as the task allows."""
    if data is None:
        return None
    try:
        task = task_of(settings)
        found = stream_examples(task, data, limit=limit, reading=settings.reading).rows
        lengths = [
            _tokens(each, apart=task.kind == "translate") for each in itertools.islice(found, limit)
        ]
    except (ValueError, OSError):  # which is said elsewhere
        return None
    return np.minimum(lengths, settings.length) if lengths else None


def _tokens(example: Example, *, apart: bool) -> int:
    """Of both sentences of a pair together, unless each has its own row."""
    words = [len(side.split() if isinstance(side, str) else side) for side in example[:2] if side]
    each = [round(PIECES * count) + 2 for count in words]
    return max(each) if apart else sum(each) - len(each) + 1
