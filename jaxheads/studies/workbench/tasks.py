"""The tasks of a study as one model meets them: read, encoded, and placed where they are used."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxheads.config import ReadoutConfig, TrainingConfig
from jaxheads.data.baselines import bag_of_words_cosine, bag_of_words_guesses
from jaxheads.data.batch import Batch
from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import Source, batches, bucket_lengths
from jaxheads.data.mlm import MaskedSource, mask_blocks
from jaxheads.data.sources import encode_shared, read_blocks, shuffled
from jaxheads.data.tasks.examples import read_examples, stream_examples
from jaxheads.data.tasks.labels import class_numbers, new_readout
from jaxheads.data.tasks.named import task_named
from jaxheads.data.tasks.task import Example, Task
from jaxheads.data.tokens import Tokenizer
from jaxheads.inference.metrics import BLEU, CHRF2, METRICS
from jaxheads.parallel.mesh import data_share, place_batch
from jaxheads.records.folder import PRETRAINING
from jaxheads.studies.workbench.settings import Data, TaskSettings, TextSettings


class References(NamedTuple):
    """What a translation of each held-out source should be like, and what makes texts of tokens."""

    texts: tuple[str, ...]
    tokenizer: Tokenizer


class PreparedTask(NamedTuple):
    """A task as a model meets it. What is held out is used by nothing but evaluation."""

    name: str  # in records and file names
    task: Task
    readout: ReadoutConfig
    train: EncodedSource | MaskedSource
    scored: EncodedSource | MaskedSource  # some of the training examples
    held_out: list[Batch]
    lengths: tuple[int, ...]  # padded lengths of its batches
    training: TrainingConfig | None  # None: a model that came pre-trained is not trained on it
    metrics: tuple[str, ...] = ("accuracy",)  # the one to compare by first
    classes: tuple[int, ...] = ()  # the readout's number for each class of the task
    references: References | None = None  # of a translation, which is then compared by its texts


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads text and tasks with one tokenizer."""

    tokenizer: Tokenizer
    mesh: Mesh | None
    tasks: tuple[TaskSettings, ...]
    finetune: Mapping[str, TrainingConfig | None]  # by task
    examples: int  # that are scored
    batch_size: int  # of what is held out

    def text(self, text: TextSettings, pretrain: TrainingConfig | None) -> PreparedTask:
        """The pre-training task, with as many blocks as training takes and scoring needs.

        What is scored or measured is masked the same way every time.
        """
        count, seed = self.examples, 0
        if pretrain is not None:
            count, seed = max(count, pretrain.steps * pretrain.batch_size), pretrain.seed
        blocks = read_blocks(
            self.tokenizer, text.train, text.length, task=text.task, limit=count,
            texts=text.paragraphs,
        )  # fmt: skip
        held_out = read_blocks(
            self.tokenizer, text.held_out, text.length, task=text.task, split="validation",
            limit=text.held_out_blocks,
        )  # fmt: skip
        scored = blocks.first(self.examples)
        return PreparedTask(
            name=PRETRAINING,
            task=task_named(text.task),
            readout=ReadoutConfig("masked_lm"),
            train=self._masked(text, blocks, seed, fixed=False),
            scored=self._masked(text, scored, seed),
            held_out=self.placed(self._masked(text, held_out, seed), (text.length,)),
            lengths=(text.length,),
            training=pretrain,
        )

    def task(self, name: str) -> PreparedTask:
        """A downstream task. Batches have one length, unless training sorts by length in windows.

        One length means one compilation, which is what small models need most.
        """
        settings = self._settings(name)
        task = task_of(settings)
        training = self.finetune[name]
        assert training is not None, "a run with tasks says how to fine-tune"
        readout = new_readout(task)
        lengths = bucket_lengths(settings.length) if training.window else (settings.length,)
        train = self._read(settings, readout, settings.train, "train", settings.examples)
        return PreparedTask(
            name=name,
            task=task,
            readout=readout,
            train=train,
            scored=self._scored(settings, train),
            held_out=self._held_out(settings, readout, settings.held_out, "validation", lengths),
            lengths=lengths,
            training=training,
            metrics=metrics_of(task),
            classes=class_numbers(task, readout),
            references=self._references(settings, task),
        )

    def _references(self, settings: TaskSettings, task: Task) -> References | None:
        if task.kind != "translate":
            return None
        texts = (example.second or "" for example in _held_out_examples(settings))
        return References(tuple(texts), self.tokenizer)

    def shuffled(self, task: PreparedTask, seed: int) -> PreparedTask:
        """The task with the labels of its training examples permuted among them.

        What is scored has the permuted labels too; what is held out stays as it is.
        """
        train = task.train
        assert isinstance(train, EncodedSource), "masked LM has no labels to permute"
        order_N = np.random.default_rng(seed).permutation(len(train.labels))
        train = dataclasses.replace(train, labels=train.labels[order_N])
        if train.tags is not None:
            tags, words = train.tags.copy(), train.tags >= 0
            tags[words] = np.random.default_rng(seed).permutation(tags[words])
            train = dataclasses.replace(train, tags=tags)
        return task._replace(train=train, scored=self._scored(self._settings(task.name), train))

    def other_held_out(self, task: PreparedTask) -> list[Batch]:
        """A second data set of a task; none where its settings name none."""
        settings = self._settings(task.name)
        path, split = settings.other_held_out, settings.other_split
        if path is None and split is None:
            return []
        return self._held_out(settings, task.readout, path, split or "validation", task.lengths)

    def bag_of_words(self, name: str) -> dict[str, float]:
        """What a linear model on counts of words reaches, in the task's first metric.

        It learns from all training examples of the task and is measured on what is held out;
        nothing of a task without labels.
        """
        settings = self._settings(name)
        return {"bag of words": _bag_of_words(settings)} if task_of(settings).labels else {}

    def bag_of_words_likeness(self, task: TaskSettings, metrics: Sequence[str]) -> dict[str, float]:
        """What the cosine of the counts of words of two held-out sentences reaches as a guess."""
        test = _held_out_examples(task)
        guess_N, label_N = bag_of_words_cosine(test), _labels(test)
        return {name: METRICS[name](guess_N, label_N) for name in metrics}

    def sample(self, train: EncodedSource, *, drawn: bool = False) -> EncodedSource:
        """As many training examples as are scored; the first of those that were `drawn` by chance.

        A file may be sorted, so of other examples it is a random sample, by a fixed seed.
        """
        return train.first(self.examples) if drawn else shuffled(train, self.examples)

    def _scored(self, settings: TaskSettings, train: EncodedSource) -> EncodedSource:
        drawn = settings.train is None and task_of(settings).generated
        return self.sample(train, drawn=drawn)

    def teaching(self, settings: TaskSettings) -> EncodedSource:
        """Training examples of a task that a pruner learns on, without their labels."""
        return self._read(settings, None, settings.train, "train", settings.examples)

    def taught(self, settings: TaskSettings) -> EncodedSource:
        """The examples of a task that a pruner scores heads on."""
        return self._scored(settings, self.teaching(settings))

    def siamese(self, settings: TaskSettings) -> list[Batch]:
        """The held-out pairs of a task, each sentence by itself."""
        readout = ReadoutConfig("pair", task_of(settings).labels)
        return self._held_out(
            settings, readout, settings.held_out, "validation", (settings.length,)
        )

    def _settings(self, name: str) -> TaskSettings:
        return next(task for task in self.tasks if task.name == name)

    def _held_out(
        self,
        settings: TaskSettings,
        readout: ReadoutConfig,
        path: Data | None,
        split: str,
        lengths: Sequence[int],
    ) -> list[Batch]:
        share = data_share(self.mesh)
        source = self._read(settings, readout, path, split, settings.held_out_examples, share)
        return self.placed(source, lengths)

    def _read(
        self,
        settings: TaskSettings,
        readout: ReadoutConfig | None,
        path: Data | None,
        split: str,
        limit: int | None,
        share: tuple[int, int] = (0, 1),
    ) -> EncodedSource:
        examples = stream_examples(
            task_of(settings), path, split=split, limit=limit, reading=settings.reading,
            labelled=readout is not None,
        )  # fmt: skip
        long = "error" if examples.task.kind == "translate" else "truncate"
        return encode_shared(
            self.tokenizer, examples, readout, settings.length, long=long, share=share
        )

    def _masked(
        self, text: TextSettings, blocks: EncodedSource, seed: int, *, fixed: bool = True
    ) -> MaskedSource:
        return mask_blocks(
            blocks, self.tokenizer, length=text.length, seed=seed, fixed=fixed,
            whole_words=text.whole_words,
        )  # fmt: skip

    def placed(self, source: Source, lengths: Sequence[int]) -> list[Batch]:
        """All batches of a source, on the devices for the rest of the study."""
        return [
            jax.tree.map(jax.numpy.asarray, place_batch(self.mesh, batch))
            for batch in batches_of(source, lengths, self.batch_size, self.mesh)
        ]


