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
from jaxheads.data.labels import new_readout
from jaxheads.data.language.incongruity import aligned_pairs
from jaxheads.data.tasks import task_named
from jaxheads.data.tokens import check_length
from jaxheads.models.model import Model
from jaxheads.studies.peyrard2021.settings import Peyrard2021
from jaxheads.studies.workbench.model import Lab
from jaxheads.studies.workbench.tasks import Subject

TRAIN, VALIDATION, TEST = "train", "validation", "test"
GENERATED = {TRAIN: 4_000, VALIDATION: 500, TEST: 500}  # pairs of the built-in language
TASKS = (SINGLE, PAIRED)
UNTUNED = "untuned"
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
def read_headlines(lab: Lab) -> Headlines:
    """Read all splits, refuse originals that are in two of them, and encode what can be read."""
    settings = lab.run.study
    read = {split: _read(settings, split) for split in GENERATED}
    check_groups(read)
    most = check_length(lab.base.config, settings.length)
    found = {split: encode_pairs(lab.tokenizer, pairs, most) for split, pairs in read.items()}
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


def humor_subject(lab: Lab, task: str, seed: int, *, shuffled: bool = False) -> Subject:
    """A task on the pairs, measured on the test split; `shuffled`: trained on labels of chance.

    The seed puts the sentences of a pair in order, and shuffles the labels.
    """
    headlines, settings = read_headlines(lab), lab.run.study
    length = min(headlines.length, check_length(lab.base.config, settings.length))
    named = task_named(task)
    train = _source(lab, task, TRAIN, seed, shuffled=shuffled)
    return Subject(
        name=task + SHUFFLED if shuffled else task,
        task=named,
        readout=new_readout(named),
        train=train,
        scored=lab.reader.sample(train, drawn=settings.train is None),
        held_out=lab.reader.placed(_source(lab, task, TEST, seed), (length,)),
        lengths=(length,),
        training=_training(lab, settings, task),
    )


def validated(lab: Lab, subject: Subject, seed: int) -> Subject:
    """The same, measured on the validation split."""
    source = _source(lab, subject.task.name, VALIDATION, seed)
    return subject._replace(held_out=lab.reader.placed(source, subject.lengths))


def _training(lab: Lab, settings: Peyrard2021, task: str) -> TrainingConfig | None:
    single = settings.finetune or lab.run.finetune
    return settings.paired or single if task == PAIRED else single


def _source(lab: Lab, task: str, split: str, seed: int, *, shuffled: bool = False) -> EncodedSource:
    pairs, pad_id = read_headlines(lab).splits[split], lab.tokenizer.pad_id
    return question_source(pairs, task, pad_id, seed=seed, shuffled=shuffled)


# -- variants


def variants(lab: Lab) -> tuple[str, ...]:
    """What is fine-tuned, for every seed."""
    return (*TASKS, *(task + SHUFFLED for task in TASKS), *other_tasks(lab))


def other_tasks(lab: Lab) -> tuple[str, ...]:
    """Further tasks of the run, of which models are controls."""
    return tuple(task.name for task in lab.tasks)


def variant_file(lab: Lab, variant: str, seed: int) -> str:
    """The name of a variant's files and cells; the untuned model has one seed."""
    return f"{lab.name}-{variant}-{0 if variant == UNTUNED else seed}"


def model_of(lab: Lab, variant: str, seed: int) -> Model:
    """The model of a variant, trained now or as it was saved."""
    if variant == UNTUNED:
        return lab.base
    if variant in other_tasks(lab):
        return lab.tuned(variant, seed)
    task = variant.removesuffix(SHUFFLED)
    return lab.trained(humor_subject(lab, task, seed, shuffled=task != variant), seed)
