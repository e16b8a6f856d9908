"""Files and tasks as encoded sources, whole or a part of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int

from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import EncodedSource, encode_task
from jaxheads.data.mlm import encode_blocks
from jaxheads.data.tasks import Task, iter_examples
from jaxheads.data.tokens import Tokenizer
from jaxheads.parallel.processes import gather_processes, run_on_all


def read_texts(
    path: str | Path | None,
    limit: int | None = None,
    *,
    task: str = "mlm",
    split: str = "train",
) -> Iterator[str]:
    """The paragraphs of a file for masked LM; without one, those of `task` itself."""
    examples = iter_examples(task, path, split=split, limit=limit)
    return (example.first for example in examples)


def read_blocks(
    tokenizer: Tokenizer,
    path: str | Path | None,
    length: int,
    *,
    task: str = "mlm",
    split: str = "train",
    limit: int | None = None,
    texts: int | None = None,
) -> EncodedSource:
    """A text as blocks of `length` tokens: the first `limit`, of its first `texts` paragraphs."""
    read = read_texts(path, texts, task=task, split=split)
    return encode_blocks(tokenizer, read, length, limit=limit)


def read_task(
    tokenizer: Tokenizer,
    task: Task,
    path: str | Path | None,
    readout: ReadoutConfig,
    max_length: int,
    *,
    split: str = "validation",
    limit: int | None = None,
    long: Literal["error", "truncate"] = "error",
    scratch: Path | None = None,
    share: tuple[int, int] = (0, 1),
    group: int = 1,
) -> EncodedSource:
    """A task's examples, encoded as the readout takes them, with its class numbers.

    `path` None: the Hub's `split`. `long` and `scratch` are as for `encode_task`, and so are
    `share` and `group`: with a share all processes call.

    Raises:
      ValueError: for a readout that is no match, or examples that cannot be read or encoded.
    """
    check_readout(task, readout)

    def encoded() -> EncodedSource:
        examples = iter_examples(task, path, split=split, limit=limit)
        return encode_task(
            tokenizer, examples, max_length, siamese=readout.kind == "pair", long=long,
            scratch=scratch, share=share, group=group,
        )  # fmt: skip

    if share == (0, 1):
        source = encoded()
    else:
        source = run_on_all(encoded)
        longest = gather_processes(np.array([source.longest])).max()
        source = dataclasses.replace(source, longest=int(longest))
    classes = np.asarray(class_numbers(task, readout))
    if task.is_regression:
        return source
    return dataclasses.replace(source, labels=classes[source.labels].astype(np.int32))


def first(source: EncodedSource, count: int | None) -> EncodedSource:
    """The first `count` examples."""
    if count is None or count >= len(source.labels):
        return source
    starts = source.starts[: count * source.sentences + 1]
    return dataclasses.replace(source, starts=starts, labels=source.labels[:count])


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
    )


# -- the readout that a task needs, and which of its classes is which of the task's


def new_readout(task: Task) -> ReadoutConfig:
    """The readout that a model gets for a task."""
    if not task.labels:
        return ReadoutConfig("masked_lm")
    return ReadoutConfig("pair" if task.siamese else "classification", task.labels)


def check_readout(task: Task, readout: ReadoutConfig) -> None:
    """Check that a readout can do a task.

    Raises:
      ValueError: for another kind of readout than the task needs, or another number of labels.
    """
    if not task.labels:
        if readout.kind != "masked_lm":
            raise ValueError(f"task {task.name}: expected a masked LM, got {_described(readout)}")
        return
    kinds = ("classification", "pair") if task.is_pair else ("classification",)
    if readout.kind not in kinds or len(readout.labels) != len(task.labels):
        wanted = "regression" if task.is_regression else f"{len(task.labels)} classes"
        raise ValueError(
            f"task {task.name}: expected a {' or '.join(kinds)} readout for {wanted}, got "
            f"{_described(readout)}; such a model comes from fine-tuning on the task"
        )


def _described(readout: ReadoutConfig) -> str:
    if readout.kind == "none":
        return "a model without a readout"
    labels = f" with {len(readout.labels)} labels" if readout.labels else ""
    return f"a {readout.kind} readout{labels}"


def class_numbers(task: Task, readout: ReadoutConfig) -> tuple[int, ...]:
    """The readout's number for each class of a task: by name where its names are the task's.

    Checkpoints disagree on the order (of MNLI's classes, for one). A readout with names of its own
    (LABEL_0) is taken to have the task's order.
    """
    named = [_plain(name) for name in readout.labels]
    wanted = [_plain(name) for name in task.labels]
    if sorted(named) != sorted(wanted):
        return tuple(range(len(wanted)))
    return tuple(named.index(name) for name in wanted)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
