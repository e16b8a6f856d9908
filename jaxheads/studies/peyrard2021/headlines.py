"""The pairs of headlines of a run as one model reads them, and the models that are tuned on them.

A variant is a model that is looked at: the untuned one; one fine-tuned on a task of headlines, with
true or with shuffled labels; one fine-tuned on a further task of the run.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jaxheads.config import TrainingConfig
from jaxheads.data.encode import EncodedSource
from jaxheads.data.headlines.encoded import EncodedPair, encode_pairs, question_source
from jaxheads.data.headlines.humor import PAIRED, SINGLE
from jaxheads.data.headlines.pairs import Pair, check_groups, generated_pairs, read_pairs
from jaxheads.data.language.incongruity import aligned_pairs
from jaxheads.data.tasks.labels import class_numbers, new_readout
from jaxheads.data.tasks.named import task_named
from jaxheads.data.tokens import check_length
from jaxheads.models.model import Model
from jaxheads.records.folder import UNTUNED
from jaxheads.studies.peyrard2021.settings import Peyrard2021
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.tasks import PreparedTask, metrics_of

TRAIN, VALIDATION, TEST = "train", "validation", "test"
GENERATED = {TRAIN: 4_000, VALIDATION: 500, TEST: 500}  # pairs of the built-in language
TASKS = (SINGLE, PAIRED)
SHUFFLED = "_shuffled"  # ends the name of a task whose labels are those of chance
STEP = 4  # sentences are padded to the next multiple


class Headlines(NamedTuple):
    """The pairs of each split that the model can read, and how many it cannot."""

    splits: dict[str, tuple[EncodedPair, ...]]
    too_long: dict[str, int]

    @property
    def length(self) -> int:
        """Tokens to which sentences are padded."""
        longest = max(each.longest for pairs in self.splits.values() for each in pairs)
        return -(-longest // STEP) * STEP


@functools.lru_cache
def read_headlines(model: StudyModel) -> Headlines:
    """Read all splits, reject originals that are in two of them, and encode what can be read.

    Raises:
      ValueError: for files that cannot be read, originals in two splits, or a split with no pair
        short enough.
    """
    settings = model.run.study
    read = {split: _read(settings, split) for split in GENERATED}
    check_groups(read)
    most = check_length(model.base.config, settings.length)
    found = {split: encode_pairs(model.tokenizer, pairs, most) for split, pairs in read.items()}
    empty = [split for split, each in found.items() if not each.pairs]
    if empty:
        raise ValueError(
            f"{' and '.join(empty)}: expected pairs of sentences of at most {most} tokens, got none"
        )
    splits = {split: each.pairs for split, each in found.items()}
    return Headlines(splits, {split: each.too_long for split, each in found.items()})


def _read(settings: Peyrard2021, split: str) -> Sequence[Pair]:
    limit = settings.pairs if split == TRAIN else settings.held_out_pairs
    path: Path | None = getattr(settings, split)
    if path is None:
        return generated_pairs(aligned_pairs(0, split, limit or GENERATED[split]), split)
    return read_pairs(path)[:limit]


def humor_task(model: StudyModel, task: str, seed: int, *, shuffled: bool = False) -> PreparedTask:
    """A task on the pairs, measured on the test split; `shuffled`: trained on labels of chance.

    The seed puts the sentences of a pair in order, and shuffles the labels.
    """
    headlines, settings = read_headlines(model), model.run.study
    length = min(headlines.length, check_length(model.base.config, settings.length))
    named = task_named(task)
    readout = new_readout(named)
    train = _source(model, task, TRAIN, seed, shuffled=shuffled)
    return PreparedTask(
        name=task + SHUFFLED if shuffled else task,
        task=named,
        readout=readout,
        train=train,
        scored=model.reader.sample(train, drawn=settings.train is None),
        held_out=model.reader.placed(_source(model, task, TEST, seed), (length,)),
        lengths=(length,),
        training=_training(model, settings, task),
        metrics=metrics_of(named),
        classes=class_numbers(named, readout),
    )


def validated(model: StudyModel, task: PreparedTask, seed: int) -> PreparedTask:
    """The same, measured on the validation split."""
    source = _source(model, task.task.name, VALIDATION, seed)
    return task._replace(held_out=model.reader.placed(source, task.lengths))


def _training(model: StudyModel, settings: Peyrard2021, task: str) -> TrainingConfig | None:
    single = settings.finetune or model.run.finetune
    return settings.paired or single if task == PAIRED else single


def _source(
    model: StudyModel, task: str, split: str, seed: int, *, shuffled: bool = False
) -> EncodedSource:
    pairs, pad_id = read_headlines(model).splits[split], model.tokenizer.pad_id
    return question_source(pairs, task, pad_id, seed=seed, shuffled=shuffled)


# -- variants


def variants(model: StudyModel) -> tuple[str, ...]:
    """What is fine-tuned, for every seed."""
    return (*TASKS, *(task + SHUFFLED for task in TASKS), *other_tasks(model))


def other_tasks(model: StudyModel) -> tuple[str, ...]:
    """Further tasks of the run, of which models are controls."""
    return tuple(task.name for task in model.tasks)


def variant_file(model: StudyModel, variant: str, seed: int) -> str:
    """The name of a variant's files and cells; the untuned model has one seed."""
    return f"{model.name}-{variant}-{0 if variant == UNTUNED else seed}"


def model_of(model: StudyModel, variant: str, seed: int) -> Model:
    """The model of a variant, trained now or as it was saved."""
    if variant == UNTUNED:
        return model.base
    if variant in other_tasks(model):
        return model.tuned(variant, seed)
    task = variant.removesuffix(SHUFFLED)
    return model.trained(humor_task(model, task, seed, shuffled=task != variant), seed)
