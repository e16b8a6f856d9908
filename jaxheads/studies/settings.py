"""All settings of one study: frozen dataclasses that validate themselves. Never starts jax.

A config file in `configs/` names one `Run`, which `studies` unpacks once.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from jaxheads.config import EncoderConfig, PrunerConfig, TrainingConfig, refuse, too_low
from jaxheads.models.checkpoint.families import table_of

PRETRAINING = "mlm"  # what the pre-training task is called in records and file names

NULLS = ("shuffled_labels", "magnitude", "output_norm", "untrained_readout")

_NAME = re.compile(r"[a-z0-9][a-z0-9_.]*")  # "-" and "~" join names in files and records


def _too_low(settings: object, **least: int) -> Iterator[str]:
    """Complain of numbers below the least that each may be; None is no number."""
    return too_low([(name, getattr(settings, name), low) for name, low in least.items()])


def _name_problems(name: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"name: expected small letters, digits, _ and ., got {name!r}"


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """An encoder with a masked-LM readout: one that exists, or one to pre-train from scratch."""

    name: str  # in records and file names
    source: str | None = None  # a directory, a name on the Hub or builtin:NAME
    encoder: EncoderConfig | None = None  # to pre-train; vocab_size is that of the tokenizer
    pretrain: TrainingConfig | None = None
    finetune: TrainingConfig | None = None  # on every task; none: the task's, or the run's
    tasks: tuple[str, ...] | None = None  # of the run's tasks, those of this model; none: all

    def __post_init__(self) -> None:
        problems = list(_name_problems(self.name))
        made = (self.encoder is None, self.pretrain is None)
        if made != ((True, True) if self.source else (False, False)):
            problems.append("expected either a source, or an encoder and how to pretrain it")
        misfits = table_of(self.encoder.family).misfits(self.encoder) if self.encoder else ()
        refuse(f"model {self.name}", [*problems, *misfits])


@dataclasses.dataclass(frozen=True)
class TextSettings:
    """What the pre-training task reads; without files, what `task` has without them."""

    task: Literal["mlm", "grammar_mlm"] = "mlm"  # grammar_mlm: the built-in language
    train: Path | None = None
    held_out: Path | None = None
    length: int = 64  # tokens of a block
    paragraphs: int | None = None  # read so many of the training text; none: all
    vocabulary: int | None = None  # paragraphs that a new tokenizer learns from; none: those read
    held_out_blocks: int = 256  # on which the pre-training task is measured
    whole_words: bool = False  # mask all tokens of a word, or none

    def __post_init__(self) -> None:
        refuse("text", _too_low(self, length=3, paragraphs=1, vocabulary=1, held_out_blocks=1))


@dataclasses.dataclass(frozen=True)
class TaskSettings:
    """A downstream task; without files, the built-in language's or the Hub's."""

    name: str  # of data.tasks.TASKS
    train: Path | None = None
    held_out: Path | None = None
    length: int = 64  # most tokens of an example; longer ones are cut
    examples: int | None = None  # read so many for training; none: all
    held_out_examples: int | None = None
    other_held_out: Path | None = None  # a second data set of the task (MNLI's mismatched one)
    other_split: str | None = None  # ... or, without files, a further split of the same source
    finetune: TrainingConfig | None = None  # none: the run's

    def __post_init__(self) -> None:
        refuse(f"task {self.name}", _too_low(self, length=3, examples=1, held_out_examples=1))


@dataclasses.dataclass(frozen=True)
class ScoringSettings:
    """How heads are scored, on training examples alone."""

    examples: int = 1024  # the first blocks of text; of each task, examples of its file by chance
    ablated: int = 256  # the first of them, for the scores of one-head ablation; 0: not done
    rescored: int = 512  # the first of them, for each new score of iterative pruning; 0: not done
    batch_size: int = 64
    splits: int = 20  # random halves of the examples, for the reliability of scores
    nulls: tuple[str, ...] = NULLS  # orders that agreement of tasks has to be more than

    def __post_init__(self) -> None:
        low = {"examples": 2, "ablated": 0, "rescored": 0, "batch_size": 1, "splits": 1}
        problems = list(_too_low(self, **low))
        if unknown := sorted(set(self.nulls) - set(NULLS)):
            problems.append(f"nulls: expected any of {', '.join(NULLS)}, got {unknown}")
        refuse("scoring", problems)


@dataclasses.dataclass(frozen=True)
class CurveSettings:
    """A pruning curve: metrics against the number of heads kept, on held-out examples alone."""

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
        refuse("curve", [*_too_low(self, points=1, draws=1, batch_size=1), *problems])


# Units of scores, normalised by layer with "l2", which stands alone for the unit "example".
READINGS = ("token", "batch", "signed", "fisher")
READINGS += ("l2", *(f"{unit}+l2" for unit in READINGS))


@dataclasses.dataclass(frozen=True)
class PruningSettings:
    """What is pruned before fine-tuning, and trained again after it."""

    kept: tuple[float, ...] = (0.75, 0.5, 0.25)  # shares of the heads: the acceptable deduction
    draws: int = 1  # random masks for each seed and share
    compared: tuple[float, ...] = (0.5,)  # of `kept`: shares at which four regimes are compared
    tolerances: tuple[float, ...] = (0.01, 0.05)  # of the downstream metric

    def __post_init__(self) -> None:
        problems = [
            f"{name}: expected shares between 0 and 1, got {getattr(self, name)}"
            for name in ("kept", "compared", "tolerances")
            if any(not 0 < share < 1 for share in getattr(self, name))
        ]
        if unknown := sorted(set(self.compared) - set(self.kept)):
            problems.append(f"compared: expected any of kept {self.kept}, got {unknown}")
        if list(self.kept) != sorted(set(self.kept), reverse=True):
            problems.append(f"kept: expected decreasing shares, got {self.kept}")
        refuse("pruning", [*problems, *_too_low(self, draws=0)])


@dataclasses.dataclass(frozen=True)
class HumorSettings:
    """Pairs of headlines, funny and serious; without files, the built-in language's."""

    train: Path | None = None
    validation: Path | None = None  # on which heads are chosen
    test: Path | None = None  # on which everything is measured
    length: int = 64  # most tokens of a sentence; pairs with a longer one are left out and counted
    pairs: int | None = None  # read so many for training; none: all, or 4,000 of the language
    held_out_pairs: int | None = None  # ... of validation and of test each; none: all, or 500
    finetune: TrainingConfig | None = None  # on single sentences; none: the run's
    paired: TrainingConfig | None = None  # on pairs; none: as on single sentences
    permutations: int = 9999  # of the test of all heads; at least 20 for each head
    sizes: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5)  # of edits, at which accuracy is split
    views: int = 4  # headlines whose attention the page shows

    def __post_init__(self) -> None:
        low = {"pairs": 1, "held_out_pairs": 1, "length": 3, "permutations": 19, "views": 0}
        problems = list(_too_low(self, **low))
        if len({path is None for path in (self.train, self.validation, self.test)}) > 1:
            problems.append("train, validation, test: expected three files or none")
        if not all(0 <= size <= 1 for size in self.sizes):
            problems.append(f"sizes: expected Jaccard distances from 0 to 1, got {self.sizes}")
        refuse("humor", problems)