@functools.lru_cache
def task_of(settings: TaskSettings) -> Task:
    """The task that settings name, or their own with its labels.

    Raises:
      ValueError: for an unknown name, or labels that cannot be read.
    """
    if settings.task is None:
        return task_named(settings.name)
    own = dataclasses.replace(settings.task, name=settings.name)
    return stream_examples(own, settings.train, split="train", reading=settings.reading).task


def metrics_of(task: Task) -> tuple[str, ...]:
    """A task's metrics in a study, the one to compare by first.

    Answers are compared word by word where words are tagged, and spans are measured beside.
    """
    if not task.labels:
        return (BLEU, CHRF2, "accuracy") if task.kind == "translate" else ("accuracy",)
    if task.kind != "tag":
        return task.measured
    return tuple(dict.fromkeys(("f1_macro", "accuracy", *task.measured)))


def check_tasks(tasks: Sequence[TaskSettings], similar: Sequence[TaskSettings] = ()) -> None:
    """Look all tasks up, and read all examples of their files, before anything is computed.

    Raises:
      ValueError: for an unknown name, for what is wrong with examples, and for tasks measured by
        the likeness of two sentences (`similar`) that have not two, or no single label.
    """
    for each in similar:
        task = task_of(each)
        if not task.is_pair or task.kind not in ("classify", "regress"):
            raise ValueError(f"similar: expected tasks of pairs, got {each.name}")
    for each in tasks:
        task = task_of(each)
        for path in (each.train, each.held_out, each.other_held_out):
            if path is None:
                continue
            for _ in stream_examples(task, path, reading=each.reading):
                pass


