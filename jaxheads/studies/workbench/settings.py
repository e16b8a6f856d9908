"""The settings that every study has: frozen dataclasses that validate themselves. Never starts jax.

What one paper alone needs is in the `settings.py` of its folder, as the type of `Run.study`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, Literal, TypeVar

from jaxheads.config import EncoderConfig, PrunerConfig, TrainingConfig
from jaxheads.data.lines import Reading
from jaxheads.data.tasks.task import Task
from jaxheads.errors import refuse, too_low
from jaxheads.models.checkpoint.families import table_of
from jaxheads.records.folder import NULLS

Study = TypeVar("Study")  # the settings of a paper
Data = tuple[Path, Path] | Path  # of a translation a file for each side; or one file

_NAME = re.compile(r"[a-z0-9][a-z0-9_.]*")  # "-" and "~" join names in files and records


def fields_below(settings: object, **least: int) -> Iterator[str]:
    """Complain of numbers below the least that each may be; None is no number."""
    return too_low([(name, getattr(settings, name), low) for name, low in least.items()])


def _name_problems(name: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"name: expected small letters, digits, _ and ., got {name!r}"


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """An encoder with a masked-LM readout: one that exists, or one to pre-train.

    An encoder, or encoder-decoder, without `pretrain` is not pre-trained: each fine-tuning begins
    with random weights of its seed.

    With a source and `pretrain`, a checkpoint of any kind is trained further as a masked LM: its
    readout where it is one, else a new one. `frozen_steps` of that training leave the encoder as it
    is for a while, or altogether.

    Raises:
      ValueError: for a name that no file can have, both or neither of a source and an encoder to
        pretrain, or an encoder that is not of its family.
    """

    name: str  # in records and file names
    source: str | None = None  # a directory, a name on the Hub or builtin:NAME
    encoder: EncoderConfig | None = None  # new; vocab_size is that of the tokenizer
    pretrain: TrainingConfig | None = None  # on the text of the run
    finetune: TrainingConfig | None = None  # on every task; none: the task's, or the run's
    tasks: tuple[str, ...] | None = None  # of the run's tasks, those of this model; none: all

    def __post_init__(self) -> None:
        problems = list(_name_problems(self.name))
        if (self.source is None) == (self.encoder is None):
            problems.append("expected either a source or an encoder to pretrain")
        misfits = table_of(self.encoder.family).misfits(self.encoder) if self.encoder else ()
        refuse(f"model {self.name}", [*problems, *misfits])


@dataclasses.dataclass(frozen=True)
class TextSettings:
    """What the pre-training task reads; without files, what `task` has without them.

    Raises:
      ValueError: for numbers that are too low, listing all.
    """

    task: Literal["mlm", "grammar_mlm"] = "mlm"  # grammar_mlm: the built-in language
    train: Path | None = None
    held_out: Path | None = None
    length: int = 64  # tokens of a block
    paragraphs: int | None = None  # read so many of the training text; none: all
    vocabulary: int | None = None  # paragraphs that a new tokenizer learns from; none: those read
    held_out_blocks: int = 256  # on which the pre-training task is measured
    whole_words: bool = False  # mask all tokens of a word, or none

    def __post_init__(self) -> None:
        refuse("text", fields_below(self, length=3, paragraphs=1, vocabulary=1, held_out_blocks=1))


@dataclasses.dataclass(frozen=True)
class TaskSettings:
    """A downstream task; without files, the built-in language's or the Hub's.

    Raises:
      ValueError: for numbers that are too low, listing all, and a task of your own without files,
        or with a name that no file can have.
    """

    name: str  # of data.tasks.named.TASKS, or in records that of your own
    train: Data | None = None
    held_out: Data | None = None
    length: int = 64  # most tokens of an example; longer ones are cut, of a translation an error
    examples: int | None = None  # read so many for training; none: all
    held_out_examples: int | None = None
    other_held_out: Path | None = None  # a second data set of the task (MNLI's mismatched one)
    other_split: str | None = None  # ... or, without files, a further split of the same source
    finetune: TrainingConfig | None = None  # none: the run's
    task: Task | None = None  # your own; without labels it has those of its training examples
    reading: Reading = Reading()  # how its files are read, where they do not say so themselves

    def __post_init__(self) -> None:
        problems = list(fields_below(self, length=3, examples=1, held_out_examples=1))
        if self.task is not None and self.task.kind == "mlm":
            problems.append("task: expected one with labels, got mlm")
        problems += _name_problems(self.name) if self.task is not None else ()
        if self.task is not None and None in (self.train, self.held_out):
            problems.append("train, held_out: expected both for a task of your own, got none")
        refuse(f"task {self.name}", problems)


@dataclasses.dataclass(frozen=True)
class ScoringSettings:
    """How heads are scored, on training examples alone.

    Raises:
      ValueError: for numbers that are too low and unknown nulls, listing all.
    """

    examples: int = 1024  # the first blocks of text; of each task, examples of its file by chance
    ablated: int = 256  # the first of them, for the scores of one-head ablation; 0: not done
    rescored: int = 512  # the first of them, for each new score of iterative pruning; 0: not done
    batch_size: int = 64
    splits: int = 20  # random halves of the examples, for the reliability of scores
    nulls: tuple[str, ...] = NULLS  # orders that agreement of tasks has to be more than

    def __post_init__(self) -> None:
        low = {"examples": 2, "ablated": 0, "rescored": 0, "batch_size": 1, "splits": 1}
        problems = list(fields_below(self, **low))
        if unknown := sorted(set(self.nulls) - set(NULLS)):
            problems.append(f"nulls: expected any of {', '.join(NULLS)}, got {unknown}")
        refuse("scoring", problems)


@dataclasses.dataclass(frozen=True)
class CurveSettings:
    """A pruning curve: metrics against the number of heads kept, on held-out examples alone.

    Raises:
      ValueError: for numbers that are too low and unknown readings, listing all.
    """

    points: int = 8  # equal steps from all heads to none
    draws: int = 5  # random orders for each seed
    readings: tuple[str, ...] = ("token", "batch", "signed", "l2")  # beside the unit "example"
    rescored: tuple[str, ...] = ()  # readings whose order is estimated anew at every budget too
    timed: tuple[int, ...] = ()  # batches at which a model cut to half of its heads is timed
    batch_size: int = 64

    def __post_init__(self) -> None:
        problems = [
            f"{field}: expected any of {', '.join(READINGS)}, got {name!r}"
            for field in ("readings", "rescored")
            for name in getattr(self, field)
            if name not in READINGS
        ]
        problems += too_low([("timed", size, 1) for size in self.timed])
        refuse("curve", [*fields_below(self, points=1, draws=1, batch_size=1), *problems])


# How scores are read from effects: in the unit "example" or another, and normalised by layer.
PLAIN = {"unit": "example", "normalize": "none"}
UNITS = ("token", "batch", "signed", "fisher")
READINGS = {unit: {**PLAIN, "unit": unit} for unit in UNITS}
READINGS |= {"l2": {**PLAIN, "normalize": "l2"}}
READINGS |= {f"{unit}+l2": {"unit": unit, "normalize": "l2"} for unit in UNITS}


@dataclasses.dataclass(frozen=True)
class MetaSettings:
    """A pruner that learns on some tasks, without their labels, which heads others need.

    For a task that is among `tasks` itself, the pruner learns on the others alone.

    Raises:
      ValueError: for no task, a share outside (0, 1), or parts of an odd number of sentences.
    """

    tasks: tuple[TaskSettings, ...]  # that the pruner learns on
    training: TrainingConfig  # each of the parts of a batch is of one task
    pruner: PrunerConfig = PrunerConfig()
    kept: float = 0.5  # share of each layer's heads
    draws: int = 2  # random masks for each seed
    similar: tuple[TaskSettings, ...] = ()  # of pairs, measured by cosine without fine-tuning
    pooler: bool = False  # BERT: pairs by its own pooler, else by the first token's last state

    def __post_init__(self) -> None:
        problems = list(too_low([("draws", self.draws, 1), ("tasks", len(self.tasks), 1)]))
        if not 0 < self.kept < 1:
            problems.append(f"kept: expected a share between 0 and 1, got {self.kept}")
        if self.training.batch_size % (2 * self.training.accumulate):
            got = f"{self.training.batch_size} in {self.training.accumulate} parts"
            problems.append(f"training: expected parts of an even number of sentences, got {got}")
        refuse("meta", problems)


@dataclasses.dataclass(frozen=True)
class Pretrain:
    """Models are pre-trained from scratch, and that is all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapStudy:
    """The base of studies that compare maps of heads, those that other studies left too.

    Raises:
      ValueError: for studies in folders of one name.
    """

    other_studies: tuple[Path, ...] = ()  # finished studies whose maps of heads join

    def __post_init__(self) -> None:
        refuse("study", self._problems())

    def _problems(self) -> Iterator[str]:
        if len({folder.name for folder in self.other_studies}) < len(self.other_studies):
            got = ", ".join(map(str, self.other_studies))
            yield f"other_studies: expected folders of different names, got {got}"