@dataclasses.dataclass(frozen=True)
class MetaSettings:
    """A pruner that learns on some tasks, without their labels, which heads others need.

    For a task that is among `tasks` itself, the pruner learns on the others alone.
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
class ConstituencySettings:
    """Trees from attention against gold trees: heads are chosen on `tune` and scored on `test`."""

    tune: Path | None = None  # bracketed trees (.mrg); without files, the built-in language's
    test: Path | None = None
    tune_sentences: int | None = None  # the first so many; none: all, of a file alone
    test_sentences: int | None = None
    measures: tuple[Literal["jsd", "hellinger"], ...] = ("jsd", "hellinger")  # the first: in depth
    biases: tuple[float, ...] = (0.0, 1.5)  # to the right; the first: in depth
    special: Literal["absent", "dropped"] = "absent"  # special tokens; dropped: seen, without rows
    queries: Literal["mean", "first", "last"] = "mean"  # of a word's pieces, as it attends
    keys: Literal["sum", "first", "last"] = "sum"  # ... and as it is attended to
    controls: int = 3  # models with random weights
    examples: int = 4  # sentences whose trees are drawn

    def __post_init__(self) -> None:
        low = {"tune_sentences": 1, "test_sentences": 1, "controls": 0, "examples": 0}
        problems = list(_too_low(self, **low))
        problems += [
            f"{name}: expected different values, at least one, got {getattr(self, name)}"
            for name in ("measures", "biases")
            if not 0 < len(getattr(self, name)) == len(set(getattr(self, name)))
        ]
        if any(not 0 <= bias < math.inf for bias in self.biases):
            problems.append(f"biases: expected numbers of at least 0, got {self.biases}")
        problems += [
            f"{name}, {name}_sentences: expected a file, or a number of the built-in language's"
            for name in ("tune", "test")
            if getattr(self, name) is None and getattr(self, f"{name}_sentences") is None
        ]
        refuse("constituency", problems)


@dataclasses.dataclass(frozen=True)
class DependencySettings:
    """Attention against dependency trees: heads are chosen on half of the sentences."""

    treebank: Path | None = None  # CoNLL-U; none: the built-in language's gold trees
    sentences: int | None = None  # the first so many; none: all, of a file alone
    special: Literal["dropped", "absent"] = "dropped"  # special tokens: seen, but no rows; unseen
    queries: Literal["mean", "first", "last"] = "mean"  # of a word's pieces, as it attends
    keys: Literal["sum", "first", "last"] = "sum"  # ... and as it is attended to
    renormalise: bool = False  # attention between words to a sum of one; counts in trees alone
    subtypes: bool = False  # "nmod:poss" apart from "nmod"
    half: int = 0  # seed of the half on which heads are chosen
    least: int = 20  # arcs of a relation in the scored half, for it to be reported
    controls: int = 1  # models with random weights
    examples: int = 3  # sentences whose arcs are drawn

    def __post_init__(self) -> None:
        low = {"half": 0, "controls": 0, "examples": 0, "least": 1, "sentences": 2}
        problems = list(_too_low(self, **low))
        if self.treebank is None and self.sentences is None:
            problems.append(
                "treebank, sentences: expected a file, or a number of the built-in language's"
            )
        refuse("dependencies", problems)


@dataclasses.dataclass(frozen=True)
class CompareSettings:
    """Ways to choose heads, compared at equal budgets."""

    methods: tuple[str, ...]  # of studies.li2021.selection.METHODS
    shares: tuple[float, ...] = tuple(kept / 12 for kept in range(11, 0, -1))  # 132, ..., 12 of 144
    rates: tuple[float, ...] = (0.05, 0.2)  # of gates; one is chosen on held-out training examples
    strengths: tuple[float, ...] = ()  # prices of a head, tried one by one; "li2021" alone
    chosen_on: float = 0.1  # the share of the training examples that is held out for it
    again: bool = True  # train every pruned model once more
    draws: int = 5  # random masks for each seed and budget; the first is trained once more
    timed: tuple[float, ...] = (0.5,)  # of `shares`: budgets at which cut models are measured
    batches: tuple[int, ...] = (1, 16, 64)  # of those measurements
    repeats: int = 5

    def __post_init__(self) -> None:
        problems = list(_too_low(self, repeats=1, draws=1))
        if not self.methods or len(set(self.methods)) < len(self.methods):
            problems.append(f"methods: expected different names, got {self.methods}")
        if list(self.shares) != sorted(set(self.shares), reverse=True) or not all(
            0 < share < 1 for share in self.shares
        ):
            problems.append(f"shares: expected decreasing shares of 1, got {self.shares}")
        if not self.rates or min(*self.rates, *self.strengths, 1.0) <= 0:
            got = f"{self.rates} and {self.strengths}"
            problems.append(f"rates, strengths: expected positive numbers, got {got}")
        if not 0 < self.chosen_on < 1:
            problems.append(f"chosen_on: expected a share between 0 and 1, got {self.chosen_on}")
        refuse("compare", problems)


@dataclasses.dataclass(frozen=True)
class Run:
    """All settings of one study, from data to records."""

    study: str  # a name of studies.study.STUDIES
    name: str  # in the records
    models: tuple[ModelSettings, ...]
    text: TextSettings
    tasks: tuple[TaskSettings, ...] = ()
    finetune: TrainingConfig | None = None  # none: nothing is fine-tuned, there are no tasks
    probe: TrainingConfig | None = None  # of a readout alone, on a body that stays as it is
    seeds: tuple[int, ...] = (0, 1, 2)  # of fine-tuning
    scoring: ScoringSettings = ScoringSettings()
    curve: CurveSettings = CurveSettings()
    pruning: PruningSettings = PruningSettings()
    humor: HumorSettings | None = None  # of the study of headlines alone
    meta: MetaSettings | None = None  # none: no pruner is trained
    constituency: ConstituencySettings | None = None  # none: no study of constituents
    dependencies: DependencySettings | None = None  # none: no study of dependencies
    compare: CompareSettings | None = None  # of the studies "compare" and "li2021"
    beside: tuple[Path, ...] = ()  # finished studies of the same models, whose maps of heads join
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
        if len({folder.name for folder in self.beside}) < len(self.beside):
            got = ", ".join(map(str, self.beside))
            problems.append(f"beside: expected folders of different names, got {got}")
        problems += self._tasks_of_models()
        if self.tasks and (self.finetune is None or self.probe is None):
            problems.append("finetune, probe: expected both for the tasks, got none")
        problems += _too_low(self, devices=1)
        refuse("run", problems)

    def _tasks_of_models(self) -> Iterator[str]:
        known = {task.name for task in self.tasks}
        for model in self.models:
            if unknown := set(model.tasks or ()) - known:
                yield (
                    f"models.{model.name}.tasks: expected some of {', '.join(sorted(known))}, got "
                    f"{', '.join(sorted(unknown))}"
                )
