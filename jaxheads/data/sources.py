"""Files and tasks as encoded sources, whole or a part of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import EncodedSource, encode_task
from jaxheads.data.lines import PLAIN, Reading
from jaxheads.data.mlm import encode_blocks
from jaxheads.data.tasks.examples import stream_examples
from jaxheads.data.tasks.task import Examples, Task
from jaxheads.data.tokens import Tokenizer
from jaxheads.parallel.processes import gather_processes, run_on_all


def read_texts(
    data: Any,
    limit: int | None = None,
    *,
    task: str | Task = "mlm",
    split: str = "train",
    reading: Reading = PLAIN,
) -> Iterator[str]:
    """The paragraphs of a data set for masked LM; without one, those of `task` itself."""
    examples = stream_examples(task, data, split=split, limit=limit, reading=reading)
    return (example.text for example in examples)


def task_texts(
    task: Task, data: Any, *, limit: int | None = None, reading: Reading = PLAIN
) -> Iterator[str]:
    """The texts of a task's training examples, of a pair both, to learn a vocabulary from."""
    for example in stream_examples(task, data, split="train", limit=limit, reading=reading):
        yield from filter(None, (example.text, example.second))


def read_blocks(
    tokenizer: Tokenizer,
    data: Any,
    length: int,
    *,
    task: str | Task = "mlm",
    split: str = "train",
    limit: int | None = None,
    texts: int | None = None,
    reading: Reading = PLAIN,
) -> EncodedSource:
    """A text as blocks of `length` tokens: the first `limit`, of its first `texts` paragraphs."""
    read = read_texts(data, texts, task=task, split=split, reading=reading)
    return encode_blocks(tokenizer, read, length, limit=limit)


def encode_shared(
    tokenizer: Tokenizer,
    examples: Examples,
    readout: ReadoutConfig | None,
    max_length: int,
    *,
    long: Literal["error", "truncate"] = "error",
    scratch: Path | None = None,
    share: tuple[int, int] = (0, 1),
    group: int = 1,
) -> EncodedSource:
    """As `encode_task`; with a share all processes call, and learn how long others' examples are.

    Raises:
      ValueError: for a readout that is no match, or examples that cannot be read or encoded.
    """

    def encoded() -> EncodedSource:
        return encode_task(
            tokenizer, examples, readout, max_length, long=long, scratch=scratch, share=share,
            group=group,
        )  # fmt: skip

    if share == (0, 1):
        return encoded()
    source = run_on_all(encoded)
    longest = gather_processes(np.array([source.longest])).max()
    return dataclasses.replace(source, longest=int(longest))


def shuffled(source: EncodedSource, count: int | None = None) -> EncodedSource:
    """`count` examples, all of them without it, in an order drawn by a fixed seed, in memory.

    Files may be sorted. A smaller sample is the first part of a larger one.
    """
    order_N = np.random.default_rng(0).permutation(len(source.labels))
    return take(source, order_N[:count])


def take(source: EncodedSource, index_N: Int[np.ndarray, "N"]) -> EncodedSource:
    """The examples `index_N` of a source, in that order, in memory."""
    sequences = (index_N[:, None] * source.sentences + np.arange(source.sentences)).ravel()
    spans = [slice(*source.starts[each : each + 2]) for each in sequences]
    return dataclasses.replace(
        source,
        tokens=np.concatenate([source.tokens[span] for span in spans]),
        types=np.concatenate([source.types[span] for span in spans]),
        starts=np.concatenate([[0], np.cumsum(np.diff(source.starts)[sequences])]),
        labels=source.labels[index_N],
        tags=None if source.tags is None else np.concatenate([source.tags[span] for span in spans]),
    )