@dataclasses.dataclass(frozen=True)
class Run(Generic[Study]):
    """All settings of one study, from data to records; `study` has those of its paper.

    Raises:
      ValueError: for no model, parts or seeds that come twice, tasks that no model can have, or
        tasks without `finetune` and `probe`.
    """

    study: Study
    name: str  # in the records
    models: tuple[ModelSettings, ...]
    text: TextSettings | None = None  # none: nothing is read for the pre-training task
    tasks: tuple[TaskSettings, ...] = ()
    finetune: TrainingConfig | None = None  # none: nothing is fine-tuned, there are no tasks
    probe: TrainingConfig | None = None  # of a readout alone, on a body that stays as it is
    seeds: tuple[int, ...] = (0, 1, 2)  # of fine-tuning
    scoring: ScoringSettings = ScoringSettings()
    curve: CurveSettings = CurveSettings()
    devices: int | None = None  # that share each batch; none: all there are

    def __post_init__(self) -> None:
        problems = []
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            problems.append(f"seeds: expected different numbers from 0, got {self.seeds}")
        for what, parts in (("models", self.models), ("tasks", self.tasks)):
            names = [part.name for part in parts]
            if len(set(names)) < len(names):
                problems.append(f"{what}: expected different names, got {', '.join(names)}")
        if not self.models:
            problems.append("models: expected at least one, got none")
        problems += self._tasks_of_models()
        if self.text is None and any(model.pretrain for model in self.models):
            problems.append("text: expected that on which models are pre-trained, got none")
        if self.tasks and (self.finetune is None or self.probe is None):
            problems.append("finetune, probe: expected both for the tasks, got none")
        problems += fields_below(self, devices=1)
        refuse("run", problems)

    @property
    def study_name(self) -> str:
        """The study's name in records: that of its settings, in small letters."""
        return type(self.study).__name__.lower()

    def _tasks_of_models(self) -> Iterator[str]:
        known = {task.name for task in self.tasks}
        for model in self.models:
            if unknown := set(model.tasks or ()) - known:
                yield (
                    f"models.{model.name}.tasks: expected some of {', '.join(sorted(known))}, got "
                    f"{', '.join(sorted(unknown))}"
                )