@functools.lru_cache  # the same for every model of a study: it reads words, not pieces
def _bag_of_words(settings: TaskSettings) -> float:
    task, test, how = task_of(settings), _held_out_examples(settings), settings.reading
    train = tuple(
        read_examples(task, settings.train, split="train", limit=settings.examples, reading=how)
    )
    guess, label = _guessed(task, train, test)
    return METRICS[metrics_of(task)[0]](guess, label)


def _guessed(
    task: Task, train: tuple[Example, ...], test: tuple[Example, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """What a linear model on counts of words answers, and what is due.

    Each of several labels is guessed by itself, and a tag from its word alone.
    """
    if task.kind == "multilabel":
        sides = (
            [_has(side, number) for side in (train, test)] for number in range(len(task.labels))
        )
        found = [(bag_of_words_guesses(*both), _labels(both[1])) for both in sides]
        guess, label = (np.stack(columns, axis=1) for columns in zip(*found, strict=True))
        return guess, label
    if task.kind == "tag":
        train, test = _words_of(train), _words_of(test)
    return bag_of_words_guesses(train, test, real=task.is_regression), _labels(test)


def _has(examples: tuple[Example, ...], number: int) -> tuple[Example, ...]:
    """The examples, labelled with whether they have a label."""
    return tuple(each._replace(label=int(number in each.label)) for each in examples)


def _words_of(examples: tuple[Example, ...]) -> tuple[Example, ...]:
    return tuple(
        Example(word, None, tag, each.place)
        for each in examples
        for word, tag in zip(each.first, each.label, strict=True)
    )


def _held_out_examples(settings: TaskSettings) -> tuple[Example, ...]:
    task, limit = task_of(settings), settings.held_out_examples
    return tuple(read_examples(task, settings.held_out, limit=limit, reading=settings.reading))


def _labels(examples: Sequence[Example]) -> np.ndarray:
    return np.array([example.label for example in examples])


def batches_of(
    source: Source, lengths: Sequence[int], size: int, mesh: Mesh | None
) -> Iterator[Batch]:
    """Every example of a source once, of this process's share."""
    return batches(source, size, share=data_share(mesh), lengths=lengths)
