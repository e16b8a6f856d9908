"""One model of a study, and what reads its data, trains, measures and scores.

What is trained is saved under the study's folder and read from there: a study that resumes goes on
from the same numbers.

    models/NAME          the pre-trained model, and NAME-TASK-SEED the models fine-tuned from it
    answers/*.npz        what models with heads masked answered to the held-out examples
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jax
from jax.sharding import Mesh

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.data.sources import read_texts, task_texts
from jaxheads.data.tokens import Tokenizer, check_fits, load_tokenizer, max_tokens
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.models.checkpoint.convert import load_model, read_layout, save_model
from jaxheads.models.model import Model, init_model
from jaxheads.parallel.mesh import open_mesh, whole_params
from jaxheads.records.folder import PRETRAINING, Room
from jaxheads.records.rows import RowFactory
from jaxheads.storage.store import Store
from jaxheads.studies.workbench.scorer import Scorer
from jaxheads.studies.workbench.settings import ModelSettings, Run, TaskSettings, TextSettings
from jaxheads.studies.workbench.tasks import PreparedTask, Reader, task_of
from jaxheads.studies.workbench.trainer import Mask, Trainer, TrainingJob, masked_training, seeded

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False)
class StudyModel:
    """One model of a run, in the run's store; everything is made when it is first needed."""

    run: Run
    settings: ModelSettings
    store: Store

    @property
    def name(self) -> str:
        """The model's name in records and file names."""
        return self.settings.name

    @functools.cached_property
    def mesh(self) -> Mesh | None:
        """The run's devices."""
        return open_mesh(self.run.devices)

    @functools.cached_property
    def make_rows(self) -> RowFactory:
        """Makes rows of this model."""
        return RowFactory(self.run.study_name, self.name)

    @property
    def tasks(self) -> tuple[TaskSettings, ...]:
        """The run's tasks that this model is fine-tuned on."""
        named = self.settings.tasks
        return tuple(task for task in self.run.tasks if named is None or task.name in named)

    @property
    def task_names(self) -> tuple[str, ...]:
        """The names of all that this model's heads are scored on: the pre-training task first."""
        return (PRETRAINING, *(task.name for task in self.tasks))

    @functools.cached_property
    def trainer(self) -> Trainer:
        """Trains what is made of this model."""
        return Trainer(self.name, self.store, self.mesh)

    @functools.cached_property
    def scorer(self) -> Scorer:
        """Measures and scores what is made of this model."""
        run = self.run
        return Scorer(self.name, self.store, self.mesh, run.scoring, run.curve.readings)

    # -- data

    @property
    def corpus(self) -> TextSettings:
        """The text of the run.

        Raises:
          ValueError: for a run without one.
        """
        if self.run.text is None:
            raise ValueError(f"{self.run.name}: expected a text for masked LM, got none")
        return self.run.text

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's tokenizer, or a new one of the family's kind.

        It is learnt from the text, of a model that is not pre-trained from its tasks.
        """
        if self._is_there:
            return self._read(load_tokenizer)
        if self.settings.source is not None:
            return load_tokenizer(self.settings.source)
        settings, encoder = self.settings, self.settings.encoder
        assert encoder is not None, settings
        if self._is_new:
            own = (
                task_texts(task_of(t), t.train, limit=t.examples, reading=t.reading)
                for t in self.tasks
            )
            texts = itertools.chain.from_iterable(own)
        else:
            text = self.corpus
            texts = read_texts(text.train, text.vocabulary or text.paragraphs, task=text.task)
        kind = "unigram" if encoder.family == "albert" else "bpe"
        return train_tokenizer(texts, vocab_size=encoder.vocab_size, kind=kind)

    @functools.cached_property
    def reader(self) -> Reader:
        """Reads the data of the run as this model takes them."""
        run, own = self.run, self.settings.finetune
        finetune = {task.name: own or task.finetune or run.finetune for task in run.tasks}
        scored, size = run.scoring.examples, run.curve.batch_size
        return Reader(self.tokenizer, self.mesh, run.tasks, finetune, scored, size)

    @functools.cached_property
    def text(self) -> PreparedTask:
        """The pre-training task, masked the same way whenever it is scored or measured."""
        return self.reader.text(self.corpus, self.settings.pretrain)

    @functools.cache  # noqa: B019 a model lives as long as its study
    def task(self, name: str) -> PreparedTask:
        """A downstream task, or the pre-training task by its name."""
        return self.text if name == PRETRAINING else self.reader.task(name)

    # -- models

    @property
    def _is_there(self) -> bool:
        """Whether the pre-trained model is there, or has to be trained."""
        if self.settings.pretrain is None:
            return not self._is_new
        return self.store.exists(f"{Room.MODELS}/{self.name}")

    @property
    def _is_new(self) -> bool:
        """Whether fine-tuning begins with random weights."""
        return self.settings.source is None and self.settings.pretrain is None

    def _read(self, load: Callable[[str | Path], T]) -> T:
        """What a function reads from the pre-trained model."""
        if self.settings.pretrain is not None:
            return self.store.read(f"{Room.MODELS}/{self.name}", load)
        assert self.settings.source is not None, self.settings
        return load(self.settings.source)

    @functools.cached_property
    def base(self) -> Model:
        """The pre-trained model, which is trained by now.

        Raises:
          ValueError: for a checkpoint that is no masked LM where there is a text, reads fewer
            tokens than the run has, or does not fit the tokenizer.
        """
        model = self._start if self._is_new else self._read(load_model)
        self._check(self.tokenizer, model.config, model.readout.kind)
        return model

    def check(self) -> None:
        """Check what the checkpoint says of itself, before its weights are read.

        Raises:
          ValueError: as `base`; and for files that cannot be read.
        """
        source, further = self.settings.source, self.settings.pretrain is not None
        if source is not None:
            said = read_layout(source)
            kind = "masked_lm" if further else said.kind
            self._check(load_tokenizer(source), said.config, kind)

    def _check(self, tokenizer: Tokenizer, config: EncoderConfig, kind: str | None) -> None:
        source, text, most = self.settings.source or self.name, self.run.text, max_tokens(config)
        check_fits(tokenizer, config)
        if text is not None and kind != "masked_lm":
            raise ValueError(f"{source}: expected a masked LM, got a {kind} readout")
        longest = max((part.length for part in (text, *self.tasks) if part is not None), default=0)
        if longest > most:
            raise ValueError(f"{source}: reads at most {most} tokens, the run has {longest}")

    @functools.cached_property
    def layout(self) -> EncoderConfig:
        """Layers and heads of the model, known before it is trained or its weights are read."""
        if self.settings.encoder is not None:
            return self.settings.encoder
        assert self.settings.source is not None, self.settings
        return read_layout(self.settings.source).config

    def pretrain(self) -> None:
        """Train the model from scratch, or further, and save it with its tokenizer."""
        training = self.settings.pretrain
        if training is None or self._is_there:
            return
        job = masked_training(self._start, self.text, training.seed, self.name, None)
        self.save_model(self.trainer.fitted(job), f"{Room.MODELS}/{self.name}")

    @functools.cached_property
    def _start(self) -> Model:
        """The model before its pre-training here; without any, the one that it came as."""
        settings, readout = self.settings, ReadoutConfig("masked_lm" if self.run.text else "none")
        if settings.pretrain is None and not self._is_new:
            return self.base
        key = jax.random.key(settings.pretrain.seed if settings.pretrain else 0)
        if settings.source is not None:
            model = load_model(settings.source, readout=readout, key=key)
            check_fits(self.tokenizer, model.config)
            return model
        assert settings.encoder is not None, settings
        encoder = dataclasses.replace(
            settings.encoder,
            vocab_size=self.tokenizer.vocab_size,
            pad_token_id=self.tokenizer.pad_id,
        )
        if encoder.decoder_layers:
            ends = {"start_token_id": self.tokenizer.cls_id, "eos_token_id": self.tokenizer.sep_id}
            encoder = dataclasses.replace(encoder, **ends)
        return init_model(encoder, readout, key)

    def tuned(self, task: str, seed: int) -> Model:
        """The model fine-tuned on a task, with all its heads: trained now, or as it was saved."""
        return self.trained(self.task(task), seed)

    def trained(self, task: PreparedTask, seed: int) -> Model:
        """As `tuned`, of a task that is read elsewhere."""
        return self.masked(task, seed, f"{self.name}-{task.name}-{seed}", None)

    def masked(self, task: PreparedTask, seed: int, name: str, mask_LH: Mask | None) -> Model:
        """The model fine-tuned with heads masked: trained now, or as it was saved under `name`."""
        if not self.store.exists(f"{Room.MODELS}/{name}"):
            job = masked_training(self.fresh(task, seed), task, seed, name, mask_LH)
            self.save_model(self.trainer.fitted(job), f"{Room.MODELS}/{name}")
        return self._loaded(name)

    def is_tuned(self, task: str, seed: int) -> bool:
        """Whether the model fine-tuned on a task has been trained."""
        return self.store.exists(f"{Room.MODELS}/{self.name}-{task}-{seed}")

    @functools.lru_cache(4)  # noqa: B019 models are large
    def _loaded(self, name: str) -> Model:
        return self.store.read(f"{Room.MODELS}/{name}", load_model)

    def fresh(self, task: PreparedTask, seed: int) -> Model:
        """The pre-trained encoder with a new readout; all new where nothing is pre-trained."""
        model = init_model(self.base.config, task.readout, jax.random.key(seed))
        if self._is_new:
            return model
        return model._replace(params={**model.params, "encoder": self.base.params["encoder"]})

    def probing(
        self, task: PreparedTask, seed: int, name: str, mask_LH: Mask | None = None
    ) -> TrainingJob:
        """Training a readout alone on the pre-trained encoder, which stays as it is."""
        job = masked_training(self.fresh(task, seed), task, seed, name, mask_LH)
        return job._replace(training=seeded(self.run.probe, seed), only="readout")

    def save_model(self, model: Model, name: str, *, dtype: str = "float32") -> None:
        """Write a model with its tokenizer, where a folder has none yet."""
        tokenizer = self.tokenizer  # which every process makes, where it is made anew
        model = model._replace(params=whole_params(model.params))

        def write(path: Path) -> None:
            if not path.is_dir():
                save_model(model, path, tokenizer=tokenizer, dtype=dtype)

        self.store.write(name, write)


def study_models(run: Run, store: Store) -> list[StudyModel]:
    """The models of a run."""
    return [StudyModel(run, settings, store) for settings in run.models]
