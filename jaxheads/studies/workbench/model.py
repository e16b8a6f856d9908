"""One model of a study with all that is done to it: reading, training, measuring, scoring.

What is trained or scored is saved under the study's folder and read from there: a study that
resumes goes on from the same numbers.

    models/NAME          the pre-trained model, and NAME-TASK-SEED the models fine-tuned from it
    scores/*.npz         scores [L, H]; scores/kept/*.npy the effects on single examples
    answers/*.npz        what models with heads masked answered to the held-out examples
    logs/*.jsonl         how training went
    checkpoints/         of the training that is under way, where `save_every` asks for them
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float

from jaxheads.config import EncoderConfig, ReadoutConfig, TrainingConfig
from jaxheads.data.sources import read_texts
from jaxheads.data.tokens import Tokenizer, check_fits, load_tokenizer, max_tokens
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.importance import Scores, load_scores, save_scores, score_heads
from jaxheads.importance.gates.gate import constant
from jaxheads.importance.kept import gather_kept
from jaxheads.importance.methods import Method, gradient
from jaxheads.inference.evaluate import Evaluation, evaluate
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.model import Model, init_model
from jaxheads.objectives import Objective, objective_for, training_objective
from jaxheads.parallel.mesh import open_mesh, whole_params
from jaxheads.storage.store import Store
from jaxheads.studies.runner.cells import RowFactory
from jaxheads.studies.workbench.settings import PRETRAINING, ModelSettings, Run, TaskSettings
from jaxheads.studies.workbench.tasks import PreparedTask, Reader, first_of
from jaxheads.studies.workbench.training_jobs import TrainedModel, TrainingJob
from jaxheads.training.checkpoint import Checkpoints
from jaxheads.training.fit import fit

Mask = Bool[np.ndarray, "L H"]
Gates = Float[np.ndarray, "L H"]


@dataclasses.dataclass(frozen=True, eq=False)
class StudyModel:
    """One model of a run, in the run's folder; everything is made when it is first needed."""

    run: Run
    settings: ModelSettings
    folder: Path
    mesh: Mesh | None

    @property
    def name(self) -> str:
        """The model's name in records and file names."""
        return self.settings.name

    @property
    def store(self) -> Store:
        """The run's folder, as all processes write and read it."""
        return Store(self.folder)

    @property
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

    # -- data

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's tokenizer, or a new one of the family's kind, learnt from the text."""
        if self._source is not None:
            return load_tokenizer(self._source)
        settings, encoder = self.settings, self.settings.encoder
        assert encoder is not None, settings
        text = self.run.text
        texts = read_texts(text.train, text.vocabulary or text.paragraphs, task=text.task)
        kind = "unigram" if encoder.family == "albert" else "bpe"
        return train_tokenizer(texts, vocab_size=encoder.vocab_size, kind=kind)

    @functools.cached_property
    def reader(self) -> Reader:
        """Reads the data of the run as this model takes them."""
        return Reader(self.run, self.tokenizer, self.mesh, self.settings.finetune)

    @functools.cached_property
    def text(self) -> PreparedTask:
        """The pre-training task, masked the same way whenever it is scored or measured."""
        pretrain = None if self.settings.source else self.settings.pretrain
        return self.reader.text(pretrain)

    @functools.cache  # noqa: B019 a model lives as long as its study
    def task(self, name: str) -> PreparedTask:
        """A downstream task, or the pre-training task by its name."""
        return self.text if name == PRETRAINING else self.reader.task(name)

    # -- models

    @property
    def _source(self) -> str | Path | None:
        """Where the pre-trained model is; None before it has been trained."""
        path = self.folder / "models" / self.name
        return self.settings.source or (path if path.is_dir() else None)

    @functools.cached_property
    def base(self) -> Model:
        """The pre-trained model, which is trained by now.

        Raises:
          ValueError: for a checkpoint that is no masked LM, reads fewer tokens than the run has, or
            does not fit the tokenizer.
        """
        source = self._source
        assert source is not None, self.settings
        model = load_model(source)
        check_fits(self.tokenizer, model.config)
        if model.readout.kind != "masked_lm":
            raise ValueError(f"{source}: expected a masked LM, got a {model.readout.kind} readout")
        longest = max(part.length for part in (self.run.text, *self.tasks))
        if longest > max_tokens(model.config):
            most = max_tokens(model.config)
            raise ValueError(f"{source}: reads at most {most} tokens, the run has {longest}")
        return model

    @property
    def layout(self) -> EncoderConfig:
        """Layers and heads of the model, known before it is trained."""
        return self.settings.encoder or self.base.config

    def pretrain(self) -> None:
        """Train the model from scratch, and save it with its tokenizer."""
        settings = self.settings
        if self._source is not None:
            return
        assert settings.encoder is not None
        assert settings.pretrain is not None
        encoder = dataclasses.replace(
            settings.encoder,
            vocab_size=self.tokenizer.vocab_size,
            pad_token_id=self.tokenizer.pad_id,
        )
        key = jax.random.key(settings.pretrain.seed)
        model = init_model(encoder, ReadoutConfig("masked_lm"), key)
        how = TrainingJob(
            settings.name, model, self.text, settings.pretrain, constant(_gate(model, None))
        )
        model = self.fitted(how)
        self.save_model(model, self.folder / "models" / self.name)

    def tuned(self, task: str, seed: int) -> Model:
        """The model fine-tuned on a task, with all its heads: trained now, or as it was saved."""
        return self.trained(self.task(task), seed)

    def trained(self, task: PreparedTask, seed: int) -> Model:
        """As `tuned`, of a task that is read elsewhere."""
        path = self.tuned_path(task.name, seed)
        if not path.is_dir():
            self.save_model(self.fitted(self.tuning(task, seed)), path)
        return self._loaded(path)

    @functools.lru_cache(4)  # noqa: B019 models are large
    def _loaded(self, path: Path) -> Model:
        return load_model(path)

    def tuned_path(self, task: str, seed: int) -> Path:
        """Where the model fine-tuned on a task is, once it has been trained."""
        return self.folder / "models" / f"{self.name}-{task}-{seed}"

    def fresh(self, task: PreparedTask, seed: int) -> Model:
        """The pre-trained encoder with a new readout."""
        model = init_model(self.base.config, task.readout, jax.random.key(seed))
        return model._replace(params={**model.params, "encoder": self.base.params["encoder"]})

    def tuning(self, task: PreparedTask, seed: int) -> TrainingJob:
        """Fine-tuning with all heads."""
        name = self.tuned_path(task.name, seed).name
        return self.refitting(self.fresh(task, seed), task, seed, name, None)

    def refitting(
        self, model: Model, task: PreparedTask, seed: int, name: str, mask_LH: Mask | Gates | None
    ) -> TrainingJob:
        """Training a model on the task with heads masked, or gated."""
        gate = constant(_gate(model, mask_LH))
        return TrainingJob(name, model, task, _seeded(task.training, seed), gate)

    def probing(
        self, task: PreparedTask, seed: int, name: str, mask_LH: Mask | None = None
    ) -> TrainingJob:
        """Training a readout alone on the pre-trained encoder, which stays as it is."""
        model = self.fresh(task, seed)
        gate = constant(_gate(model, mask_LH))
        return TrainingJob(name, model, task, _seeded(self.run.probe, seed), gate, only="readout")

    def fitted(self, fit: TrainingJob) -> Model:
        """The model that a training gives."""
        return self.learned(fit).model

    def learned(self, what: TrainingJob) -> TrainedModel:
        """What a training gives: the model and a gate, trained together, or one of them alone."""
        plain = _plain(what.model)
        with self.checkpoints(what.name, what.training, task=what.task.name) as checkpoints:
            found = fit(
                training_objective(plain.config, plain.readout, what.training),
                what.model.params,
                what.task.train,
                what.training,
                gate=what.gate,
                gates=what.gates,
                only=what.only,
                checkpoints=checkpoints,
                mesh=self.mesh,
                lengths=what.task.lengths,
                log=self.folder / "logs" / f"{what.name}.jsonl",
                name=what.name,
            )
        model = what.model._replace(params=found.params)
        return TrainedModel(model, what.gate, found.theta, what.training)

    @contextlib.contextmanager
    def checkpoints(
        self, name: str, training: TrainingConfig, **about: Any
    ) -> Iterator[Checkpoints | None]:
        """Where a training keeps its state while it lasts; None where it keeps none.

        A state that is there is resumed, and goes when the block has ended well.
        """
        kept = self.store.path(f"checkpoints/{name}")
        about = {"model": self.name, **about}
        yield Checkpoints(kept, True, about, self.store.put) if training.save_every else None
        self.store.remove(kept)

    def save_model(self, model: Model, path: Path, *, dtype: str = "float32") -> None:
        """Write a model with its tokenizer where none is yet, once for all processes.

        Whether it is there only the first process asks: another might be late, and see it already.
        """
        tokenizer = self.tokenizer  # which every process makes, where it is made anew
        model = model._replace(params=whole_params(model.params))

        def write() -> None:
            if not path.is_dir():
                save_model(model, path, tokenizer=tokenizer, dtype=dtype)

        self.store.write(write)

    # -- numbers

    def objective(self, model: Model) -> Objective:
        """The loss of a model's own task."""
        model = _plain(model)
        return objective_for(model.config, model.readout)

    def measure(
        self, model: Model, task: PreparedTask, mask_LH: Mask | Gates | None = None
    ) -> Evaluation:
        """The task's metrics on what is held out, with heads masked, or gated."""
        return evaluate(
            self.objective(model), model.params, task.held_out, task.metrics,
            gate=_gate(model, mask_LH), mesh=self.mesh,
        )  # fmt: skip

    def score(
        self,
        model: Model,
        task: PreparedTask,
        *,
        name: str | None = None,
        method: Method = gradient(),  # noqa: B008 (a record of functions, never changed)
        unit: str | None = None,
        normalize: str = "none",
        limit: int | None = None,
        mask_LH: Mask | None = None,
    ) -> Scores:
        """The model's scores on training examples, under `name` also on disk.

        With a name, the effects on every example are kept too, by position as well, so that each
        reading of the gradient follows from one pass; `unit` is "token" then.
        """
        source = first_of(task.scored, limit)
        scores = score_heads(
            self.objective(model), model.params,
            self.reader.batches(source, task.lengths, self.run.scoring.batch_size),
            heads=model.config, method=method, unit="token" if name else unit, normalize=normalize,
            gate=mask_LH, mesh=self.mesh, keep=self.kept(name) if name else None,
            examples=len(source.lengths), model=f"{self.name}-{task.name}", progress=False,
        )  # fmt: skip
        if name:
            gather_kept(self.kept(name))
            self.store.show()
        return scores

    def kept(self, name: str) -> Path:
        """Where the effects on every example are."""
        return self.folder / "scores" / "kept" / f"{name}.npy"

    def save(self, name: str, scores: Scores) -> None:
        """Write scores to where `saved` finds them."""
        path = self.folder / "scores" / f"{name}.npz"
        self.store.write(functools.partial(save_scores, path, scores))

    def saved(self, name: str) -> Scores:
        """Scores that an earlier cell has written."""
        return load_scores(self.folder / "scores" / f"{name}.npz")


def study_models(run: Run, folder: Path) -> list[StudyModel]:
    """The models of a run, on its devices, in its folder."""
    mesh = open_mesh(run.devices)
    return [StudyModel(run, settings, folder, mesh) for settings in run.models]


def _seeded(training: TrainingConfig | None, seed: int) -> TrainingConfig:
    assert training is not None, "only what has settings is trained"
    return dataclasses.replace(training, seed=seed)


def _gate(model: Model, mask_LH: Mask | Gates | None) -> np.ndarray:
    """The mask as a gate, ones without one: with and without a mask it is one program."""
    shape = (model.config.num_layers, model.config.num_heads)
    return np.ones(shape, np.float32) if mask_LH is None else mask_LH.astype(np.float32)


def _plain(model: Model) -> Model:
    """The model without the names of its labels, so that like tasks share compiled programs."""
    labels = tuple(str(number) for number in range(len(model.readout.labels)))
    return model._replace(readout=dataclasses.replace(model.readout, labels=labels))
